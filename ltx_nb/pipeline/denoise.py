"""The one denoising loop of every task: two lanes, a mask on each, x0 blended with what is given at every step.

Per token: timestep = mask x sigma; x0 = latent - velocity x mask x sigma; guidance; then x0 is blended with the clean
latents, x0 x mask + clean x (1 - mask), and the Euler step is taken on the lane's scalar sigma. A lane whose mask is
all 0 is frozen: timestep 0, sigma 0. Source: the LTX-2 reference's denoising loop; diffusers' LTX2ConditionPipeline
differs only for masks between 0 and 1, where it takes x0 with the scalar sigma. Knows no request and no pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, LTX2VideoTransformer3DModel
from diffusers.modular_pipelines import InputParam, LoopSequentialPipelineBlocks, ModularPipelineBlocks, OutputParam
from diffusers.modular_pipelines.modular_pipeline_utils import ComponentSpec

from ltx_nb.pipeline.guidance import GUIDERS, active_passes, skipping_only_in
from ltx_nb.pipeline.normalized_attention import Nag, guided_attention
from ltx_nb.pipeline.prepare import pack_audio, pack_video, unpack_audio, unpack_video
from ltx_nb.pipeline.timed_text import HIDDEN, text_bias
from ltx_nb.running.cross_modal import velocities
from ltx_nb.trace import StepEvent, stop_if_cancelled

_TEXT_INPUTS = [
    f"{sign}connector_{name}" for sign in ("", "negative_") for name in ("prompt_embeds", "audio_prompt_embeds")
] + ["connector_attention_mask", "negative_connector_attention_mask"]


class LoopBeforeDenoiser(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return "Gives every token its timestep, mask x sigma, and each lane its sigma: 0 for a frozen one."

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("latents", required=True, description="Noisy packed video latents."),
            InputParam("audio_latents", required=True, description="Noisy packed audio latents."),
            InputParam("video_mask", required=True, description="[1, video tokens, 1], 1 generates."),
            InputParam("audio_mask", required=True, description="[1, audio tokens, 1], 1 generates."),
            InputParam("dtype", type_hint=torch.dtype, required=True, description="Of the model's inputs."),
        ]

    @torch.no_grad()
    def __call__(self, components, block_state, i: int, t: torch.Tensor):
        inputs = {}
        for prefix, latents, timestep_mask in (
            ("", block_state.latents, block_state.video_timestep_mask),
            ("audio_", block_state.audio_latents, block_state.audio_timestep_mask),
        ):
            inputs[f"{prefix}hidden_states"] = latents.to(block_state.dtype)  # [1, tokens, 128]
            inputs[f"{prefix}timestep"] = t * timestep_mask  # [1, tokens], or [1, 1] for all of them
            # A frozen lane's timestep mask is one 0 for all tokens, any other's maximum is what generates.
            inputs[f"{prefix}sigma"] = t * (timestep_mask.amax(1) > 0)  # [1]
        block_state.model_inputs = inputs
        return components, block_state


class LoopDenoiser(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return (
            "Runs the transformer once for the prompt and once for each guidance term that either lane wants, turns "
            "each velocity into x0 with the per-token sigma, and lets each lane's guider combine its own."
        )

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [
            ComponentSpec("transformer", LTX2VideoTransformer3DModel),
            ComponentSpec("scheduler", FlowMatchEulerDiscreteScheduler),
            *GUIDERS,
        ]

    @property
    def inputs(self) -> list[InputParam]:
        return [
            *(InputParam(name, type_hint=torch.Tensor, required=True) for name in _TEXT_INPUTS),
            InputParam("video_coords", required=True, description="Where and when each video token is."),
            InputParam("audio_coords", required=True, description="When each audio token is."),
            InputParam("num_inference_steps", required=True),
            InputParam("nag", default={}, description="By lane, how attention to text is guided: `Nag`."),
            InputParam("isolate_modalities", default=False, description="Whether no lane hears the other in any pass."),
        ]

    @torch.no_grad()
    def __call__(self, components, block_state, i: int, t: torch.Tensor):
        sigma = components.scheduler.sigmas[i].to(block_state.latents.device)
        guiders = (components.guider, components.audio_guider)
        for guider in guiders:
            guider.set_state(step=i, num_inference_steps=block_state.num_inference_steps, timestep=t)
        video, audio = {}, {}
        for name, flags in active_passes(*guiders).items():
            words = {}
            for prefix, guider in zip(("", "audio_"), guiders, strict=True):
                # A frozen lane keeps the prompt, as in the reference's audio-to-video.
                sign = "negative_" if name == "pred_uncond" and guider.config.enabled else ""
                words[f"{prefix}encoder_hidden_states"] = getattr(block_state, f"{sign}connector_{prefix}prompt_embeds")
                words[f"{prefix}encoder_attention_mask"] = block_state.text_masks[sign, prefix]
            transformer = components.transformer
            nag = {} if name == "pred_uncond" else block_state.nag
            negative_words = _with_negative(block_state, words, nag)
            with (
                transformer.cache_context(name),
                skipping_only_in(transformer, name, *guiders),
                guided_attention(transformer, nag, negative_words),
            ):
                video_velocity, audio_velocity = velocities(
                    transformer,
                    **block_state.model_inputs,
                    **words,
                    video_coords=block_state.video_coords,
                    audio_coords=block_state.audio_coords,
                    **{"isolate_modalities": block_state.isolate_modalities, **flags},
                )
            # [1, tokens, 128], with one sigma for all tokens and a mask of [1, tokens, 1]
            video[name] = block_state.latents - video_velocity.float() * (sigma * block_state.video_mask)
            audio[name] = block_state.audio_latents - audio_velocity.float() * (sigma * block_state.audio_mask)
        block_state.predictions = {name: (video[name], audio[name]) for name in video}
        block_state.x0, block_state.audio_x0 = (
            guider.forward(**{name: of_lane[name] for name in guider.active_predictions()}).pred
            for guider, of_lane in zip(guiders, (video, audio), strict=True)
        )
        return components, block_state


class LoopAfterDenoiser(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return "Blends x0 with the clean latents by mask and takes the Euler step, on both lanes."

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [ComponentSpec("scheduler", FlowMatchEulerDiscreteScheduler)]

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("clean_latents", required=True, description="Clean packed video latents."),
            InputParam("clean_audio_latents", required=True, description="Clean packed audio latents."),
            InputParam("audio_scheduler", required=True, description="The scheduler's copy for the audio lane."),
        ]

    @torch.no_grad()
    def __call__(self, components, block_state, i: int, t: torch.Tensor):
        block_state.noisy = (block_state.latents, block_state.audio_latents)
        block_state.x0 = torch.lerp(block_state.clean_latents, block_state.x0, block_state.video_mask)
        block_state.audio_x0 = torch.lerp(block_state.clean_audio_latents, block_state.audio_x0, block_state.audio_mask)
        block_state.latents = _euler(components.scheduler, block_state.latents, block_state.x0, i, t)
        block_state.audio_latents = _euler(
            block_state.audio_scheduler, block_state.audio_latents, block_state.audio_x0, i, t
        )
        return components, block_state


class LoopReport(ModularPipelineBlocks):
    model_name = "ltx2"

    @property
    def description(self) -> str:
        return (
            "Shows the step to `step_callback`, without copying, and goes on towards what that returns in its place; "
            "what it raises ends the run."
        )

    @property
    def expected_components(self) -> list[ComponentSpec]:
        return [ComponentSpec("scheduler", FlowMatchEulerDiscreteScheduler)]

    @property
    def inputs(self) -> list[InputParam]:
        return [
            InputParam("step_callback", description="Called with a StepEvent after every step; may return another."),
            InputParam("latent_shape", required=True, description="Video latents as (frames, height, width)."),
            InputParam(
                "reference_sound_count",
                default=0,
                description="Of the audio tokens, those of references, which are last.",
            ),
            InputParam("stage", type_hint=int, default=1),
        ]

    @torch.no_grad()
    def __call__(self, components, block_state, i: int, t: torch.Tensor):
        if block_state.step_callback is None:
            return components, block_state
        shape = block_state.latent_shape

        def of_both(video: torch.Tensor, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return unpack_video(video, *shape)[0], unpack_audio(
                audio[:, : audio.shape[1] - block_state.reference_sound_count]
            )[0]

        latents, audio_latents = of_both(*block_state.noisy)
        x0, audio_x0 = of_both(block_state.x0, block_state.audio_x0)
        predictions = block_state.predictions if len(block_state.predictions) > 1 else {}
        changed = block_state.step_callback(
            StepEvent(
                index=i,
                num_steps=block_state.num_inference_steps,
                stage=block_state.stage,
                sigma=float(components.scheduler.sigmas[i]),
                latents=latents,
                audio_latents=audio_latents,
                x0=x0,
                audio_x0=audio_x0,
                predictions={name: of_both(*both) for name, both in predictions.items()},
            )
        )
        if changed is not None:
            # Euler is linear in x0: x' = x + (x0 - x)(1 - next / sigma), so x' moves by that share of a change of x0.
            sigma, next_sigma = (components.scheduler.sigmas[n].to(changed.x0.device) for n in (i, i + 1))
            for prefix, mask, packed in (
                ("", block_state.video_mask, pack_video(changed.x0[None])),
                ("audio_", block_state.audio_mask, pack_audio(changed.audio_x0[None])),
            ):
                count = packed.shape[1]  # appended tokens come after the clip's and stay
                step = (packed - getattr(block_state, f"{prefix}x0")[:, :count]) * mask[:, :count]
                latents = getattr(block_state, f"{prefix}latents").clone()
                latents[:, :count] += step * (1 - next_sigma / sigma)
                setattr(block_state, f"{prefix}latents", latents)
        return components, block_state


class DenoiseStep(LoopSequentialPipelineBlocks):
    model_name = "ltx2"
    block_classes = (LoopBeforeDenoiser, LoopDenoiser, LoopAfterDenoiser, LoopReport)
    block_names = ("before_denoiser", "denoiser", "after_denoiser", "report")

    @property
    def description(self) -> str:
        return (
            "The denoising loop of every task. Per step: per-token timesteps, the transformer passes with guidance, "
            "blending by mask and Euler on both lanes, a report."
        )

    @property
    def loop_inputs(self) -> list[InputParam]:
        return [
            InputParam("timesteps", type_hint=torch.Tensor, required=True),
            InputParam("cancel_event", description="threading.Event; once set, the run ends before the next step."),
            InputParam("text_spans_s", default=(), description="Of each of several texts, the seconds it is for."),
        ]

    @property
    def loop_intermediate_outputs(self) -> list[OutputParam]:
        return [OutputParam("latents", description="Denoised."), OutputParam("audio_latents", description="Denoised.")]

    @torch.no_grad()
    def __call__(self, components, state):
        block_state = self.get_block_state(state)
        block_state.video_timestep_mask = _timestep_mask(block_state.video_mask)
        block_state.audio_timestep_mask = _timestep_mask(block_state.audio_mask)
        block_state.text_masks = {
            (sign, prefix): _text_mask(getattr(block_state, f"{sign}connector_attention_mask"))
            for sign in ("", "negative_")
            for prefix in ("", "audio_")
        }
        if len(block_state.text_spans_s) > 1:
            for prefix in ("", "audio_"):
                block_state.text_masks["", prefix] = _timed_mask(block_state, prefix)
        for i, t in enumerate(block_state.timesteps):
            stop_if_cancelled(block_state.cancel_event)
            components, block_state = self.loop_step(components, block_state, i=i, t=t)
        stop_if_cancelled(block_state.cancel_event)
        self.set_block_state(state, block_state)
        return components, state


def _timestep_mask(mask: torch.Tensor) -> torch.Tensor:
    """[1, tokens], or [1, 1] where all tokens share a timestep, which spares the modulation of each token."""
    uniform = bool((mask == mask[:, :1]).all())
    return mask[:, :1, 0] if uniform else mask[..., 0]


def _text_mask(mask: torch.Tensor) -> torch.Tensor | None:
    """The mask of the words; on a card None where it hides none, as after the connectors: with a mask, attention takes
    slower ways there. A CPU has one way, and with the mask it rounds as diffusers' pipelines do."""
    return None if mask.device.type != "cpu" and bool((mask == 1).all()) else mask


