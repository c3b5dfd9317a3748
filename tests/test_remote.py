"""Paid routes against a server on this machine: what is sent and agreed, what comes back, and what goes wrong."""

import json
import logging
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from fake_service import FakeService, cut, dropped, endless, serving, status, trickle
from PIL import Image
from typer.testing import CliRunner

import ltx_nb as ltx
from ltx_nb import Cancelled, Clip
from ltx_nb.cli import app
from ltx_nb.remote import NotAgreed, Patience, RemoteError, services
from ltx_nb.remote.session import RemoteSession

KEY = "secret-key-of-the-tests"
QUICK = Patience(poll_s=0.02, retry_s=0.01, answer_s=60, download_s=60, job_s=60, most_wait_s=1, tries=3)


def made_clip(num_frames=75, width=128, height=72):
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    frames[:, :, : width // 2] = (200, 30, 30)
    seconds = num_frames / 25
    tone = np.sin(2 * np.pi * 440 * np.arange(round(seconds * 48_000)) / 48_000).astype(np.float32) * 0.3
    return Clip(frames=frames, frame_rate=25, audio=np.stack([tone, tone]), sample_rate=48_000)


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    return made_clip().save(tmp_path_factory.mktemp("made") / "clip.mp4").read_bytes()


@pytest.fixture
def service(mp4, monkeypatch):
    monkeypatch.setenv("FAL_KEY", KEY)
    monkeypatch.setenv("LTXV_API_KEY", KEY)
    with serving(FakeService(mp4)) as running:
        there = {name: replace(it, host=running.url) for name, it in services.SERVICES.items()}
        monkeypatch.setattr(services, "SERVICES", there)
        for name in ("REST_URL", "CDN_URL"):
            monkeypatch.setattr(f"fal_client.client.{name}", running.url)
        yield running


FAL, LTX = "fal:ltx-2.3", "ltx-api:ltx-2-3-pro"


def text_to_video(name=FAL, **options):
    return RemoteSession(name, QUICK).text_to_video("a red ball", yes=True, progress=False, **options)


@pytest.mark.parametrize("name", services.SERVICES)
def test_load_gives_the_session_of_a_service(name):
    assert ltx.load(name).service.name == name


def test_nothing_is_sent_before_price_and_payload_are_agreed(service):
    with pytest.raises(NotAgreed, match=r"about \$0\.64 for this: 8 s at \$0\.08.*read 2026") as told:
        ltx.load(FAL).text_to_video("a red ball", seconds=8)
    assert told.value.quote.payload["prompt"] == "a red ball" and '"a red ball"' in str(told.value)
    assert service.asked == []


def test_a_clip_by_fals_queue(service, capsys):
    clip = text_to_video(seconds=8, size="1440p-portrait", frame_rate=24)
    (order,) = service.of("POST")
    assert order.path == "/fal-ai/ltx-2.3/text-to-video" and order.headers["Authorization"] == f"Key {KEY}"
    assert order.json == {
        "prompt": "a red ball",
        "duration": 8,
        "fps": 24,
        "resolution": "1440p",
        "aspect_ratio": "9:16",
        "generate_audio": True,
    }
    assert [it.path for it in service.of("GET")] == [
        *["/fal-ai/ltx-2.3/requests/req-1/status"] * 2,
        "/fal-ai/ltx-2.3/requests/req-1",
        "/clip.mp4",
    ]
    assert clip.num_frames == 75 and clip.audio is not None
    assert "about $1.28" in capsys.readouterr().err


def test_a_clip_by_the_api_of_lightricks(service):
    clip = text_to_video(LTX, seconds=10, size="1080p-portrait")
    (order,) = service.of("POST")
    assert order.path == "/v2/text-to-video" and order.headers["Authorization"] == f"Bearer {KEY}"
    assert order.json["model"] == "ltx-2-3-pro" and order.json["resolution"] == "1080x1920"
    assert [it.path for it in service.of("GET")] == [*["/v2/text-to-video/job-1"] * 2, "/clip.mp4"]
    assert clip.provenance["video"] == ((0, 3, "generated"),)


def test_a_clip_remembers_service_price_and_request_but_no_recipe(service, tmp_path):
    saved = Clip.load(text_to_video().save(tmp_path / "a.mp4"))
    made, asked = saved.notes[:2]
    assert "made by fal:ltx-2.3 (fal-ai/ltx-2.3/text-to-video) for about $0.48, request req-1" in made
    assert "cannot be made again bit for bit" in made and "a red ball" in asked
    assert saved.request is None


def test_the_record_that_a_service_puts_into_its_clip_is_not_believed(service, tmp_path):
    theirs = replace(made_clip(), request=ltx.ClipRequest("not yours", width=128, height=64, num_frames=73))
    service.clip = theirs.save(tmp_path / "theirs.mp4").read_bytes()
    assert text_to_video().request is None


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        (FAL, {"seed": 3}, "seed is nothing that fal:ltx-2.3 takes for text_to_video; nearest: leave it out"),
        (FAL, {"negative_prompt": "blurry"}, "negative_prompt is nothing"),
        (FAL, {"sampling": ltx.Sampling(guidance_scale=2)}, "sampling is nothing"),
        (FAL, {"two_stage": True}, "two_stage is nothing"),
        (FAL, {"width": 640}, "width is nothing"),
        (FAL, {"fps": 25}, "nearest: frame_rate="),
        (FAL, {"size": "720p"}, "size='720p' is not one of 1080p"),
        (FAL, {"seconds": 7}, "seconds=7 is not one of 6, 8, 10; nearest: 6"),
        (FAL, {"frame_rate": 30}, "frame_rate=30 is not one of 24, 25, 48, 50; nearest: 25"),
        ("fal:ltx-2.3/fast", {"seconds": 12, "size": "1440p"}, "made in 1080p at 24 and 25 frames/s alone"),
        ("fal:ltx-2.3/fast", {"seconds": 12, "frame_rate": 50}, "made in 1080p at 24 and 25 frames/s alone"),
        (LTX, {"seconds": 10, "size": "2160p", "frame_rate": 50}, "GB decoded; at most 4 GB"),
    ],
)
def test_what_a_service_cannot_honour_is_refused_by_name(service, name, options, told):
    with pytest.raises(ValueError, match=told):
        text_to_video(name, **options)
    assert service.asked == []


