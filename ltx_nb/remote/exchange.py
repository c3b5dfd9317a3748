"""HTTP with a service: one host, bounded answers, a key that goes nowhere else, and nothing paid for twice.

What asks can be asked again: it is, after what 429 says and after 5xx and cut lines. What orders is sent again only
where it was certainly not taken. Knows no task and no payload.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

try:
    import httpx
except ImportError:
    raise ImportError("services are spoken to with httpx: pip install 'ltx-nb[api]'") from None

from ltx_nb.trace import stop_if_cancelled
from ltx_nb.whole_files import whole_file

MAX_ANSWER_BYTES = 1_000_000
MAX_CLIP_BYTES = 500_000_000  # 20 s of 2160p at 100 Mbit/s are half of it
MAX_ERROR_WORDS = 300
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_VIDEO_TYPES = ("video/mp4", "video/quicktime", "application/octet-stream")


class RemoteError(RuntimeError):
    """A service that failed or answered what it must not. status: of HTTP, if it got so far."""

    def __init__(self, message: str, status: int | None = None):
        super().__init__(message)
        self.status = status


class _Unreadable(RemoteError):
    """An answer that came and is none."""


@dataclass(frozen=True)
class Patience:
    """Seconds: between looks at a job, after a first failure (doubled each time), for an answer, for a download, and
    for a job. tries: of one question. most_wait_s: that a 429 may ask for."""

    poll_s: float = 5.0
    retry_s: float = 1.0
    answer_s: float = 60.0
    download_s: float = 900.0
    job_s: float = 3600.0
    most_wait_s: float = 120.0
    tries: int = 5


class Exchange:
    """Requests to `host` with the key that is in the environment when they are sent; it is kept nowhere.

    key_variable: "" for a host that wants none. scheme: what precedes the key in the header. cancel_event: ends a
    wait, as `trace.stop_if_cancelled` does.
    Raises ValueError for a host that is not https, or http on this machine.
    """

    def __init__(
        self,
        host: str,
        key_variable: str,
        scheme: str,
        patience: Patience | None = None,
        cancel_event: threading.Event | None = None,
    ):
        try:
            self.host = _checked_address(host, host).rstrip("/")
        except RemoteError:
            raise ValueError(f"{host[:80]!r} is not the https address of a host, nor http://localhost...") from None
        self.key_variable = key_variable
        self.patience = patience or Patience()
        self.cancel_event = cancel_event or threading.Event()
        self._scheme = scheme

    def key(self) -> str:
        """The key, "" for a host that wants none. Raises ValueError where the environment has none."""
        if not self.key_variable:
            return ""
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise ValueError(
                f"the environment variable {self.key_variable} is not set; it holds the key that the service is paid "
                "by, and is the only place that it is read from"
            )
        if not (key.isascii() and key.isprintable()):
            raise ValueError(f"the environment variable {self.key_variable} holds no key: it is not printable ASCII")
        return key

    def ask(self, path: str, payload: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET a JSON object, or POST what costs nothing; asked again where that may help."""
        return self._json("GET" if payload is None else "POST", path, payload, can_repeat=True)

    def order(self, path: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """POST what may be billed, once. Raises RemoteError that says so where the answer was lost or is none."""
        try:
            return self._json("POST", path, payload, can_repeat=False)
        except _Unreadable as error:
            raise self._lost(str(error)) from None

    def put(self, path: str) -> dict[str, Any]:
        """PUT nothing, as a cancellation is told."""
        return self._json("PUT", path, None, can_repeat=True)

    def content(self, path: str, payload: Mapping[str, Any], max_bytes: int) -> bytes:
        """POST what costs nothing, and return the body, of max_bytes at most."""
        return self._answer("POST", path, payload, can_repeat=True, max_bytes=max_bytes)

    def send_file(self, url: str, content: bytes, headers: Mapping[str, str]) -> None:
        """PUT a file to an address that the service gave, without the key."""
        url = _checked_address(url, self.host)
        try:
            answer = self._client().put(url, content=content, headers=dict(headers))
        except httpx.HTTPError as error:
            raise RemoteError(f"the upload failed: {self._plain(error)}") from None
        if answer.status_code >= 300:
            raise RemoteError(f"the upload was refused with HTTP {answer.status_code}", answer.status_code)

    def download(self, url: str, path: Path) -> None:
        """Fetch a clip into a file, whole or not at all, without the key and from no other address than this one."""
        url = _checked_address(url, self.host)
        for attempt in range(1, self.patience.tries + 1):
            try:
                self._fetch(url, path)
                return
            except (httpx.TransportError, _Passing) as error:
                if attempt == self.patience.tries:
                    raise RemoteError(f"the clip could not be fetched: {self._plain(error)}") from None
                self._wait(self._after(attempt))

    def _fetch(self, url: str, path: Path) -> None:
        until_s = time.monotonic() + self.patience.download_s
        with whole_file(path) as unfinished, self._client() as client, client.stream("GET", url) as answer:
            if answer.is_redirect:
                raise RemoteError("the clip's address leads on to another, which is not followed")
            if answer.status_code >= 500:
                raise _Passing(f"HTTP {answer.status_code}")
            if answer.status_code != 200:
                raise RemoteError(f"the clip's address answers HTTP {answer.status_code}", answer.status_code)
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in _VIDEO_TYPES:
                raise RemoteError(f"the clip's address answers {_short(kind) or 'something'}, which is no MP4")
            size = 0
            with open(unfinished, "wb") as file:
                for block in answer.iter_raw():
                    stop_if_cancelled(self.cancel_event)
                    size += len(block)
                    if size > MAX_CLIP_BYTES:
                        raise RemoteError(f"the clip has over {MAX_CLIP_BYTES:,} bytes, the most that is fetched")
                    if time.monotonic() > until_s:
                        raise RemoteError(f"the clip did not arrive within {self.patience.download_s:g} s")
                    file.write(block)
            if not size:
                raise _Passing("no bytes came")

    def _json(self, method: str, path: str, payload: Any, can_repeat: bool) -> dict[str, Any]:
        content = self._answer(method, path, payload, can_repeat, MAX_ANSWER_BYTES)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise _Unreadable(f"{self.host} answered something that is no JSON object")
        return answer

    def _answer(self, method: str, path: str, payload: Any, can_repeat: bool, max_bytes: int) -> bytes:
        url = f"{self.host}/{path.lstrip('/')}"
        key = self.key()
        for attempt in range(1, self.patience.tries + 1):
            stop_if_cancelled(self.cancel_event)
            wait_s = self._after(attempt)
            is_last = attempt == self.patience.tries
            try:
                status, headers, content = self._once(method, url, key, payload, max_bytes)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # it was not heard, let alone taken
                if is_last:
                    raise RemoteError(f"{self.host} cannot be reached: {self._plain(error)}") from None
            except httpx.HTTPError as error:
                if not can_repeat:
                    raise self._lost(self._plain(error)) from None
                if is_last:
                    raise RemoteError(f"{self.host} does not answer: {self._plain(error)}") from None
            else:
                if 200 <= status < 300:
                    return content
                words = f"{self.host} answers HTTP {status}{self._words(content)}"
                if status == 429:
                    wait_s = _asked_wait_s(headers, wait_s)
                    if is_last or wait_s > self.patience.most_wait_s:
                        raise RemoteError(f"{words}; try again in {wait_s:.0f} s", status)
                elif status >= 500 and not can_repeat:
                    raise self._lost(words, status)
                elif status < 500 or is_last:
                    raise RemoteError(f"{words}{self._advice(status)}", status)
            self._wait(wait_s)
        raise AssertionError("the last try returns or raises")

    def _once(
        self, method: str, url: str, key: str, payload: Any, max_bytes: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        until_s = time.monotonic() + 2 * self.patience.answer_s
        with (
            self._client() as client,
            client.stream(
                method, url, json=payload, headers={"Authorization": f"{self._scheme} {key}"} if key else {}
            ) as answer,
        ):
            found = bytearray()
            for block in answer.iter_bytes():
                found += block
                if len(found) > max_bytes:
                    raise _Unreadable(f"{self.host} answers over {max_bytes:,} bytes, the most that is read of it")
                if time.monotonic() > until_s:
                    raise httpx.ReadTimeout("it did not come to an end")
            return answer.status_code, answer.headers, bytes(found)

    def _client(self) -> httpx.Client:
        timeout = httpx.Timeout(self.patience.answer_s, connect=min(self.patience.answer_s, 15.0))
        return httpx.Client(timeout=timeout, follow_redirects=False, headers={"Accept-Encoding": "identity"})

    def _after(self, attempt: int) -> float:
        """Seconds until the next try: doubled each time, by up to half more so that many do not come at once."""
        return self.patience.retry_s * 2 ** (attempt - 1) * random.uniform(1, 1.5)

    def _wait(self, seconds: float) -> None:
        self.cancel_event.wait(seconds)
        stop_if_cancelled(self.cancel_event)

    def _lost(self, why: str, status: int | None = None) -> RemoteError:
        return RemoteError(f"{why}. The order may have been taken, and be billed; it is not sent twice", status)

    def _advice(self, status: int) -> str:
        if status in (401, 403) and self.key_variable:
            return f"; is the key in {self.key_variable} a valid one?"
        return "; the account has no credit left" if status == 402 else ""

    def _words(self, content: bytes) -> str:
        """Return what an error says, in a line without the key, whatever the service repeats."""
        try:
            found = json.loads(content)
            found = found.get("error", found.get("detail", found))
            said = found.get("message", found) if isinstance(found, dict) else found
        except (ValueError, AttributeError, RecursionError):
            said = content[:MAX_ERROR_WORDS].decode("utf-8", "replace")
        said = self.without_key(_short(str(said or "")))
        return f": {said}" if said else ""

    def _plain(self, error: Exception) -> str:
        return self.without_key(_short(str(error)) or type(error).__name__)

    def without_key(self, text: str) -> str:
        """The text without the key, should something repeat it."""
        key = os.environ.get(self.key_variable, "").strip() if self.key_variable else ""
        return text.replace(key, "...") if key else text


class _Passing(Exception):
    """A failure of a download that another try may not have."""


def _short(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:MAX_ERROR_WORDS]


def _asked_wait_s(headers: Mapping[str, str], otherwise_s: float) -> float:
    """Seconds that Retry-After asks for, as a number; a date, or what is neither, counts as not asked."""
    asked = headers.get("retry-after", "").strip()
    return float(asked) if re.fullmatch(r"\d{1,6}(\.\d+)?", asked) else otherwise_s


def _checked_address(url: str, host: str) -> str:
    """An address to which media go or from which they come: https, or http on this machine where the host is, too."""
    parts = urlsplit(url if isinstance(url, str) else "")
    is_local = parts.hostname in LOOPBACK and urlsplit(host).hostname in LOOPBACK
    if not (parts.scheme == "https" and parts.hostname) and not (parts.scheme == "http" and is_local):
        raise RemoteError(f"the service names an address that is not https: {_short(str(url))[:80]}")
    if parts.username or parts.password:
        raise RemoteError("the service names an address with a password in it")
    return url
