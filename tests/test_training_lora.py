"""A LoRA is learned from clips on disk: what it changes, how it is resumed, cancelled and refused."""

import json
import os

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

from ltx_nb import Cancelled, Clip, ClipRequest, Sampling, load
from ltx_nb.cli import app
from ltx_nb.running.one_byte import ScaledLinear, quantise_blocks
from ltx_nb.running.streaming import stop_streaming, stream_blocks
from ltx_nb.tiny.world import Scene
from ltx_nb.training import read_dataset, train_lora
from ltx_nb.training.encoded import encode_dataset
from ltx_nb.training.flow import GIVEN, LatentClip, batch_loss, draw_given, draw_sigmas
from ltx_nb.training.lora_file import adapter_weights

SMALL = {"rank": 2, "lr": 1e-2, "batch_size": 2, "width": 64, "height": 64, "num_frames": 9, "progress": False}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Three clips of 9 frames and their captions."""
    folder = tmp_path_factory.mktemp("dataset")
    for name, colour in (("a", "red"), ("b", "green"), ("c", "blue")):
        scene = Scene(colour=colour, width=64, height=64, num_frames=9, phase=0.4)
        Clip(frames=scene.frames(), audio=scene.audio(), frame_rate=24.0, sample_rate=48_000).save(
            folder / f"{name}.mp4"
        )
        (folder / f"{name}.txt").write_text(scene.caption())
    return folder


@pytest.fixture
def random_session(fresh_random_session):
    return fresh_random_session


def weights_of(session):
    return {name: tensor.clone() for name, tensor in session.pipe.transformer.state_dict().items()}


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """(session, its transformer's weights before, the file) of six steps."""
    session = load("tiny")
    before = weights_of(session)
    out = train_lora(
        session, dataset, tmp_path_factory.mktemp("out") / "style.safetensors", steps=6, trigger="zap", **SMALL
    )
    return session, before, out


def test_the_file_has_official_keys_and_says_what_it_was_made_of(trained):
    _, _, out = trained
    with safe_open(out, framework="pt") as file:
        names, about = set(file.keys()), file.metadata()
    layer = "diffusion_model.transformer_blocks.0.audio_to_video_attn.to_q"
    assert {f"{layer}.lora_A.weight", f"{layer}.lora_B.weight"} <= names
    assert {about["trigger"], about["base_model"], about["rank"], about["steps"]} == {"zap", "tiny", "2", "6"}
    assert len(about["data_sha256"]) == 64


def test_the_session_is_as_it_was(trained):
    session, before, _ = trained
    after = session.pipe.transformer.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_the_kit_and_diffusers_read_the_file_alike(trained):
    _, before, out = trained
    ours = load("tiny", loras=[out]).pipe.transformer.state_dict()
    assert any(not torch.equal(ours[name], tensor) for name, tensor in before.items())
    theirs = load("tiny").pipe
    theirs.load_lora_weights(out)
    theirs.transformer.fuse_lora()
    theirs.transformer.unload_lora()
    fused = theirs.transformer.state_dict()
    assert all(torch.allclose(fused[name], ours[name], atol=1e-6) for name in ours)


def test_the_loss_falls(random_session, dataset, tmp_path):
    logs = []
    train_lora(
        random_session,
        dataset,
        tmp_path / "x.safetensors",
        steps=24,
        seed=3,
        on_step=lambda step, log: logs.append(log),
        **SMALL | {"rank": 8, "batch_size": 3},
    )
    total = [sum(losses.values()) for losses in logs[-1].losses]
    assert len(total) == 24
    assert np.mean(total[-8:]) < np.mean(total[:8])


def test_a_resumed_training_is_bit_for_bit_the_whole_one(random_session, dataset, tmp_path):
    whole = train_lora(random_session, dataset, tmp_path / "whole.safetensors", steps=5, **SMALL)

    def stop(step, log):
        if step == 2:
            random_session.cancel()

    out = tmp_path / "parts.safetensors"
    with pytest.raises(Cancelled, match="after 2 steps"):
        train_lora(random_session, dataset, out, steps=5, on_step=stop, **SMALL)
    assert not out.exists()
    steps = []
    train_lora(random_session, dataset, out, steps=5, on_step=lambda step, log: steps.append(step), **SMALL)
    assert steps == [3, 4, 5]
    parts = load_file(out)
    assert all(torch.equal(parts[name], tensor) for name, tensor in load_file(whole).items())


def test_a_state_of_another_training_is_refused(random_session, dataset, tmp_path):
    out = tmp_path / "x.safetensors"
    train_lora(random_session, dataset, out, steps=1, **SMALL)
    with pytest.raises(ValueError, match="of another training: rank was 2 and is 4"):
        train_lora(random_session, dataset, out, steps=2, **SMALL | {"rank": 4})
    train_lora(random_session, dataset, out, steps=1, resume=False, **SMALL | {"rank": 4})
    (out.with_suffix(".training") / "state.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match="is damaged"):
        train_lora(random_session, dataset, out, steps=2, **SMALL)


def test_a_state_of_other_clips_is_refused(random_session, dataset, tmp_path):
    out = tmp_path / "x.safetensors"
    train_lora(random_session, dataset, out, steps=1, **SMALL)
    rows = [{"caption": "Another.", "video": str(dataset / f"{name}.mp4")} for name in "abc"]
    (tmp_path / "others.json").write_text(json.dumps(rows))
    with pytest.raises(ValueError, match="of another training: its clips were others; go on with those, or remove it"):
        train_lora(random_session, tmp_path / "others.json", out, steps=2, **SMALL)


@pytest.mark.skipif(os.name != "posix", reason="how much a file may hold is limited as POSIX does")
def test_a_full_disk_loses_nothing(random_session, dataset, tmp_path):
    """Files of at most 0.2 MB: the clips are there, and the state, of about 1 MB, finds no room."""
    import resource

    out = tmp_path / "x.safetensors"
    train_lora(random_session, dataset, out, steps=1, **SMALL)
    state, before = out.with_suffix(".training") / "state.safetensors", out.read_bytes()
    kept = state.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"state\.safetensors, \d\.\d MB, cannot be written: .*as it was\. Make room"):
            train_lora(random_session, dataset, out, steps=2, **SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (state.read_bytes(), out.read_bytes()) == (kept, before)
    train_lora(random_session, dataset, out, steps=2, **SMALL)


def test_clips_of_mixed_rates_are_learned_at_one(random_session, dataset, tmp_path):
    """Of a second at 12 frames/s, as of one at 24, 25 frames are made at 24/s: those that there are, twice."""
    for rate in (12, 24):
        frames = np.zeros((rate + 1, 64, 64, 3), np.uint8)
        audio = np.zeros((2, 48_000 * (rate + 1) // rate), np.float32)
        Clip(frames=frames, audio=audio, frame_rate=rate, sample_rate=48_000).save(tmp_path / f"{rate}.mp4")
        (tmp_path / f"{rate}.txt").write_text("A ball.")
    sizes = {"width": 64, "height": 64, "num_frames": 25, "frame_rate": 24.0, "progress": False}
    clips = encode_dataset(random_session, read_dataset(tmp_path), tmp_path / "clips", **sizes)
    assert {clip.kind for clip in clips} == {clips[0].kind} and clips[0].latent_shape == (4, 2, 2)


def test_a_loss_that_is_no_number_ends_the_training_with_its_last_good_state(random_session, dataset, tmp_path):
    out = tmp_path / "x.safetensors"
    with pytest.raises(ValueError, match=r"the loss of step \d+ is (nan|inf).*smaller lr"):
        train_lora(random_session, dataset, out, steps=30, **SMALL | {"lr": 1e30})
    state = load_file(out.with_suffix(".training") / "state.safetensors")
    assert state and all(tensor.isfinite().all() for tensor in state.values())
    # What is kept is from before the step that spoilt it, and a smaller lr goes on from there.
    log = []
    train_lora(random_session, dataset, out, steps=3, on_step=lambda step, it: log.append(it), **SMALL)
    assert all(np.isfinite(list(losses.values())).all() for losses in log[-1].losses)


def test_one_lane_alone_changes_its_own_layers(random_session, dataset, tmp_path):
    out = train_lora(
        random_session, dataset, tmp_path / "x.safetensors", steps=2, targets="audio", lanes=["audio"], **SMALL
    )
    assert all("audio_attn" in name for name in load_file(out))


def test_samples_are_made_with_the_lora_as_it_is(random_session, dataset, tmp_path):
    from ltx_nb import ClipRequest

    request = ClipRequest("a red ball", width=64, height=64, num_frames=9, seed=1)
    plain = random_session.run(request, progress=False)
    logs = []
    train_lora(
        random_session,
        dataset,
        tmp_path / "x.safetensors",
        steps=2,
        samples=[request],
        sample_every=1,
        on_step=lambda step, log: logs.append(log),
        **SMALL,
    )
    steps, clips = zip(*logs[-1].samples, strict=True)
    assert steps == (1, 2)
    assert not torch.equal(clips[1].latents, plain.latents)
    assert torch.equal(random_session.run(request, progress=False).latents, plain.latents)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"steps": 0}, "steps"),
        ({"rank": 0}, "rank"),
        ({"lanes": ["picture"]}, "lanes"),
        ({"targets": "vdeo"}, "targets='vdeo' is not one of attention, video, audio"),
        ({"targets": ["to_qq"]}, r"targets='to_qq' is no layer of the transformer"),
        ({"given": {"first": 0.1}}, "first_frame"),
        ({"given": {"first_frame": 0.7, "prefix": 0.7}}, "add up to 1.4"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(random_session, dataset, tmp_path, change, error):
    with pytest.raises(ValueError, match=error):
        train_lora(random_session, dataset, tmp_path / "x.safetensors", **SMALL | {"steps": 1} | change)


def test_another_suffix_and_too_few_clips_are_refused(random_session, dataset, tmp_path):
    with pytest.raises(ValueError, match=r"nearest: x\.safetensors"):
        train_lora(random_session, dataset, tmp_path / "x.pt", steps=1, **SMALL)
    one = tmp_path / "one.json"
    one.write_text(json.dumps([{"caption": "A ball.", "video": str(dataset / "a.mp4")}]))
    with pytest.raises(ValueError, match="has 1 clip; a LoRA needs 2"):
        train_lora(random_session, one, tmp_path / "x.safetensors", steps=1, **SMALL)


def test_a_clip_without_sound_is_named(random_session, dataset, tmp_path):
    scene = Scene(width=64, height=64, num_frames=9)
    Clip(frames=scene.frames(), audio=None, frame_rate=24.0, sample_rate=None).save(tmp_path / "silent.mp4")
    rows = [{"caption": "A ball.", "video": str(dataset / "a.mp4")}, {"caption": "A ball.", "video": "silent.mp4"}]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=r"clip 2, silent\.mp4: it has no sound"):
        train_lora(random_session, tmp_path / "d.json", tmp_path / "x.safetensors", steps=1, **SMALL)
    train_lora(random_session, tmp_path / "d.json", tmp_path / "x.safetensors", steps=1, lanes=["video"], **SMALL)


def test_a_clip_is_encoded_once(random_session, dataset, tmp_path, monkeypatch):
    sizes = {"width": 64, "height": 64, "num_frames": 9, "frame_rate": 24.0, "progress": False}
    first = encode_dataset(random_session, read_dataset(dataset), tmp_path, **sizes)
    monkeypatch.setattr(random_session.pipe.vae, "encode", None)
    again = encode_dataset(random_session, read_dataset(dataset), tmp_path, **sizes)
    assert all(
        torch.equal(a.video, b.video) and torch.equal(a.audio, b.audio) for a, b in zip(first, again, strict=True)
    )


def a_clip():
    return LatentClip(torch.zeros(7 * 4, 128), torch.zeros(50, 128), (7, 2, 2), 24.0, {})


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_is_given_at_the_same_moments_on_both_lanes(name):
    generator = torch.Generator().manual_seed(0)
    frames, latents = draw_given({name: 1.0}, a_clip(), generator)
    wanted = {"nothing": (0, 0), "first_frame": (1, 0), "whole_audio": (0, 50), "whole_video": (7, 0)}
    if name in wanted:
        assert (int(frames.sum()), int(latents.sum())) == wanted[name]
    else:
        assert frames.any() and latents.any() and not frames.all() and not latents.all()
        # The share of time that is given differs by no more than a latent frame.
        assert abs(float(frames.float().mean()) - float(latents.float().mean())) < 2 / 7


REFERENCE_DRAWS = {1024: (0.6259, 0.2753, 0.6682, 0.9025), 4096: (0.7427, 0.4160, 0.8114, 0.9521)}


def test_noise_levels_are_those_of_the_reference():
    """Mean and quantiles (0.1, 0.5, 0.9) of a million draws of ltx-trainer at commit 400fd31."""
    generator = torch.Generator().manual_seed(0)
    for tokens in (1024, 4096):
        drawn = draw_sigmas(200_000, tokens, generator)
        assert float(drawn.min()) > 0 and float(drawn.max()) <= 1
        assert (float(drawn.mean()), *drawn.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()) == pytest.approx(
            REFERENCE_DRAWS[tokens], abs=5e-3
        )


def test_the_command_trains_and_says_what_it_made(dataset, tmp_path):
    out = tmp_path / "style.safetensors"
    command = ["train-lora", "--data", str(dataset), "--out", str(out), "--steps", "2", "--rank", "2"]
    result = CliRunner().invoke(app, [*command, "--size", "64x64", "--frames", "9", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout.splitlines()[-1])
    assert (said["path"], said["steps"], len(said["losses"])) == (str(out), 2, 2)
    assert out.is_file()


@pytest.fixture
def control_dataset(dataset, tmp_path):
    """The three clips, each made after another one's picture, half as large."""
    rows = [{"caption": f"{name}.", "video": str(dataset / f"{name}.mp4")} for name in "abc"]
    for row, other in zip(rows, "bca", strict=True):
        row["reference_video"] = str(dataset / f"{other}.mp4")
    table = tmp_path / "dataset.json"
    table.write_text(json.dumps(rows))
    return table


def test_an_ic_lora_is_trained_kept_and_asks_for_its_reference(random_session, control_dataset, dataset, tmp_path):
    settings = SMALL | {"reference": "reference_video", "reference_downscale_factor": 2, "width": 128, "height": 64}
    out = train_lora(random_session, control_dataset, tmp_path / "control.safetensors", steps=2, **settings)
    with safe_open(out, framework="pt") as file:
        assert file.metadata()["reference_downscale_factor"] == "2"
    session = load("tiny", loras=[out])
    short = {"width": 128, "height": 64, "num_frames": 9, "sampling": Sampling(num_inference_steps=1)}
    clip = session.text_to_video("A ball.", references=[dataset / "a.mp4"], progress=False, **short)
    assert clip.request.reference_downscale_factor == 2
    again = read_dataset(control_dataset, "reference_video")
    kept = {"width": 128, "height": 64, "num_frames": 9, "frame_rate": 24.0, "progress": False}
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "control.training" / "clips").iterdir()}
    clips = encode_dataset(
        random_session, again, tmp_path / "control.training" / "clips", **kept, reference_downscale_factor=2
    )
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "control.training" / "clips").iterdir()} == before
    assert clips[0].references[0].shape == (2 * 1 * 2, 128) and clips[0].reference_shapes == ((2, 1, 2),)


