"""A session's verbs, each answered by the rendered scene that was asked for: what the detectors say of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ltx_nb.clip import Clip

from .evaluate import rendered_clip
from .scores import Case
from .world import FRAME_RATE, SAMPLE_RATE_HZ


class Truth:
    """Knows each case's scene by its seed. What is given is taken for that scene's own."""

    def __init__(self, cases: Sequence[Case]):
        self.scenes = {case.seed: case.scene for case in cases}

    def image_to_video(self, prompt: str, image: np.ndarray, *, seed: int, progress: bool) -> Clip:
        return rendered_clip(self.scenes[seed])

    def extend(self, clip: Clip, seconds: float, *, direction: str, prompt: str, seed: int, progress: bool) -> Clip:
        scene, added = self.scenes[seed], round(seconds * FRAME_RATE)
        spans = [(0, clip.duration_s, "source"), (clip.duration_s, clip.duration_s + seconds, "generated")]
        if direction == "before":
            scene = replace(scene, phase=(scene.phase - added / scene._period_frames()) % 1)
            spans = [(0, seconds, "generated"), (seconds, clip.duration_s + seconds, "source")]
        assert clip.num_frames is not None
        whole = rendered_clip(replace(scene, num_frames=clip.num_frames + added))
        return replace(whole, provenance={"video": spans, "audio": spans})

    def retake(self, clip: Clip, start: float, end: float, *, prompt: str, seed: int, progress: bool) -> Clip:
        """The scene again, with changes inside that nobody sees or hears, for to change is what was asked."""
        assert clip.frames is not None and clip.audio is not None
        frames, audio = clip.frames.copy(), clip.audio.copy()
        frames[round(start * FRAME_RATE) : round(end * FRAME_RATE), 0, 0] += 1
        audio[:, round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)] += 1e-5
        spans = [(0, start, "source"), (start, end, "generated"), (end, clip.duration_s, "source")]
        provenance: dict[str, Any] = {"video": spans, "audio": spans}
        return replace(rendered_clip(self.scenes[seed]), frames=frames, audio=audio, provenance=provenance)

    def audio_to_video(self, prompt: str, audio: Clip, *, num_frames: int, seed: int, progress: bool) -> Clip:
        return rendered_clip(self.scenes[seed])

    def video_to_audio(self, clip: Clip, prompt: str, *, seed: int, progress: bool) -> Clip:
        return rendered_clip(self.scenes[seed])

    def text_to_video(
        self, prompt: str, *, width: int, height: int, num_frames: int, two_stage: bool, seed: int, progress: bool
    ) -> Clip:
        return rendered_clip(replace(self.scenes[seed], width=width, height=height))
