"""A studio as a still picture for readers without a kernel, and how it stays the latest one in the notebook."""

from __future__ import annotations

import io
import os
import sys
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, Protocol

from PIL import Image

from ltx_widgets.base import with_still
from ltx_widgets.timeline.still import WIDTH_PX

_GAP_PX = 16
_MOST_DISPLAYS = 4
# It is stored with the notebook, and anew with every run: as wide as a notebook, in few colours.
_STORED_WIDTH_PX = 960
_COLOURS = 48


class HasStill(Protocol):
    def _still(self) -> bytes: ...


def still_png(stills: Iterable[bytes | None]) -> bytes:
    """PNGs one below the other, each at up to twice its size, reduced to _STORED_WIDTH_PX together."""
    images = [_enlarged(Image.open(io.BytesIO(still))) for still in stills if still is not None]
    height = sum(image.height for image in images) + _GAP_PX * (len(images) - 1)
    picture = Image.new("RGB", (WIDTH_PX, height), "#ffffff")
    top = 0
    for image in images:
        picture.paste(image, (0, top))
        top += image.height + _GAP_PX
    size = (_STORED_WIDTH_PX, round(height * _STORED_WIDTH_PX / WIDTH_PX))
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).quantize(_COLOURS).save(file, "PNG", optimize=True)
    return file.getvalue()


class StillKeeper:
    """Puts a still of a widget into the notebook beside it, and puts a newer one in its place after every run.

    The still is an output of its own, for a changed output is drawn anew, and nobody wants the desk drawn anew under
    their hands. Where the desk is alive its style hides that output. Front ends that would show both get the still of
    the moment alone, inside the widget's own output.
    """

    def __init__(self, widget: HasStill) -> None:
        self._widget = widget
        self._handles: list[Any] = []

    def display(self, bundle: Any) -> None:
        """Show a widget by its MIME bundle in this cell, with its still."""
        from IPython.display import display

        if bundle is None:
            return
        data, *metadata = bundle if isinstance(bundle, tuple) else (bundle,)
        if not _can_be_renewed():
            data = with_still(data, self._widget._still())
        display(data, raw=True, metadata=metadata[0] if metadata else None)
        if _can_be_renewed():
            handle = display(self._bundle(), raw=True, display_id=True)
            self._handles = [*self._handles, handle][-_MOST_DISPLAYS:]

    def renew(self) -> None:
        for handle in self._handles:
            handle.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        return {"image/png": b64encode(self._widget._still()).decode(), "text/plain": ""}


def _can_be_renewed() -> bool:
    """Whether this is a kernel whose front end is JupyterLab or Notebook, as far as can be told."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    elsewhere = "google.colab" in sys.modules or "VSCODE_PID" in os.environ or "VSCODE_CWD" in os.environ
    return shell is not None and hasattr(shell, "kernel") and not elsewhere


def _enlarged(image: Image.Image) -> Image.Image:
    """Twice the size, as far as there is room."""
    scale = min(2, WIDTH_PX / image.width)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
