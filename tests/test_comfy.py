"""Requests become ComfyUI workflows and come back; what either side cannot say is named."""

import json

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ltx_nb import Clip, ClipRequest, Given, Sampling, Source
from ltx_nb.catalogue.models import DEV, DISTILLED
from ltx_nb.comfy import from_comfyui, to_comfyui
from ltx_nb.comfy.graph import parsed_graph


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "first.png"
    Image.new("RGB", (768, 512), (200, 30, 30)).save(path)
    return path


@pytest.fixture
def voice(tmp_path):
    path = tmp_path / "voice.wav"
    samples = np.sin(np.linspace(0, 2000, 48_000 * 6))[None].repeat(2, 0).astype(np.float32) * 0.5
    Clip(audio=samples, frames=None, frame_rate=24.0, sample_rate=48_000).save(path)
    return path


REQUESTS = {
    "text to video": {},
    "portrait, longer, another seed": {"width": 512, "height": 768, "num_frames": 241, "seed": 99},
    "two stages": {"width": 1536, "height": 1024, "two_stage": True},
    "a negative prompt": {"negative_prompt": "blurry"},
}


def round_trip(request, tmp_path, **settings):
    return from_comfyui(to_comfyui(request, tmp_path / "workflow.json", **settings)[0])


@pytest.mark.parametrize("settings", REQUESTS.values(), ids=REQUESTS)
def test_a_request_comes_back_from_its_workflow(settings, tmp_path):
    request = ClipRequest("a red ball", **settings)
    imported = round_trip(request, tmp_path)
    assert imported.left_out == ()
    back = imported.request
    for name in ("prompt", "width", "height", "num_frames", "frame_rate", "seed", "two_stage"):
        assert getattr(back, name) == getattr(request, name), name
    assert back.negative_prompt == (request.negative_prompt or DISTILLED.negative_prompt)
    assert back.sampling.sigmas == pytest.approx(DISTILLED.complete(request.sampling).sigmas)


def test_the_dev_models_guidance_comes_back_lane_by_lane(tmp_path):
    request = ClipRequest("a red ball", sampling=Sampling(num_inference_steps=20, guidance_scale=4.0))
    imported = round_trip(request, tmp_path, model=DEV)
    assert imported.left_out == ()
    back, wanted = imported.request.sampling.to_dict(), DEV.complete(request.sampling).to_dict()
    assert back.pop("sigmas") == pytest.approx(wanted.pop("sigmas"), abs=1e-6)
    wanted.pop("num_inference_steps")  # the sigmas are as many
    assert back == wanted


def test_pictures_and_sound_come_back_as_they_were_given(tmp_path, picture, voice):
    first, later, sound = (Source.from_path(path) for path in (picture, picture, voice))
    given = (
        Given("video", first, 0.0, strength=0.8),
        Given("video", later, 2.0),
        Given("audio", sound, 0.0, 121 / 24),
    )
    out = tmp_path / "out"
    paths = to_comfyui(ClipRequest("a red ball", given=given), out / "workflow.json")
    assert len(paths) == 3 and all(path.is_file() for path in paths)
    imported = from_comfyui(paths[0])
    back = {(item.lane, round(item.start_s, 3), item.strength, item.source.sha256) for item in imported.request.given}
    assert back == {(item.lane, item.start_s, item.strength, item.source.sha256) for item in given}


def test_every_link_of_a_workflow_leads_to_a_node(tmp_path, picture):
    request = ClipRequest("a ball", two_stage=True, given=(Given("video", Source.from_path(picture), 2.0),))
    graph = parsed_graph(json.loads(to_comfyui(request, tmp_path / "w.json")[0].read_text()))
    ends = {link.node for node in graph.values() for link in node.links()}
    assert ends <= set(graph)
    # All but what saves the clip is used by something.
    assert {node.type for name, node in graph.items() if name not in ends} == {"SaveVideo"}


def test_loras_and_the_checkpoint_are_told(tmp_path):
    imported = round_trip(ClipRequest("a"), tmp_path, loras=[("style.safetensors", 0.7)], checkpoint="mine.safetensors")
    assert (imported.loras, imported.checkpoint) == ((("style.safetensors", 0.7),), "mine.safetensors")


