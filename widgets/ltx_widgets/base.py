"""KitWidget: what all widgets of the kit share on the Python side.

Its browser side is joined from static/ (`ltx_widgets.assets`). Refuses misspelt names, shows errors in the widget, and
takes messages and files from the browser as what they are, untrusted. Knows no request, no media and no model.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from threading import RLock
from typing import Any

import anywidget
import traitlets

from ltx_nb.checks import keys, text
from ltx_widgets.assets import joined_module, joined_style
from ltx_widgets.uploads import Uploads

# A kernel with subshells hands the messages of one page to two threads. One is taken at a time, so that Generate, which
# comes while an edit is being taken, runs what was edited.
_taking_turns = RLock()


class Refused(ValueError, traitlets.TraitError):
    """A value that a trait cannot have. As TraitError it makes traitlets put back what was there before."""


class KitWidget(anywidget.AnyWidget):
    """Base of the kit's widgets; a subclass names its files in static/ by `_name` and adds traits.

    Raises TypeError, with the closest name, for a keyword or a public attribute that it does not have.
    """

    _name: str
    _esm: str
    _css: str

    error = traitlets.Unicode("").tag(sync=True)
    """What went wrong last, with what would work; "" when nothing did. Shown in the widget."""

    _own_id = traitlets.Unicode("").tag(sync=True)
    """By which the browser side finds the whole model in the front end's widget manager."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for handler in vars(cls).values():
            if isinstance(handler, traitlets.ValidateHandler):
                handler.func = _refusing(handler.func)  # type: ignore[assignment]
        # anywidget makes a subclass of its own for every instance, to which the files are no news.
        if "_name" in vars(cls):
            cls._esm = joined_module(cls._name)
            cls._css = joined_style(cls._name)

    def __init__(self, **traits: Any) -> None:
        for name in traits:
            if name.startswith("_") or name not in type(self).class_trait_names():
                raise self._unknown(name, type(self).class_trait_names())
        self._uploads = Uploads()
        super().__init__(**traits)
        self._own_id = self.model_id or ""
        self.on_msg(self._receive)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser says of traits, all or nothing: what is refused is shown, what is kept is sent back."""
        with _taking_turns:
            try:
                super().set_state(sync_data)
            except traitlets.TraitError as error:
                self.error = error_text(error)
                self.send_state([name for name in sync_data if name in self.keys])

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise self._unknown(name, dir(type(self)))
        super().__setattr__(name, value)

    def _unknown(self, name: str, known: Iterable[str]) -> TypeError:
        public = {other for other in known if not other.startswith("_")}
        own = sorted(public - set(dir(anywidget.AnyWidget)))
        close = get_close_matches(name, own, n=1) or get_close_matches(name, public, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "it has " + ", ".join(own)
        return TypeError(f"{type(self).__name__} has no {name!r}; {hint}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), self._still())

    def _still(self) -> bytes | None:
        """A PNG of the widget for readers without a kernel; None where text is enough."""
        return None

    def send_bytes(self, kind: str, meta: Mapping[str, Any], buffers: Iterable[bytes] = ()) -> None:
        """Send {type: kind, **meta} with binary buffers to every view."""
        self.send({**meta, "type": kind}, list(buffers))

    def _on_ready(self) -> None:
        """A view has opened: send it the bytes that it shows. Colab drops those of a widget's opening message."""

    def _on_upload(self, name: str, data: bytes, detail: dict[str, Any]) -> None:
        """A file has come from the browser; detail is what the browser side said it is for, unchecked."""
        raise ValueError(f"{type(self).__name__} takes no files, so {name!r} is dropped")

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        """Any other message from the browser, unchecked."""
        raise ValueError(f"{type(self).__name__} knows no message {kind!r}")

    def _receive(self, _: object, content: object, buffers: list[Any] | None) -> None:
        with _taking_turns:
            self._guard(self._take, content, [bytes(buffer) for buffer in buffers or ()])

    def _take(self, content: object, buffers: list[bytes]) -> None:
        if not isinstance(content, dict):
            raise ValueError(f"a message from the browser is a {type(content).__name__}, not an object")
        kind = text("type", content.get("type"))
        if kind == "ready":
            keys("ready", content, ("type",))
            self._on_ready()
            return
        self.error = ""
        if kind == "chunk":
            upload = self._uploads.add(content, buffers)
            if upload is not None:
                self._on_upload(upload.name, upload.data, upload.detail)
        else:
            self._on_message(kind, content, buffers)

    def _in_turn(self, callback: Callable[..., Any], *args: Any) -> Any:
        """callback(*args) from a thread, as if it were a message of the browser: one at a time, and guarded."""
        with _taking_turns:
            return self._guard(callback, *args)

    def _guard(self, callback: Callable[..., Any], *args: Any) -> Any:
        """callback(*args); what it raises is shown in the widget, since the front end hides it, and None comes back."""
        try:
            return callback(*args)
        except Exception as error:
            self.error = error_text(error)
            return None


def _refusing(check: Callable[..., Any]) -> Callable[..., Any]:
    """A validator whose ValueError is one that traitlets knows."""

    @wraps(check)
    def checked(*arguments: Any) -> Any:
        try:
            return check(*arguments)
        except LookupError as error:
            raise Refused(f"{error} is missing") from error
        except (TypeError, ValueError) as error:
            raise Refused(str(error)) from error

    return checked


def with_still(bundle: Any, still_png: bytes | None) -> Any:
    """A widget's MIME bundle, its data alone or with metadata, and in it a picture for readers without a kernel.

    None, the bundle of a widget that is closed, stays None.
    """
    if bundle is None or still_png is None:
        return bundle
    data, *metadata = bundle if isinstance(bundle, tuple) else (bundle,)
    data = data | {"image/png": b64encode(still_png).decode()}
    return (data, *metadata) if metadata else data


def error_text(error: Exception) -> str:
    """An exception for a reader: a ValueError explains itself, others go by their name."""
    return str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"
