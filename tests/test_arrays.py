"""What frames and audio may be, and what is said of what they may not be."""

import numpy as np
import pytest

from ltx_nb.arrays import check_audio, check_frames


def test_good_arrays_pass_as_they_are():
    frames, audio = np.zeros((1, 1, 1, 3), np.uint8), np.array([[1.0], [-1.0]], np.float32)
    assert check_frames(frames) is frames
    assert check_audio(audio) is audio


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([[0]], r"frames is a list; give a numpy array, uint8 \[F, H, W, 3\]"),
        (np.zeros((2, 4, 4, 3), np.float32), r"frames are float32, not uint8; give \(frames \* 255\)\.round\(\)"),
        (np.zeros((4, 4, 3), np.uint8), r"shape \[4, 4, 3\], not \[F, H, W, 3\]; one picture is frames\[None\]"),
        (np.zeros((2, 3, 4, 4), np.uint8), r"shape \[2, 3, 4, 4\]; give \[F, H, W, 3\] with at least one frame"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"shape \[0, 4, 4, 3\]; give \[F, H, W, 3\] with at least one frame"),
    ],
)
def test_bad_frames(frames, message):
    with pytest.raises(ValueError, match=message):
        check_frames(frames)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (None, r"audio is a NoneType; give a numpy array, float32 \[2, N\]"),
        (np.zeros((2, 9)), r"audio is float64, not float32; give audio\.astype\('float32'\)"),
        (np.zeros((2, 9), np.int16), r"audio is int16, not float32; give audio\.astype\('float32'\) / 32768"),
        (np.zeros(9, np.float32), r"shape \[9\], not \[2, N\]; one channel is np\.stack\(\[audio, audio\]\)"),
        (np.zeros((9, 2), np.float32), r"shape \[9, 2\], not \[2, N\] with N >= 1; give audio\.T"),
        (np.zeros((2, 0), np.float32), r"shape \[2, 0\], not \[2, N\] with N >= 1; give left and right"),
        (np.zeros((1, 9), np.float32), r"shape \[1, 9\], not \[2, N\] with N >= 1; give left and right"),
        (np.array([[0, np.nan], [0, 0]], np.float32), "NaN or infinity; np.nan_to_num"),
        (np.array([[0, -np.inf], [0, 0]], np.float32), "NaN or infinity; np.nan_to_num"),
        (
            np.array([[0, 0], [0, -1.25]], np.float32),
            r"peaks at 1\.25, outside \[-1, 1\]; divide by the peak, or np\.clip",
        ),
    ],
)
def test_bad_audio(audio, message):
    with pytest.raises(ValueError, match=message):
        check_audio(audio)
