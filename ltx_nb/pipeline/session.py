"""Session: one loaded model that turns requests into clips. `session.pipe` is the diffusers pipeline it runs.

Checks, reads what is given, runs the blocks, puts the result together. How a step is taken is in the blocks; how a
task becomes a request, in the verbs.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import LTX2ModularPipeline
from tqdm.auto import tqdm

from ltx_nb.clip import Clip
from ltx_nb.models import Model
from ltx_nb.pipeline.compose import fit_samples, put_back_frames, put_back_samples
from ltx_nb.pipeline.conditions import Conditions, conditions_of
from ltx_nb.pipeline.guidance import guiders_of
from ltx_nb.pipeline.prepare import unpack_audio, unpack_video
from ltx_nb.pipeline.verbs import Verbs
from ltx_nb.request import ClipRequest
from ltx_nb.trace import Cancelled, StepEvent, Trace

MAX_PROMPT_TOKENS = 1024  # of LTX2Pipeline


class Session(Verbs):
    """A loaded model. `load` makes one; `run` and the verbs make clips, one at a time.

    pipe: the LTX2ModularPipeline; `print(session.pipe.blocks)` shows what it does. model: its catalogue entry.
    """

    def __init__(self, pipe: LTX2ModularPipeline, model: Model):
        self.pipe = pipe
        self.model = model
        self._running = threading.Lock()
        self._cancel = threading.Event()

    def __repr__(self) -> str:
        return f"Session(model={self.model.name!r}, device={str(self.pipe._execution_device)!r})"

    @property
    def sample_rate(self) -> int:
        """Of the sound that it makes, in Hz."""
        return self.pipe.vocoder.config.output_sampling_rate

    def cancel(self) -> None:
        """End the run in progress before its next step, from any thread; that run raises Cancelled."""
        self._cancel.set()

    def run(
        self,
        request: ClipRequest,
        *,
        trace: bool = False,
        trace_budget_mb: float = 512,
        on_step: Callable[[StepEvent], None] | None = None,
        progress: bool = True,
    ) -> Clip:
        """Make the clip that the request describes.

        trace: record every step on `clip.trace`, in at most trace_budget_mb of memory.
        on_step: called after every step; what it raises ends the run.
        progress: show a bar.

        Raises ValueError for a request that this model cannot run or whose media do not fit, Cancelled after `cancel()`
        or Ctrl-C. The session can run again at once whatever was raised.
        """
        with self._running:
            self._cancel.clear()
            sampling = self.model.complete(request.sampling)
            given = conditions_of(request, self.sample_rate, self.model.image_crf)
            self._warn_of_lost_words(request.prompt)
            recorded = Trace(trace_budget_mb) if trace else None
            self.pipe.update_components(**guiders_of(sampling, request.frozen_lanes))
            with tqdm(total=sampling.num_inference_steps, disable=not progress, desc=self.model.name) as bar:

                def after_step(event: StepEvent) -> None:
                    if recorded is not None:
                        recorded.record(event)
                    bar.update()
                    if on_step is not None:
                        on_step(event)

                try:
                    state = self.pipe(
                        **_block_inputs(request, given, self.sample_rate),
                        negative_prompt=request.negative_prompt,
                        max_sequence_length=min(self.pipe.tokenizer.model_max_length, MAX_PROMPT_TOKENS),
                        num_inference_steps=sampling.num_inference_steps,
                        sigmas=None if sampling.sigmas is None else list(sampling.sigmas),
                        step_callback=after_step,
                        cancel_event=self._cancel,
                        output_type="pt",
                    )
                except KeyboardInterrupt:
                    raise Cancelled("the run was cancelled", recorded) from None
            return self._clip_of(request, given, state, recorded)

    def _clip_of(self, request: ClipRequest, given: Conditions, state: Any, trace: Trace | None) -> Clip:
        frames = (state.videos[0].float() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        waveform = state.audio[0].float().cpu().numpy()
        audio = fit_samples(waveform, round(request.duration_s * self.sample_rate))
        frames, video_spans = put_back_frames(request, frames, given.frames)
        audio, audio_spans = put_back_samples(request, audio, given.waveform, self.sample_rate)
        return Clip(
            frames=np.ascontiguousarray(frames),
            audio=np.ascontiguousarray(audio),
            frame_rate=request.frame_rate,
            sample_rate=self.sample_rate,
            request=request.replace(model=self.model.name),
            provenance={"video": video_spans, "audio": audio_spans},
            notes=tuple(given.notes),
            latents=unpack_video(state.latents, *state.latent_shape)[0].cpu(),
            audio_latents=unpack_audio(state.audio_latents)[0].cpu(),
            trace=trace,
        )

    def _warn_of_lost_words(self, prompt: str) -> None:
        """Words that the tokenizer does not know, or has no room for, would be missing without a sign."""
        tokenizer = self.pipe.tokenizer
        encoded = tokenizer(prompt.strip(), return_offsets_mapping=True)
        unknown = [
            prompt.strip()[start:end]
            for token, (start, end) in zip(encoded.input_ids, encoded.offset_mapping, strict=True)
            if token == tokenizer.unk_token_id
        ]
        if unknown:
            warnings.warn(
                f"{self.model.name} does not know {', '.join(map(repr, dict.fromkeys(unknown)))}; "
                "the clip is made without it",
                stacklevel=3,
            )
        room = min(tokenizer.model_max_length, MAX_PROMPT_TOKENS)
        if len(encoded.input_ids) > room:
            lost = prompt.strip()[encoded.offset_mapping[room][0] :]
            warnings.warn(f"the prompt has more than {room} tokens; {lost!r} is not read", stacklevel=3)


def _block_inputs(request: ClipRequest, given: Conditions, sample_rate: int) -> dict[str, Any]:
    def tensor(array: np.ndarray | None) -> torch.Tensor | None:
        return None if array is None else torch.from_numpy(array)

    return {
        "prompt": request.prompt,
        "width": request.width,
        "height": request.height,
        "num_frames": request.num_frames,
        "frame_rate": request.frame_rate,
        "seed": request.seed,
        "given_frames": tensor(given.frames),
        "given_images": [(index, torch.tensor(image), strength) for index, image, strength in given.images],
        "given_waveform": tensor(given.waveform),
        "given_sample_rate": sample_rate,
        "video_mask": torch.from_numpy(request.video_mask())[None, :, None],
        "audio_mask": torch.from_numpy(request.audio_mask())[None, :, None],
    }
