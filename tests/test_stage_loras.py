"""LoRAs of the second stage alone, and what else sets the two stages of the dev models apart."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from test_lean import inputs

from ltx_nb.catalogue.models import DEV, DISTILLED, TINY
from ltx_nb.catalogue.parameters import parameter_counts
from ltx_nb.loading import load, with_loras
from ltx_nb.loading.loras import fuse_loras, parameters_of_loras, switched_loras
from ltx_nb.loading.model_files import stage_2_lora_of
from ltx_nb.loading.stored import WeightsError
from ltx_nb.pipeline.session import Session
from ltx_nb.planning.presets import PRESETS
from ltx_nb.request import ClipRequest
from ltx_nb.running.lean import make_lean
from ltx_nb.running.one_byte import multiply_in, quantise_blocks
from ltx_nb.running.streaming import stream_blocks
from ltx_nb.stages import stages_of
from ltx_nb.tiny import architecture

PROMPT = "A red ball bounces on the floor in front of a navy background."
LAYERS = ("transformer_blocks.0.attn1.to_q", "transformer_blocks.3.ff.net.2", "transformer_blocks.3.audio_ff.net.2")
RANK, STRENGTH = 4, 0.8
TWO_STAGES = {"width": 128, "height": 128, "num_frames": 17, "seed": 3, "two_stage": True, "progress": False}


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    """Official names, and a layer of the connectors, as the distilled LoRA may have one."""
    path = tmp_path_factory.mktemp("loras") / "distilled.safetensors"
    model, generator = architecture.transformer(), torch.Generator().manual_seed(1)
    tensors = {}
    for name in LAYERS:
        rows, columns = model.get_submodule(name).weight.shape
        for part, shape in (("A", (RANK, columns)), ("B", (rows, RANK))):
            tensors[f"diffusion_model.{name}.lora_{part}.weight"] = 0.1 * torch.randn(shape, generator=generator)
    save_file(tensors, path)
    return path


def transformer():
    torch.manual_seed(0)
    return architecture.transformer().eval().requires_grad_(False)


def in_int8(model):
    quantise_blocks(model)
    multiply_in(model, "int8", torch.device("cpu"))


@torch.no_grad()
def forward(model):
    float32 = {name: it.float() if torch.is_tensor(it) else it for name, it in inputs().items()}
    return model(**float32)


@pytest.mark.parametrize("way", ["stock", "lean", "streamed"])
def test_on_it_is_the_fused_lora_and_off_it_is_not_there(lora, way):
    plain, fused, switched = transformer(), transformer(), transformer()
    fuse_loras({"transformer": fused}, [(lora, STRENGTH)])
    loras = switched_loras(switched, [(lora, STRENGTH)])
    if way == "lean":
        make_lean(switched)
    if way == "streamed":
        stream_blocks(switched, "cpu", resident=1)
    for found, expected in zip(forward(switched), forward(plain), strict=True):
        assert torch.equal(found, expected)
    with loras.on():
        changed = forward(switched)
    for found, expected, before in zip(changed, forward(fused), forward(plain), strict=True):
        assert (found - expected).norm() <= 1e-5 * expected.norm()
        assert (found - before).norm() > 0.01 * before.norm()


def test_weights_of_one_byte_take_it_too(lora):
    """Rounding of weights and activations is less than half of what the LoRA changes."""
    plain, fused, switched = transformer(), transformer(), transformer()
    for model in (plain, fused, switched):
        in_int8(model)
    loras = switched_loras(switched, [(lora, STRENGTH)])
    make_lean(switched)
    assert all(torch.equal(*both) for both in zip(forward(switched), forward(plain), strict=True))
    with loras.on():
        changed = forward(switched)
    fuse_loras({"transformer": fused}, [(lora, STRENGTH)])
    for found, expected, before in zip(changed, forward(fused), forward(plain), strict=True):
        assert (found - expected).norm() < 0.5 * (before - expected).norm()


def test_a_loaded_session_has_it_on_in_the_second_stage_alone(session, lora):
    refined = load("tiny", stage_2_loras=(lora, STRENGTH))
    steps, plain_steps = [], []
    refined.text_to_video(PROMPT, on_step=lambda e: steps.append((e.stage, e.x0.clone())), **TWO_STAGES)
    session.text_to_video(PROMPT, on_step=lambda e: plain_steps.append((e.stage, e.x0.clone())), **TWO_STAGES)
    for (stage, found), (_, plain) in zip(steps, plain_steps, strict=True):
        assert torch.equal(found, plain) == (stage == 1)


def test_a_dora_cannot_be_of_one_stage(tmp_path):
    path, name = tmp_path / "dora.safetensors", f"diffusion_model.{LAYERS[0]}"
    rows, columns = transformer().get_submodule(LAYERS[0]).weight.shape
    tensors = {"lora_A.weight": (RANK, columns), "lora_B.weight": (rows, RANK), "dora_scale": (rows, 1)}
    save_file({f"{name}.{part}": torch.ones(shape) for part, shape in tensors.items()}, path)
    with pytest.raises(WeightsError, match="a LoRA of one stage, or of one run, has pairs of down and up alone"):
        switched_loras(transformer(), [path])


def test_the_dev_model_finds_its_lora_beside_its_file(tmp_path, monkeypatch):
    entry = replace(DEV, weights=str(tmp_path))
    monkeypatch.setattr("ltx_nb.loading.model_files.local_snapshot", lambda files: None)
    assert stage_2_lora_of(entry) == ()
    (tmp_path / "ltx-2.3-22b-distilled-lora-384-1.1.safetensors").touch()
    assert stage_2_lora_of(entry) == ((tmp_path / "ltx-2.3-22b-distilled-lora-384-1.1.safetensors", 0.8),)
    assert stage_2_lora_of(replace(DISTILLED, weights=str(tmp_path))) == ()


def test_without_the_lora_that_its_second_stage_is_made_for_a_model_says_so(session):
    of_dev = Session(session.pipe, replace(TINY, stage_2_lora=DEV.stage_2_lora))
    with pytest.warns(UserWarning, match=r"made for the LoRA ltx-2\.3-22b-distilled-lora-384-1\.1\.safetensors, which"):
        of_dev.text_to_video(PROMPT, **TWO_STAGES)


def test_a_lora_beside_the_weights_is_reckoned_with(lora):
    counts, preset = parameter_counts(DEV), PRESETS["8gb"]
    assert preset.weight_bytes == 1
    more = with_loras(counts, 48_000_000, preset)
    assert (more.block - counts.block) * preset.weight_bytes == 1_000_000 * preset.compute_bytes
    shapes = [transformer().get_submodule(name).weight.shape for name in LAYERS]
    assert parameters_of_loras([lora]) == sum(RANK * (rows + columns) for rows, columns in shapes)


def test_dev_ends_with_the_first_stage_s_sound_and_the_second_s_picture(session):
    dev = Session(session.pipe, replace(TINY, keeps_first_sound=True))
    half = dev.text_to_video(PROMPT, **TWO_STAGES | {"width": 64, "height": 64, "two_stage": False})
    whole = dev.text_to_video(PROMPT, **TWO_STAGES)
    assert torch.equal(whole.audio_latents, half.audio_latents) and (whole.audio == half.audio).all()
    refined = session.text_to_video(PROMPT, **TWO_STAGES)
    assert (whole.frames == refined.frames).all() and not torch.equal(refined.audio_latents, half.audio_latents)


@pytest.mark.parametrize("model, first", [(DEV, ("audio",)), (DISTILLED, ()), (TINY, ())])
def test_each_lane_is_decoded_after_the_stage_that_ends_it(model, first):
    request = ClipRequest(PROMPT, width=128, height=128, num_frames=17, two_stage=True)
    both = [stage.decoded for stage in stages_of(model, request)]
    assert both == [first, tuple(lane for lane in ("video", "audio") if lane not in first)]
