"""RunPanel: runs in a thread, cancels within a step, goes on after errors, keeps what was made."""

import io
import sys
import threading
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltx_nb.catalogue.models import TINY
from ltx_nb.clip import Clip
from ltx_nb.media import Media
from ltx_nb.planning import OutOfMemory, plan
from ltx_nb.request import ClipRequest, Given, Source
from ltx_nb.trace import Cancelled, StepEvent
from ltx_widgets.run_panel import RunPanel
from ltx_widgets.run_panel.clip_store import ClipStore, num_bytes
from ltx_widgets.run_panel.clock import DecodePace, RunClock
from ltx_widgets.run_panel.exports import exported, file_name
from ltx_widgets.run_panel.text import explained, title_of, what_of
from ltx_widgets.run_panel.thumbnail import thumbnail
from ltx_widgets.step_preview import StepPreview

REQUEST = ClipRequest("a red ball bounces", width=64, height=64, num_frames=9, seed=7)
NUM_STEPS = 4
LONG_S = 60  # longer than any step here takes, on any machine


def event(index, stage=1, num_steps=NUM_STEPS):
    return StepEvent(index, num_steps, stage, 1 - index / num_steps, None, None, None, None)


def clip_of(request):
    frames = np.full((request.num_frames, request.height, request.width, 3), request.seed % 256, np.uint8)
    return Clip(frames=frames, frame_rate=request.frame_rate, request=request)


class Steps:
    """A run that takes NUM_STEPS steps, each when the test lets it; `taken` counts them."""

    def __init__(self, is_free=False):
        self.go = threading.Semaphore(10**6 if is_free else 0)
        self.begun = threading.Event()
        self.taken = 0

    def __call__(self, request, *, on_step):
        self.begun.set()
        for index in range(NUM_STEPS):
            assert self.go.acquire(timeout=LONG_S)
            self.taken += 1
            on_step(event(index))
        return clip_of(request)


def texts(panel, kind):
    return [line["text"] for line in panel.log if line["kind"] == kind]


def finished(panel):
    assert panel.wait(LONG_S)
    return panel


def said(panel, message):
    panel._receive(panel, message, [])
    return panel.error


def test_a_run_leaves_its_clip_selected():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    panel.generate()
    finished(panel)
    assert panel.clip is panel.clips[0] and panel.clip.request == REQUEST
    assert (panel.state, panel.progress, panel.selected, len(panel.results)) == ("idle", {}, 0, 1)


def test_the_notebook_goes_on_during_a_run():
    steps = Steps()
    panel = RunPanel(steps, request=REQUEST)
    panel.generate()
    assert steps.begun.wait(LONG_S)
    assert panel.state == "running" and panel.progress["phase"] == "preparing" and not panel.wait(0)
    steps.go.release(NUM_STEPS)
    finished(panel)


def test_the_strip_of_clips_stays_in_the_notebook_newest_first():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    assert panel._still() is None
    for seed in (20, 230):
        panel.generate(REQUEST.replace(seed=seed))
    finished(panel)
    picture = np.asarray(Image.open(io.BytesIO(panel._still())))
    assert picture.shape == (128 + 2 * 8, 2 * 192 + 3 * 8, 3)
    newest, oldest = picture[72, 104], picture[72, 304]
    assert abs(int(newest.mean()) - 230) <= 2 and abs(int(oldest.mean()) - 20) <= 2
    assert tuple(picture[5, 104]) == (11, 92, 173) and tuple(picture[5, 304]) == (255, 255, 255)  # the frame


def test_progress_is_told_after_every_step():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    told = []
    panel.observe(lambda change: told.append(change["new"]), "progress")
    panel.generate()
    finished(panel)
    assert [progress.get("step") for progress in told] == [0, 1, 2, 3, 4, None]
    assert [progress.get("phase") for progress in told[:-1]] == ["preparing", *["sampling"] * 3, "decoding"]


def test_cancel_ends_a_run_within_one_step_and_the_next_one_runs():
    steps = Steps()
    panel = RunPanel(steps, request=REQUEST)
    panel.generate()
    steps.go.release()
    assert steps.begun.wait(LONG_S)
    panel.cancel()
    assert panel.state == "cancelling"
    steps.go.release(NUM_STEPS)
    finished(panel)
    assert steps.taken <= 2 and panel.results == [] and texts(panel, "info")[-1] == "cancelled"
    assert (panel.state, panel.error) == ("idle", "")
    steps.go.release(NUM_STEPS)
    panel.generate()
    assert len(finished(panel).results) == 1


