"""The steps of a trace as a player shows them: a small picture of every latent frame, and the sound's mel picture.

`ltx_nb.pipeline.preview.Preview` draws them; it is given, so that no engine is known here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ltx_nb.arrays import check_frames
from ltx_nb.checks import finite_number, whole_number
from ltx_widgets.sound_picture import mel_levels

if TYPE_CHECKING:
    from ltx_nb.trace import Trace


@dataclass(frozen=True, eq=False, kw_only=True)
class StepPreview:
    """Prediction of the clip by one denoising step.

    stage: 1, or 2 for the refinement. index: of the step in its stage. sigma: the noise level that it started from.
    frames: uint8 [F, h, w, 3], a small picture of each latent frame. log_mel: float [2, L, 64], natural log, a column
    an audio latent.

    Raises ValueError for other shapes and dtypes.
    """

    stage: int
    index: int
    sigma: float
    frames: np.ndarray
    log_mel: np.ndarray

    def __post_init__(self) -> None:
        whole_number("stage", self.stage, least=1)
        whole_number("index", self.index, least=0)
        finite_number("sigma", self.sigma, least=0)
        check_frames(self.frames)
        if np.ndim(self.log_mel) != 3 or len(self.log_mel) != 2:
            raise ValueError(f"log_mel has shape {list(np.shape(self.log_mel))}; give [2, L, 64], left and right")

    @property
    def facts(self) -> dict[str, Any]:
        """All but the pictures, as plain data."""
        return {
            "stage": self.stage,
            "index": self.index,
            "sigma": self.sigma,
            "num_latent_frames": len(self.frames),
            "num_audio_latents": self.log_mel.shape[1],
        }

    def pictures(self) -> list[bytes]:
        """All frames side by side as a JPEG, and the levels of the mel picture, uint8 [64, L]."""
        file = io.BytesIO()
        strip = np.concatenate(list(self.frames), axis=1)
        Image.fromarray(strip).save(file, "JPEG", quality=90, subsampling=0)
        return [file.getvalue(), mel_levels(self.log_mel).tobytes()]


def step_previews(preview: Any, trace: Trace) -> list[StepPreview]:
    """Every step of the trace that has its prediction. preview: a `Preview(session.pipe)`.

    Raises ValueError for a trace whose budget had no room for any.
    """
    kept = [event for event in trace.steps if event.x0 is not None]
    if not kept:
        raise ValueError("the trace holds no predictions; run again with a larger trace_budget_mb")
    return [step_preview(preview, event) for event in kept]


def step_preview(preview: Any, event: Any) -> StepPreview:
    """One StepEvent, of a run in progress or of a trace."""
    return StepPreview(
        stage=event.stage,
        index=event.index,
        sigma=event.sigma,
        frames=preview.frames(event.x0),
        log_mel=preview.spectrogram(event.audio_x0),
    )
