"""The preset picker: the planner's sums for a clip, and what it takes and refuses."""

import re
from dataclasses import replace

import pytest

from ltx_nb.planning import Accelerator, Machine, plan, usable_dtypes
from ltx_nb.request import ClipRequest, Given, Source
from ltx_widgets.preset_picker.widget import PRESET_NAMES, PresetPicker, job_of

PNG = Source.from_bytes(b"not opened here", "image/png")


def machine_with(accelerator):
    return Machine(accelerator, 8, 32.0, 28.0, "cache", 500.0, "3.11.0", "Linux x86_64", {}, False)


CPU = machine_with(None)
CARD = machine_with(Accelerator("cuda", "Some card", (8, 9), 12.9, 11.6, usable_dtypes((8, 9))))


@pytest.fixture
def picker():
    return PresetPicker("tiny", machine=CARD)


def from_browser(picker, **message):
    picker._receive(picker, message, [])


def test_every_preset_is_planned_for_the_models_own_clip(picker):
    assert [made["preset"] for made in picker.plans] == list(PRESET_NAMES)
    assert {made["model"] for made in picker.plans} == {"tiny"}
    assert (picker.job["width"], picker.job["num_frames"], picker.job["task"]) == (128, 49, "text-to-video")


def test_auto_is_the_plan_for_the_machine_that_was_given(picker):
    made = picker.plans[0]
    assert made["card"] == "this machine: Some card"
    assert made["limit_gb"] == plan("tiny", machine=CARD, width=128, height=128, num_frames=49).limit_gb
    assert "Some card, 11.6 of 12.9 GB free" in picker.machine_text


def test_it_works_without_a_gpu():
    picker = PresetPicker("tiny", machine=CPU)
    assert picker.plans[0]["card"] == "this machine: no GPU"
    assert picker.machine_text.startswith("no GPU; 28.0 of 32.0 GB of RAM free")


def test_plans_change_with_size_and_length(picker):
    before = picker.plans[0]["sums"]["peak_gb"]
    picker.job = {"width": 1920, "height": 1088, "num_frames": 481}
    assert picker.plans[0]["width"] == 1920
    assert picker.plans[0]["sums"]["peak_gb"] > before


def test_what_does_not_fit_says_what_would():
    picker = PresetPicker(
        "2.3-distilled", ClipRequest("", width=1920, height=1088, num_frames=481), machine=CARD, preset="8gb"
    )
    made = next(made for made in picker.plans if made["preset"] == "8gb")
    assert not made["sums"]["fits"] and made["would_fit"]
    assert repr(picker).startswith("PresetPicker(2.3-distilled, preset 8gb does not fit: peak ")


def test_files_that_are_here_need_no_disk_and_other_models_do():
    full = replace(CARD, disk_free_gb=1.0)
    fits = {}
    for has_files in (False, True):
        picker = PresetPicker("2.3-distilled", machine=full, has_files=has_files, preset="8gb")
        fits[has_files] = picker.plans[1]["sums"]["fits"]
    assert fits == {False: False, True: True}
    from_browser(picker, type="choose", model="2.3-dev")
    assert not picker.plans[1]["sums"]["fits"]


def test_a_preset_is_planned_for_this_machine_where_that_can_use_it():
    limits = {made["preset"]: made["limit_gb"] for made in PresetPicker("2.3-distilled", machine=CARD).plans}
    assert limits["12gb"] == pytest.approx(11.6 - 0.8)  # what is free here
    assert limits["24gb"] == pytest.approx(24 - 0.8)  # another machine's


def test_another_model_has_other_sizes_and_plans(picker):
    from_browser(picker, type="choose", model="2.3-distilled")
    assert (picker.error, picker.model) == ("", "2.3-distilled")
    assert "720p" in [size["name"] for size in picker.sizes]
    assert picker.plans[0]["model"] == "2.3-distilled"


def test_a_request_sets_the_clip(picker):
    picker.show(ClipRequest("", width=160, height=96, num_frames=25, given=(Given("video", PNG),)))
    assert (picker.job["width"], picker.job["task"]) == (160, "image-to-video")


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("text-to-video", ()),
        ("image-to-video", (Given("video", PNG),)),
        ("keyframes", (Given("video", PNG), Given("video", PNG, 1))),
        ("extend", (Given("video", PNG, 0, 1), Given("audio", PNG, 0, 1))),
        ("extend", (Given("video", PNG, 1, 5),)),
        ("retake", (Given("video", PNG, 0, 1), Given("video", PNG, 2, 5))),
        ("audio-to-video", (Given("audio", PNG, 0, 5),)),
        ("video-to-audio", (Given("video", PNG, 0, 5),)),
    ],
)
def test_the_task_is_what_is_given(task, given):
    assert job_of(ClipRequest("", num_frames=121, frame_rate=24.2, given=given))["task"] == task


@pytest.mark.parametrize(
    ("trait", "value", "rule"),
    [
        ("preset", "24", "preset='24' is not one of auto, 8gb.*did you mean"),
        ("model", "tinny", "model='tinny' is not one of .*did you mean 'tiny'"),
        ("job", {"num_frames": 120}, "num_frames=120 is not 8k [+] 1; nearest: 113, 121"),
        ("job", {"width": 100}, "width=100 is not a multiple of 32"),
        ("job", {"height": 96, "two_stage": True}, "height=96 is not a multiple of 64"),
        ("job", {"frame_rate": 0}, "frame_rate=0.0 is too small"),
        ("job", {"task": "extent"}, "task='extent' is not one of .*did you mean 'extend'"),
        ("job", {"seconds": 5}, "job has no 'seconds'"),
    ],
)
def test_python_and_browser_are_told_which_rule_was_broken(picker, trait, value, rule):
    before = getattr(picker, trait)
    with pytest.raises(ValueError, match=rule):
        setattr(picker, trait, value)
    from_browser(picker, type="choose", **{trait: value})
    assert re.search(rule, picker.error)
    assert getattr(picker, trait) == before


def test_a_misspelt_trait_is_a_type_error():
    with pytest.raises(TypeError, match="PresetPicker has no 'presset'; did you mean 'preset'"):
        PresetPicker("tiny", machine=CPU, presset="8gb")


def test_the_browser_picks_a_preset(picker):
    from_browser(picker, type="choose", preset="8gb")
    assert (picker.error, picker.preset) == ("", "8gb")


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ({"type": "choose", "presets": "8gb"}, "choose has no 'presets'; did you mean 'preset'"),
        ({"type": "load"}, "PresetPicker knows no message 'load'"),
        ({"type": "choose", "job": 3}, "job is a int, not a mapping"),
    ],
)
def test_other_messages_are_refused(picker, message, rule):
    from_browser(picker, **message)
    assert rule in picker.error


def test_a_run_tells_how_long_the_next_takes():
    request = ClipRequest("a ball", width=128, height=128, num_frames=49)
    picker = PresetPicker("tiny", request, has_files=True)
    others = [made["sums"]["seconds"] for made in picker.plans[1:]]
    picker.learn(request, 2.5)
    assert picker.plans[0]["sums"]["seconds"] == pytest.approx(2.5)
    assert sum(part["seconds"] for part in picker.plans[0]["parts"]) == pytest.approx(2.5)
    assert [made["sums"]["seconds"] for made in picker.plans[1:]] == others
    picker.model = "2.3-distilled"
    assert picker.plans[0]["sums"]["seconds"] > 2.5