def test_cancel_is_passed_on_for_what_takes_no_steps():
    called = threading.Event()

    def run(request, *, on_step):
        assert called.wait(LONG_S)
        raise Cancelled("the run was cancelled")

    panel = RunPanel(run, called.set, request=REQUEST)
    running = threading.Event()
    panel.observe(lambda change: running.set() if change["new"] == "running" else None, "state")
    panel.generate()
    assert running.wait(LONG_S)
    panel.cancel()
    assert texts(finished(panel), "info")[-1] == "cancelled"


def test_cancel_of_nothing_does_nothing():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    panel.cancel()
    panel.generate()
    assert len(finished(panel).results) == 1


def test_an_error_is_shown_and_the_next_run_works():
    def run(request, *, on_step):
        if request.seed == 7:
            raise ValueError("num_frames=120 is not 8k + 1; nearest: 113, 121")
        return clip_of(request)

    panel = RunPanel(run, request=REQUEST)
    panel.generate()
    finished(panel)
    assert panel.error == "num_frames=120 is not 8k + 1; nearest: 113, 121"
    assert texts(panel, "error") == [panel.error]
    panel.generate(REQUEST.replace(seed=8))
    finished(panel)
    assert panel.error == "" and len(panel.results) == 1


def test_an_unexpected_error_leaves_its_trace_in_the_log():
    def run(request, *, on_step):
        raise KeyError("latents")

    panel = RunPanel(run, request=REQUEST)
    panel.generate()
    finished(panel)
    assert panel.error == "KeyError: 'latents'"
    assert 'raise KeyError("latents")' in texts(panel, "error")[1]


def test_a_full_card_comes_with_advice():
    error = type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")
    assert "take a smaller size or fewer frames" in explained(error)


def test_what_the_kit_reckoned_is_shown_as_it_is():
    reckoned = plan(TINY, "cpu", REQUEST)
    error = OutOfMemory("stage 1", reckoned, "next: num_frames=9 instead of 17")
    assert explained(error).startswith("out of memory in stage 1; next: num_frames=9 instead of 17. Reckoned were")


def test_requests_wait_for_each_other_and_can_be_removed():
    steps = Steps()
    panel = RunPanel(steps)
    for seed in (1, 2, 3):
        panel.generate(REQUEST.replace(seed=seed))
    assert steps.begun.wait(LONG_S)
    assert [waiting["id"] for waiting in panel.queue] == [1, 2]
    assert said(panel, {"type": "drop", "id": 1}) == ""
    assert [waiting["title"][-6:] for waiting in panel.queue] == ["seed 3"]
    steps.go.release(2 * NUM_STEPS)
    finished(panel)
    assert [clip.request.seed for clip in panel.clips] == [1, 3] and panel.queue == []


def test_the_queue_goes_on_after_cancel():
    steps = Steps()
    panel = RunPanel(steps)
    panel.generate(REQUEST.replace(seed=1))
    panel.generate(REQUEST.replace(seed=2))
    assert steps.begun.wait(LONG_S)
    panel.cancel()
    steps.go.release(2 * NUM_STEPS)
    finished(panel)
    assert [clip.request.seed for clip in panel.clips] == [2]


def test_colab_runs_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    panel.generate()
    assert len(panel.results) == 1 and panel.can_cancel is False


def test_the_stop_button_of_colab_cancels(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))

    def run(request, *, on_step):
        raise KeyboardInterrupt

    panel = RunPanel(run, request=REQUEST)
    panel.generate()
    assert (panel.state, texts(panel, "info")[-1]) == ("idle", "cancelled")