def test_what_has_no_node_is_refused_by_name(tmp_path, voice):
    source = Source.from_path(voice)
    with pytest.raises(ValueError, match="no node for sound that is given for a part"):
        to_comfyui(ClipRequest("a", given=(Given("audio", source, 1.0, 2.0),)), tmp_path / "w.json")
    with pytest.raises(ValueError, match="no node for outputs"):
        to_comfyui(ClipRequest("a", outputs=("audio",)), tmp_path / "w.json")
    with pytest.raises(ValueError, match=r"nearest: w\.json"):
        to_comfyui(ClipRequest("a"), tmp_path / "w.txt")
    assert not list(tmp_path.glob("w.*"))


def editor_form(graph):
    """A workflow as ComfyUI's editor stores it, of the server's form."""
    from ltx_nb.comfy.graph import WIDGETS

    nodes, links = [], []
    for name, node in graph.items():
        inputs = []
        for key, value in node["inputs"].items():
            if isinstance(value, list):
                links.append([len(links), int(value[0]), value[1], int(name), 0, "*"])
                inputs.append({"name": key, "link": len(links) - 1})
        values = [node["inputs"].get(widget) for widget in WIDGETS.get(node["class_type"], ())]
        nodes.append(
            {"id": int(name), "type": node["class_type"], "mode": 0, "inputs": inputs, "widgets_values": values}
        )
    return {"nodes": nodes, "links": links, "version": 0.4}


def test_the_editors_form_a_png_and_a_video_hold_the_same_workflow(tmp_path):
    path = to_comfyui(ClipRequest("a red ball", seed=5), tmp_path / "w.json")[0]
    wanted = from_comfyui(path)
    stored = json.loads(path.read_text())
    (tmp_path / "editor.json").write_text(json.dumps(editor_form(stored)))
    assert from_comfyui(tmp_path / "editor.json") == wanted
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", json.dumps(stored))
    text.add_text("workflow", json.dumps(editor_form(stored)))
    Image.new("RGB", (8, 8)).save(tmp_path / "w.png", pnginfo=text)
    assert from_comfyui(tmp_path / "w.png") == wanted


def test_what_a_request_cannot_say_is_listed(tmp_path, picture):
    graph = json.loads(to_comfyui(ClipRequest("a"), tmp_path / "w.json")[0].read_text())
    by_type = {node["class_type"]: (name, node) for name, node in graph.items()}
    by_type["KSamplerSelect"][1]["inputs"]["sampler_name"] = "euler_ancestral"
    by_type["EmptyLTXVLatentVideo"][1]["inputs"]["width"] = 770
    guider = by_type["CFGGuider"][1]["inputs"]
    graph["90"] = {"class_type": "SomebodysNode", "inputs": {"model": guider["model"]}}
    guider["model"] = ["90", 0]
    graph["91"] = {"class_type": "LoadImage", "inputs": {"image": "../../secret.png"}}
    concat = by_type["LTXVConcatAVLatent"][1]["inputs"]
    graph["92"] = {
        "class_type": "LTXVImgToVideoInplace",
        "inputs": {"image": ["91", 0], "latent": concat["video_latent"], "strength": 1.0, "bypass": False},
    }
    concat["video_latent"] = ["92", 0]
    (tmp_path / "changed.json").write_text(json.dumps(graph))
    imported = from_comfyui(tmp_path / "changed.json")
    assert imported.request.width == 768 and imported.request.given == ()
    told = "; ".join(imported.left_out)
    for part in ("the sampler euler_ancestral", "width=770: brought to 768", "node SomebodysNode", "secret.png"):
        assert part in told


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("[", "is not JSON"),
        ("[1]", "no ComfyUI workflow"),
        ('{"1": {"class_type": "SaveImage", "inputs": {}}}', "nothing that it saves"),
        ('{"nodes": [{"id": 1}]}', "has no type"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_workflow_is_refused(tmp_path, content, error):
    (tmp_path / "w.json").write_text(content)
    with pytest.raises(ValueError, match=error):
        from_comfyui(tmp_path / "w.json")


def test_a_picture_without_a_workflow_is_refused(tmp_path, picture):
    with pytest.raises(ValueError, match="has no ComfyUI workflow inside"):
        from_comfyui(picture)