def test_a_reference_is_seen_while_a_clip_is_learned(random_session, control_dataset, tmp_path):
    """Another reference is another loss, of the same clip, noise and timestep."""
    kept = {"width": 64, "height": 64, "num_frames": 9, "frame_rate": 24.0, "progress": False}
    examples = read_dataset(control_dataset, "reference_video")
    first, second, _ = encode_dataset(random_session, examples, tmp_path / "clips", **kept)
    swapped = LatentClip(**vars(first) | {"references": second.references})
    transformer = random_session.pipe.transformer
    with torch.no_grad():
        losses = [
            batch_loss(transformer, [clip], torch.Generator().manual_seed(0), {})["video"] for clip in (first, swapped)
        ]
    assert losses[0] != losses[1]


def test_each_of_several_references_is_seen_and_the_file_names_them(random_session, control_dataset, tmp_path):
    rows = json.loads(control_dataset.read_text())
    for row, other in zip(rows, "cab", strict=True):
        row["reference_picture"] = row["video"].replace(f"{row['caption'][0]}.mp4", f"{other}.mp4")
    control_dataset.write_text(json.dumps(rows))
    columns = ("reference_picture", "reference_video")
    out = train_lora(random_session, control_dataset, tmp_path / "two.safetensors", steps=1, reference=columns, **SMALL)
    with safe_open(out, framework="pt") as file:
        assert json.loads(file.metadata()["references"]) == list(columns)
    kept = {"width": 64, "height": 64, "num_frames": 9, "frame_rate": 24.0, "progress": False}
    examples = read_dataset(control_dataset, columns)
    assert [file.name for file in examples[0].references] == ["c.mp4", "b.mp4"]
    clip, *_ = encode_dataset(random_session, examples, tmp_path / "two.training" / "clips", **kept)
    first, second = clip.references
    losses = []
    for seen in ((first, second), (second, second), (first, first)):
        changed = LatentClip(**vars(clip) | {"references": seen})
        with torch.no_grad():
            drawn = torch.Generator().manual_seed(0)
            losses.append(float(batch_loss(random_session.pipe.transformer, [changed], drawn, {})["video"]))
    assert len(set(losses)) == 3