def test_what_is_not_given_is_not_refused(service):
    assert text_to_video(seed=None, two_stage=False, references=()).num_frames == 75


def test_a_verb_that_a_service_has_not_is_refused_with_those_it_has():
    with pytest.raises(ValueError, match=r"fal:ltx-2\.3/fast has no retake; it has text_to_video, image_to_video"):
        ltx.load("fal:ltx-2.3/fast").retake(made_clip(), 0, 2, "a")
    with pytest.raises(AttributeError, match="has no upscale; it has text_to_video"):
        ltx.load(FAL).upscale(made_clip())


@pytest.mark.parametrize("option", [{"preset": "8gb"}, {"loras": "a.safetensors"}, {"device": "cpu"}])
def test_how_a_model_runs_here_is_nothing_for_a_service(option):
    with pytest.raises(ValueError, match="is for models that run here"):
        ltx.load(FAL, **option)


def test_pictures_are_uploaded_without_name_and_place(service, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Camera of the tests"
    photo = tmp_path / "at-home-with-jane.jpg"
    Image.new("RGB", (64, 48), "red").save(photo, exif=exif)
    last = Image.new("RGB", (64, 48), "blue")
    RemoteSession(FAL, QUICK).keyframes_to_video("a", {0.0: photo, -1: last}, yes=True, progress=False)
    first, second = service.of("POST /files/upload")
    assert first.headers["Content-Type"] == "image/jpeg" and second.headers["Content-Type"] == "image/png"
    assert b"Camera" not in first.body and "jane" not in json.dumps(first.headers)
    assert KEY not in json.dumps(first.headers)
    order = service.of("POST /fal-ai")[0].json
    assert order["image_url"] == order["end_image_url"] == f"{service.url}/uploaded"


def test_a_clip_is_uploaded_without_its_request(service, tmp_path):
    request = ltx.ClipRequest("nobody's business", width=128, height=64, num_frames=73)
    clip = replace(made_clip(), request=request)
    path = clip.save(tmp_path / "mine.mp4")
    RemoteSession(LTX, QUICK).retake(path, 0.5, 2.75, "a blue ball", audio=False, yes=True, progress=False)
    (put,) = service.of("PUT /put")
    assert b"nobody's business" in path.read_bytes() and b"nobody's business" not in put.body
    assert Clip.load(_written(tmp_path, put.body)).num_frames == 75
    assert "Authorization" not in put.headers and put.headers["x-kind"] == "block"
    order = service.of("POST /v2/retake")[0].json
    assert order == {
        "video_uri": "storage://1",
        "prompt": "a blue ball",
        "start_time": 0.5,
        "duration": 2.25,
        "mode": "replace_video",
        "model": "ltx-2-3-pro",
    }


def _written(folder, content):
    path = folder / "uploaded.mp4"
    path.write_bytes(content)
    return path


def test_an_extension_is_priced_with_what_it_looks_at(service):
    with pytest.raises(NotAgreed) as told:
        ltx.load(FAL).extend(made_clip(), 4, direction="before")
    quote = told.value.quote
    assert quote.seconds == pytest.approx(4 + 3) and quote.usd == pytest.approx(0.7)
    assert quote.payload["mode"] == "start" and "<video/mp4, " in str(quote)


def test_a_sound_in_memory_goes_as_mp3(service):
    session = RemoteSession(LTX, QUICK)
    session.audio_to_video("a", made_clip().audio, 48_000, yes=True, progress=False)
    (put,) = service.of("PUT /put")
    assert put.headers["Content-Type"] == "audio/mpeg"
    assert service.of("POST /v2")[0].json["audio_uri"] == "storage://1"


@pytest.mark.parametrize(
    ("clip", "told"),
    [(made_clip(25), "25 frames; services take 73 or more"), (made_clip(75, 96, 96), "16:9 and 9:16 alone")],
)
def test_clips_that_no_service_edits_are_refused(clip, told):
    with pytest.raises(ValueError, match=told):
        ltx.load(FAL).extend(clip, 4)


def test_too_many_at_once_waits_as_long_as_asked(service):
    service.when("POST", status(429, Retry_After="0.2"))
    begun = time.monotonic()
    assert text_to_video().num_frames == 75
    assert time.monotonic() - begun >= 0.2 and len(service.of("POST")) == 2


def test_too_long_a_wait_is_told_instead(service):
    service.when("POST", status(429, Retry_After="3600"))
    with pytest.raises(RemoteError, match="HTTP 429; try again in 3600 s"):
        text_to_video()


NO_ANSWER = {
    "500": status(500),
    "503": status(503),
    "dropped": dropped,
    "endless": endless("a/b"),
    "html": status(200, b"<p>"),
}


@pytest.mark.parametrize("answer", NO_ANSWER.values(), ids=NO_ANSWER)
def test_an_order_whose_answer_is_lost_is_not_sent_again(service, answer):
    service.when("POST", answer, times=3)
    with pytest.raises(RemoteError, match="may have been taken, and be billed; it is not sent twice"):
        text_to_video()
    assert len(service.of("POST")) == 1


def test_a_question_whose_answer_is_lost_is_asked_again(service):
    service.when("GET .*/status", status(500))
    service.when("GET .*/status", dropped)
    assert text_to_video().num_frames == 75


@pytest.mark.parametrize(
    ("code", "body", "told"),
    [
        (401, b'{"detail": "no such key"}', r"HTTP 401: no such key; is the key in FAL_KEY a valid one\?"),
        (402, b'{"error": {"type": "t", "message": "empty"}}', "HTTP 402: empty; the account has no credit left"),
        (422, b'{"error": {"type": "content_filtered_error", "message": "filtered"}}', "HTTP 422: filtered"),
    ],
)
def test_a_refusal_says_why(service, code, body, told):
    service.when("POST", status(code, body))
    with pytest.raises(RemoteError, match=told):
        text_to_video()


def test_a_job_that_fails_says_why(service):
    failed = json.dumps({"status": "failed", "error": {"type": "api_error", "message": "out of luck"}}).encode()
    service.when("GET /v2", status(200, failed))
    with pytest.raises(RemoteError, match=r"could not make it: out of luck.*collect\('text_to_video', 'job-1'\)"):
        text_to_video(LTX)


def test_a_cut_download_is_fetched_again(service):
    service.when("GET /clip.mp4", cut)
    assert text_to_video().num_frames == 75
    assert len(service.of("GET /clip.mp4")) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (status(200, b"<p>", Content_Type="text/html"), "answers text/html, which is no MP4"),
        (status(302, Location="https://example.org/a.mp4"), "leads on to another, which is not followed"),
        (status(404), "answers HTTP 404"),
        (status(200, b"not a film" * 100, Content_Type="video/mp4"), "no clip that can be read"),
    ],
)
def test_a_download_that_is_no_clip_is_refused_and_can_be_collected(service, answer, told):
    service.when("GET /clip.mp4", answer)
    session = RemoteSession(FAL, QUICK)
    with pytest.raises(RemoteError, match=f"{told}.*session.collect"):
        session.text_to_video("a", yes=True, progress=False)
    again = session.collect("text_to_video", "req-1", progress=False)
    assert again.num_frames == 75 and len(service.of("POST")) == 1


