"""studio: one request in all widgets; a run of a real session is shown, played and explored."""

import base64
import importlib.util
import io

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from ltx_nb.loading import use_loras
from ltx_nb.pipeline.preview import Preview
from ltx_nb.request import ClipRequest, Sampling
from ltx_widgets import studio
from ltx_widgets.step_preview import step_previews

LONG_S = 300  # longer than a run takes on any machine
REQUEST = ClipRequest(
    "a red ball bounces", width=64, height=64, num_frames=9, seed=7, sampling=Sampling(num_inference_steps=2)
)


@pytest.fixture
def made(session):
    """A studio that has made one clip."""
    made = studio(session, REQUEST)
    made.run_panel.generate()
    assert made.run_panel.wait(LONG_S)
    assert made.run_panel.error == ""
    return made


def kinds_sent(widget, act):
    sent = []
    widget.send = lambda content, buffers=None: sent.append(content)
    act()
    return [content["type"] for content in sent]


def test_it_begins_with_the_models_own_size_and_waits_for_words(session):
    made = studio(session)
    assert (made.request.width, made.request.num_frames) == (session.model.width, session.model.num_frames)
    assert made.run_panel.request is None
    made.prompt.value = {"prompt": "a red ball bounces"}
    assert made.run_panel.request.prompt == made.timeline.request.prompt == "a red ball bounces"


def test_what_one_widget_changes_the_others_take_over(session):
    made = studio(session, REQUEST)
    made.prompt.value = {"seed": 8, "num_frames": 17}
    assert made.timeline.request == made.run_panel.request == made.request == REQUEST.replace(seed=8, num_frames=17)
    made.timeline.value = {"num_frames": 25}
    assert made.prompt.request == made.run_panel.request == REQUEST.replace(seed=8, num_frames=25)
    made.request = REQUEST
    assert made.prompt.request == made.run_panel.request == REQUEST


def test_a_run_is_played_with_its_steps_and_remembered(made):
    assert made.clip is made.run_panel.clips[0] and made.clip.frames.shape == (9, 64, 64, 3)
    assert [facts["num_frames"] for facts in made.player.clips] == [9]
    assert [facts["index"] for facts in made.player.steps] == [0, 1]
    assert made.prompt.last == ["a red ball bounces"]


def test_previews_are_sent_while_it_runs(made):
    def run():
        made.run_panel.generate()
        assert made.run_panel.wait(LONG_S)

    kinds = kinds_sent(made.player, run)
    assert kinds.count("live") == 2 and kinds[-1] == "live_end"
    assert not any(line["kind"] == "warning" for line in made.run_panel.log)


def test_the_loras_that_are_on_count_in_the_next_run(session, tmp_path):
    side = session.pipe.transformer.transformer_blocks[0].attn1.to_q.in_features
    layer, draw = "diffusion_model.transformer_blocks.0.attn1.to_q", torch.Generator().manual_seed(0)
    tensors = {
        f"{layer}.lora_A.weight": torch.randn(4, side, generator=draw),
        f"{layer}.lora_B.weight": torch.randn(side, 4, generator=draw),
    }
    save_file(tensors, tmp_path / "style.safetensors")
    made = studio(session, REQUEST, loras=[tmp_path / "style.safetensors"])
    clips = []
    try:
        for strength in (None, 1.0, None):
            made.prompt._receive(made.prompt, {"type": "lora", "index": 0, "strength": strength}, [])
            made.run_panel.generate()
            assert made.run_panel.wait(LONG_S) and made.run_panel.error == ""
            clips.append(made.clip.frames)
    finally:
        use_loras(session, ())
    assert np.array_equal(clips[0], clips[2]) and not np.array_equal(clips[0], clips[1])


def test_cancel_leaves_the_session_ready(session):
    made = studio(session, REQUEST.replace(sampling=Sampling(num_inference_steps=200)))
    # Only the long run is cancelled.
    made.run_panel.observe(lambda change: change["new"].get("num_steps") == 200 and made.run_panel.cancel(), "progress")
    made.run_panel.generate()
    assert made.run_panel.wait(LONG_S)
    assert (made.run_panel.log[-1]["text"], made.run_panel.state, made.clip) == ("cancelled", "idle", None)
    made.request = REQUEST
    made.run_panel.generate()
    assert made.run_panel.wait(LONG_S)
    assert made.clip.request.seed == 7