def test_the_browser_starts_cancels_and_reloads():
    steps = Steps()
    panel = RunPanel(steps, request=REQUEST)
    assert said(panel, {"type": "generate"}) == ""
    assert steps.begun.wait(LONG_S)
    assert said(panel, {"type": "cancel"}) == ""
    steps.go.release(2 * NUM_STEPS)
    finished(panel)
    panel.generate()
    finished(panel)
    panel.request = REQUEST.replace(prompt="a blue square slides")
    assert said(panel, {"type": "reload", "id": 1}) == ""
    assert panel.request == REQUEST and panel.summary == title_of(REQUEST)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"type": "generate"}, "there is no request to run; write a prompt, or set RunPanel.request"),
        ({"type": "generate", "request": {}}, "generate has no 'request'"),
        ({"type": "reload", "id": 5}, "id=5 is no clip in the strip; there: none"),
        ({"type": "reload"}, "reload needs 'id'"),
        ({"type": "give", "id": 5}, "id=5 is no clip in the strip; there: none"),
        ({"type": "drop", "id": -1}, "id=-1 is too small"),
        ({"type": "explode"}, "RunPanel knows no message 'explode'"),
    ],
)
def test_a_bad_message_is_said_and_not_obeyed(message, answer):
    assert answer in said(RunPanel(Steps()), message)


def test_only_clips_in_the_strip_are_selected():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    panel.generate()
    finished(panel)
    with pytest.raises(ValueError, match="selected=3 is no clip in the strip; there: 0"):
        panel.selected = 3
    with pytest.raises(ValueError, match="compared=3 is no clip in the strip; there: 0"):
        panel.compared = 3


def test_a_clip_is_compared_with_another_until_the_next_is_made():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    for _ in range(2):
        panel.generate()
    finished(panel)
    panel.compared = 0
    assert (panel.clip, panel.other_clip) == (panel.clips[1], panel.clips[0])
    panel.generate()
    assert finished(panel).other_clip is None


def test_a_clip_is_given_with_its_name():
    given = []
    panel = RunPanel(Steps(is_free=True), give=lambda clip, name: given.append((clip, name)), request=REQUEST)
    panel.generate()
    assert said(finished(panel), {"type": "give", "id": 0}) == ""
    assert given == [(panel.clip, "#0 · seed 7")] and panel.uses == ["give"]


def test_giving_needs_someone_who_takes():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    panel.generate()
    assert "there is no timeline that takes a clip" in said(finished(panel), {"type": "give", "id": 0})


def test_a_misspelt_name_is_refused():
    with pytest.raises(TypeError, match="RunPanel has no 'reqest'; did you mean 'request'"):
        RunPanel(Steps(), reqest=REQUEST)


def test_a_negative_bound_of_memory_is_refused():
    with pytest.raises(ValueError, match=r"keep_mb=-1\.0 is too small"):
        RunPanel(Steps(), keep_mb=-1)


def test_warnings_of_the_run_are_in_the_log_each_time():
    def run(request, *, on_step):
        warnings.warn("tiny does not know 'umbrella'; the clip is made without", stacklevel=1)
        return clip_of(request)

    panel = RunPanel(run, request=REQUEST)
    panel.generate()
    panel.generate()
    finished(panel)
    assert texts(panel, "warning") == ["tiny does not know 'umbrella'; the clip is made without"] * 2


def step_preview(event):
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    return StepPreview(stage=1, index=event.index, sigma=event.sigma, frames=frames, log_mel=np.zeros((2, 9, 64)))


def test_every_step_is_previewed():
    panel = RunPanel(Steps(is_free=True), preview=step_preview, request=REQUEST)
    sent = []
    panel.send = lambda content, buffers=None: sent.append((content, buffers))
    panel.generate()
    finished(panel)
    previews = [content for content, _ in sent if content["type"] == "preview"]
    assert [preview["index"] for preview in previews] == [0, 1, 2, 3]
    assert {(preview["frame_rate"], preview["num_latent_frames"]) for preview in previews} == {(24, 2)}


def test_a_run_outlives_its_preview():
    def preview(event):
        raise RuntimeError("no memory for a preview")

    panel = RunPanel(Steps(is_free=True), preview=preview, request=REQUEST)
    panel.generate()
    assert len(finished(panel).results) == 1
    assert texts(panel, "warning") == ["no more previews: RuntimeError: no memory for a preview"]


def test_thumbnails_are_sent_to_a_new_view():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    panel.generate()
    finished(panel)
    sent = []
    panel.send = lambda content, buffers=None: sent.append((content, buffers))
    panel._receive(panel, {"type": "ready"}, [])
    ((content, (jpeg,)),) = sent
    assert content == {"type": "thumbnail", "id": 0}
    assert Image.open(io.BytesIO(jpeg)).size == (64, 64)


