"""Timeline: what a request is given on its two lanes, and what the model sees of it, edited in the browser.

Takes any ClipRequest and gives it back with what was edited: length, size, rate, given items and references; everything
else passes through. Sources stay on this side, the browser knows them by their SHA-256 and small previews.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import traitlets

from ltx_nb.checks import items, keys, text
from ltx_nb.clip import Clip
from ltx_nb.request import ClipRequest, Given, Reference
from ltx_nb.source import EMBED_LIMIT_BYTES, Source
from ltx_nb.timed import TimedPrompt
from ltx_nb.whole_files import whole_file
from ltx_widgets.base import KitWidget
from ltx_widgets.timeline.source_preview import facts_of, preview_of
from ltx_widgets.timeline.still import still_png
from ltx_widgets.uploads import upload_folder

PLAIN = ("width", "height", "crop_width", "crop_height", "num_frames", "frame_rate", "two_stage")
EDITED = (*PLAIN, "given", "references", "timed_prompts")
GIVEN = tuple(field.name for field in fields(Given))
REFERENCE = tuple(field.name for field in fields(Reference))


class Timeline(KitWidget):
    """An editor of the fields EDITED of a ClipRequest: two lanes, a row of words and one of references on a time axis.

    request: what to start from; by default nothing is given and everything generated.
    media: clips, files' paths or Sources to have at hand, besides those that the request is given.

    Raises ValueError for media that cannot be read, and for what no ClipRequest can have. What the browser sends is
    checked alike; `error` then says why, `value` stays, and the browser's view goes back to it.
    """

    _name = "timeline"

    value = traitlets.Dict().tag(sync=True)
    """The request's fields EDITED, as in ClipRequest.to_dict(), but each source as its SHA-256."""

    sources = traitlets.List(traitlets.Dict()).tag(sync=True)
    """What can be given: {sha256, name} and what `source_preview.facts_of` says, or {error} of what cannot be read."""

    prompt = traitlets.Unicode("").tag(sync=True)
    """The request's prompt, with which a timed one begins; not edited here."""

    source = traitlets.Unicode("").tag(sync=True)
    """SHA-256 of the source that is chosen, which Insert and the tasks begin with; "" where there is none."""

    span_s = traitlets.List(traitlets.Float(), []).tag(sync=True)
    """What Retake frees, [start, end) in seconds; empty for its own choice, which is dragged from there."""

    def __init__(
        self,
        request: ClipRequest | None = None,
        *,
        media: Iterable[Clip | Source | str | os.PathLike[str]] = (),
        **traits: Any,
    ) -> None:
        self._base = request or ClipRequest("")
        self._known: dict[str, Source] = {}
        self._offered = ""  # the source that `offer` chose, while the request has never been given it
        self._in_view = False
        super().__init__(**traits)
        self.request = self._base
        for one in media:
            self.add_source(one)

    @property
    def request(self) -> ClipRequest:
        """The whole request as edited so far. Assign one to show and edit it."""
        return self._edited(self.value)

    @request.setter
    def request(self, request: ClipRequest) -> None:
        if not isinstance(request, ClipRequest):
            raise ValueError(f"request is a {type(request).__name__}; give a ClipRequest, such as clip.request")
        for source in _sources_of(request):
            self._know(source)
        self._keep_given(request)
        self._base = request
        self.prompt = request.prompt
        self.value = plain_value(request)

    def add_source(self, media: Clip | Source | str | os.PathLike[str], name: str = "") -> str:
        """Offer media under a name, its file's by default, and return its SHA-256.

        Raises ValueError if it cannot be read.
        """
        source = Source.of(media)
        facts_of(source)
        if not name and isinstance(media, (str, os.PathLike)):
            name = Path(media).name
        self._know(source, name)
        return source.sha256

    def offer(self, media: Clip | Source, name: str) -> str:
        """Choose media as the source, and let go of those that were offered before and not used; as `add_source` else.

        So that whoever looks through a hundred clips does not keep all of them, nor loads their pictures.
        """
        source, before = Source.of(media), self._offered
        if source.sha256 not in self._known:
            self._offered = source.sha256
            self.add_source(source, name)
        elif source.sha256 != before:
            self._offered = ""
        if before and before != source.sha256:
            self._known.pop(before, None)
            self.sources = [entry for entry in self.sources if entry["sha256"] != before]
        self.source = source.sha256
        return source.sha256

    def give(self, media: Clip | Source, name: str, time_s: float | None = None) -> str:
        """Add media to the sources, and choose it; with a time, views that are open put it there."""
        sha256 = self.add_source(media, name)
        self._keep(sha256)
        self.source = sha256
        if time_s is not None:
            self.send_bytes("insert", {"sha256": sha256, "time_s": time_s})
        return sha256

    def _keep_given(self, request: ClipRequest) -> None:
        """Keep what a request was given once, since undo may bring it back."""
        for source in _sources_of(request):
            self._keep(source.sha256)

    def _keep(self, sha256: str) -> None:
        """Offered no more, but used: from now on its pictures are seen."""
        if sha256 != self._offered:
            return
        self._offered = ""
        if self._in_view:
            self._send_preview(self._known[sha256])

    def _know(self, source: Source, name: str = "") -> None:
        if source.sha256 in self._known:
            return
        self._known[source.sha256] = source
        entry: dict[str, Any] = {"sha256": source.sha256, "name": name or Path(source.path or "").name}
        try:
            entry |= facts_of(source)
        except ValueError as error:
            entry["error"] = str(error)
        entry["name"] = entry["name"] or f"{_kind(entry)} {len(self._known)}"
        self.sources = [*self.sources, entry]
        if not self.source and "error" not in entry:
            self.source = source.sha256
        if self._in_view and source.sha256 != self._offered:
            self._send_preview(source)

    def _on_ready(self) -> None:
        self._in_view = True
        for sha256, source in self._known.items():
            if sha256 != self._offered:
                self._send_preview(source)

    def _send_preview(self, source: Source) -> None:
        try:
            preview = preview_of(source)
        except ValueError:
            return  # its entry in `sources` says why
        meta = {"sha256": source.sha256, "thumbnails": preview.thumbnails}
        self.send_bytes("preview", meta, [preview.strip, preview.peaks.tobytes()])

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind != "edit":
            return super()._on_message(kind, content, buffers)
        keys("edit", content, ("type", "id", "value"), required=("id", "value"))
        try:
            self.value = dict(keys("value", content["value"], EDITED))
        finally:
            # A view waits for this before it takes over `value` again, lest an answer undo a later edit.
            self.send_bytes("edited", {"id": text("id", content["id"])})

    def _on_upload(self, name: str, data: bytes, detail: dict[str, Any]) -> None:
        name = Path(name).name
        try:
            source = _stored(name, data)
            facts_of(source)
        except ValueError as error:
            raise ValueError(f"{name} cannot be used: {error}") from None
        self._know(source, name)
        self.source = source.sha256
        self.send_bytes("uploaded", {"sha256": source.sha256, "detail": detail})

    @traitlets.validate("value")
    def _checked_value(self, proposal: Any) -> dict[str, Any]:
        request = self._edited({**self.value, **keys("value", proposal["value"], EDITED)})
        self._keep_given(request)
        return plain_value(request)

    @traitlets.validate("source")
    def _checked_source(self, proposal: Any) -> str:
        sha256 = proposal["value"]
        if sha256 and sha256 not in self._known:
            names = ", ".join(entry["name"] for entry in self.sources) or "none"
            raise ValueError(f"source={sha256[:12]!r} is not known here; there: {names}")
        return sha256

    @traitlets.validate("span_s")
    def _checked_span(self, proposal: Any) -> list[float]:
        span_s = proposal["value"]
        if span_s and not (len(span_s) == 2 and 0 <= span_s[0] < span_s[1]):
            raise ValueError(f"span_s={span_s} is no span; give [start, end] in seconds, or []")
        return span_s

    def _edited(self, value: Mapping[str, Any]) -> ClipRequest:
        if not value:
            return self._base
        given = tuple(
            Given(**self._with_source("given", item, GIVEN, ("lane", "source")))
            for item in items("given", value["given"], dict)
        )
        references = tuple(
            Reference(**self._with_source("references", item, REFERENCE, ("source",)))
            for item in items("references", value["references"], dict)
        )
        timed = tuple(TimedPrompt.from_dict(item) for item in items("timed_prompts", value["timed_prompts"], dict))
        return self._base.replace(**{**value, "given": given, "references": references, "timed_prompts": timed})

    def _with_source(
        self, name: str, item: Mapping[str, Any], known: tuple[str, ...], required: tuple[str, ...]
    ) -> dict[str, Any]:
        """An item of the browser's, with the source that its SHA-256 stands for."""
        keys(name, item, known, required=required)
        source = self._known.get(text("source", item["source"]))
        if source is None:
            names = ", ".join(entry["name"] for entry in self.sources) or "none"
            raise ValueError(
                f"source {item['source'][:12]!r} is not known here; add it with add_source(...); there: {names}"
            )
        return {**item, "source": source}

    def _still(self) -> bytes:
        return still_png(self.request)

    def __repr__(self) -> str:
        request = self.request
        count = Counter(item.lane for item in request.given)
        given = ", ".join(f"{lane} given {count[lane]}" for lane in ("video", "audio"))
        if request.references:
            given += f", {len(request.references)} looked at"
        if request.timed_prompts:
            given += f", {len(request.timed_prompts)} timed prompts"
        length = f"{request.num_frames} frames at {request.frame_rate:g}/s, {request.duration_s:.2f} s"
        return f"Timeline({length}; {given})"