def test_a_reference_sound_is_heard_while_a_clip_is_learned(random_session, control_dataset, tmp_path):
    rows = json.loads(control_dataset.read_text())
    for number, row in enumerate(rows):
        sound = np.random.default_rng(number).uniform(-0.2, 0.2, (2, 12_000)).astype(np.float32)
        Clip(audio=sound, sample_rate=48_000).save(tmp_path / f"{number}.wav")
        row["reference_audio"] = f"{number}.wav"
        del row["reference_video"]
    control_dataset.write_text(json.dumps(rows))
    with pytest.raises(
        ValueError, match=r"has reference_audio, .* nearest: train_lora\(..., reference='reference_audio"
    ):
        read_dataset(control_dataset)
    settings = SMALL | {"reference": "reference_audio"}
    train_lora(random_session, control_dataset, tmp_path / "voice.safetensors", steps=1, **settings)
    kept = {"width": 64, "height": 64, "num_frames": 9, "frame_rate": 24.0, "progress": False}
    examples = read_dataset(control_dataset, "reference_audio")
    first, second, _ = encode_dataset(random_session, examples, tmp_path / "voice.training" / "clips", **kept)
    (heard,) = first.reference_sounds
    assert heard.shape == (6, 128) and not first.references
    swapped = LatentClip(**vars(first) | {"reference_sounds": second.reference_sounds})
    with torch.no_grad():
        losses = [
            batch_loss(random_session.pipe.transformer, [clip], torch.Generator().manual_seed(0), {})["audio"]
            for clip in (first, swapped)
        ]
    assert losses[0] != losses[1]


