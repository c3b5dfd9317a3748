"""How the tiny model is trained: the optimizer, the loop that resumes, what is given in a batch."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ltx_nb.pipeline.coords import image_coords
from ltx_nb.tiny import architecture
from ltx_nb.tiny.architecture import transformer
from ltx_nb.tiny.train import train
from ltx_nb.tiny.training.distillation import DistillationStage
from ltx_nb.tiny.training.loop import (
    STATE_NAME,
    WEIGHTS_NAME,
    TrainingStage,
    _rounded_state,
    _write,
    run_stage,
    stage_weights,
    table,
)
from ltx_nb.tiny.training.muon import Muon, orthogonalise
from ltx_nb.tiny.training.rendering import pictures
from ltx_nb.tiny.training.transformer import TASKS, TransformerStage, _keyframe_coords, kept_tokens
from ltx_nb.tiny.training.video_vae import VideoVaeStage, as_pixels
from ltx_nb.tiny.training.vocoder import spectral_distance
from ltx_nb.tiny.world import Scene


class LineFit(TrainingStage):
    """A stage small enough to run whole: one linear layer learns a fixed map."""

    name = "line_fit"
    save_every = 10

    def __init__(self, steps: int):
        self.phases = ((steps, 16),)

    def build(self):
        self.model = torch.nn.Linear(4, 4)
        return {"model": self.model}, Muon(self.model.named_parameters(), lr=0.05, adam_lr=0.01)

    def loss(self, rng, step):
        (batch,) = self.phase_at(step)
        x = torch.from_numpy(rng.standard_normal((batch, 4))).float()
        return (self.model(x) - x.flip(1)).square().mean(), {}

    def finish(self):
        return {"weight": float(self.model.weight.detach().sum())}


@pytest.mark.parametrize("rows, cols", [(8, 40), (40, 8), (16, 16)])
def test_orthogonalise_brings_singular_values_near_one(rows, cols):
    matrices = torch.randn(3, rows, cols, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert values.min() > 0.4 and values.max() < 1.3  # the quintic's own band; it trades exactness for few iterations


def learned(workdir) -> torch.Tensor:
    return stage_weights(workdir, "line_fit", "model")["weight"]


def test_a_stage_learns_and_records(tmp_path):
    result = run_stage(LineFit(200), tmp_path)
    rows = (tmp_path / "line_fit/log.jsonl").read_text().splitlines()
    assert len(rows) == 20 and '"loss"' in rows[0]
    assert (learned(tmp_path) - torch.eye(4).flip(0)).square().mean() < 0.05
    assert result.keys() == {"weight"}


class Interrupted(LineFit):
    """Ends in the middle, between two saves."""

    def loss(self, rng, step):
        if step == 37:
            raise KeyboardInterrupt
        return super().loss(rng, step)


@pytest.mark.parametrize("max_bytes", [60_000_000, 100], ids=["with moments", "without moments"])
def test_a_stage_goes_on_to_the_same_weights(tmp_path, monkeypatch, max_bytes):
    monkeypatch.setattr("ltx_nb.tiny.training.loop.MAX_STATE_BYTES", max_bytes)
    run_stage(LineFit(60), tmp_path / "whole")
    monkeypatch.setattr("ltx_nb.tiny.training.loop.WRITE_S", -1.0)  # at every step at which it could be
    with pytest.raises(KeyboardInterrupt):
        run_stage(Interrupted(60), tmp_path / "parts")
    assert run_stage(LineFit(60), tmp_path / "parts", until_s=0) is None
    run_stage(LineFit(60), tmp_path / "parts")
    assert torch.equal(learned(tmp_path / "whole"), learned(tmp_path / "parts"))


def test_averages_go_on_to_the_same_weights(workdir, tmp_path, monkeypatch):
    """The real transformer: its average is kept in fp16, beside the weights in training."""
    monkeypatch.setattr(TransformerStage, "phases", ((3, 200),))
    monkeypatch.setattr(TransformerStage, "save_every", 1)
    monkeypatch.setattr("ltx_nb.tiny.training.loop.WRITE_S", -1.0)
    run_stage(TransformerStage(workdir), tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(TransformerStage, "loss", _interrupted(TransformerStage.loss, at=2))
        with pytest.raises(KeyboardInterrupt):
            run_stage(TransformerStage(workdir), tmp_path / "parts")
    run_stage(TransformerStage(workdir), tmp_path / "parts")
    whole, parts = (stage_weights(tmp_path / name, "transformer", "transformer") for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())
    assert (tmp_path / "parts" / STATE_NAME).stat().st_size < 60e6


def _interrupted(loss, at):
    def stops(self, rng, step):
        if step == at:
            raise KeyboardInterrupt
        return loss(self, rng, step)

    return stops


def test_each_ear_hears_its_own_channel():
    torch.manual_seed(0)
    one = architecture.vocoder(channels=1).eval()
    two = architecture.both_ears(one).eval()
    mel = -6 + torch.randn(1, 2, 12, 64)
    with torch.no_grad():
        both = two(mel)
        alone = torch.cat([one(mel[:, :1]), one(mel[:, 1:])], 1)
    assert both.shape == alone.shape and alone.abs().max() > 1e-3
    torch.testing.assert_close(both, alone, atol=1e-5, rtol=1e-4)


def test_the_largest_state_is_small_enough_to_move(tmp_path):
    stage = VideoVaeStage()
    modules, optimizer = stage.build()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum"] = torch.zeros_like(parameter)
    _write(tmp_path / STATE_NAME, _rounded_state(modules, optimizer), stage, 1, 0.0)
    assert 40e6 < (tmp_path / STATE_NAME).stat().st_size < 60e6


def test_a_stage_does_not_go_on_from_anothers_state(tmp_path):
    run_stage(LineFit(30), tmp_path)
    other = LineFit(30)
    other.name = "other"
    run_stage(other, tmp_path)
    assert torch.equal(stage_weights(tmp_path, "other", "model")["weight"], learned(tmp_path))


def test_the_table_says_how_long_a_loss_took(tmp_path):
    run_stage(LineFit(200), tmp_path)
    titles, row = table(tmp_path, ("line_fit", "not begun")).splitlines()
    assert titles.split()[:4] == ["stage", "steps", "seconds", "loss"]
    assert row.split()[:2] == ["line_fit", "200"]


def test_a_time_that_is_over_ends_training_before_a_step(tmp_path):
    assert train(tmp_path, ["audio_vae"], minutes=0) is False
    assert not (tmp_path / STATE_NAME).exists()


def test_pictures_are_the_scenes_own():
    for scene in (Scene(), Scene("square", "white", "gray", "slide", width=96), Scene("triangle", motion="still")):
        torch.testing.assert_close(pictures([scene]), as_pixels(scene.frames()[None]), atol=2 / 255, rtol=0)


def test_phases_follow_each_other():
    stage = LineFit(1)
    stage.phases = ((3, "a"), (2, "b"))
    assert [stage.phase_at(step)[0] for step in range(7)] == ["a", "a", "a", "b", "b", "b", "b"]
    assert stage.total_steps == 5


@pytest.mark.parametrize("task", TASKS)
def test_what_is_given_leaves_something_to_generate(task):
    rng = np.random.default_rng(0)
    for _ in range(200):
        frames = int(rng.integers(4, 14))
        latents = round((8 * frames - 7) / 24 * 25)
        video, audio = kept_tokens(task, rng, frames, latents)
        assert video.shape == (frames,) and audio.shape == (latents,)
        assert not (video.all() and audio.all())
    if task == "first_frame":
        assert video.tolist() == [True] + [False] * (frames - 1) and not audio.any()
    if task == "whole_audio":
        assert audio.all() and not video.any()


def test_a_span_is_given_at_the_same_moment_on_both_timelines():
    rng = np.random.default_rng(1)
    for _ in range(100):
        video, audio = kept_tokens("prefix", rng, 13, 101)
        video_end_s = max(8 * video.sum() - 7, 0) / 24
        audio_end_s = max(4 * audio.sum() - 3, 0) / 100
        assert abs(video_end_s - audio_end_s) <= 8 / 24 + 0.04


def test_spectral_distance_is_zero_for_equal_sounds_and_grows_with_noise():
    sound = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, 8000, generator=torch.Generator().manual_seed(1))
    near, far = (float(spectral_distance(sound + level * noise, sound, (128, 512))) for level in (0.01, 0.5))
    assert float(spectral_distance(sound, sound, (128, 512))) == 0
    assert 0 < near < far


def test_keyframes_are_given_where_the_pipeline_puts_them():
    frames = torch.tensor([5, 48])
    rope = transformer().rope
    coords = _keyframe_coords(rope.prepare_video_coords(2, 7, 3, 5, "cpu", fps=24.0), frames, 15)
    for one, frame in zip(coords, frames, strict=True):
        expected = image_coords(float(frame) / 24, 24.0, 3, 5)
        torch.testing.assert_close(one[None], expected)


@pytest.fixture
def workdir(tmp_path):
    """A folder of a training with three stored clips."""
    scene = json.dumps([asdict(Scene())] * 3)
    tensors = {
        "video": torch.randn(3, 7, 2, 2, 128).half(),
        "audio": torch.randn(3, 51, 128).half(),
        "image": torch.randn(3, 2, 2, 128).half(),
        "image_frame": torch.tensor([48, 7, 1]),
    }
    (tmp_path / "latents").mkdir()
    save_file(tensors, tmp_path / "latents" / "64x64x49-000.safetensors", {"scenes": scene})
    return tmp_path


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["without keyframes", "with keyframes"])
def test_the_transformer_learns_from_stored_clips(workdir, monkeypatch, share):
    monkeypatch.setattr("ltx_nb.tiny.training.transformer.KEYFRAME_SHARE", share)
    stage = TransformerStage(workdir)
    stage.build()
    loss, numbers = stage.loss(np.random.default_rng(0), 0)
    loss.backward()
    assert torch.isfinite(loss) and numbers["count"] > 1
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in stage.transformer.parameters())


def test_a_distilled_model_begins_as_its_teacher_and_learns_what_guidance_adds(workdir, monkeypatch):
    teacher = TransformerStage(workdir)
    modules, _ = teacher.build()
    (workdir / "transformer").mkdir()
    named = {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    save_file({key: value.clone() for key, value in named.items()}, workdir / "transformer" / WEIGHTS_NAME)
    stage = DistillationStage(workdir)
    stage.build()

    def loss(task: str) -> float:
        monkeypatch.setattr("ltx_nb.tiny.training.transformer.TASKS", {task: 1.0})
        return stage.loss(np.random.default_rng(0), 0)[0].item()

    monkeypatch.setattr("ltx_nb.tiny.training.transformer.KEYFRAME_SHARE", 0.0)
    assert loss("nothing") > 0
    assert loss("prefix") == 0  # what is given says enough
    for scale in ("GUIDANCE_SCALE", "MODALITY_SCALE"):
        monkeypatch.setattr(f"ltx_nb.tiny.training.distillation.{scale}", 1.0)
    assert loss("nothing") == 0
