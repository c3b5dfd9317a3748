"""Running: cancel, failure, trace, words, re-runs from a file, many runs in one session."""

import _thread
import gc
import os
import threading
from collections import Counter

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import save_file

import ltx_nb
from ltx_nb.catalogue.models import DEV, DISTILLED, SHIFT, TINY
from ltx_nb.pipeline import Cancelled
from ltx_nb.pipeline.session import _scheduler_for
from ltx_nb.request import ClipRequest, Sampling
from ltx_nb.trace import FORMAT, Trace

PROMPT = "A red ball bounces."
SMALL = {"width": 64, "height": 64, "num_frames": 9, "progress": False}
TWO_STEPS = Sampling(num_inference_steps=2)


@pytest.fixture(scope="module")
def clip(random_session):
    return random_session.text_to_video(PROMPT, seed=3, sampling=TWO_STEPS, **SMALL)


def stop_at(index, stop):
    def on_step(event):
        if event.index == index:
            stop()

    return on_step


def test_clip_has_frames_and_sound_of_one_length(clip):
    assert clip.frames.shape == (9, 64, 64, 3) and clip.frames.dtype == np.uint8
    assert clip.audio.shape == (2, round(9 / 24 * 48_000)) and clip.audio.dtype == np.float32
    assert clip.latents.shape == (128, 2, 2, 2) and clip.audio_latents.shape == (8, 9, 16)


def test_missing_length_and_size_are_the_models(random_session):
    seen = []
    with pytest.raises(ZeroDivisionError):
        random_session.text_to_video(PROMPT, progress=False, on_step=lambda event: seen.append(event) or 1 / 0)
    assert (seen[0].latents.shape, seen[0].num_steps) == ((128, 7, 4, 4), 8)


def test_seconds_become_the_nearest_frames(random_session):
    assert random_session.text_to_video(PROMPT, seconds=0.4, **SMALL | {"num_frames": None}).num_frames == 9


def test_seconds_and_num_frames_together_are_refused(random_session):
    with pytest.raises(ValueError, match="seconds and num_frames are both given"):
        random_session.text_to_video(PROMPT, seconds=1, **SMALL)


def test_unknown_words_are_named(random_session):
    with pytest.warns(UserWarning, match="tiny does not know 'zebra', 'moon'"):
        random_session.text_to_video("A red zebra on the moon, zebra.", sampling=TWO_STEPS, **SMALL)


def test_a_word_that_is_misspelt_is_told_with_its_nearest(random_session):
    with pytest.warns(UserWarning, match=r"'gren' \(did you mean 'green'\?\), 'zebra'; the clip"):
        random_session.text_to_video("A gren zebra.", sampling=TWO_STEPS, **SMALL)


def test_words_past_the_last_token_are_named(random_session):
    with pytest.warns(UserWarning, match="over 64 tokens; 'ball.' is not read"):
        random_session.text_to_video("red " * 63 + "ball.", sampling=TWO_STEPS, **SMALL)


def test_cancel_from_another_thread_ends_before_the_next_step(random_session):
    def cancel():
        thread = threading.Thread(target=random_session.cancel)
        thread.start()
        thread.join()

    with pytest.raises(Cancelled) as caught:
        random_session.text_to_video(PROMPT, trace=True, on_step=stop_at(1, cancel), **SMALL)
    assert len(caught.value.trace) == 2


def test_ctrl_c_is_a_cancel(random_session):
    with pytest.raises(Cancelled) as caught:
        random_session.text_to_video(PROMPT, trace=True, on_step=stop_at(0, _thread.interrupt_main), **SMALL)
    assert len(caught.value.trace) in (1, 2)


def test_cancel_after_the_last_step_still_cancels(random_session):
    with pytest.raises(Cancelled):
        random_session.text_to_video(PROMPT, on_step=stop_at(1, random_session.cancel), sampling=TWO_STEPS, **SMALL)


def test_session_runs_at_once_after_cancel_and_after_failure(random_session, clip):
    with pytest.raises(Cancelled):
        random_session.text_to_video(PROMPT, on_step=stop_at(0, random_session.cancel), **SMALL)
    with pytest.raises(ZeroDivisionError):
        random_session.text_to_video(PROMPT, on_step=lambda _: 1 / 0, **SMALL)
    again = random_session.text_to_video(PROMPT, seed=3, sampling=TWO_STEPS, **SMALL)
    assert torch.equal(again.latents, clip.latents) and np.array_equal(again.frames, clip.frames)


