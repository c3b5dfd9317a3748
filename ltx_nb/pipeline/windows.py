"""Pictures to a sound of any length: windows of up to twenty seconds, each going on from the end of the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ltx_nb.clip import Clip
from ltx_nb.media import Media
from ltx_nb.pipeline.compose import fit_samples
from ltx_nb.pipeline.sources import read_sound
from ltx_nb.request import ClipRequest, Given, Source
from ltx_nb.shapes import max_num_frames, snap_num_frames

CONTEXT_S = 1.0  # of picture that each window is given of the one before


def make_windows(run: Callable[..., Clip], first: ClipRequest, sound: Source, length_s: float, **of_run: Any) -> Clip:
    """A clip of length_s to `sound`, whose samples come out as they are.

    first: the request of the first window, with all that it is given beside the sound: an image, size, seed, sampling.
    Each further window has a seed that is one more, and is given the last second of picture and its part of the sound.
    The clip carries no request, for no single one makes it: its notes tell when each window begins, and its seed.
    """
    if first.timed_prompts:
        raise ValueError(
            f"timed_prompts are for one request, and this sound of {length_s:.4g} s takes several; nearest: "
            "seconds=20, or storyboard, whose shots have prompts of their own"
        )
    rate = first.frame_rate
    total = snap_num_frames(length_s * rate)
    context = snap_num_frames(CONTEXT_S * rate)
    made: list[np.ndarray] = []
    done, notes, sample_rate = 0, [], 0
    while done < total:
        begin = max(done - context, 0) if done else 0
        num_frames = min(max_num_frames(rate), snap_num_frames(total - begin + 4))
        span_s = num_frames / rate
        given = [item for item in first.given if item.lane == "video"] if not done else []
        if done:
            carried = Media(frames=np.concatenate(made)[begin:done], frame_rate=rate)
            given = [Given("video", Source.from_media(carried), 0.0, (done - begin) / rate)]
        # What the sound ends before is silence, with a note.
        given.append(Given("audio", sound, 0.0, span_s, source_start_s=begin / rate))
        seed = (first.seed or 0) + len(notes)
        clip = run(first.replace(num_frames=num_frames, given=tuple(given), seed=seed, outputs=("video",)), **of_run)
        assert clip.frames is not None and clip.sample_rate is not None  # the picture was asked for
        made.append(clip.frames[done - begin : done - begin + total - done])
        notes.append(f"{done / rate:.4g} s, seed {seed}: {first.prompt}")
        done, sample_rate = done + len(made[-1]), clip.sample_rate
    samples = round(total / rate * sample_rate)
    audio, _ = read_sound(sound, sample_rate, 0.0, total / rate)
    ends_s = min(audio.shape[1], samples) / sample_rate
    duration_s = total / rate
    spans = [(0.0, ends_s, "source")] + ([(ends_s, duration_s, "generated")] if ends_s < duration_s - 1e-6 else [])
    joined = Clip(
        frames=np.concatenate(made),
        audio=fit_samples(audio, samples),
        frame_rate=rate,
        sample_rate=sample_rate,
        request=first,
        provenance={"video": [(0.0, duration_s, "generated")], "audio": spans},
        notes=tuple(notes),
    )
    # Cut as any window alone would be when it is saved.
    return Clip(
        frames=joined.export_frames(),
        audio=joined.audio,
        frame_rate=rate,
        sample_rate=sample_rate,
        provenance=joined.provenance,
        notes=joined.notes,
    )
