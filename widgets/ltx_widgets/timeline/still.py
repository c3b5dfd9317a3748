"""A picture of a request's timeline for readers without a kernel: its lanes, and the latents that are generated.

Drawn with Pillow at twice the size it is shown at. Knows a request, not the widget.
"""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ltx_nb import shapes
from ltx_nb.given import LANES
from ltx_nb.request import ClipRequest

WIDTH_PX = 1440
_GUTTER_PX = 130
_LANE_PX = 84
_MASK_PX = 28
_GAP_PX = 16
_LINE_PX = 40
_REFERENCE_PX = 36

# As in ltx_nb.plots.style, on a light ground of its own.
_COLOURS = {"video": "#0072B2", "audio": "#D55E00"}
_GIVEN_COLOURS = {"video": "#cfe3f1", "audio": "#f8dcc8"}
_INK, _QUIET, _GROUND = "#1a1a1a", "#767676", "#ffffff"


def still_png(request: ClipRequest) -> bytes:
    """A PNG, WIDTH_PX wide: two lanes with what is given, a ruler in seconds, and a row of latents for each lane; below
    them a strip for each reference."""
    rows_px = (len(request.references) + bool(request.timed_prompts)) * _REFERENCE_PX
    height_px = _LINE_PX + 2 * (_LANE_PX + _MASK_PX + _GAP_PX) + rows_px + _GAP_PX
    image = Image.new("RGB", (WIDTH_PX, height_px), _GROUND)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(22)
    _draw_ruler(draw, request, font)
    top_px = _LINE_PX
    for lane in LANES:
        draw.text((_GAP_PX, top_px + _LANE_PX / 2), lane, _COLOURS[lane], font, anchor="lm")
        _draw_lane(draw, request, lane, top_px)
        _draw_mask(draw, request, lane, top_px + _LANE_PX + 4)
        top_px += _LANE_PX + _MASK_PX + _GAP_PX
    if request.timed_prompts:
        draw.text((_GAP_PX, top_px + _REFERENCE_PX / 2 - 4), "words", _QUIET, font, anchor="lm")
        for timed in request.timed_prompts:
            box = (_x_px(request, timed.start_s), top_px, _x_px(request, timed.end_s), top_px + _REFERENCE_PX - 8)
            draw.rectangle(box, "#e6e6e6", _QUIET, 2)
        top_px += _REFERENCE_PX
    for reference in request.references:
        draw.text((_GAP_PX, top_px + _REFERENCE_PX / 2 - 4), "reference", _QUIET, font, anchor="lm")
        end_px = _x_px(request, reference.num_frames / request.frame_rate)
        draw.rectangle((_x_px(request, 0), top_px, end_px, top_px + _REFERENCE_PX - 8), "#e6e6e6", _QUIET, 2)
        top_px += _REFERENCE_PX
    file = io.BytesIO()
    image.quantize(32).save(file, "PNG", optimize=True)
    return file.getvalue()


def _x_px(request: ClipRequest, time_s: float) -> float:
    return _GUTTER_PX + (WIDTH_PX - _GUTTER_PX - _GAP_PX) * time_s / request.duration_s


def _draw_ruler(draw: ImageDraw.ImageDraw, request: ClipRequest, font: Any) -> None:
    step_s = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5) if request.duration_s / step <= 12)
    for index in range(int(request.duration_s / step_s + shapes.TIME_TOLERANCE_S) + 1):
        x_px = _x_px(request, index * step_s)
        draw.line((x_px, _LINE_PX - 10, x_px, _LINE_PX - 4), _QUIET, 2)
        draw.text((x_px, _LINE_PX - 14), f"{index * step_s:g} s", _QUIET, font, anchor="ls" if index == 0 else "ms")


def _draw_lane(draw: ImageDraw.ImageDraw, request: ClipRequest, lane: str, top_px: int) -> None:
    bottom_px = top_px + _LANE_PX - 4
    for start_s, end_s in request.generated_spans_s(lane):
        box = (_x_px(request, start_s), top_px, _x_px(request, end_s), bottom_px)
        _hatch(draw, box)
        draw.rectangle(box, outline=_QUIET, width=1)
    for item in request.given:
        if item.lane != lane:
            continue
        start_s, end_s = item.span_s(request.frame_rate)
        box = (_x_px(request, start_s), top_px, _x_px(request, end_s), bottom_px)
        draw.rectangle(box, _COLOURS[lane] if item.is_image else _GIVEN_COLOURS[lane], _COLOURS[lane], 2)


def _hatch(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = box
    rise = bottom - top
    x_px = left - rise
    while x_px < right:
        # The part of the rising line from (x_px, bottom) that lies inside the box.
        begin, end = max(x_px, left), min(x_px + rise, right)
        draw.line((begin, bottom - (begin - x_px), end, bottom - (end - x_px)), "#c8ccd1", 2)
        x_px += 16


def _draw_mask(draw: ImageDraw.ImageDraw, request: ClipRequest, lane: str, top_px: int) -> None:
    if lane == "video":
        mask = request.video_mask()[:: request.video_latent_shape.tokens_per_frame]
        intervals_s = shapes.video_intervals_s(len(mask), request.frame_rate)
    else:
        mask = request.audio_mask()
        intervals_s = shapes.audio_intervals_s(len(mask))
    for generated, (start_s, end_s) in zip(mask, intervals_s, strict=True):
        box = (_x_px(request, start_s), top_px, _x_px(request, end_s) - 2, top_px + _MASK_PX - 4)
        draw.rectangle(box, _GROUND if generated == 1 else _COLOURS[lane], "#b0b5bb")
