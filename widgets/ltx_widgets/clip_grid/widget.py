"""ClipGrid: the clips of a sweep, a column a seed and a row all else, played in step; a click takes a clip's request.

Knows files and the requests they were made from, and neither a session nor a studio: what takes a request is given.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import traitlets
from PIL import Image

from ltx_nb.checks import keys, whole_number
from ltx_nb.request import ClipRequest
from ltx_widgets.base import KitWidget
from ltx_widgets.clip_grid.cells import Cell, cell_of
from ltx_widgets.clip_grid.places import Made, places_of

MOST_CLIPS = 64
_GAP_PX = 4
_SHEET_CELL_PX = 160


class TakesRequest(Protocol):
    """A studio, a Prompt, a Timeline: what shows the request that is assigned to it."""

    request: Any


@dataclass(frozen=True)
class _Found:
    request: ClipRequest
    path: Path
    error: str | None = None


class ClipGrid(KitWidget):
    """A grid of clips that play together.

    rows: what `ltx_nb.sweep.sweep` returned, or a folder of MP4s that hold their requests; others in it are left out.
    into: whose `request` becomes that of a clip that is clicked, such as a studio.

    Raises ValueError for no rows, for more than MOST_CLIPS, and for a folder without such a file.
    """

    _name = "clip_grid"

    cells = traitlets.List(traitlets.Dict()).tag(sync=True)
    """{id, row, column, name, error} of each clip, and its length and proportions where it was made; set by `show`."""

    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What each row of the grid is: its prompt, and what else tells it from the others."""

    selected = traitlets.Int(-1).tag(sync=True)
    """Which of `cells` was clicked last, and is heard; -1 for none."""

    loop = traitlets.Bool(True).tag(sync=True)
    """Whether to begin again at the end."""

    muted = traitlets.Bool(False).tag(sync=True)
    """Whether the sound of the selected clip is off."""

    takes_requests = traitlets.Bool(False).tag(sync=True)
    """Whether there is an `into`."""

    def __init__(
        self,
        rows: Sequence[Made] | str | os.PathLike[str],
        *,
        into: TakesRequest | None = None,
        **traits: Any,
    ) -> None:
        self._into = into
        self._ids = count()
        self._made: list[Made] = []
        self._cells: list[Cell | None] = []
        super().__init__(takes_requests=into is not None, **traits)
        self.show(rows)

    def __repr__(self) -> str:
        return f"ClipGrid({len(self.cells)} clips, {len(self.labels)} rows)"

    @property
    def request(self) -> ClipRequest | None:
        """Request of the clip that was clicked last; None before."""
        return self._made[self.selected].request if self.selected >= 0 else None

    def show(self, rows: Sequence[Made] | str | os.PathLike[str]) -> None:
        """Show these clips in place of those that are there; arguments and errors as of the class."""
        made = _in_folder(Path(rows)) if isinstance(rows, (str, os.PathLike)) else list(rows)
        if not made:
            raise ValueError("no rows are given; give what sweep(...) returned, or its folder")
        if len(made) > MOST_CLIPS:
            raise ValueError(
                f"{len(made)} clips are too many to play at once; give up to {MOST_CLIPS}: rows[:{MOST_CLIPS}]"
            )
        places = places_of([row.request for row in made])
        found: list[Cell | None] = []
        told: list[dict[str, Any]] = []
        for row, (line, column) in zip(made, places.at, strict=True):
            error, cell = row.error, None
            if error is None:
                try:
                    cell = cell_of(row.path)
                except (OSError, ValueError) as problem:
                    error = str(problem)
            found.append(cell)
            place = {"id": next(self._ids), "row": line, "column": column, "name": f"seed {row.request.seed}"}
            told.append(place | {"error": error} | (cell.facts if cell else {}))
        self._made, self._cells = made, found
        with self.hold_sync():
            self.selected = -1
            self.labels = places.labels
            self.cells = told
        self._send_pictures()

    @traitlets.validate("selected")
    def _check_selected(self, proposal: dict[str, Any]) -> int:
        return whole_number("selected", proposal["value"], least=-1, most=len(self._made) - 1)

    def _on_ready(self) -> None:
        self._send_pictures()

    def _send_pictures(self) -> None:
        for told, cell in zip(self.cells, self._cells, strict=True):
            if cell is not None:
                self.send_bytes("picture", {"id": told["id"]}, [cell.picture()])

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind == "want":  # a view asks for one file after the other, so that the kernel can do other things between
            keys(kind, content, ("type", "id", "aac"), required=("id", "aac"))
            for told, cell in zip(self.cells, self._cells, strict=True):  # those of other rows are not there any more
                if told["id"] == content["id"] and cell is not None:
                    media_type = "video/mp4" if cell.still is not None or content["aac"] else "audio/mpeg"
                    self.send_bytes(
                        "file",
                        {"id": told["id"], "media_type": media_type},
                        [cell.content(aac=bool(content["aac"]))],
                    )
        elif kind == "take":
            index = keys(kind, content, ("type", "index"), required=("index",))["index"]
            index = whole_number("index", index, least=0, most=len(self._made) - 1)
            self.selected = index
            if self._into is not None:
                self._into.request = self._made[index].request
        else:
            super()._on_message(kind, content, buffers)

    def _still(self) -> bytes | None:
        """The clips' small pictures, where each stands in the grid."""
        stills = {
            (told["row"], told["column"]): cell.still
            for told, cell in zip(self.cells, self._cells, strict=True)
            if cell is not None and cell.still is not None
        }
        if not stills:
            return None
        small = {at: still.copy() for at, still in stills.items()}
        for still in small.values():
            still.thumbnail((_SHEET_CELL_PX, _SHEET_CELL_PX))
        width = max(still.width for still in small.values()) + _GAP_PX
        height = max(still.height for still in small.values()) + _GAP_PX
        columns, rows = 1 + max(at[1] for at in small), 1 + max(at[0] for at in small)
        sheet = Image.new("RGB", (columns * width - _GAP_PX, rows * height - _GAP_PX), "#ffffff")
        for (row, column), still in small.items():
            sheet.paste(still, (column * width, row * height))
        file = io.BytesIO()
        sheet.save(file, "PNG")
        return file.getvalue()


def _in_folder(folder: Path) -> list[Made]:
    """The clips of a folder that hold a request, by name. Raises ValueError where there is none."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give the one that sweep(..., out=folder) wrote to")
    found: list[Made] = []
    for path in sorted(folder.glob("*.mp4")):
        try:
            found.append(_Found(ClipRequest.from_file(path), path))
        except ValueError:
            continue  # of several passes, or not of this kit
    if not found:
        raise ValueError(f"{folder} holds no MP4 with a request; give the folder that sweep(..., out=folder) wrote to")
    return found
