"""The page that runs the tiny model: its JavaScript and the kit agree on noise, masks, tokens and requests."""

import base64
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_model import load_build
from node_scripts import run_script
from PIL import Image

from ltx_nb import ClipRequest
from ltx_nb.pipeline.prepare import draw_noise
from ltx_nb.request import Given, Source
from ltx_nb.tiny.export_web import describe

NOISE = [
    {"seed": 7, "lane": "video", "shape": [1, 128, 7, 4, 4]},
    {"seed": 2**32 - 1, "lane": "audio", "shape": [1, 51, 128]},
    {"seed": 0, "lane": "audio", "shape": [1, 37]},
]
SPANS = [
    {"video": [[0, 49 / 24]], "audio": [[0, 49 / 24]]},
    {"video": [[0.7, 1.4]], "audio": [[0.7, 1.4]]},
    {"video": [], "audio": [[0.33, 2.0]]},
    {"video": [[1 / 24, 9 / 24]], "audio": []},
]
PROMPTS = [
    "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump.",
    "  a RED ball, slides_to\tthe élan  ...left!? ",
    "",
    "ball " * 80,
]
RETAKE = {"video": [[0.7, 1.4]], "audio": [[0.7, 1.4]]}


@pytest.fixture(scope="module")
def made(session):
    png = io.BytesIO()
    Image.new("RGB", (128, 128), "red").save(png, "PNG")
    cases = {
        "model": describe(session),
        "noise": NOISE,
        "spans": SPANS,
        "prompts": PROMPTS,
        "requests": [
            {"prompt": "a red ball", "seed": 5, "spans": SPANS[0], "before": False},
            {"prompt": "a red ball", "seed": 5, "spans": SPANS[0], "png": base64.b64encode(png.getvalue()).decode()},
            {"prompt": "a red ball", "seed": 6, "spans": RETAKE, "before": True},
        ],
    }
    return run_script("try_page.mjs", json.loads(json.dumps(cases)))


@pytest.mark.parametrize("index", range(len(NOISE)))
def test_noise_is_torchs(made, index):
    case = NOISE[index]
    wanted = draw_noise(case["seed"], case["lane"], 1, tuple(case["shape"])).flatten()
    torch.testing.assert_close(torch.tensor(made["noise"][index]), wanted, atol=2e-6, rtol=0)


@pytest.mark.parametrize("index", range(len(SPANS)))
def test_masks_are_the_requests(made, index, session):
    model = session.model
    size = {"width": model.width, "height": model.height, "num_frames": model.num_frames}
    given, duration_s = [], model.num_frames / 24
    for lane, spans in SPANS[index].items():
        edges = [0.0, *(moment for span in spans for moment in span), duration_s]
        for start_s, end_s in zip(edges[::2], edges[1::2], strict=True):
            if end_s > start_s:
                given.append(Given(lane, Source(sha256="a" * 64, path="clip.mp4"), start_s, end_s))
    request = ClipRequest("a ball", given=tuple(given), **size)
    np.testing.assert_array_equal(made["masks"][index]["video"], request.video_mask())
    np.testing.assert_array_equal(made["masks"][index]["audio"], request.audio_mask())


@pytest.mark.parametrize("index", range(len(PROMPTS)))
def test_tokens_are_the_tokenizers(made, index, session):
    tokenizer = session.pipe.tokenizer
    wanted = tokenizer(PROMPTS[index].strip(), padding="max_length", max_length=64, truncation=True)
    assert made["tokens"][index]["ids"] == wanted["input_ids"]
    assert made["tokens"][index]["mask"] == wanted["attention_mask"]


def test_words_that_the_model_does_not_know_or_has_no_room_for_are_told(made):
    assert made["tokens"][1]["unknown"] == ["slides_to", "élan", "...", "!?"]
    assert made["tokens"][3]["lost"] == ["ball"] * 17


def test_a_requests_json_makes_the_kits_request(made):
    request = ClipRequest.from_dict(made["requests"][0])
    assert (request.prompt, request.seed, request.given, request.model) == ("a red ball", 5, (), "tiny")


def test_a_picture_to_begin_with_is_in_the_request(made):
    [item] = ClipRequest.from_dict(made["requests"][1]).given
    assert item.is_image
    assert Image.open(io.BytesIO(item.source.data)).size == (128, 128)


def test_a_retakes_request_generates_its_span_alone(made):
    request = ClipRequest.from_dict(made["requests"][2])
    for lane in ("video", "audio"):
        assert request.generated_spans_s(lane) == [pytest.approx((0.7, 1.4))]


def test_another_runtime_than_the_pinned_one_is_refused(tmp_path):
    packed = tmp_path / "onnxruntime-web.tgz"
    with tarfile.open(packed, "w:gz"):
        pass
    with pytest.raises(ValueError, match=r"onnxruntime-web@1\.30\.0 has the hash sha512-.*; want sha512-"):
        load_build().unpack_runtime(packed, tmp_path / "ort")
    assert not (tmp_path / "ort").exists()


def test_the_page_on_it_says_what_was_measured():
    root = Path(__file__).parents[1]
    measured = json.loads((root / "benchmarks" / "try_page.json").read_text("utf-8"))
    told = " ".join((root / "docs" / "try_page.md").read_text("utf-8").split("## What it takes")[1].split())
    right = {row["what"]: round(row["the page"] * measured["prompts"] / 100) for row in measured["findings"]}
    figures = [
        f"{measured['click to first clip, s']:.1f} s from the click",
        f"{measured['of it, reading and starting the model, s']:.1f} of them to read",
        f"{measured['seconds a clip']:.1f} s for each clip",
        f"{measured['most memory, MB']} MB at most",
        f"of {measured['prompts']} prompts",
        f"colour right in {right['colour']}, the shape in {right['shape']}, the motion in {right['motion']}",
        f"everything in {right['everything right']}",
    ]
    assert [figure for figure in figures if figure not in told] == []
    assert "the same findings" in told and all(row["the page"] == row["the kit"] for row in measured["wrong"])