def test_a_column_of_references_is_named_once(control_dataset):
    with pytest.raises(ValueError, match="names the column 'reference_video' twice"):
        read_dataset(control_dataset, ["reference_video", "reference_video"])


def test_a_clip_without_its_reference_is_named(control_dataset):
    rows = json.loads(control_dataset.read_text())
    del rows[1]["reference_video"]
    control_dataset.write_text(json.dumps(rows))
    with pytest.raises(ValueError, match="row 2 has no reference_video; every clip needs the video or picture that it"):
        read_dataset(control_dataset, "reference_video")


def test_a_reference_that_is_not_asked_for_says_how(control_dataset):
    with pytest.raises(
        ValueError, match=r"row 1 has reference_video, .* nearest: train_lora\(..., reference='reference"
    ):
        read_dataset(control_dataset)


def turned_back(transformer):
    """Each one-byte layer as a Linear of the weights that it multiplies by."""
    for name, layer in list(transformer.named_modules()):
        if isinstance(layer, ScaledLinear):
            linear = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
            linear.weight.data, linear.bias = layer.dequantised(torch.float32), layer.bias
            transformer.set_submodule(name, linear.requires_grad_(False))


def test_one_byte_weights_are_learned_through_as_those_they_stand_for(random_session, dataset, tmp_path):
    transformer = random_session.pipe.transformer
    quantise_blocks(transformer)
    layers = [name for name, layer in transformer.named_modules() if isinstance(layer, ScaledLinear)]
    one = train_lora(random_session, dataset, tmp_path / "one.safetensors", steps=2, **SMALL)
    assert layers == [name for name, layer in transformer.named_modules() if isinstance(layer, ScaledLinear)]
    turned_back(transformer)
    other = train_lora(random_session, dataset, tmp_path / "other.safetensors", steps=2, **SMALL)
    one, other = load_file(one), load_file(other)
    assert list(one) == list(other) and any(tensor.any() for name, tensor in one.items() if "lora_B" in name)
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("source", ["ram", "disk"])
def test_blocks_that_stream_are_learned_through_as_those_that_stay(random_session, dataset, tmp_path, source):
    transformer = random_session.pipe.transformer
    settings = SMALL | {"gradient_checkpointing": True, "steps": 2}
    stays = load_file(train_lora(random_session, dataset, tmp_path / "stays.safetensors", **settings))
    request = ClipRequest("A ball.", width=64, height=64, num_frames=9, sampling=Sampling(num_inference_steps=1))
    before = random_session.run(request, progress=False)
    stream_blocks(transformer, "cpu", resident=1, source=source)
    try:
        with pytest.raises(ValueError, match=r"blocks stream, .* nearest: gradient_checkpointing=True"):
            train_lora(
                random_session, dataset, tmp_path / "x.safetensors", **settings | {"gradient_checkpointing": False}
            )
        streams = load_file(train_lora(random_session, dataset, tmp_path / "streams.safetensors", **settings))
        assert np.array_equal(random_session.run(request, progress=False).frames, before.frames)
    finally:
        stop_streaming(transformer)
    assert all(torch.equal(tensor, streams[name]) for name, tensor in stays.items())


def test_bf16_weights_are_learned_on_in_float32(dataset, tmp_path):
    session = load("tiny", dtype=torch.bfloat16)
    kept = []
    settings = SMALL | {"steps": 1, "on_step": lambda step, log: kept.append(adapter_weights(session.pipe.transformer))}
    out = train_lora(session, dataset, tmp_path / "half.safetensors", **settings)
    assert {tensor.dtype for tensor in kept[0].values()} == {torch.float32}
    assert {tensor.dtype for tensor in load_file(out).values()} == {torch.bfloat16}
