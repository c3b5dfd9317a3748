"""What inspection costs: each view of the latents of a 20 s 1080p clip, and the views of 20 s of 48 kHz stereo.

    python benchmarks/inspection.py

Prints seconds, seconds of CPU (which a busy machine does not stretch) and the memory that numpy takes on top of the
input (tracemalloc), and writes inspection.json beside this file. The bounds: 1 s and 1 GB for a view of latents on two
cores, 2 s for one of sound. `trajectory` looks at the latents of every step; its seconds are for one.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import torch
from measuring import keep, table, timed

from ltx_nb import Trace
from ltx_nb.inspect import (
    audio_view,
    compare_audio,
    interpolate,
    latent_stats,
    noise_to,
    pca_rgb,
    preview_rgb,
    shift_time,
    swap,
    trajectory,
    zero_channel,
)
from ltx_nb.trace import StepEvent

VIDEO_SHAPE, AUDIO_SHAPE = (128, 61, 34, 60), (8, 501, 16)
FRAMES_SHAPE = (481, 1088, 1920, 3)
SAMPLE_RATE_HZ, SECONDS = 48_000, 20
STEPS = 4
MOST_S, MOST_MB = {"latents": 1.0, "sound": 2.0}, 1000

View = Callable[[], object]


def measured(of: str, view: View, steps: int = 1) -> dict[str, float | bool]:
    view()  # compiles and caches what is made once
    seconds, cpu_seconds = (taken / steps for taken in timed(view))
    tracemalloc.start()
    view()
    megabytes = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "megabytes": round(megabytes),
        "holds": seconds <= MOST_S[of] and megabytes <= MOST_MB,
    }


def traced(video: np.ndarray, audio: np.ndarray) -> Trace:
    trace = Trace(budget_mb=10_000)
    for index in range(STEPS):
        tensors = [torch.from_numpy(latents) for latents in (video, audio)]
        trace.record(StepEvent(index, STEPS, 1, 1 - index / STEPS, *tensors, *tensors))
    return trace


def main() -> None:
    rng = np.random.default_rng(0)
    video, audio = (rng.standard_normal(shape, np.float32) for shape in (VIDEO_SHAPE, AUDIO_SHAPE))
    frame = rng.integers(0, 256, FRAMES_SHAPE[1:], np.uint8)
    frames = np.broadcast_to(frame, FRAMES_SHAPE)  # 3 GB to read, 6 MB to hold
    trace = traced(video, audio)
    t = np.arange(SECONDS * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    sound = np.stack([0.3 * np.sin(2 * np.pi * hz * t) for hz in (220, 330)]).astype(np.float32)
    view_of_sound = audio_view(sound, SAMPLE_RATE_HZ)
    of_latents: dict[str, View] = {
        "latent_stats, video": lambda: latent_stats(video),
        "latent_stats, audio": lambda: latent_stats(audio),
        "pca_rgb, video": lambda: pca_rgb(video),
        "pca_rgb, audio": lambda: pca_rgb(audio),
        "preview_rgb": lambda: preview_rgb(video, frames),
        "interpolate": lambda: interpolate(video, video, 0.5),
        "swap": lambda: swap(video, video, 0, 30),
        "noise_to": lambda: noise_to(video, 0.5),
        "zero_channel": lambda: zero_channel(video, 3),
        "shift_time": lambda: shift_time(video, 3),
    }
    of_sound: dict[str, View] = {
        "audio_view": lambda: audio_view(sound, SAMPLE_RATE_HZ, audio),
        "compare_audio": lambda: compare_audio(view_of_sound, view_of_sound),
    }
    found = {name: measured("latents", view) for name, view in of_latents.items()}
    found["trajectory, a step"] = measured("latents", lambda: trajectory(trace), STEPS)
    found |= {name: measured("sound", view) for name, view in of_sound.items()}
    rows = [
        [name, one["seconds"], one["cpu_seconds"], one["megabytes"], "yes" if one["holds"] else "no"]
        for name, one in found.items()
    ]
    print(table(["view", "s", "s of CPU", "MB", "within the bounds"], rows))
    keep(__file__, found)


if __name__ == "__main__":
    main()