def test_a_download_that_takes_for_ever_is_left(service):
    service.when("GET /clip.mp4", trickle)
    with pytest.raises(RemoteError, match=r"did not arrive within 0\.5 s"):
        RemoteSession(FAL, replace(QUICK, download_s=0.5)).text_to_video("a", yes=True, progress=False)


def test_a_download_without_an_end_is_ended(service, monkeypatch):
    monkeypatch.setattr("ltx_nb.remote.exchange.MAX_CLIP_BYTES", 300_000)
    service.when("GET /clip.mp4", endless("video/mp4"))
    with pytest.raises(RemoteError, match="over 300,000 bytes"):
        text_to_video()


@pytest.mark.parametrize(
    "url", ["http://example.org/a.mp4", "file:///etc/passwd", "ftp://127.0.0.1/a", "https://u:p@example.org/a", 7, None]
)
def test_clips_come_from_safe_addresses_alone(service, url):
    service.when("GET .*/req-1$", status(200, json.dumps({"video": {"url": url}}).encode()))
    with pytest.raises(RemoteError, match=r"not https|password|no video\.url"):
        text_to_video()


@pytest.mark.parametrize("found", ["../../admin", "a b", "", None, 7])
def test_an_id_that_is_none_is_refused(service, found):
    service.when("POST", status(200, json.dumps({"request_id": found}).encode()))
    with pytest.raises(RemoteError, match="no id for the request"):
        text_to_video()


