"""What inspection costs: each latent view of a 20 s 1080p clip, and the views of 20 s of 48 kHz stereo.

    python benchmarks/inspection.py

Prints seconds, seconds of CPU (which a busy machine does not stretch) and the memory that numpy takes on top of the
input (tracemalloc), and writes inspection.json beside this file. The bounds: a latent view in 1 s and 1 GB on two
cores, the sound in 2 s.
"""

from __future__ import annotations

import json
import platform
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ltx_nb.files import whole_file
from ltx_nb.inspect import audio_view, interpolate, latent_stats, pca_rgb, shift_time

VIDEO_SHAPE, AUDIO_SHAPE = (128, 61, 34, 60), (8, 501, 16)
SAMPLE_RATE_HZ, SECONDS = 48_000, 20
BOUNDS = {"latents": (1.0, 1e9), "sound": (2.0, 1e9)}


def measured(kind: str, view: Callable[[], object]) -> dict[str, float | bool]:
    view()  # compiles and caches what is made once
    start, cpu_start = time.perf_counter(), time.process_time()
    view()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    tracemalloc.start()
    view()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    most_s, most_bytes = BOUNDS[kind]
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "megabytes": round(peak / 1e6),
        "holds": seconds <= most_s and peak <= most_bytes,
    }


def main() -> None:
    rng = np.random.default_rng(0)
    video, audio_latents = (rng.standard_normal(shape, np.float32) for shape in (VIDEO_SHAPE, AUDIO_SHAPE))
    t = np.arange(SECONDS * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    sound = np.stack([0.3 * np.sin(2 * np.pi * hz * t) for hz in (220, 330)]).astype(np.float32)
    views: dict[str, tuple[str, Callable[[], object]]] = {
        "latent_stats, video": ("latents", lambda: latent_stats(video)),
        "latent_stats, audio": ("latents", lambda: latent_stats(audio_latents)),
        "pca_rgb, video": ("latents", lambda: pca_rgb(video)),
        "pca_rgb, audio": ("latents", lambda: pca_rgb(audio_latents)),
        "interpolate": ("latents", lambda: interpolate(video, video, 0.5)),
        "shift_time": ("latents", lambda: shift_time(video, 3)),
        "audio_view": ("sound", lambda: audio_view(sound, SAMPLE_RATE_HZ, audio_latents)),
    }
    results = {name: measured(kind, view) for name, (kind, view) in views.items()}
    for name, result in results.items():
        print(
            f"{name:<22} {result['seconds']:7.3f} s {result['cpu_seconds']:7.3f} s of CPU {result['megabytes']:6} MB  "
            f"{'ok' if result['holds'] else 'over'}"
        )
    content = {"machine": platform.processor() or platform.machine(), "python": platform.python_version()} | results
    with whole_file(Path(__file__).with_suffix(".json")) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