def test_a_request_that_the_model_cannot_run_says_why(session):
    made = studio(session, REQUEST.replace(prompt="a red umbrella bounces"))
    made.run_panel.generate()
    assert made.run_panel.wait(LONG_S)
    assert [line["text"] for line in made.run_panel.log if line["kind"] == "warning"] == [
        "tiny does not know 'umbrella'; the clip is made without"
    ]
    assert made.prompt.unknown == ["umbrella"]


def test_a_clip_is_given_to_the_next(made):
    made.run_panel._receive(made.run_panel, {"type": "give", "id": 0}, [])
    assert made.run_panel.error == ""
    assert [source["name"] for source in made.timeline.sources] == [made.run_panel.results[0]["name"]]
    assert made.timeline.source == made.timeline.sources[0]["sha256"]


def test_a_clip_brings_its_request_back_to_all(made):
    made.request = REQUEST.replace(prompt="a blue square slides", seed=8, num_frames=17)
    made.run_panel._receive(made.run_panel, {"type": "reload", "id": 0}, [])
    assert made.prompt.request == made.timeline.request == made.run_panel.request == REQUEST


def test_two_clips_are_compared(made):
    made.run_panel.generate(REQUEST.replace(seed=8))
    assert made.run_panel.wait(LONG_S)
    made.run_panel.compared = 0
    assert len(made.player.clips) == 2


def test_the_folds_are_filled_when_they_are_opened(made):
    memory, latents = made._below.boxes["memory"], made._below.boxes["latents"]
    assert memory.children == latents.children == ()
    made._below.folds.opened = "memory"
    assert memory.children[0].job["num_frames"] == 9
    made.prompt.value = {"num_frames": 17}
    assert memory.children[0].job["num_frames"] == 17
    made._below.folds.opened = "latents"
    (explorer,) = latents.children
    assert explorer.grid["frames"] == made.clip.latents.shape[1]
    explorer._receive(explorer, {"type": "footprint", "picked": explorer.picked}, [])
    assert explorer.error == ""


def test_attention_is_captured_by_making_the_clip_again(made):
    made._below.folds.opened = "latents"
    (explorer,) = made._below.boxes["latents"].children
    assert (explorer.can["attention"], explorer.can["capture"]) == (False, True)
    explorer._receive(explorer, {"type": "capture"}, [])
    assert made.run_panel.wait(LONG_S)
    assert (made.run_panel.error, explorer.can["attention"], len(made.run_panel.results)) == ("", True, 1)


def test_what_is_refused_blocks_the_run_and_says_why(made):
    made.prompt._receive(made.prompt, {"type": "edit", "id": "1", "value": {"seed": -5}}, [])
    assert "seed=-5 is too small" in made.run_panel.blocked
    made.prompt._receive(made.prompt, {"type": "generate", "how": "once"}, [])
    assert made.run_panel.wait(LONG_S) and len(made.run_panel.results) == 1
    made.prompt._receive(made.prompt, {"type": "edit", "id": "2", "value": {"seed": 5}}, [])
    assert made.run_panel.blocked == "" and made.run_panel.request.seed == 5


def test_a_cards_retake_frees_the_span_in_the_player_with_another_seed(made):
    made.run_panel.generate(REQUEST.replace(seed=9, num_frames=25))
    assert made.run_panel.wait(LONG_S)
    made.player.span_s = [9 / 24, 17 / 24]
    assert made.timeline.span_s == [9 / 24, 17 / 24]
    made.prompt.value = {"prompt": "a blue ball bounces", "seed": 9}
    made.run_panel._receive(made.run_panel, {"type": "retake", "id": 1}, [])
    request = made.run_panel.request
    assert request.generated_spans_s("video") == request.generated_spans_s("audio") == [(9 / 24, 17 / 24)]
    assert (request.prompt, request.seed, request.num_frames) == ("a blue ball bounces", 10, 25)
    assert {item.source.sha256 for item in request.given} == {made.timeline.source}