def test_cancel_of_an_idle_session_does_not_reach_the_next_run(random_session):
    random_session.cancel()
    random_session.text_to_video(PROMPT, sampling=TWO_STEPS, **SMALL)


def test_trace_has_every_step_of_both_lanes(random_session):
    seen = []
    clip = random_session.text_to_video(
        PROMPT, trace=True, on_step=lambda event: seen.append(event.x0.clone()), sampling=TWO_STEPS, **SMALL
    )
    assert [(step.index, step.num_steps, step.stage) for step in clip.trace.steps] == [(0, 2, 1), (1, 2, 1)]
    assert [step.sigma for step in clip.trace.steps] == pytest.approx([1.0, SHIFT / (SHIFT + 1)])
    for step, x0 in zip(clip.trace.steps, seen, strict=True):
        assert torch.equal(step.x0, x0.half())
        assert step.audio_x0.shape == step.audio_latents.shape == clip.audio_latents.shape
        assert step.predictions == {}
    assert torch.allclose(clip.trace.steps[-1].x0.float(), clip.latents, atol=1e-2)  # the last step goes all the way


def test_trace_has_the_passes_where_there_is_guidance(random_session):
    sampling = Sampling(num_inference_steps=1, guidance_scale=3.0, audio_stg_scale=1.0)
    step = random_session.text_to_video(PROMPT, trace=True, sampling=sampling, **SMALL).trace.steps[0]
    assert set(step.predictions) == {"pred_cond", "pred_uncond", "pred_cond_stg"}
    video = {name: both[0].float() for name, both in step.predictions.items()}
    guided = video["pred_cond"] + 2.0 * (video["pred_cond"] - video["pred_uncond"])
    assert torch.allclose(step.x0.float(), guided, atol=0.05)


def test_trace_survives_a_file(random_session, tmp_path):
    sampling = Sampling(num_inference_steps=2, guidance_scale=3.0)
    trace = random_session.text_to_video(PROMPT, trace=True, sampling=sampling, **SMALL).trace
    back = Trace.load(trace.save(tmp_path / "run.safetensors"))
    assert [step.sigma for step in back.steps] == [step.sigma for step in trace.steps]
    for mine, other in zip(back.steps, trace.steps, strict=True):
        assert {name: tensor.tolist() for name, tensor in mine.tensors()} == {
            name: tensor.tolist() for name, tensor in other.tensors()
        }
    assert os.listdir(tmp_path) == ["run.safetensors"]


def test_another_file_is_no_trace(tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"other\.safetensors' is not a trace"):
        Trace.load(path)
    for metadata in ({}, {"format": FORMAT}, {"format": FORMAT, "trace": "{"}, {"format": FORMAT, "trace": "{}"}):
        save_file({}, path, metadata)
        with pytest.raises(ValueError, match=r"other\.safetensors' is not a trace"):
            Trace.load(path)


@pytest.mark.parametrize("budget_kb", [1000, 60, 30, 10, 1])
def test_trace_keeps_to_its_budget(random_session, budget_kb):
    # A step here: 128 x 8 + 8 x 9 x 16 values in fp16 is 4.4 kB of x0, as much of latents, three times that of passes.
    sampling = Sampling(num_inference_steps=4, guidance_scale=3.0, stg_scale=1.0)
    trace = random_session.text_to_video(
        PROMPT, trace=True, trace_budget_mb=budget_kb / 1000, sampling=sampling, **SMALL
    ).trace
    assert len(trace) == 4 and trace.num_bytes <= 1000 * budget_kb
    assert bool(trace.notes) == (budget_kb < 1000)
    assert (trace.steps[-1].x0 is not None) == (budget_kb >= 10)


def test_clip_is_made_again_from_its_mp4(random_session, clip, tmp_path):
    extended = random_session.extend(clip, 0.4, overlap_s=0.1, sampling=TWO_STEPS, progress=False)
    path = extended.save(tmp_path / "extended.mp4")
    again = random_session.run(ClipRequest.from_file(path), progress=False)
    assert torch.equal(again.latents, extended.latents)
    assert torch.equal(again.audio_latents, extended.audio_latents)
    assert np.array_equal(again.frames, extended.frames) and np.array_equal(again.audio, extended.audio)


def test_missing_upsampler_is_said_before_anything_runs(random_session):
    with pytest.raises(ValueError, match="needs a latent upsampler, and tiny was loaded without one"):
        random_session.text_to_video(PROMPT, two_stage=True, width=128, height=128, progress=False)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights in .*: it has no model_index.json"):
        ltx_nb.load("tiny", folder=tmp_path)


