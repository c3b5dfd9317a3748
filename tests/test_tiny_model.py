"""The tiny model as it ships: an ordinary diffusers folder with every feature of LTX-2.3, and what it has learnt."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import LTX2Pipeline

import ltx_nb
from ltx_nb.tiny.train import WEIGHTS


@pytest.fixture(scope="module")
def session():
    return ltx_nb.load("tiny")


def test_the_folder_holds_safetensors_and_json_within_60_mb():
    files = [path for path in WEIGHTS.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json"}
    assert sum(path.stat().st_size for path in files) <= 60_000_000


def test_every_feature_of_2_3_is_on():
    transformer = json.loads((WEIGHTS / "transformer/config.json").read_text())
    for flag in ("gated_attn", "cross_attn_mod", "audio_gated_attn", "audio_cross_attn_mod", "perturbed_attn"):
        assert transformer[flag] is True
    assert transformer["use_prompt_embeddings"] is False and transformer["rope_type"] == "split"
    assert json.loads((WEIGHTS / "connectors/config.json").read_text())["per_modality_projections"] is True
    vae = json.loads((WEIGHTS / "vae/config.json").read_text())
    assert (vae["latent_channels"], vae["spatial_compression_ratio"], vae["temporal_compression_ratio"]) == (128, 32, 8)
    vocoder = json.loads((WEIGHTS / "vocoder/config.json").read_text())
    assert (vocoder["_class_name"], vocoder["output_sampling_rate"]) == ("LTX2VocoderWithBWE", 48_000)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_plain_diffusers_loads_and_runs_it(dtype):
    pipe = LTX2Pipeline.from_pretrained(WEIGHTS, torch_dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    made = pipe(
        "A red ball bounces on the floor in front of a navy background.",
        width=64,
        height=64,
        num_frames=9,
        num_inference_steps=2,
        guidance_scale=1.0,
        max_sequence_length=64,
        output_type="np",
    )
    assert made.frames.shape == (1, 9, 64, 64, 3) and np.isfinite(made.frames).all()
    assert made.audio.shape[:2] == (1, 2) and torch.isfinite(made.audio).all()


def test_the_folder_names_a_tokenizer_class_that_every_transformers_has():
    index = json.loads((WEIGHTS / "model_index.json").read_text())
    assert index["tokenizer"] == ["transformers", "PreTrainedTokenizerFast"]


def test_the_vae_statistics_make_latents_of_unit_spread(session):
    from ltx_nb.tiny.training.latent_clips import encode_scene
    from ltx_nb.tiny.world import random_scene

    rng = np.random.default_rng(3)
    pairs = [encode_scene(random_scene(rng, num_frames=25), session.pipe.vae, session.pipe.audio_vae) for _ in range(6)]
    for latents in zip(*pairs, strict=True):
        spread = torch.cat([x.flatten(0, -2) for x in latents]).std()
        assert 0.6 < spread < 1.6


def test_it_paints_what_the_prompt_names(session):
    from ltx_nb.tiny.world import BACKGROUNDS, COLOURS

    clip = session.text_to_video(
        "A red ball bounces on the floor in front of a teal background.", seed=3, progress=False
    )
    background = np.median(clip.frames, axis=(0, 1, 2))
    assert np.abs(background - BACKGROUNDS["teal"]).max() < 25
    distance = np.abs(clip.frames - background).sum(axis=-1)
    object_colour = np.median(clip.frames[distance > 0.7 * distance.max()], axis=0)
    nearest = min(COLOURS, key=lambda name: np.abs(object_colour - COLOURS[name]).sum())
    assert nearest == "red"


def test_training_code_names_the_folder_that_the_catalogue_loads():
    from ltx_nb.catalogue.models import MODELS

    assert Path(MODELS["tiny"].weights) == WEIGHTS
