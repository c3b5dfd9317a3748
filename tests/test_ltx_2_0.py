"""Folders of LTX-2.0: found by their configs, and run as diffusers runs them, at once and as for a small card."""

from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKLLTX2Video, LTX2Pipeline, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder

import ltx_nb
from ltx_nb import ClipRequest, Sampling
from ltx_nb.catalogue.checkpoints import find_model
from ltx_nb.catalogue.models import DEV_2_0, DISTILLED_2_0
from ltx_nb.pipeline.prepare import pack_video
from ltx_nb.planning import PRESETS
from ltx_nb.tiny import architecture

TOLERANCE = 1e-4
SIZE = {"width": 64, "height": 64, "num_frames": 9}
STEPS = {"guidance_scale": 3.0, "audio_guidance_scale": 3.0, "sigmas": (1.0, 0.5)}
HEADS, TEXT = {"num_attention_heads": 4, "audio_num_attention_heads": 4}, architecture.TEXT_DIM


def small_pipeline():
    """LTX-2.0's classes and flags, small and random: no gates, prompts neither modulated nor projected by modality."""
    torch.manual_seed(0)
    transformer = LTX2VideoTransformer3DModel(
        **HEADS,
        attention_head_dim=32,
        cross_attention_dim=128,
        audio_attention_head_dim=16,
        audio_cross_attention_dim=64,
        num_layers=3,
        caption_channels=TEXT,
        rope_type="split",
    )
    connectors = LTX2TextConnectors(
        caption_channels=TEXT,
        text_proj_in_factor=architecture.TEXT_LAYERS + 1,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=TEXT // 2,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=32,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=TEXT // 2,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=32,
        rope_type="split",
    )
    vae = AutoencoderKLLTX2Video(
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=(0, 1, 1, 1, 1),
        decoder_block_out_channels=(32, 64, 128),
        decoder_layers_per_block=(1, 1, 1, 1),
        decoder_causal=False,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    vocoder = LTX2Vocoder(hidden_channels=64, resnet_kernel_sizes=[3], resnet_dilations=[[1, 3]])
    return architecture.pipeline(transformer=transformer, connectors=connectors, vae=vae, vocoder=vocoder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ltx-2.0")
    small_pipeline().save_pretrained(path)
    return path


def run(session):
    """The clip, and the noisy latents of the first step."""
    start = []
    request = ClipRequest("A red ball bounces.", **SIZE, seed=3, sampling=Sampling(**STEPS))
    clip = session.run(
        request, progress=False, on_step=lambda e: start.append((e.latents.clone(), e.audio_latents.clone()))
    )
    return clip, start[0]


@pytest.fixture(scope="module")
def plain(folder):
    return run(ltx_nb.load(folder))


@pytest.mark.parametrize("shifts, like", [(True, DEV_2_0), (False, DISTILLED_2_0)])
def test_the_scheduler_tells_dev_from_distilled(folder, tmp_path, shifts, like):
    for name in ("transformer/config.json", "model_index.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((folder / name).read_text())
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(f'{{"use_dynamic_shifting": {str(shifts).lower()}}}')
    assert find_model(tmp_path) == replace(like, weights=str(tmp_path))


def test_a_session_is_LTX2Pipeline(folder, plain):
    clip, (noise, audio_noise) = plain
    pipe = LTX2Pipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    mean, std = (it.view(1, 8, 1, 16) for it in (pipe.audio_vae.latents_mean, pipe.audio_vae.latents_std))
    with torch.no_grad():
        theirs = pipe(
            prompt="A red ball bounces.",
            negative_prompt=DISTILLED_2_0.negative_prompt,
            latents=pack_video(noise[None]),
            audio_latents=audio_noise[None] * std + mean,
            max_sequence_length=architecture.MAX_PROMPT_TOKENS,
            output_type="latent",
            use_cross_timestep=False,
            stg_scale=0.0,
            audio_stg_scale=0.0,
            modality_scale=1.0,
            audio_modality_scale=1.0,
            guidance_rescale=0.0,
            audio_guidance_rescale=0.0,
            num_inference_steps=2,
            **SIZE,
            **STEPS | {"sigmas": list(STEPS["sigmas"])},
        )
    video = clip.latents[None] * pipe.vae.latents_std.view(1, -1, 1, 1, 1) + pipe.vae.latents_mean.view(1, -1, 1, 1, 1)
    assert (video - theirs.frames).abs().max() <= TOLERANCE
    assert (clip.audio_latents[None] * std + mean - theirs.audio).abs().max() <= TOLERANCE


def test_it_is_24_khz_sound_as_its_vocoder_makes_it(plain):
    clip, _ = plain
    assert clip.sample_rate == 24_000 and clip.audio.shape == (2, 9_000)
    assert clip.frames.shape == (9, 64, 64, 3)


def test_lean_and_streamed_it_makes_the_same_clip(folder, plain):
    card = replace(PRESETS["8gb"], weight_bytes=4, compute_bytes=4, resident_blocks=1)
    session = ltx_nb.load(folder, card, device="cpu", text="stream")
    assert session.fit.preset.lean
    clip, _ = run(session)
    assert torch.equal(clip.latents, plain[0].latents)
    assert torch.equal(clip.audio_latents, plain[0].audio_latents)