def test_given_sigmas_are_the_ones_stepped_through(random_session):
    seen = []
    sampling = Sampling(sigmas=(0.9, 0.3))
    random_session.text_to_video(PROMPT, sampling=sampling, on_step=lambda event: seen.append(event.sigma), **SMALL)
    assert seen == pytest.approx([0.9, 0.3])


def test_a_scheduler_that_shifts_by_size_takes_given_sigmas_as_they_are(random_session):
    dev = random_session.pipe.scheduler.from_config(
        random_session.pipe.scheduler.config, use_dynamic_shifting=True, shift_terminal=0.1
    )
    plain = _scheduler_for(dev)
    plain.set_timesteps(sigmas=[0.9, 0.3])
    assert plain.sigmas.tolist() == pytest.approx([0.9, 0.3, 0.0])


def test_models_complete_what_a_request_leaves_open():
    assert TINY.complete(Sampling()).num_inference_steps == len(TINY.complete(Sampling()).sigmas) == 8
    assert TINY.complete(Sampling(num_inference_steps=2)).sigmas == pytest.approx((1.0, SHIFT / (SHIFT + 1)))
    assert DEV.complete(Sampling(guidance_scale=2.0)).guidance_scale == 2.0
    assert len(DEV.complete(Sampling()).sigmas) == DEV.complete(Sampling()).num_inference_steps == 30
    assert DISTILLED.complete(Sampling(sigmas=(1.0, 0.5))).num_inference_steps == 2


def test_distilled_model_refuses_steps_it_was_not_made_for():
    with pytest.raises(ValueError, match=r"num_inference_steps=4 .* nearest: 8"):
        DISTILLED.complete(Sampling(num_inference_steps=4))


def test_fifty_mixed_runs_leave_no_memory_and_no_trace_of_themselves(random_session, fresh_random_session, clip):
    """Five tasks by turns, each cancelled twice and failing once; the last clip is the one of a fresh session."""
    options = {"sampling": Sampling(num_inference_steps=1), "progress": False}
    tasks = [
        lambda **more: random_session.text_to_video(PROMPT, **SMALL | options | more),
        lambda **more: random_session.image_to_video(PROMPT, clip.frames[0], **SMALL | options | more),
        lambda **more: random_session.extend(clip, 0.4, overlap_s=0.1, **options | more),
        lambda **more: random_session.video_to_audio(clip, **options | more),
        lambda **more: random_session.audio_to_video(PROMPT, clip, width=64, height=64, **options | more),
    ]
    used, ended = [], Counter()
    for run in range(50):
        turn, which = divmod(run, len(tasks))
        if which == turn % 5:
            with pytest.raises(Cancelled):
                tasks[which](on_step=stop_at(0, random_session.cancel))
            ended["cancelled"] += 1
        elif turn % 2 and which == (turn + 1) % 5:
            with pytest.raises(ZeroDivisionError):
                tasks[which](on_step=lambda _: 1 / 0)
            ended["failed"] += 1
        else:
            tasks[which](trace=run % 2 == 0)
        if run in (9, 49):  # allocators and caches have settled after the first of each kind
            gc.collect()
            used.append(psutil.Process().memory_info().rss / 1e6)
    assert ended == {"cancelled": 10, "failed": 5}
    assert used[1] - used[0] <= 100
    last, first = (
        session.text_to_video(PROMPT, seed=3, sampling=TWO_STEPS, **SMALL)
        for session in (random_session, fresh_random_session)
    )
    assert torch.equal(last.latents, first.latents) and torch.equal(last.audio_latents, first.audio_latents)
    assert np.array_equal(last.frames, first.frames) and np.array_equal(last.audio, first.audio)


def test_hidden_states_of_the_prompt_are_let_go_of_before_the_first_step(random_session):
    """They are 0.39 GB a prompt with the real model, and would lie on the card to the end of the run."""
    config, found = random_session.pipe.connectors.config, []

    def count(_):
        tensors = [it for it in gc.get_objects() if type(it) is torch.Tensor]
        found.append(sum(it.shape[-1:] == (config.caption_channels * config.text_proj_in_factor,) for it in tensors))

    count(None)  # what other tests hold
    random_session.text_to_video(PROMPT, seed=3, sampling=TWO_STEPS, on_step=count, **SMALL)
    assert found == [found[0]] * 3
