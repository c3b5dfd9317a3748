"""Decoded frames as 8-bit RGB for an ordinary screen: HDR is tone-mapped, pixels come out square and upright."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from av.video.reformatter import ColorTrc, Interpolation

# Without these, swscale rounds down, and everything comes out about one level of 255 too dark.
EXACT_COLOURS = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
)

HDR = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
_WHITE_NITS = 203.0  # of paper in HDR: ITU-R BT.2408, table 1
_PEAK_NITS = 1000.0  # of the display that HLG is meant for, and most PQ is graded on
_KNEE = 0.75  # of an ordinary screen's light; what is brighter is pressed together
# ITU-R BT.2087, linear BT.2020 to linear BT.709.
_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)


def square_size(width: int, height: int, pixel_aspect: Any) -> tuple[int, int]:
    """Width and height in square pixels of a picture whose own are pixel_aspect times as wide as high."""
    aspect = float(pixel_aspect or 1)
    if not 1 / 16 <= aspect <= 16:  # none that is meant
        aspect = 1.0
    return max(round(width * aspect), 1), height


def rgb_of(frame: Any, width: int, height: int) -> np.ndarray:
    """A decoded frame as uint8 [H, W, 3] at width x height px, then turned as the file says."""
    size = {"width": width, "height": height, "interpolation": EXACT_COLOURS}
    if int(frame.color_trc) in HDR:
        pixels = tone_mapped(frame.to_ndarray(format="rgb48le", **size), HDR[int(frame.color_trc)])
    else:
        pixels = frame.to_ndarray(format="rgb24", **size)
    return np.rot90(pixels, frame.rotation // 90)


def tone_mapped(signal: np.ndarray, transfer: str) -> np.ndarray:
    """uint16 [H, W, 3] of a "PQ" or "HLG" picture in BT.2020 as uint8 [H, W, 3] for an ordinary sRGB screen.

    HDR's reference white of 203 nits counts as 1. Light up to 0.75 stays as it is; what is brighter, to 1000 nits, is
    pressed into the rest by its largest channel, which keeps its hue.
    """
    light = _light(transfer)[signal] if transfer == "PQ" else _hlg_light(signal)
    light = np.clip(light @ _TO_BT709.T, 0, None)
    largest = light.max(-1, keepdims=True)
    # A rational curve that leaves the line at the knee with its slope and meets 1 at the peak.
    room, reach = 1 - _KNEE, _PEAK_NITS / _WHITE_NITS - _KNEE
    over = np.clip(largest - _KNEE, 0, reach)
    curve = over / (1 + over * (1 / room - 1 / reach))
    wanted = np.where(largest > _KNEE, _KNEE + curve, largest)
    light *= wanted / np.maximum(largest, 1e-6)
    return _srgb()[np.rint(np.clip(light, 0, 1) * 65535).astype(np.uint16)]


def _hlg_light(signal: np.ndarray) -> np.ndarray:
    scene = _light("HLG")[signal]
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    # ITU-R BT.2100, table 5: the display's gamma is 1.2 at 1000 nits.
    return scene * (luminance[..., None] ** 0.2) * np.float32(_PEAK_NITS / _WHITE_NITS)


@cache
def _light(transfer: str) -> np.ndarray:
    """The light of each 16-bit value: of PQ in units of HDR's white, of HLG the scene's, 0..1. ITU-R BT.2100."""
    value = np.arange(65536) / 65535
    if transfer == "PQ":
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        power = value ** (1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 10_000 / _WHITE_NITS
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    return light.astype(np.float32)


@cache
def _srgb() -> np.ndarray:
    """The 8-bit value of sRGB for each 16-bit linear one. IEC 61966-2-1."""
    value = np.arange(65536) / 65535
    coded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded).astype(np.uint8)
