"""Clips and widgets recorded for the site: MP4s with posters, and what a widget's browser side was told.

A recording is a script, since a page that is opened from a folder may load scripts and no data. `replay.js` plays it.
Knows no page.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anywidget
from PIL import Image

from ltx_nb.clip import Clip
from ltx_widgets.base import KitWidget
from ltx_widgets.latent_explorer import LatentExplorer
from ltx_widgets.player import Player
from ltx_widgets.timeline import Timeline

RECORDED = (Player, LatentExplorer, Timeline)  # of use without a kernel; the others only ask for something to be run
POSTER_QUALITY = 88


def write_clip(clip: Clip, stem: Path) -> None:
    """stem.mp4, which holds the clip's request, and stem.jpg, its middle frame."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    clip.save(stem.with_suffix(".mp4"))
    Image.fromarray(clip.frames[clip.num_frames // 2]).save(stem.with_suffix(".jpg"), quality=POSTER_QUALITY)


def write_recording(widget: KitWidget, stem: Path, name: str) -> None:
    """stem.js: the widget's traits and what it sends to a view that opens; stem.more.js: what it answers after that."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    inherited = anywidget.AnyWidget.class_traits()
    state = {key: getattr(widget, key) for key in type(widget).class_traits(sync=True) if key not in inherited}
    opening = _answer(widget, {"type": "ready"})
    more = [[ask, _answer(widget, ask)] for ask in _asks(widget)]
    _write_script(stem.with_suffix(".js"), name, {"widget": widget._name, "state": state, "opening": opening})
    _write_script(stem.with_suffix(".more.js"), name, {"answers": more})


def _asks(widget: KitWidget) -> Iterator[dict[str, Any]]:
    """Everything that the browser side may ask of this widget."""
    if isinstance(widget, Player):
        yield from ({"type": "unplayable", "id": facts["id"]} for facts in widget.clips)
        yield from ({"type": "step", "index": index} for index in range(len(widget.steps)))
    elif isinstance(widget, LatentExplorer):
        grid = widget.grid
        for t in range(grid["frames"]):
            for y in range(grid["rows"]):
                for x in range(grid["columns"]):
                    yield {"type": "pick", "picked": {"lane": "video", "t": t, "y": y, "x": x}}
        yield from ({"type": "pick", "picked": {"lane": "audio", "t": t}} for t in range(grid["sounds"]))


def _answer(widget: KitWidget, ask: Mapping[str, Any]) -> list[Any]:
    """The messages, [content, [base64 of a buffer, ...]] each, that the widget sends when it is asked."""
    messages: list[Any] = []

    def keep(content: Mapping[str, Any], buffers: Iterable[bytes] = ()) -> None:
        messages.append([content, [b64encode(buffer).decode() for buffer in buffers]])

    widget.send = keep
    try:
        widget._take(dict(ask), [])
    finally:
        del widget.send
    return messages


def _write_script(path: Path, name: str, content: Mapping[str, Any]) -> None:
    path.write_text(f"ltxReplay.take({json.dumps(name)}, {json.dumps(content, separators=(',', ':'))});\n")
