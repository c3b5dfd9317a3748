"""Folds: what lies below the desk, opened one at a time by its tab. Knows names, not what lies there."""

from __future__ import annotations

from typing import Any

import traitlets

from ltx_nb.checks import choice, keys, text
from ltx_widgets.base import KitWidget


class Folds(KitWidget):
    """Tabs of which one or none is open. Raises ValueError for a name that is none of the tabs'."""

    _name = "folds"

    tabs = traitlets.List(traitlets.Dict()).tag(sync=True)
    """{name, label} of each, in their order."""

    opened = traitlets.Unicode("").tag(sync=True)
    """The name of the one that is open; "" for none."""

    @traitlets.validate("opened")
    def _checked_opened(self, proposal: Any) -> str:
        return choice("opened", proposal["value"], ("", *(tab["name"] for tab in self.tabs)))

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind != "open":
            return super()._on_message(kind, content, buffers)
        self.opened = text("name", keys(kind, content, ("type", "name"), required=("name",))["name"])
