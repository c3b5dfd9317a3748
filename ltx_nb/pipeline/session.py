"""Session: one loaded model that turns requests into clips. `session.pipe` is the diffusers pipeline it runs.

Runs the stages of a request one after the other and puts the result together. How a step is taken is in the blocks;
what is given is read in `conditions`; how a task becomes a request, in `tasks`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, LTX2ModularPipeline
from tqdm.auto import tqdm

from ltx_nb.applied_lora import AppliedLora, check_applied
from ltx_nb.catalogue.models import Model
from ltx_nb.catalogue.vocabulary import Vocabulary, read_vocabulary
from ltx_nb.clip import Clip
from ltx_nb.pipeline.compose import fit_samples, put_back_frames, put_back_samples
from ltx_nb.pipeline.conditions import Conditions, conditions_of
from ltx_nb.pipeline.guidance import guiders_of
from ltx_nb.pipeline.normalized_attention import Nag
from ltx_nb.pipeline.out_of_memory import Fit, explained_memory_errors
from ltx_nb.pipeline.prepare import unpack_audio, unpack_video
from ltx_nb.pipeline.prompt_cache import PromptCache
from ltx_nb.pipeline.steering import steered
from ltx_nb.pipeline.timed_text import side_by_side
from ltx_nb.pipeline.tokens import Tokens
from ltx_nb.pipeline.verbs import Verbs
from ltx_nb.request import DEFAULT_UPSCALER, ClipRequest
from ltx_nb.running.attention import attention_of
from ltx_nb.running.switched_loras import SwitchedLoras
from ltx_nb.stages import Stage, stages_of
from ltx_nb.trace import Cancelled, StepEvent, Trace, stop_if_cancelled

MAX_PROMPT_TOKENS = 1024  # of LTX2Pipeline
_WITHOUT_LORA = (
    "{}'s second stage is made for the LoRA {}, which was not found: its picture is refined in three steps without "
    "guidance by weights that need more; nearest: load(model, stage_2_loras=(path, 0.8)), or two_stage=False"
)


class PromptsElsewhere(Protocol):
    """An encoder of prompts that is not in the pipeline, as `ltx_nb.remote.embedding` has one."""

    def embeddings(self, prompt: str, negative_prompt: str, is_guided: bool) -> dict[str, Any]: ...


class Session(Verbs):
    """A loaded model. `load` makes one; `run` and the verbs make clips, one at a time.

    pipe: the LTX2ModularPipeline; `print(session.pipe.blocks)` shows what it does. model: its catalogue entry.
    prompt_cache: where encoded prompts are looked up and kept, if anywhere. fit: how it was made to fit, if it was.
    stage_2_loras: LoRAs that are on in second stages alone, if there are any. reference_downscale_factor: that of its
    IC-LoRA, which follows references; None where it has none. loras: beside the weights and on in every stage, as
    `use_loras` of `ltx_nb.loading` puts them there. upscalers: latent upscalers beside the
    pipe's own, by their names in `shapes.UPSCALINGS`. applied_loras: names, strengths and hashes of all of its LoRAs,
    which its clips' requests keep.
    """

    def __init__(
        self,
        pipe: LTX2ModularPipeline,
        model: Model,
        prompt_cache: PromptCache | None = None,
        fit: Fit | None = None,
        stage_2_loras: SwitchedLoras | None = None,
        reference_downscale_factor: int | None = None,
        upscalers: Mapping[str, torch.nn.Module] | None = None,
        prompts_elsewhere: PromptsElsewhere | None = None,
        applied_loras: Sequence[AppliedLora] = (),
    ):
        self.pipe = pipe
        self.model = model
        self.prompt_cache = prompt_cache
        self.fit = fit
        self.stage_2_loras = stage_2_loras
        self.reference_downscale_factor = reference_downscale_factor
        self.loras: SwitchedLoras | None = None
        self._factor_of_weights = reference_downscale_factor
        self._loras_of_load = tuple(applied_loras)
        self.applied_loras = self._loras_of_load
        self.upscalers = dict(upscalers or {})
        self.prompts_elsewhere = prompts_elsewhere
        self._scheduler = pipe.scheduler
        self._running = threading.Lock()
        self._holder: int | None = None  # the thread that runs it
        self._cancel = threading.Event()

    def __repr__(self) -> str:
        return f"Session(model={self.model.name!r}, device={str(self.pipe._execution_device)!r})"

    @property
    def sample_rate(self) -> int:
        """Sample rate of the sound that it makes, in Hz."""
        return self.pipe.vocoder.config.output_sampling_rate

    @property
    def attention(self) -> str:
        """The attention backend by which tokens attend to each other, by diffusers' name; `load(attention=)`."""
        return attention_of(self.pipe.transformer)

    @property
    def tokens(self) -> Tokens:
        """Its tokenizer, to be asked how long a prompt is and what of it is unknown."""
        return Tokens(self.pipe.tokenizer)

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The words, colours, motions, sounds and sizes that the model was trained with; None where it does not say."""
        return read_vocabulary(self.model.weights)

    def cancel(self) -> None:
        """End the run in progress before its next step, from any thread; that run raises Cancelled."""
        self._cancel.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called since the last run or training began."""
        return self._cancel.is_set()

    def begin(self) -> None:
        """Forget an earlier `cancel`."""
        self._cancel.clear()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep other threads' runs out as long as the block lasts, as while the transformer learns a step."""
        if self._holder == threading.get_ident():
            raise RuntimeError(
                "the session runs already, and this is called from within; run it when that run has ended"
            )
        with self._running:
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None

    def change_loras(
        self,
        made: Callable[[], SwitchedLoras | None],
        reference_downscale_factor: int | None,
        applied: Sequence[AppliedLora] = (),
    ) -> None:
        """Take the LoRAs beside the weights away and have those that `made` puts there; between two runs.

        Raises ValueError where an IC-LoRA in the weights wants references of another size.
        """
        own = self._factor_of_weights
        if own is not None and reference_downscale_factor not in (None, own):
            raise ValueError(
                f"reference_downscale_factor={reference_downscale_factor} of a LoRA is not the {own} of the IC-LoRA "
                "that is in this session's weights; nearest: load the model without that"
            )
        if self.loras is not None:
            self.loras.remove()
        self.loras = made()
        self.applied_loras = (*self._loras_of_load, *applied)
        self.reference_downscale_factor = own if own is not None else reference_downscale_factor

    def run(
        self,
        request: ClipRequest,
        *,
        trace: bool = False,
        trace_budget_mb: float = 512,
        on_step: Callable[[StepEvent], Any] | None = None,
        progress: bool = True,
    ) -> Clip:
        """Make the clip that the request describes.

        trace: record every step on `clip.trace`, in at most trace_budget_mb of memory.
        on_step: called after every step with its StepEvent. It may return changed latents, {"x0": ..., "audio_x0": ...}
        or one of them, shaped as the event's: the step then goes towards these, but for what is given. What it raises
        ends the run and comes out as it is. It cannot run the session.
        progress: show a bar.

        Raises TypeError for what is no request or no function, RuntimeError when called from its own on_step,
        ValueError for a request that this model cannot run or whose media do not fit, Cancelled after `cancel()` or
        Ctrl-C, OutOfMemory with what to do next. The session can run again at once, whatever was raised.
        """
        if not isinstance(request, ClipRequest):
            raise TypeError(
                f"request is a {type(request).__name__}; give a ClipRequest, or use a verb such as text_to_video"
            )
        if not (on_step is None or callable(on_step)):
            raise TypeError(f"on_step is a {type(on_step).__name__}; give a function that takes a StepEvent, or None")
        check_applied(request.loras, self.applied_loras)
        request = self._with_reference_factor(request).replace(loras=self.applied_loras)
        failed: list[Exception] = []
        with self.exclusively():
            self._cancel.clear()
            stages = stages_of(self.model, request)
            self._check(request, stages)
            recorded = Trace(trace_budget_mb, len(stages)) if trace else None
            num_steps = sum(stage.steps for stage in stages)
            with tqdm(total=num_steps, disable=not progress, desc=self.model.name) as bar:

                def after_step(event: StepEvent) -> StepEvent | None:
                    changed = None
                    bar.update()
                    try:
                        returned = None if on_step is None else on_step(event)
                        changed = None if returned is None else steered(event, returned)
                    except Exception as error:
                        # diffusers would log it once a block; as an interrupt it passes, and is raised as itself below.
                        failed.append(error)
                        raise KeyboardInterrupt from None
                    finally:
                        if recorded is not None:
                            recorded.record(changed or event)
                    return changed

                try:
                    with explained_memory_errors(self.fit, self.model, request):
                        given, ends = self._run_stages(request, stages, after_step)
                        clip = self._clip_of(request, given, ends, recorded)
                    stop_if_cancelled(self._cancel)  # while it was decoded
                except KeyboardInterrupt:
                    if not failed:
                        raise Cancelled("the run was cancelled", recorded) from None
            if failed:
                raise failed[0]
            return clip

    def _with_reference_factor(self, request: ClipRequest) -> ClipRequest:
        trained, asked = self.reference_downscale_factor, request.reference_downscale_factor
        if trained is not None and not (request.references or request.reference_sounds):
            raise ValueError(
                "this session has an IC-LoRA, which follows a reference and without one only blurs what the model "
                "makes; give references=[video], or load the model without it"
            )
        if trained is not None and asked not in (None, trained):
            raise ValueError(
                f"reference_downscale_factor={asked} is not the {trained} that this session's IC-LoRA was trained "
                "with; leave it out"
            )
        return request.replace(reference_downscale_factor=asked or trained or 1) if request.references else request

    def _check(self, request: ClipRequest, stages: list[Stage]) -> None:
        for prompt in request.texts:
            self._warn_of_lost_words(prompt)
            self._warn_of_the_unseen(prompt, stages)
        for stage in stages:
            if stage.nag_prefixes and "pred_uncond" in stage.passes:
                raise ValueError(
                    "nag_scale is for models without guidance by the negative prompt, and guidance_scale steers away "
                    "from it already; nearest: nag_scale=1, or guidance_scale=1 and audio_guidance_scale=1"
                )
        self._check_guided_blocks(request.sampling.spatio_temporal_guidance_blocks or ())
        if request.two_stage and request.upscaler == DEFAULT_UPSCALER and self.pipe.latent_upsampler is None:
            raise ValueError(
                f"two_stage=True needs a latent upsampler, and {self.model.name} was loaded without one; "
                "nearest: two_stage=False"
            )
        if request.upscaler != DEFAULT_UPSCALER and request.upscaler not in self.upscalers:
            raise ValueError(self._without_upscaler(request.upscaler))
        if request.two_stage and self.model.stage_2_lora is not None and self.stage_2_loras is None:
            warnings.warn(_WITHOUT_LORA.format(self.model.name, self.model.stage_2_lora[1]), stacklevel=4)

    def _run_stages(
        self, request: ClipRequest, stages: list[Stage], after_step: Callable[[StepEvent], StepEvent | None]
    ) -> tuple[Conditions, dict[str, Any]]:
        """Run every stage. Return the last one's conditions, and by lane the state after the stage that ends it."""
        carried, ends = self._cached_text(request, stages), {}
        is_cached, notes = bool(carried), []
        for stage in stages:
            if stage.low is not None:
                low = conditions_of(stage.low, self.sample_rate, image_crf=0)
                carried |= {"first_stage_frames": _tensor(low.frames), "initial_waveform": _tensor(low.waveform)}
                notes = low.notes
            given = conditions_of(stage.request, self.sample_rate, self.model.image_crf)
            self.pipe.update_components(
                scheduler=_scheduler_for(self._scheduler),
                **guiders_of(stage.sampling, stage.request.frozen_lanes),
            )
            with self._loras_of(stage), self._upscaler_of(stage):
                state = self.pipe(
                    **self._block_inputs(stage, given),
                    **carried,
                    lanes=stage.decoded,
                    step_callback=after_step,
                    cancel_event=self._cancel,
                )
            ends |= dict.fromkeys(stage.lanes, state)
            if self.prompt_cache is not None and not is_cached:
                for prompt, text in zip(request.texts, state.encoded_texts, strict=True):
                    self.prompt_cache.put(text, **self._text_key(request, prompt))
                is_cached = True
            if stage is not stages[-1]:
                text = self.pipe.blocks.sub_blocks["text"]
                carried = {name: state.get(name) for name in text.intermediate_output_names}
                carried["first_stage_latents"] = unpack_video(state.latents, *state.latent_shape)
                carried["initial_audio_latents"] = unpack_audio(state.audio_latents)
        given.notes[:0] = notes
        return given, ends

    @contextmanager
    def _loras_of(self, stage: Stage) -> Iterator[None]:
        of_stage = self.stage_2_loras if stage.number == 2 else None
        with ExitStack() as stack:
            for loras in (self.loras, of_stage):
                if loras is not None:
                    stack.enter_context(loras.on())
            yield

    def _check_guided_blocks(self, chosen: Sequence[int]) -> None:
        """Refuse blocks that the transformer has not: it would skip nothing, and the guidance cost its pass."""
        count = len(self.pipe.transformer.transformer_blocks)
        unknown = [block for block in chosen if block >= count]
        if unknown:
            raise ValueError(
                f"spatio_temporal_guidance_blocks={tuple(chosen)} names {unknown[0]}, and the transformer of "
                f"{self.model.name} has blocks 0 to {count - 1}; its own: "
                f"{self.model.sampling.spatio_temporal_guidance_blocks}"
            )

    @contextmanager
    def _upscaler_of(self, stage: Stage) -> Iterator[None]:
        """Put the stage's upscaler in the place of the pipe's own, as long as the block lasts."""
        own, other = self.pipe.latent_upsampler, self.upscalers.get(stage.upscaler)
        if other is None:
            yield
            return
        self.pipe.update_components(latent_upsampler=other)
        try:
            yield
        finally:
            self.pipe.update_components(latent_upsampler=own)

    def _without_upscaler(self, name: str) -> str:
        own = [DEFAULT_UPSCALER] if self.pipe.latent_upsampler is not None else []
        has = " and ".join(map(repr, [*own, *self.upscalers])) or "none"
        can_be_had = name in self.model.upscalers
        nearest = f"load(model, upscalers={name!r})" if can_be_had else f"upscaler={DEFAULT_UPSCALER!r}, factor=2"
        return f"this takes the latent upscaler {name!r}, and {self.model.name} has {has}; nearest: {nearest}"

    def text_inputs(self, request: ClipRequest) -> dict[str, Any]:
        """Return what the text blocks take of a request."""
        prompt, *timed_prompts = request.texts
        return {"timed_prompts": timed_prompts} | self._text_inputs_of(request, prompt)

    def _text_inputs_of(self, request: ClipRequest, prompt: str) -> dict[str, Any]:
        """Return what the text blocks take of one of a request's texts."""
        negative_prompt = request.negative_prompt
        return {
            "prompt": prompt,
            "negative_prompt": self.model.negative_prompt if negative_prompt is None else negative_prompt,
            "max_sequence_length": self._prompt_room,
        }

    def _text_key(self, request: ClipRequest, prompt: str | None = None) -> dict[str, Any]:
        """Everything beside the weights that decides an encoded text; prompt: of the request's texts, else its own."""
        inputs = self._text_inputs_of(request, request.prompt if prompt is None else prompt)
        return inputs | {"dtype": str(getattr(self.pipe.connectors, "dtype", None))}

    def _cached_text(self, request: ClipRequest, stages: list[Stage]) -> dict[str, Any]:
        """Outputs of the text blocks where all texts were encoded before, or are encoded elsewhere; else nothing."""
        texts = []
        for prompt in request.texts:
            if self.prompts_elsewhere is not None:
                text = self._text_from_elsewhere(request, prompt, stages)
            else:
                text = None if self.prompt_cache is None else self.prompt_cache.get(**self._text_key(request, prompt))
            if text is None:
                return {}
            texts.append(text)
        found = side_by_side(texts)
        embeddings = {name: tensor.to(self.pipe._execution_device) for name, tensor in found.items()}
        return embeddings | {"batch_size": 1, "dtype": found["connector_prompt_embeds"].dtype}

    def _text_from_elsewhere(self, request: ClipRequest, prompt: str, stages: list[Stage]) -> dict[str, Any]:
        samplings = [stage.sampling for stage in stages]
        is_guided = any(max(it.guidance_scale, it.audio_guidance_scale) > 1 for it in samplings)
        is_guided |= any(stage.nag_prefixes for stage in stages)
        key = self._text_key(request, prompt) | {"is_guided": is_guided}
        found = self.prompt_cache.get(**key)
        if found is None:
            found = self.prompts_elsewhere.embeddings(key["prompt"], key["negative_prompt"], is_guided)
            self.prompt_cache.put(found, **key)
        return found

    def _block_inputs(self, stage: Stage, given: Conditions) -> dict[str, Any]:
        request, sampling = stage.request, stage.sampling
        return {
            **self.text_inputs(request),
            "text_spans_s": list(request.texts.values()),
            "nag": {
                prefix: Nag(getattr(sampling, f"{prefix}nag_scale"), sampling.nag_tau, sampling.nag_alpha)
                for prefix in stage.nag_prefixes
            },
            "device": self.pipe._execution_device,
            "width": request.width,
            "height": request.height,
            "num_frames": request.num_frames,
            "frame_rate": request.frame_rate,
            "seed": request.seed,
            "stage": stage.number,
            "isolate_modalities": stage.isolates,
            "num_inference_steps": sampling.num_inference_steps,
            "sigmas": list(sampling.sigmas),
            "given_frames": _tensor(given.frames),
            "given_images": [(index, torch.tensor(image), *how) for index, image, *how in given.images],
            "given_waveform": _tensor(given.waveform),
            "references": [(torch.tensor(frames), strength) for frames, strength in given.references],
            "reference_downscale_factor": request.reference_downscale_factor or 1,
            "reference_sounds": [(torch.tensor(samples), strength) for samples, strength in given.reference_sounds],
            "sample_rate": self.sample_rate,
            "video_mask": torch.from_numpy(request.video_mask())[None, :, None],
            "audio_mask": torch.from_numpy(request.audio_mask())[None, :, None],
            "output_type": "pt",
        }

    def _clip_of(self, request: ClipRequest, given: Conditions, ends: dict[str, Any], trace: Trace | None) -> Clip:
        video, sound = ends["video"], ends["audio"]
        frames = audio = None
        provenance = {}
        if "video" in request.outputs:
            frames, provenance["video"] = put_back_frames(request, video.frames, given.frames)
        if "audio" in request.outputs:
            waveform = sound.audio[0].float().cpu().numpy()
            generated = fit_samples(waveform, round(request.duration_s * self.sample_rate))
            audio, provenance["audio"] = put_back_samples(request, generated, given.waveform, self.sample_rate)
        return Clip(
            frames=frames,
            audio=audio,
            frame_rate=request.frame_rate,
            sample_rate=self.sample_rate,
            request=request.replace(model=self.model.name),
            provenance=provenance,
            notes=tuple(given.notes),
            latents=unpack_video(video.latents, *video.latent_shape)[0].cpu(),
            audio_latents=unpack_audio(sound.audio_latents)[0].cpu(),
            trace=trace,
        )

    @property
    def _prompt_room(self) -> int:
        return min(self.pipe.tokenizer.model_max_length, MAX_PROMPT_TOKENS)

    def _warn_of_lost_words(self, prompt: str) -> None:
        """Words that the tokenizer does not know, or has no room for, would be missing without a sign."""
        unknown = self.tokens.unknown(prompt)
        if unknown:
            words = ", ".join(map(self._with_the_nearest, dict.fromkeys(unknown)))
            warnings.warn(f"{self.model.name} does not know {words}; the clip is made without", stacklevel=4)
        lost = self.tokens.beyond(prompt, self._prompt_room)
        if lost:
            warnings.warn(f"the prompt has over {self._prompt_room} tokens; {lost!r} is not read", stacklevel=4)

    def _with_the_nearest(self, word: str) -> str:
        close = get_close_matches(word.lower(), self.vocabulary.words if self.vocabulary else (), n=1, cutoff=0.8)
        return f"{word!r} (did you mean {close[0]!r}?)" if close else repr(word)

    def _warn_of_the_unseen(self, prompt: str, stages: list[Stage]) -> None:
        """A small model does not refuse what it was never shown; it makes something else of it."""
        vocabulary = self.vocabulary
        if vocabulary is None:
            return
        doubts = vocabulary.doubts(prompt)
        for stage in stages:
            size = (stage.request.width, stage.request.height, stage.request.num_frames)
            doubts += vocabulary.doubts_of_size(*size)
        for doubt in dict.fromkeys(doubts):
            warnings.warn(f"{self.model.name} may make something else: {doubt}", stacklevel=4)


def _scheduler_for(scheduler: FlowMatchEulerDiscreteScheduler) -> FlowMatchEulerDiscreteScheduler:
    """A scheduler like the model's own that takes sigmas as they are given, with no shift by the clip's size."""
    plain = {"use_dynamic_shifting": False, "shift_terminal": None, "shift": 1.0}
    return FlowMatchEulerDiscreteScheduler.from_config(scheduler.config, **plain)


def _tensor(array: np.ndarray | None) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array)
