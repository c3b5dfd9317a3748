"""Services and what they make: their tasks with the sizes, lengths and rates of each, and what a second of it costs.

Sources: the model pages of fal.ai (https://fal.ai/models/fal-ai/ltx-2.3/text-to-video/fast/llms.txt and its neighbours)
and the reference of Lightricks' API (https://docs.ltx.io), read from August to October 2026; prices with the source of
each in `planning/prices.json`. Plain data; sends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ltx_nb.checks import choice

LANDSCAPE_PX = {"720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440), "2160p": (3840, 2160)}
PORTRAIT = "-portrait"
RATES = (24, 25, 48, 50)
LONG_S, LONG_SIZES, LONG_RATES = 10, ("720p", "1080p"), (24, 25)  # what is longer is made at these alone

TASKS = {
    "text_to_video": "text-to-video",
    "image_to_video": "image-to-video",
    "keyframes_to_video": "image-to-video",
    "audio_to_video": "audio-to-video",
    "extend": "extend",
    "retake": "retake",
}


@dataclass(frozen=True)
class Service:
    """A model of a service.

    name: as `load` takes it. host: where requests go. scheme: of their authorisation. key: the environment variable
    that holds the key. console: where keys and bills are. endpoints, prices: by task, its path and its name in the list
    of prices. sizes, lengths_s, rates: of clips from words and pictures. words: its names for fields that go by others
    here. fields: what it wants beside them.
    """

    name: str
    host: str
    scheme: str
    key: str
    console: str
    endpoints: Mapping[str, str]
    prices: Mapping[str, str]
    sizes: tuple[str, ...]
    lengths_s: tuple[int, ...]
    rates: tuple[int, ...]
    words: Mapping[str, str]
    fields: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The protocol that it speaks: "fal" or "ltx-api"."""
        return self.name.partition(":")[0]

    @property
    def verbs(self) -> tuple[str, ...]:
        """Names of the verbs that it has."""
        return tuple(verb for verb, task in TASKS.items() if task in self.endpoints)

    @property
    def named_sizes(self) -> tuple[str, ...]:
        return (*self.sizes, *(size + PORTRAIT for size in self.sizes))

    def size_fields(self, size: str) -> dict[str, str]:
        """Fields that ask for one of its named sizes."""
        if self.kind == "fal":
            ratio = "9:16" if size.endswith(PORTRAIT) else "16:9"
            return {"resolution": size.removesuffix(PORTRAIT), "aspect_ratio": ratio}
        width, height = size_px(size)
        return {"resolution": f"{width}x{height}"}

    def price(self, task: str, size: str) -> tuple[float, str, str]:
        """US dollars for a second of a task at a size, the page that says so, and when it was read.

        Raises ValueError where no list has it.
        """
        name = self.prices[task]
        for row in _price_rows():
            if row["name"] == name and row["size"] in (size.removesuffix(PORTRAIT), "any"):
                return row["usd_per_second"], row["source"], row["read"]
        known = [row["size"] for row in _price_rows() if row["name"] == name]
        raise ValueError(f"size={size!r} has no price for {name}; nearest: {', '.join(known)}")


FAL_WORDS = {
    "image": "image_url",
    "last_image": "end_image_url",
    "audio": "audio_url",
    "video": "video_url",
    "lanes": "retake_mode",
    "side": "mode",
}
LTX_WORDS = {
    "image": "image_uri",
    "last_image": "last_frame_uri",
    "audio": "audio_uri",
    "video": "video_uri",
    "lanes": "mode",
    "side": "mode",
}
ALL_S = (6, 8, 10, 12, 14, 16, 18, 20)
HD = ("1080p", "1440p", "2160p")


def _fal(name: str, endpoints: Mapping[str, str], lengths_s: tuple[int, ...]) -> Service:
    return Service(
        name=name,
        host="https://queue.fal.run",
        scheme="Key",
        key="FAL_KEY",
        console="https://fal.ai/dashboard",
        endpoints=endpoints,
        prices=endpoints,
        sizes=HD,
        lengths_s=lengths_s,
        rates=RATES,
        words=FAL_WORDS,
        fields={},
    )


def _ltx(model: str, tasks: tuple[str, ...], sizes: tuple[str, ...], lengths_s: tuple[int, ...]) -> Service:
    own = {task: model if task.endswith("to-video") and task[0] != "a" else f"{model}/{task}" for task in tasks}
    return Service(
        name=f"ltx-api:{model}",
        host="https://api.ltx.video",
        scheme="Bearer",
        key="LTXV_API_KEY",
        console="https://console.ltx.video",
        endpoints={task: f"v2/{task}" for task in tasks},
        prices=own,
        sizes=sizes,
        lengths_s=lengths_s,
        rates=RATES,
        words=LTX_WORDS,
        fields={"model": model},
    )


_MADE = ("text-to-video", "image-to-video")
_EDITED = ("audio-to-video", "extend", "retake")
_PRO = {task: f"fal-ai/ltx-2.3/{task}" for task in (*_MADE, "audio-to-video")}
_PRO |= {task: f"fal-ai/ltx-2.3/{task}-video" for task in ("extend", "retake")}

SERVICES = {
    service.name: service
    for service in (
        _fal("fal:ltx-2.3/fast", {task: f"fal-ai/ltx-2.3/{task}/fast" for task in _MADE}, ALL_S),
        _fal("fal:ltx-2.3", _PRO, ALL_S[:3]),
        _ltx("ltx-2-3-fast", _MADE, ("720p", *HD), ALL_S),
        _ltx("ltx-2-3-pro", (*_MADE, *_EDITED), HD, ALL_S[:3]),
    )
}
_PREFIXES = {name.partition(":")[0] for name in SERVICES}


def size_px(size: str) -> tuple[int, int]:
    """Width and height of a named size."""
    width, height = LANDSCAPE_PX[size.removesuffix(PORTRAIT)]
    return (height, width) if size.endswith(PORTRAIT) else (width, height)


def is_remote(model: object) -> bool:
    """Whether `load` is given the model of a service."""
    return isinstance(model, str) and model.partition(":")[0] in _PREFIXES and ":" in model


def named_service(name: str) -> Service:
    """The service of this name. Raises ValueError for another."""
    return SERVICES[choice("model", name, SERVICES)]


@cache
def _price_rows() -> list[dict[str, Any]]:
    prices = json.loads(resources.files("ltx_nb.planning").joinpath("prices.json").read_text("utf-8"))
    return [row | {"read": prices["read"]} for row in prices["services"] + prices["tasks"]]
