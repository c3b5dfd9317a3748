"""Payload and price of a call of a service, to be read and agreed before it is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ltx_nb.remote.uploads import Upload


@dataclass(frozen=True)
class Quote:
    """service: as `load` takes it. endpoint: the path that gets the payload. payload: with an Upload where a file
    goes. seconds: that are billed, at usd_per_second; source: the page of that price, read in the months `read`.
    """

    service: str
    endpoint: str
    payload: Mapping[str, Any]
    seconds: float
    usd_per_second: float
    source: str
    read: str

    @property
    def usd(self) -> float:
        return self.seconds * self.usd_per_second

    @property
    def uploads(self) -> dict[str, Upload]:
        """Files of the payload by field."""
        return {name: value for name, value in self.payload.items() if isinstance(value, Upload)}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; a file is told by type and size."""
        payload = {name: str(value) if isinstance(value, Upload) else value for name, value in self.payload.items()}
        return {
            "service": self.service,
            "endpoint": self.endpoint,
            "payload": payload,
            "seconds": self.seconds,
            "usd": round(self.usd, 4),
            "source": self.source,
            "read": self.read,
        }

    def __str__(self) -> str:
        payload = json.dumps(self.to_dict()["payload"], ensure_ascii=False)
        return (
            f"{self.service} takes about ${self.usd:.2f} for this: {self.seconds:.4g} s at "
            f"${self.usd_per_second:.2f} ({self.source}, read {self.read}; the service's own bill decides). "
            f"To be sent to {self.endpoint}: {payload}"
        )


class NotAgreed(ValueError):
    """Nothing was sent: price and payload, in `quote`, are to be agreed first."""

    def __init__(self, quote: Quote):
        super().__init__(f"{quote}\nnothing was sent; add yes=True to send it and pay for it")
        self.quote = quote
