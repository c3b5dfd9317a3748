"""Stage 8: guidance distilled into the transformer and its connectors, so that one pass a step does what three did.

A frozen copy of what stage 7 made is guided by the prompt and by the other modality, as LTX-2.3's own sampling guides,
and what it then predicts is what the model learns to predict at once (Meng et al. 2023, "On Distillation of Guided
Diffusion Models", arXiv:2210.03142, here for one pair of scales).
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from .loop import stage_weights
from .transformer import TransformerStage

GUIDANCE_SCALE, MODALITY_SCALE = 2.0, 3.0


class DistillationStage(TransformerStage):
    name = "distillation"
    phases = ((1800, 4000),)
    silence_weight = 4.0  # guidance draws a faint burst into the first moment of silent clips

    def __init__(self, workdir: Path):
        super().__init__(workdir)
        self.workdir = workdir

    def build(self):
        modules, optimizer = super().build()
        for name, average in self.average.items():
            average.load_state_dict(stage_weights(self.workdir, TransformerStage.name, name))
        self.modules.load_state_dict(self.average.state_dict())
        self.teacher = copy.deepcopy(self.average)
        return modules, optimizer

    def lr_factor(self, progress: float) -> float:
        return 0.4 * (1 - progress) + 0.002

    @torch.no_grad()
    def targets(
        self,
        inputs: dict[str, Any],
        captions: Any,
        silent: torch.Tensor,
        video: torch.Tensor,
        audio: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The teacher's velocities, guided where nothing is given; the true ones for sound where there is none.

        What follows from given frames or sound is nearly certain, and guidance would overshoot it.
        """
        conditional = self.velocities(self.teacher, inputs, captions)
        unconditional = self.velocities(self.teacher, inputs, self.no_prompt(captions))
        isolated = self.velocities(self.teacher, inputs, captions, isolate_modalities=True)
        is_free = (inputs["timestep"] > 0).all(1) & (inputs["audio_timestep"] > 0).all(1)
        guided_video, guided_audio = (
            whole
            + is_free[:, None, None]
            * ((GUIDANCE_SCALE - 1) * (whole - without_prompt) + (MODALITY_SCALE - 1) * (whole - alone))
            for whole, without_prompt, alone in zip(conditional, unconditional, isolated, strict=True)
        )
        return guided_video, torch.where(silent[:, None, None], audio, guided_audio)

    def no_prompt(self, captions: list[str]) -> list[str]:
        """As many empty captions."""
        return [""] * len(captions)
