"""The page that runs the tiny model, served from this machine, and clips that it makes as the kit's own."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from ltx_nb.clip import Clip

FRAME_RATE, SAMPLE_RATE_HZ = 24.0, 48_000

# As the page does it, without its form; arrays travel as base64.
_START = """async (base) => {
  const { createSession } = await import(new URL("session.mjs", base));
  const coded = (array) => new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1]);
    reader.readAsDataURL(new Blob([array]));
  });
  const session = createSession();
  const began = performance.now();
  const { device, model } = await session.load();
  const whole = [[0, model.request.num_frames / model.request.frame_rate]];
  const clips = {};
  window.kit = { device, loadSeconds: (performance.now() - began) / 1000, async make({ name, keeps, image, ...asked }) {
    const spans = { video: whole, audio: whole, ...asked.spans };
    const given = image && Uint8Array.from(atob(image), (char) => char.charCodeAt(0));
    const clip = await session.make({ ...asked, spans, before: clips[keeps] ?? null, image: given ?? null });
    clips[name] = clip;
    const [frames, samples] = [await coded(clip.frames), await coded(clip.samples)];
    const [video, audio] = [await coded(clip.latents.video), await coded(clip.latents.audio)];
    return { frames, samples, video, audio, seconds: clip.seconds, warnings: clip.warnings };
  } };
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which the folder's files can be had, as long as the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def start(tab: Any, address: str) -> None:
    """Load the model in an open page of it."""
    tab.evaluate(_START, address)


def make(tab: Any, prompt: str, seed: int, **asked: Any) -> dict[str, Any]:
    """A clip, with its latents as [tokens, 128]. name: what it is remembered by in the page. keeps: the name of one of
    which all but `spans` is kept."""
    made = tab.evaluate("(asked) => window.kit.make(asked)", {"prompt": prompt, "seed": seed, **asked})
    array = {name: base64.b64decode(made[name]) for name in ("frames", "samples", "video", "audio")}
    frames = np.frombuffer(array["frames"], np.uint8).reshape(49, 128, 128, 4)[..., :3]
    samples = np.frombuffer(array["samples"], np.float32).reshape(2, -1)
    clip = Clip(frames=frames.copy(), audio=samples.copy(), frame_rate=FRAME_RATE, sample_rate=SAMPLE_RATE_HZ)
    latents = {lane: np.frombuffer(array[lane], np.float32).reshape(-1, 128) for lane in ("video", "audio")}
    return {"clip": clip, "latents": latents, "seconds": made["seconds"], "warnings": made["warnings"]}
