"""The two protocols by which a clip is ordered, waited for and fetched: fal's queue, and the jobs of Lightricks' API.

Sources: https://fal.ai/docs/model-apis/model-endpoints/queue, https://docs.ltx.io/async-jobs and /input-formats. fal's
own client uploads; it does not order, for it sends an order again whose answer is lost, and both would be billed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ltx_nb.remote.exchange import Exchange, RemoteError
from ltx_nb.remote.uploads import Upload

FAL_APP_PARTS = (
    2  # of an endpoint: owner and app; what follows is a path in the app, and no part of a request's address
)


@dataclass(frozen=True)
class State:
    """Where a job is: in words for a reader, and the clip's address once it is made."""

    words: str
    video_url: str | None = None


class Jobs(Protocol):
    """Protocol of a service, as far as `RemoteSession` asks it."""

    can_cancel: bool

    def upload(self, upload: Upload) -> str: ...

    def submit(self, endpoint: str, payload: Mapping[str, Any]) -> str: ...

    def state(self, endpoint: str, request_id: str) -> State: ...

    def cancel(self, endpoint: str, request_id: str) -> None: ...


class FalQueue:
    """Jobs at fal: submit, status, result, cancel."""

    can_cancel = True

    def __init__(self, exchange: Exchange):
        self._exchange = exchange

    def upload(self, upload: Upload) -> str:
        """Upload by fal's own client and return the address. Raises RemoteError."""
        import fal_client
        import httpx

        key = self._exchange.key()
        try:
            # Gone after a day: by then the clip is made, and nobody else is to find it.
            kept = fal_client.StorageSettings(expires_in="1d")
            client = fal_client.SyncClient(key=key)
            return client.upload(upload.content, upload.media_type, upload.name, lifecycle=kept)
        except (fal_client.FalClientError, httpx.HTTPError, KeyError, ValueError, TypeError) as error:
            said = self._exchange.without_key(" ".join(str(error).split())[:300])
            raise RemoteError(f"the upload to fal failed: {said or type(error).__name__}") from None

    def submit(self, endpoint: str, payload: Mapping[str, Any]) -> str:
        return _checked_id(self._exchange.order(endpoint, payload).get("request_id"))

    def state(self, endpoint: str, request_id: str) -> State:
        address = _fal_address(endpoint, request_id)
        answer = self._exchange.ask(f"{address}/status")
        status = answer.get("status")
        if status == "IN_QUEUE":
            return State(f"in the queue, {answer.get('queue_position') or 0} before it")
        if status == "IN_PROGRESS":
            return State("being made")
        if status != "COMPLETED":
            raise RemoteError(f"fal answers the status {status!r}, which is none of its queue")
        if answer.get("error"):
            raise RemoteError(f"fal could not make it: {_line(answer['error'])}")
        return State("made", _address_in(self._exchange.ask(address), "video", "url"))

    def cancel(self, endpoint: str, request_id: str) -> None:
        self._exchange.put(f"{_fal_address(endpoint, request_id)}/cancel")


class LtxJobs:
    """Jobs at Lightricks' API, which has no way to take one back."""

    can_cancel = False

    def __init__(self, exchange: Exchange):
        self._exchange = exchange

    def upload(self, upload: Upload) -> str:
        answer = self._exchange.ask("v1/upload", {})
        headers = answer.get("required_headers") or {}
        if not isinstance(headers, dict) or not all(isinstance(it, str) for pair in headers.items() for it in pair):
            raise RemoteError("the service answers headers for the upload that are none")
        self._exchange.send_file(
            answer.get("upload_url") or "", upload.content, {"Content-Type": upload.media_type} | headers
        )
        found = answer.get("storage_uri")
        if not isinstance(found, str) or not found:
            raise RemoteError("the service answers no address for the upload")
        return found

    def submit(self, endpoint: str, payload: Mapping[str, Any]) -> str:
        return _checked_id(self._exchange.order(endpoint, payload).get("id"))

    def state(self, endpoint: str, request_id: str) -> State:
        answer = self._exchange.ask(f"{endpoint}/{_checked_id(request_id)}")
        status = answer.get("status")
        if status in ("pending", "processing"):
            return State("in the queue" if status == "pending" else "being made")
        if status == "failed":
            raise RemoteError(f"the service could not make it: {_line(answer.get('error'))}")
        if status != "completed":
            raise RemoteError(f"the service answers the status {status!r}, which is none of a job")
        return State("made", _address_in(answer, "result", "video_url"))

    def cancel(self, endpoint: str, request_id: str) -> None:
        raise RemoteError("the service cannot take a job back")


JOBS: dict[str, type[FalQueue] | type[LtxJobs]] = {"fal": FalQueue, "ltx-api": LtxJobs}


def _fal_address(endpoint: str, request_id: str) -> str:
    app = "/".join(endpoint.split("/")[:FAL_APP_PARTS])
    return f"{app}/requests/{_checked_id(request_id)}"


def _checked_id(found: Any) -> str:
    """An id that is safe in an address."""
    if not isinstance(found, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", found):
        raise RemoteError("the service answers no id for the request. It may have been taken, and be billed")
    return found


def _address_in(answer: Mapping[str, Any], first: str, second: str) -> str:
    inner = answer.get(first)
    found = inner.get(second) if isinstance(inner, dict) else None
    if not isinstance(found, str) or not found:
        raise RemoteError(f"the service answers no {first}.{second}, where the clip is")
    return found


def _line(error: Any) -> str:
    said = error.get("message") or error.get("type") if isinstance(error, dict) else error
    return " ".join(str(said).split())[:300] or "it does not say why"
