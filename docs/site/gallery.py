"""The gallery: clips of the tiny model from requests in gallery.json, and the pages' HTML for them."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from course import video_html
from record import write_clip, write_recording

import ltx_nb
from ltx_nb import Clip, Session
from ltx_nb.inspect import capture_attention
from ltx_nb.pipeline.preview import Preview
from ltx_widgets import LatentExplorer, Player, Timeline
from ltx_widgets.step_preview import step_previews

FRONT = 3  # the first ones stand on the front page
NOT_SETTINGS = ("name", "title")


def entries(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8"))


def made(session: Session, entry: dict[str, Any], *, trace: bool = False) -> Clip:
    """The clip of an entry."""
    settings = {key: value for key, value in entry.items() if key not in NOT_SETTINGS}
    return session.text_to_video(**settings, trace=trace, progress=False)


def record_gallery(path: Path, recorded: Path) -> None:
    """gallery/<name>.mp4, .jpg and .json of each entry, and of the first its widgets, gallery/<name>-<widget>."""
    session = ltx_nb.load("tiny")
    for index, entry in enumerate(entries(path)):
        stem = recorded / "gallery" / entry["name"]
        if index:
            clip = made(session, entry)
        else:
            with capture_attention(session) as maps:
                clip = made(session, entry, trace=True)
            widgets = {
                "player": Player(clip, steps=step_previews(Preview(session.pipe), clip.trace)),
                "latents": LatentExplorer(clip, attention=maps),
                "timeline": Timeline(clip.request, media=[clip]),
            }
            for kind, widget in widgets.items():
                name = f"gallery/{entry['name']}-{kind}"
                write_recording(widget, recorded / name, name)
        write_clip(clip, stem)
        stem.with_suffix(".json").write_text(clip.request.to_json() + "\n", "utf-8")


def cards_html(chosen: list[dict[str, Any]], prefix: str) -> str:
    """A list of clips, each with its words, seed and request to download."""
    return "\n".join(['<ul class="ltx-cards">', *(_card(entry, prefix) for entry in chosen), "</ul>"])


def _card(entry: dict[str, Any], prefix: str) -> str:
    stem = f"{prefix}recorded/gallery/{entry['name']}"
    title, prompt = escape(entry["title"]), escape(entry["prompt"])
    others = "".join(f", {key} {value}" for key, value in entry.items() if key not in (*NOT_SETTINGS, "prompt", "seed"))
    video = video_html(stem, title, entry.get("height", 1) / entry.get("width", 1))
    return (
        f'<li id="{entry["name"]}">{video}<p class="ltx-card-title">{title}</p><p>{prompt}</p>'
        f'<p class="ltx-card-facts">seed {entry["seed"]}{others} · <a href="{stem}.json" download>request</a> · '
        f'<a href="{stem}.mp4" download>clip</a></p></li>'
    )
