"""Player: what it sends, what it takes, what it refuses."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from ltx_nb import media
from ltx_nb.clip import Clip
from ltx_nb.trace import StepEvent, Trace
from ltx_widgets.player import Player
from ltx_widgets.sound_picture import BANDS, band_edges_hz, mel_levels, spectrogram_levels, waveform_peaks
from ltx_widgets.step_preview import StepPreview, step_previews

SAMPLE_RATE = 48_000
NUM_FRAMES = 25


@pytest.fixture(scope="module")
def frames():
    brightness = np.linspace(0, 200, NUM_FRAMES).astype(np.uint8)
    return np.broadcast_to(brightness[:, None, None, None], (NUM_FRAMES, 32, 64, 3)).copy()


@pytest.fixture(scope="module")
def audio():
    """Silence, then from 0.5 s on a tone of 3 kHz."""
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    return np.tile(np.where(t < 0.5, 0, 0.5 * np.sin(2 * np.pi * 3000 * t)), (2, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def clip(frames, audio):
    return Clip(frames=frames, audio=audio, frame_rate=24, sample_rate=SAMPLE_RATE)


@pytest.fixture(scope="module")
def mp4(clip, tmp_path_factory):
    return clip.save(tmp_path_factory.mktemp("clips") / "clip.mp4")


def sent_by(player, act):
    """What the player sends while `act` runs, as (content, buffers)."""
    sent = []
    player.send = lambda content, buffers=None: sent.append((content, buffers or []))
    act()
    return sent


def step(sigma=0.5, num_frames=4):
    frames = np.zeros((num_frames, 8, 16, 3), np.uint8)
    frames[..., 0] = 50 * np.arange(num_frames)[:, None, None]
    return StepPreview(stage=1, index=0, sigma=sigma, frames=frames, log_mel=np.full((2, 26, 64), -5.0))


def test_a_file_is_sent_as_it_is(mp4):
    player = Player(mp4)
    sent = sent_by(player, player._on_ready)
    assert [content["type"] for content, _ in sent] == ["pictures", "file"]
    assert sent[1] == ({"type": "file", "id": 0, "media_type": "video/mp4"}, [mp4.read_bytes()])


def test_nothing_is_sent_before_there_is_a_view(clip, monkeypatch):
    sent = []
    monkeypatch.setattr(Player, "send", lambda self, content, buffers=None: sent.append(content))
    Player(clip)
    assert sent == []


def test_a_clip_in_memory_is_sent_as_a_file_that_holds_it(clip):
    player = Player(clip)
    sent = sent_by(player, player._on_ready)
    info = media.probe(sent[1][1][0])
    assert (info.num_frames, info.width, info.height, info.has_audio) == (NUM_FRAMES, 64, 32, True)


def test_sound_alone_is_sent_as_sound(audio):
    player = Player(Clip(audio=audio, sample_rate=SAMPLE_RATE))
    (_, (still, *_)), (file, _) = sent_by(player, player._on_ready)
    assert (still, file["media_type"]) == (b"", "audio/mpeg")


def test_a_silent_clip_has_no_pictures_of_sound(frames):
    player = Player(Clip(frames=frames, frame_rate=24))
    (_, (still, peaks, levels)), _ = sent_by(player, player._on_ready)
    assert still and not peaks and not levels


def test_pictures_of_sound_are_sent_deflated(clip):
    player = Player(clip)
    (_, (_, peaks, levels)), _ = sent_by(player, player._on_ready)
    (facts,) = player.clips
    assert len(zlib.decompress(levels)) == BANDS * facts["levels_columns"] > len(levels)
    assert np.frombuffer(zlib.decompress(peaks), np.int8).reshape(2, -1, 2).shape[1] > 0


def test_the_browser_learns_lengths_before_pictures(mp4):
    (facts,) = Player(mp4).clips
    assert facts["duration_s"] == pytest.approx(NUM_FRAMES / 24, abs=0.03)
    assert (facts["frame_rate"], facts["num_frames"], facts["aspect"]) == (24, NUM_FRAMES, 2)


def test_two_clips_are_sent_pictures_first(clip, mp4):
    player = Player(clip, mp4)
    sent = sent_by(player, player._on_ready)
    assert [(content["type"], content["id"]) for content, _ in sent] == [
        ("pictures", 0),
        ("pictures", 1),
        ("file", 0),
        ("file", 1),
    ]


def test_another_clip_of_the_same_length_has_another_id(clip):
    player = Player(clip)
    before = player.clips
    sent = sent_by(player, lambda: player.show(clip))
    assert player.clips != before
    assert {content["id"] for content, _ in sent} == {1}


def test_another_clip_begins_at_its_start(clip):
    player = Player(clip, steps=[step()], position_s=0.5, span_s=[0.25, 0.5], step=0)
    player.show(clip)
    assert (player.position_s, player.span_s, player.step, player.steps) == (0, [], -1, [])


def test_a_browser_that_cannot_play_a_file_gets_mp3_in_an_mp4(mp4):
    player = Player(mp4)
    ((content, (file,)),) = sent_by(player, lambda: player._receive(player, {"type": "unplayable", "id": 0}, []))
    assert (content["id"], content["media_type"]) == (0, "video/mp4")
    assert media.probe(file).has_audio and b".mp3" not in file and b"mp4a" in file
    assert file != mp4.read_bytes()


def test_a_step_is_sent_when_it_is_asked_for(clip):
    player = Player(clip, steps=[step(1.0), step(0.5)])
    assert [facts["sigma"] for facts in player.steps] == [1.0, 0.5]
    ((content, (strip, levels)),) = sent_by(player, lambda: player._receive(player, {"type": "step", "index": 1}, []))
    assert content == {"type": "step", "index": 1}
    picture = np.asarray(Image.open(io.BytesIO(strip)))
    assert picture.shape == (8, 4 * 16, 3)
    assert abs(int(picture[4, 3 * 16 + 8, 0]) - 150) < 4
    assert len(levels) == 64 * 26


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"type": "step", "index": 1}, "index=1 is too large"),
        ({"type": "step", "index": "0"}, "index='0' is a str, not a whole number; try 0"),
        ({"type": "step"}, "step needs 'index'"),
        ({"type": "unplayable"}, "unplayable needs 'id'"),
        ({"type": "burn"}, "Player knows no message 'burn'"),
    ],
)
def test_a_bad_message_is_said_and_not_obeyed(message, said, clip):
    player = Player(clip, steps=[step()])
    assert sent_by(player, lambda: player._receive(player, message, [])) == []
    assert said in player.error


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ({"position_s": 9.0}, r"position_s=9.0 is too large; the most is 1.04"),
        ({"span_s": [0.5]}, r"span_s=\[0.5\] is no span of a clip of 1.042 s; give \[start, end\] or \[\]"),
        ({"span_s": [0.5, 0.2]}, "is no span"),
        ({"span_s": [0.5, 2.0]}, "is no span"),
        ({"speed": 1.2}, "speed=1.2 is none of .*; nearest: 1"),
        ({"shown": "c"}, "shown='c' is not one of both, a, b"),
        ({"heard": "both"}, "heard='both' is not one of a, b"),
        ({"labels": ["A"]}, "labels=.* are 1; give two"),
        ({"step": 0}, "step=0 is too large; the most is -1"),
    ],
)
def test_refuses(traits, message, clip):
    with pytest.raises(ValueError, match=message):
        Player(clip, **traits)


def test_a_misspelt_name_is_refused(clip):
    with pytest.raises(TypeError, match="Player has no 'lop'; did you mean 'loop'"):
        Player(clip, lop=True)


def test_steps_are_step_previews(clip):
    with pytest.raises(ValueError, match=r"steps\[0\]=.* is a ndarray, not a StepPreview"):
        Player(clip, steps=[np.zeros(3)])


def test_a_picture_is_no_clip(tmp_path, frames):
    with pytest.raises(ValueError, match=r"a.png is no clip; give a Clip or a file that ends in .mp4"):
        Player(media.write_poster(tmp_path / "a.png", frames))


def test_what_was_playing_stays_when_the_next_cannot_be_read(clip, tmp_path):
    player = Player(clip)
    with pytest.raises(ValueError, match="no such file"):
        player.show(tmp_path / "missing.mp4")
    assert [facts["id"] for facts in player.clips] == [0]


def test_its_text_has_no_address(clip):
    assert repr(Player(clip)) == "Player(1.04 s)"
    assert repr(Player()) == "Player()"


def test_a_still_stays_in_the_notebook(clip, mp4, audio):
    def size(player):
        return Image.open(io.BytesIO(player._still())).size

    assert size(Player(clip)) == (64, 32)
    assert size(Player(clip, mp4)) == (128, 32)
    assert size(Player(Clip(audio=audio, sample_rate=SAMPLE_RATE)))[1] == BANDS
    assert Player()._still() is None


def test_peaks_are_the_extremes_behind_each_point():
    audio = np.zeros((2, 12_000), np.float32)
    audio[0, 15], audio[1, 11_995] = 1, -0.5
    peaks = waveform_peaks(audio)
    assert peaks.shape == (2, 1200, 2)
    assert peaks[0, 1].tolist() == [0, 127] and peaks[1, 1199].tolist() == [-64, 0]
    assert np.count_nonzero(peaks) == 2


def test_a_tone_is_seen_at_its_time_and_height(audio):
    levels = spectrogram_levels(audio, SAMPLE_RATE)
    band = int(np.searchsorted(band_edges_hz(SAMPLE_RATE), 3000)) - 1
    assert levels.shape == (BANDS, 101)
    assert set(levels[:, 60:90].argmax(0)) <= {band - 1, band, band + 1}
    assert levels[:, :40].max() == 0 and levels.max() == 255


def test_long_sounds_keep_their_shortest_events():
    audio = np.zeros((2, 30 * 16_000), np.float32)
    audio[:, 200_000:200_040] = 1
    levels = spectrogram_levels(audio, 16_000)
    assert levels.shape == (BANDS, 1200)
    assert abs(levels.max(0).argmax() - 200_000 / audio.shape[1] * 1200) < 2


def test_silence_is_dark():
    assert spectrogram_levels(np.zeros((2, 4800), np.float32), SAMPLE_RATE).max() == 0


def test_the_mel_picture_runs_from_its_floor_to_one():
    log_mel = np.tile(np.array([np.log(1e-5), 0.0])[None, :, None], (2, 1, 64))
    assert mel_levels(log_mel)[:, 0].max() == 0 and mel_levels(log_mel)[:, 1].min() == 255


def test_a_trace_without_predictions_says_what_to_do():
    trace = Trace()
    trace.steps = [StepEvent(0, 1, 1, 0.5, None, None, None, None)]
    with pytest.raises(ValueError, match="run again with a larger trace_budget_mb"):
        step_previews(None, trace)


def test_a_step_needs_both_sides_of_its_sound():
    with pytest.raises(ValueError, match=r"log_mel has shape \[26, 64\]; give \[2, L, 64\]"):
        StepPreview(stage=1, index=0, sigma=0.5, frames=step().frames, log_mel=np.zeros((26, 64)))