def test_sound_alone_has_a_thumbnail():
    audio = np.zeros((2, 4800), np.float32)
    assert Image.open(io.BytesIO(thumbnail(Clip(audio=audio, sample_rate=48_000)))).size == (192, 128)


def test_older_clips_wait_on_disk_and_come_back_exactly():
    made = [clip_of(REQUEST.replace(seed=seed)) for seed in range(4)]
    store = ClipStore(keep_bytes=2.5 * num_bytes(made[0]))
    for number, clip in enumerate(made):
        store.put(number, clip)
    assert store.get(3) is made[3] and store.get(2) is made[2]
    back = store.get(0)
    assert back is not made[0] and back.request == made[0].request and back.provenance == made[0].provenance
    assert (back.frames == made[0].frames).all() and back.frame_rate == made[0].frame_rate
    store.drop(0)
    with pytest.raises(KeyError):
        store.get(0)


def test_a_folder_keeps_clips_names_and_stars_for_the_next_panel(tmp_path):
    panel = RunPanel(Steps(is_free=True), request=REQUEST, folder=tmp_path / "clips")
    panel.generate(seeds=2)
    finished(panel)
    said(panel, {"type": "change", "id": 1, "name": "the good one", "starred": True})
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == [
        "0000-seed-7.mp4",
        "0001-seed-8.mp4",
        "clips.json",
    ]
    next_panel = RunPanel(Steps(is_free=True), folder=tmp_path / "clips")
    assert [(facts["name"], facts["starred"]) for facts in next_panel.results] == [
        ("#0 · seed 7", False),
        ("the good one", True),
    ]
    next_panel.selected = 1
    assert next_panel.clip.frames.shape == clip_of(REQUEST).frames.shape and next_panel.clip.request.seed == 8
    next_panel.generate(REQUEST)
    assert [facts["id"] for facts in finished(next_panel).results] == [0, 1, 2]
    next_panel.delete(0)
    assert not (tmp_path / "clips" / "0000-seed-7.mp4").exists()


def test_a_file_is_no_folder_of_clips(tmp_path):
    (tmp_path / "clips").write_text("")
    with pytest.raises(ValueError, match="cannot be a folder of clips"):
        RunPanel(Steps(), folder=tmp_path / "clips")


def test_several_seeds_are_made_one_after_the_other():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    assert said(panel, {"type": "generate", "how": "seeds"}) == ""
    assert [clip.request.seed for clip in finished(panel).clips] == [7, 8, 9, 10]


def test_a_new_seed_is_the_panels_own_from_then_on():
    panel = RunPanel(Steps(is_free=True), request=REQUEST)
    assert said(panel, {"type": "generate", "how": "new_seed"}) == ""
    finished(panel)
    assert panel.request.seed == panel.clip.request.seed != REQUEST.seed


def test_a_blocked_panel_says_why_and_runs_nothing():
    panel = RunPanel(Steps(is_free=True), request=REQUEST, blocked="seed=-5 is too small; the least is 0")
    assert said(panel, {"type": "generate"}) == "seed=-5 is too small; the least is 0"
    assert panel.wait(LONG_S) and panel.results == []


@pytest.mark.parametrize(
    ("suffix", "start"), [("mp4", b"\0\0\0"), ("gif", b"GIF8"), ("wav", b"RIFF"), ("png", b"\x89PNG")]
)
def test_a_clip_is_a_file_of_every_kind(suffix, start):
    audio = np.zeros((2, 18_000), np.float32)
    frames = np.broadcast_to(np.arange(0, 90, 10, np.uint8)[:, None, None, None], (9, 64, 64, 3))
    clip = Clip(frames=frames.copy(), frame_rate=24, audio=audio, sample_rate=48_000)
    content = exported(clip, suffix)
    assert content.startswith(start)
    if suffix == "gif":
        image = Image.open(io.BytesIO(content))
        assert image.is_animated and image.size == (64, 64)


def test_a_name_makes_a_file_name():
    assert file_name("#7 · seed 13", "mp4") == "7-seed-13.mp4"
    assert file_name("../../etc", "wav") == "etc.wav"


