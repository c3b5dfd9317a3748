"""Paid routes: the same verbs on a service that runs LTX-2.3, each with its price and payload shown before it is sent.

`ltx_nb.load("fal:ltx-2.3/fast")` makes a session of one. Nothing here runs a model. Names are imported when they are
first used, since httpx and fal-client are an extra: `pip install "ltx-nb[api]"`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltx_nb.lazy import lazily

if TYPE_CHECKING:
    from ltx_nb.remote.embedding import PromptEndpoint
    from ltx_nb.remote.enhancing import Enhanced, enhance_prompt
    from ltx_nb.remote.exchange import Patience, RemoteError
    from ltx_nb.remote.quote import NotAgreed, Quote
    from ltx_nb.remote.session import RemoteSession

_MODULE_OF = {
    "Enhanced": "enhancing",
    "NotAgreed": "quote",
    "Patience": "exchange",
    "PromptEndpoint": "embedding",
    "Quote": "quote",
    "RemoteError": "exchange",
    "RemoteSession": "session",
    "enhance_prompt": "enhancing",
}

__all__ = [
    "Enhanced",
    "NotAgreed",
    "Patience",
    "PromptEndpoint",
    "Quote",
    "RemoteError",
    "RemoteSession",
    "enhance_prompt",
]

__getattr__, __dir__ = lazily(__name__, _MODULE_OF)