def test_orders_are_not_led_elsewhere(service):
    with serving(FakeService()) as other:
        service.when("POST", status(307, Location=f"{other.url}/fal-ai/ltx-2.3/text-to-video"))
        with pytest.raises(RemoteError, match="HTTP 307"):
            text_to_video()
        assert other.asked == []


def test_cancel_is_told_to_fal_and_the_next_call_runs(service):
    service.waits = 10**6
    session = RemoteSession(FAL, QUICK)
    threading.Timer(0.3, session.cancel).start()
    with pytest.raises(Cancelled, match="was told to take request req-1 back"):
        session.text_to_video("a", yes=True, progress=False)
    assert service.of("PUT")[0].path == "/fal-ai/ltx-2.3/requests/req-1/cancel"
    service.waits = 0
    assert session.text_to_video("a", yes=True, progress=False).num_frames == 75


def test_a_cancelled_job_of_lightricks_goes_on_and_says_so(service):
    service.waits = 10**6
    session = RemoteSession(LTX, QUICK)
    threading.Timer(0.3, session.cancel).start()
    with pytest.raises(Cancelled, match="cannot take request job-1 back, and bills it"):
        session.text_to_video("a", yes=True, progress=False)
    assert service.of("PUT") == []


def test_a_job_without_an_end_is_left(service):
    service.waits = 10**6
    session = RemoteSession(FAL, replace(QUICK, job_s=0.2))
    with pytest.raises(RemoteError, match=r"did not make it within 0\.2 s.*session\.collect"):
        session.text_to_video("a", yes=True, progress=False)


def test_the_key_is_in_no_output_log_error_file_or_repr(service, tmp_path, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    session = RemoteSession(FAL, QUICK)
    clip = session.image_to_video("a", Image.new("RGB", (64, 48)), yes=True, progress=False)
    saved = clip.save(tmp_path / "a.mp4").read_bytes()
    repeats = json.dumps({"detail": f"your key {KEY} is strange"}).encode()
    service.when("POST /fal-ai", status(400, repeats))
    service.when("POST /storage", status(400, repeats), times=4)
    told = []
    for call in (lambda: text_to_video(), lambda: session.image_to_video("a", Image.new("RGB", (8, 8)), yes=True)):
        with pytest.raises(RemoteError) as error:
            call()
        told.append(str(error.value))
    shown = [repr(session), str(vars(session)), repr(clip.notes), *told, caplog.text, *capsys.readouterr()]
    assert "is strange" in told[0]
    assert not any(KEY in text for text in shown) and KEY.encode() not in saved


def test_a_missing_key_names_its_variable(service, monkeypatch):
    monkeypatch.delenv("FAL_KEY")
    with pytest.raises(ValueError, match="the environment variable FAL_KEY is not set"):
        text_to_video()


def test_the_command_tells_the_price_and_runs_when_it_is_agreed(service, tmp_path, monkeypatch):
    monkeypatch.setattr("ltx_nb.remote.session.Patience", lambda: QUICK)
    out = tmp_path / "a.mp4"
    command = ["run", "--model", "fal:ltx-2.3/fast", "--prompt", "a red ball", "--seconds", "6", "--out", str(out)]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 2 and "about $0.24" in told.stderr and "add --yes" in told.stderr
    assert not out.exists() and service.asked == []
    done = CliRunner().invoke(app, [*command, "--yes", "--json"])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["num_frames"] == 75 and "request req-1" in answer["notes"][0]
    assert Clip.load(out).notes[0] == answer["notes"][0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--seed", "3"], "seed is nothing that fal:ltx-2.3 takes"),
        (["--frames", "121"], "num_frames is nothing"),
        (["--preset", "8gb"], "--preset is for models that run here"),
        (["--upscale", "a.mp4"], "--upscale is for models that run here"),
        (["--lora", "a.safetensors"], "--lora is for models that run here"),
        (["--reference", "a.png"], "references is nothing"),
    ],
)
def test_the_command_refuses_what_a_service_cannot_honour(service, tmp_path, options, told):
    command = ["run", "--model", FAL, "--prompt", "a", "--out", str(tmp_path / "a.mp4"), "--yes", *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and told in done.stderr
    assert service.asked == []