def plain_value(request: ClipRequest) -> dict[str, Any]:
    """The fields EDITED of a request, with each source as its SHA-256."""

    def plain(items: Iterable[Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
        return [{name: getattr(item, name) for name in names} | {"source": item.source.sha256} for item in items]

    of_sources = {"given": plain(request.given, GIVEN), "references": plain(request.references, REFERENCE)}
    timed = [item.to_dict() for item in request.timed_prompts]
    return {name: getattr(request, name) for name in PLAIN} | of_sources | {"timed_prompts": timed}


def _sources_of(request: ClipRequest) -> list[Source]:
    return [item.source for item in request.given] + [item.source for item in request.references]


def _kind(facts: Mapping[str, Any]) -> str:
    """Name for a source that has none."""
    if facts.get("frame_rate"):
        return "clip"
    return "image" if facts.get("num_frames") else "sound"


def _stored(name: str, data: bytes) -> Source:
    """An uploaded file as a Source: small ones are embedded in requests, larger ones need a file that stays."""
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if len(data) <= EMBED_LIMIT_BYTES:
        return Source.from_bytes(data, media_type)
    digest = hashlib.sha256(data).hexdigest()
    suffix = Path(name).suffix if re.fullmatch(r"\.\w{1,5}", Path(name).suffix) else ""
    path = upload_folder() / f"{digest[:16]}{suffix}"
    with whole_file(path) as unfinished:
        unfinished.write_bytes(data)
    return Source.from_path(path)