def test_what_was_made_is_told_by_what_was_given():
    source = Source.from_media(Media(frames=np.zeros((49, 64, 64, 3), np.uint8), frame_rate=24))
    request = ClipRequest("a ball", width=64, height=64, num_frames=49)

    def what(*spans_s):
        return what_of(request.replace(given=tuple(Given("video", source, *span_s) for span_s in spans_s)))

    end_s = 49 / 24
    assert what() == "from text"
    assert what((0, 0.4), (1.4, end_s)) == "retake 0.4–1.4 s"
    assert what((0, 1.5)) == "extended from 1.5 s"
    assert what((0.5, end_s)) == "extended before 0.5 s"
    assert what((0, end_s)) == "foley"
    assert what((0, None)) == "from images"


def clock_at(times_s, request=REQUEST):
    ticks = iter(times_s)
    return RunClock(request, now=lambda: next(ticks))


def test_decoding_is_expected_to_take_what_it_took_by_pixels_and_frames():
    pace = DecodePace()
    assert pace.expected_s(REQUEST) is None
    pace.learn(REQUEST, 2.0)
    assert pace.expected_s(REQUEST.replace(width=128)) == 4.0


def test_time_left_is_measured_without_the_first_step():
    clock = clock_at([0, 10, 12, 14])
    assert clock.after(event(0))["left_s"] is None
    assert clock.after(event(1))["left_s"] == 2 * 2
    assert clock.after(event(2))["left_s"] == 1 * 2


def test_each_stage_is_measured_anew():
    clock = clock_at([0, 1, 2, 30, 35], REQUEST.replace(two_stage=True))
    assert clock.after(event(0, num_steps=2))["phase"] == "sampling"
    assert clock.after(event(1, num_steps=2))["phase"] == "sampling"
    assert clock.after(event(0, stage=2, num_steps=3))["left_s"] is None
    second = clock.after(event(1, stage=2, num_steps=3))
    assert (second["left_s"], second["num_stages"], second["stage"]) == (5, 2, 2)


def test_decoding_follows_the_last_step_of_the_last_stage():
    assert clock_at([0, 1]).after(event(3))["phase"] == "decoding"
    two = clock_at([0, 1, 2], REQUEST.replace(two_stage=True))
    assert two.after(event(3))["phase"] == "sampling"
    assert two.after(event(3, stage=2))["phase"] == "decoding"


def test_a_long_prompt_is_cut_in_the_title():
    title = title_of(REQUEST.replace(prompt="word " * 40))
    assert title.endswith("… · 64 × 64 · 0.4 s · seed 7") and len(title) < 100


def test_its_text_has_no_address():
    assert repr(RunPanel(Steps())) == "RunPanel(idle, 0 clips)"


def test_what_waits_outlives_the_kernel_and_is_offered_not_started(tmp_path):
    steps = Steps()
    first = RunPanel(steps, folder=tmp_path)
    for seed in (1, 2, 3):
        first.generate(REQUEST.replace(seed=seed))
    assert steps.begun.wait(LONG_S)
    again = Steps(is_free=True)
    second = RunPanel(again, folder=tmp_path)  # as after a restart, while the first kernel's run never ended
    assert [(it["is_left"], it["name"][-6:]) for it in second.queue] == [(True, f"seed {seed}") for seed in (1, 2, 3)]
    assert not again.begun.is_set() and second.clips == []
    one, two, three = (it["id"] for it in second.queue)
    second._on_message("drop", {"type": "drop", "id": one}, [])
    second._on_message("take", {"type": "take", "id": three}, [])
    assert second.wait(LONG_S)
    assert [clip.request.seed for clip in second.clips] == [3]
    assert [it["id"] for it in second.queue] == [two]
    second.take(two)
    assert second.wait(LONG_S) and second.queue == []
    assert list(tmp_path.glob("waiting*")) == []
    with pytest.raises(ValueError, match="no request that was left; there: none"):
        second.take(two)
    steps.go.release(10**6)
    assert first.wait(LONG_S)


