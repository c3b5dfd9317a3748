"""What a step of our loop costs over bare diffusers, what watching it costs, and what an extension costs.

    python benchmarks/tasks.py

Step: session.run against LTX2Pipeline, runs by turns, medians of the time from step to step. Watching: preview of both
lanes and trace, as a share of a step on the tiny model at 128x128x49, and in ms for latents of 121 frames of 1920x1088.
Extension: against text-to-video of the same total length, and one encode of that length. In seconds of CPU, which a
busy machine does not stretch. Prints a table and writes tasks.json beside this file.
"""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

import torch
from measuring import report, timed
from overhead import PROMPT, bare_pipeline, settings_of

import ltx_nb
from ltx_nb.pipeline.encode import encode_audio, encode_video
from ltx_nb.pipeline.preview import Preview
from ltx_nb.trace import StepEvent, Trace

PAIRS = 7
BOUNDS = {"step, ratio": 1.03, "preview + trace, share of a step": 0.05, "extension, ratio": 1.03}
LARGE_VIDEO, LARGE_AUDIO = (128, 16, 34, 60), (8, 126, 16)


def step_seconds(run) -> list[float]:
    """CPU seconds from each step's end to the next's; `run` takes a function to call there."""
    ends: list[float] = []
    run(lambda *_: ends.append(time.process_time()) or {})
    return [after - before for before, after in pairwise(ends)]


def measure_steps(session) -> dict[str, float]:
    pipe, settings = bare_pipeline(session), settings_of(session)
    room = session.pipe.tokenizer.model_max_length

    def bare(at_end):
        pipe(PROMPT, max_sequence_length=room, output_type="latent", callback_on_step_end=at_end, **settings)

    def ours(at_end):
        session.text_to_video(PROMPT, progress=False, on_step=at_end)

    pairs = [(median(step_seconds(bare)), median(step_seconds(ours))) for _ in range(PAIRS)]
    return {
        "step of LTX2Pipeline, ms": 1000 * median(pair[0] for pair in pairs),
        "step of the session, ms": 1000 * median(pair[1] for pair in pairs),
        "step, ratio": median(pair[1] / pair[0] for pair in pairs),
    }


def watching_seconds(preview: Preview, event: StepEvent, times: int) -> float:
    """CPU seconds of one preview of both lanes and one record in a trace."""

    def watch():
        trace = Trace()
        for _ in range(times):
            preview.strip(event.x0)
            preview.spectrogram(event.audio_x0)
            trace.record(event)

    return timed(watch)[1] / times


def measure_watching(session, step_ms: float) -> dict[str, float]:
    start = time.process_time()
    preview = Preview(session.pipe)
    fit_s = time.process_time() - start
    events: list[StepEvent] = []
    session.text_to_video(PROMPT, progress=False, on_step=events.append)
    video, audio = torch.randn(LARGE_VIDEO), torch.randn(LARGE_AUDIO)
    large = StepEvent(0, 8, 1, 1.0, video, audio, video, audio)
    small_s = watching_seconds(preview, events[0], 100)
    return {
        "preview fitted once, s": fit_s,
        "preview + trace, share of a step": 1000 * small_s / step_ms,
        "preview + trace of 1920x1088x121, ms": 1000 * watching_seconds(preview, large, 5),
    }


def measure_extension(session) -> dict[str, float]:
    clip = session.text_to_video(PROMPT, progress=False)
    frames, audio = torch.from_numpy(clip.frames), torch.from_numpy(clip.audio)
    longer = session.extend(clip, 1.0, progress=False)
    padded = torch.cat([frames, frames])[: longer.num_frames]
    extending, making, encoding = [], [], []
    with torch.no_grad():
        for _ in range(PAIRS):
            extending.append(timed(lambda: session.extend(clip, 1.0, progress=False))[1])
            making.append(timed(lambda: session.text_to_video(PROMPT, num_frames=len(padded), progress=False))[1])
            encoding.append(
                timed(lambda: (encode_video(session.pipe, padded), encode_audio(session.pipe, audio, 48_000, 77)))[1]
            )
    pairs = zip(extending, making, encoding, strict=True)
    return {
        "extension, s": median(extending),
        "text-to-video of the same length, s": median(making),
        "one encode, s": median(encoding),
        "extension, ratio": median(a / (b + c) for a, b, c in pairs),
    }


def main() -> None:
    session = ltx_nb.load("tiny")
    found = measure_steps(session)
    found |= measure_watching(session, found["step of the session, ms"])
    found |= measure_extension(session)
    report(__file__, found, BOUNDS, clock="CPU time")


if __name__ == "__main__":
    main()