def _with_negative(block_state, words: dict[str, torch.Tensor | None], nag: Mapping[str, Nag]) -> int:
    """Put the negative prompt's words behind the prompt's, in the lanes that are guided by both; return how many."""
    negative = block_state.text_masks["negative_", ""]
    for prefix in nag:
        name, mask = f"{prefix}encoder_hidden_states", words[f"{prefix}encoder_attention_mask"]
        words[name] = torch.cat([words[name], getattr(block_state, f"negative_connector_{prefix}prompt_embeds")], dim=1)
        if mask is not None:
            behind = torch.ones_like(block_state.negative_connector_attention_mask) if negative is None else negative
            if mask.ndim == 3:  # a bias, of timed prompts
                behind = ((1 - behind[:, None]) * HIDDEN).to(mask).expand(-1, mask.shape[1], -1)
            words[f"{prefix}encoder_attention_mask"] = torch.cat([mask, behind], dim=-1)
    return block_state.negative_connector_prompt_embeds.shape[1]


def _timed_mask(block_state, prefix: str) -> torch.Tensor:
    """[1, tokens of the lane, words of all texts], which the transformer adds to its attention to them."""
    spans_s, words = block_state.text_spans_s, block_state.connector_attention_mask
    coords = getattr(block_state, f"{prefix or 'video_'}coords")  # [1, axes, tokens, 2], time first
    bias = text_bias(coords[0, 0].float(), spans_s).to(block_state.dtype)
    bias = bias.repeat_interleave(words.shape[1] // len(spans_s), dim=1)[None]
    return bias if (words == 1).all() else bias + ((1 - words[:, None]) * HIDDEN).to(bias)


def _euler(scheduler, latents: torch.Tensor, x0: torch.Tensor, i: int, t: torch.Tensor) -> torch.Tensor:
    velocity = (latents - x0) / scheduler.sigmas[i].to(latents.device)
    return scheduler.step(velocity, t, latents, return_dict=False)[0]