def test_two_kernels_on_one_folder_keep_each_others(tmp_path):
    steps = Steps(), Steps()
    panels = [RunPanel(one, folder=tmp_path) for one in steps]
    for seed, panel in ((1, panels[0]), (2, panels[1]), (3, panels[0]), (4, panels[1])):
        panel.generate(REQUEST.replace(seed=seed))
    left = RunPanel(Steps(), folder=tmp_path).queue
    assert [it["name"][-6:] for it in left] == [f"seed {seed}" for seed in (1, 2, 3, 4)]
    steps[0].go.release(10**6)
    assert panels[0].wait(LONG_S)
    assert [it["name"][-6:] for it in RunPanel(Steps(), folder=tmp_path).queue] == ["seed 2", "seed 4"]
    steps[1].go.release(10**6)
    assert panels[1].wait(LONG_S)
    again = RunPanel(Steps(), folder=tmp_path)
    assert again.queue == [] and sorted(clip.request.seed for clip in again.clips) == [1, 2, 3, 4]


def test_what_one_kernel_takes_or_drops_no_other_runs(tmp_path):
    steps = Steps()
    first = RunPanel(steps, folder=tmp_path)
    for seed in (1, 2, 3):
        first.generate(REQUEST.replace(seed=seed))
    assert steps.begun.wait(LONG_S)
    second, third = (RunPanel(Steps(is_free=True), folder=tmp_path) for _ in range(2))
    _, taken, dropped = (it["id"] for it in second.queue)
    second.take(taken)
    second._on_message("drop", {"type": "drop", "id": dropped}, [])
    assert "another kernel has run or dropped it meanwhile" in said(third, {"type": "take", "id": taken})
    steps.go.release(10**6)
    assert finished(first).clips[0].request.seed == 1 and len(first.clips) == 1
    assert [text.split(":")[0] for text in texts(first, "info")[-2:]] == ["another kernel has taken or dropped it"] * 2
    assert [clip.request.seed for clip in finished(second).clips] == [2]


def test_what_is_dropped_while_the_queue_is_being_shown_ends_no_run(tmp_path, monkeypatch):
    steps, exists = Steps(), Path.exists
    first = RunPanel(steps, folder=tmp_path)
    for seed in (1, 2, 3):
        first.generate(REQUEST.replace(seed=seed))
    assert steps.begun.wait(LONG_S)
    second = RunPanel(Steps(is_free=True), folder=tmp_path)
    one, two, three = (it["id"] for it in second.queue)

    def exists_and_drops(path):
        monkeypatch.setattr(Path, "exists", exists)
        second._on_message("drop", {"type": "drop", "id": two}, [])
        return path.exists()

    monkeypatch.setattr(Path, "exists", exists_and_drops)
    second.take(three)
    assert [clip.request.seed for clip in finished(second).clips] == [3]
    assert [it["id"] for it in second.queue] == [one]
    steps.go.release(10**6)
    finished(first)


def test_two_kernels_may_number_their_clips_alike(tmp_path):
    panels = [RunPanel(Steps(is_free=True), folder=tmp_path) for _ in range(2)]
    for panel in panels:
        panel.generate(REQUEST)
        finished(panel)
    assert [result["id"] for result in RunPanel(Steps(), folder=tmp_path).results] == [0, 1]


def test_large_media_in_memory_wait_in_a_file_beside_and_go_with_it(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (9, 256, 256, 3), dtype=np.uint8)
    given = Given("video", Source.from_media(Media(frames=noise, frame_rate=24)), 0.0, 0.375)
    steps = Steps()
    panel = RunPanel(steps, folder=tmp_path)
    panel.generate(REQUEST.replace(given=(given,)))
    assert steps.begun.wait(LONG_S)
    (kept,) = tmp_path.glob("waiting-*.given-*.mkv")
    (waiting,) = RunPanel(Steps(), folder=tmp_path)._jobs.waiting
    assert waiting.request.given[0].source.path == str(kept)
    steps.go.release(NUM_STEPS)
    assert panel.wait(LONG_S)
    assert list(tmp_path.glob("waiting*")) == []


@pytest.mark.parametrize("content", ["", "{", "7", '[{"format": "ltx-nb/1"}, 3, null]', "[" * 10_000])
def test_a_waiting_file_that_was_edited_is_read_as_far_as_it_can_be(tmp_path, content):
    (tmp_path / f"waiting-{time.time_ns()}-0123abcd.json").write_text(content)
    assert RunPanel(Steps(), folder=tmp_path).queue == []


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel = RunPanel(Steps(is_free=True))
    panel.generate(REQUEST)
    assert panel.wait(LONG_S) and list(tmp_path.iterdir()) == []