def test_the_span_of_the_player_is_retaken_of_the_clip_that_is_played(made):
    made.player.span_s = [1 / 24, 8 / 24]
    made.player._receive(made.player, {"type": "retake", "span_s": [1 / 24, 8 / 24]}, [])
    assert (made.player.error, made.request.generated_spans_s("video")) == ("", [(1 / 24, 8 / 24)])


def test_looking_at_another_clip_keeps_the_moment(made):
    made.run_panel.generate(REQUEST.replace(seed=8))
    assert made.run_panel.wait(LONG_S)
    made.player.position_s = 0.25
    made.run_panel.selected = 0
    assert made.player.position_s == 0.25 and made.player.labels[0] == "#0 · seed 7"
    made.run_panel.compared = 1
    assert made.player.position_s == 0.25 and made.player.labels == ["#0 · seed 7", "#1 · seed 8"]


def test_each_clip_keeps_its_span_and_a_retake_takes_it_over(made):
    made.player.span_s = [1 / 24, 8 / 24]
    made._tasks.retake_span(1 / 24, 8 / 24)
    made.run_panel.generate()
    assert made.run_panel.wait(LONG_S) and made.player.span_s == [1 / 24, 8 / 24]
    made.run_panel.generate(REQUEST.replace(seed=8))
    assert made.run_panel.wait(LONG_S) and made.player.span_s == []
    made.run_panel.selected = 0
    assert made.player.span_s == made.timeline.span_s == [1 / 24, 8 / 24]
    made.player.span_s = []
    made.run_panel.selected = 1
    assert made.player.span_s == [1 / 24, 8 / 24]


def test_a_folder_brings_the_clips_of_the_last_sitting_back(session, tmp_path):
    first = studio(session, REQUEST, folder=tmp_path)
    first.run_panel.generate()
    assert first.run_panel.wait(LONG_S) and first.run_panel.error == ""
    again = studio(session, folder=tmp_path)
    assert [facts["name"] for facts in again.run_panel.results] == ["#0 · seed 7"]
    assert again.clip.request.prompt == REQUEST.prompt and len(again.player.clips) == 1
    again.run_panel.reload(0)
    assert (again.request.prompt, again.request.seed) == (REQUEST.prompt, REQUEST.seed)


def test_every_kept_step_of_a_trace_is_drawn(made, session):
    previews = step_previews(Preview(session.pipe), made.clip.trace)
    assert [preview.frames.shape for preview in previews] == [(2, 8, 8, 3)] * 2
    assert [preview.log_mel.shape for preview in previews] == [(2, made.clip.audio_latents.shape[1], 64)] * 2
    assert np.isfinite(previews[0].log_mel).all()


def test_its_still_shows_the_timeline_and_what_was_made(made, session):
    before = Image.open(io.BytesIO(studio(session, REQUEST)._still()))
    after = Image.open(io.BytesIO(made._still()))
    parts = (made.player, made.run_panel, made.timeline)
    heights = [Image.open(io.BytesIO(part._still())).height for part in parts]
    scale = 960 / 1440  # the timeline's own still is wider than what a notebook stores of the studio
    assert before.size == (960, round(scale * heights[-1]))
    assert after.width == 960 and after.height > scale * sum(heights)


@pytest.mark.skipif(
    ipywidgets.__version__.startswith("7."), reason="ipywidgets 7 shows a box in a way of its own, without a still"
)
def test_its_still_stays_in_the_notebook(session):
    made = studio(session, REQUEST)
    data = made._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == made._still()
    assert data["text/plain"] == "Studio(tiny)" and "application/vnd.jupyter.widget-view+json" in data


def test_its_name_is_that_of_no_module():
    """Else importing the module would put it in the place of the function."""
    assert importlib.util.find_spec("ltx_widgets.studio") is None


def test_its_text_has_no_address(session):
    assert repr(studio(session)) == "Studio(tiny)"
