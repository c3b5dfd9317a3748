"""Parts of a run of a request: its stages, the passes of each step, and what is encoded before each stage.

Plain data, worked out in one place: `ltx_nb.pipeline` runs it and `ltx_nb.planning` prices it. Knows no tensors, and no
sizes in bytes.

Two stages, after the LTX-2 reference: half the size first, x2 latent upsampler, then both lanes are renoised to the
first of the model's stage-2 sigmas and refined at full size without guidance. Of the dev models the sound of the first
stage is kept, as the reference's `TI2VidTwoStagesPipeline` does; the second refines it only to hear it. Another
upscaler has another size or frame rate first; the reference runs none but x2 with LTX-2.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from ltx_nb.catalogue.models import Model
from ltx_nb.given import LANES
from ltx_nb.request import DEFAULT_UPSCALER, ClipRequest, Given
from ltx_nb.sampling import UNGUIDED, Sampling
from ltx_nb.shapes import TIME_TOLERANCE_S, VideoShape, audio_num_latents

# The setting that asks for each pass beside the prompt's own, by the names of diffusers' LTX2Guidance.
SCALE_OF_PASS = {
    "pred_uncond": "guidance_scale",
    "pred_cond_stg": "stg_scale",
    "pred_cond_modality": "modality_scale",
}


@dataclass(frozen=True)
class Stage:
    """One denoising loop and what goes before it.

    number: 1, or 2 for the refinement, which the latent upsampler goes before. request: at this stage's size, in one
    stage. sampling: without None. upscaler: the one that goes before. low: of a second stage without a first, the
    request at the size before it that is given the clip to refine. lanes: those that end with this stage, and of which
    `decoded` are decoded after it. isolates: whether the lanes do not hear each other, as where sound alone is made.
    """

    number: int
    request: ClipRequest
    sampling: Sampling
    upscaler: str = ""
    low: ClipRequest | None = None
    lanes: tuple[str, ...] = LANES
    isolates: bool = False

    @property
    def decoded(self) -> tuple[str, ...]:
        return tuple(lane for lane in self.lanes if lane in self.request.outputs)

    @property
    def steps(self) -> int:
        return self.sampling.num_inference_steps or 0

    @cached_property
    def passes(self) -> tuple[str, ...]:
        """Forwards of the transformer in each step, by LTX2Guidance's names.

        A pass beside the first runs where either lane wants it; a lane that is given as a whole wants none.
        """
        frozen = self.request.frozen_lanes
        prefixes = [prefix for lane, prefix in zip(LANES, ("", "audio_"), strict=True) if lane not in frozen]

        def is_wanted(scale: str) -> bool:
            values = [getattr(self.sampling, prefix + scale) for prefix in prefixes]
            return not all(math.isclose(value, getattr(UNGUIDED, scale)) for value in values)

        return ("pred_cond", *(name for name, scale in SCALE_OF_PASS.items() if is_wanted(scale)))

    @property
    def nag_prefixes(self) -> tuple[str, ...]:
        """Lanes, as "" for video and "audio_", whose attention to text is guided away from the negative prompt."""
        lanes = zip(LANES, ("", "audio_"), strict=True)
        open_prefixes = [prefix for lane, prefix in lanes if lane not in self.request.frozen_lanes]
        return tuple(it for it in open_prefixes if (getattr(self.sampling, f"{it}nag_scale") or 1) > 1)

    @property
    def forwards(self) -> int:
        """Forwards of the transformer in all steps together."""
        return self.steps * len(self.passes)

    @property
    def tokens(self) -> int:
        """Tokens of both modalities in each forward; each keyframe appends those of a frame, a reference its own."""
        request = self.request
        appended = len(request.keyframes) * request.video_latent_shape.tokens_per_frame
        appended += sum(picture.latent.tokens for picture in reference_shapes(request))
        sounds = sum(audio_num_latents(sound.duration_s) for sound in request.reference_sounds)
        return request.video_tokens + appended + request.audio_tokens + sounds

    @cached_property
    def has_a_timestep_per_token(self) -> bool:
        """Whether video tokens differ in their timestep, as where some of them are given."""
        mask = self.request.video_mask()
        appended = self.request.keyframes or self.request.references
        return bool(appended) or bool((mask != mask[0]).any())

    @cached_property
    def pictures(self) -> tuple[VideoShape, ...]:
        """Pictures that the video VAE encodes for this stage: the given frames over the timeline, then each image and
        each reference."""
        whole = video_shape(self.request)
        videos = [item for item in self.request.given if item.lane == "video"]
        images = [replace(whole, num_frames=1) for item in videos if item.is_image]
        spans = [whole] if len(images) < len(videos) else []
        return (*spans, *images, *reference_shapes(self.request))

    @property
    def sounds(self) -> int:
        """How many sounds the audio VAE encodes for this stage: each over the whole timeline, then references' own."""
        requests = [self.request] if self.low is None else [self.request, self.low]
        whole = sum(any(item.lane == "audio" for item in request.given) for request in requests)
        return whole + len(self.request.reference_sounds)


def stages_of(model: Model, request: ClipRequest) -> list[Stage]:
    """The stages that make the request; only the second where `request.first_stage` stands in for the first.

    Raises ValueError for a number of steps that the model was not made for.
    """
    sampling = model.complete(request.sampling)
    sees = bool(request.first_stage or request.references) or any(item.lane == "video" for item in request.given)
    if request.outputs == ("audio",) and model.makes_sound_alone and not sees:
        return [sound_alone(request, sampling)]
    if not request.two_stage:
        return [Stage(1, request, sampling)]
    whole = request.replace(two_stage=False, upscaler=DEFAULT_UPSCALER, first_stage=None)
    refining = replace(UNGUIDED, sigmas=model.stage_2_sigmas, num_inference_steps=len(model.stage_2_sigmas))
    kept = {name: getattr(sampling, name) for name in ("nag_scale", "audio_nag_scale", "nag_tau", "nag_alpha")}
    refining = replace(refining, **kept)  # or what it keeps away would come back
    if request.first_stage is not None:
        return [Stage(2, whole, refining, request.upscaler, first_stage_as_given(request))]
    first, second = (("audio",), ("video",)) if model.keeps_first_sound else ((), LANES)
    before = before_upscaling(request)
    return [Stage(1, before, sampling, lanes=first), Stage(2, whole, refining, request.upscaler, lanes=second)]


def sound_alone(request: ClipRequest, sampling: Sampling) -> Stage:
    """Return the stage that makes sound without a picture, as the reference's `T2AOneStagePipeline`.

    diffusers' transformer has to have a video lane. This one is a token a latent frame, is not guided and not heard.
    Where blocks stream, its weights come along: the audio lane's own are 17 % of a block, so that of the 18 s that 10 s
    of sound are projected to take on `8gb`, 5 go into the rest; where most blocks stay, 0.6.
    """
    blind = request.replace(width=32, height=32, crop_width=None, crop_height=None, two_stage=False)
    scales = [field.name for field in fields(UNGUIDED) if field.name.endswith(("_scale", "_rescale"))]
    unwanted = [name for name in scales if not name.startswith("audio_") or name == "audio_modality_scale"]
    neutral = {name: getattr(UNGUIDED, name) for name in unwanted}
    return Stage(1, blind, replace(sampling, **neutral), isolates=True)


def before_upscaling(request: ClipRequest) -> ClipRequest:
    """The request of the first of its two stages, cropped alike on export."""
    upscaling = request.upscaling
    sides = {name: upscaling.side_before(getattr(request, name)) for name in ("width", "height")}
    crops = {f"crop_{name}": getattr(request, f"crop_{name}") for name in sides}
    even = {name: crop_px and max(upscaling.side_before(crop_px) // 2 * 2, 2) for name, crop_px in crops.items()}
    frames: dict[str, Any] = {}
    if upscaling.time != 1:
        frames["num_frames"] = upscaling.frames_before(request.num_frames)
        frames["frame_rate"] = request.frame_rate / upscaling.time
        # Its last frame is as much longer, and what is given to the end is given to that one.
        end_s, beyond_s = frames["num_frames"] / frames["frame_rate"], request.duration_s - TIME_TOLERANCE_S
        frames["given"] = tuple(
            replace(item, end_s=end_s) if (item.end_s or 0) > beyond_s else item for item in request.given
        )
        frames["timed_prompts"] = tuple(
            replace(item, end_s=end_s) if item.end_s > beyond_s else item for item in request.timed_prompts
        )
    single: dict[str, Any] = {"two_stage": False, "upscaler": DEFAULT_UPSCALER, "first_stage": None}
    return request.replace(**sides | even | frames | single)


def first_stage_as_given(request: ClipRequest) -> ClipRequest:
    """A request at the size before upscaling that is given all of `first_stage`, to read and fit it as any given media.

    Its sound is read where there is something of it to refine.
    """
    blank = before_upscaling(request.replace(given=(), references=()))
    lanes = [lane for lane in LANES if lane == "video" or lane not in request.frozen_lanes]
    given = tuple(Given(lane, request.first_stage, 0.0, blank.duration_s) for lane in lanes)
    return blank.replace(given=given)


def video_shape(request: ClipRequest) -> VideoShape:
    """The frames of a request in pixels."""
    return VideoShape(request.num_frames, request.height, request.width)


def reference_shapes(request: ClipRequest) -> tuple[VideoShape, ...]:
    """The frames of each reference in pixels, as they are encoded."""
    factor = request.reference_downscale_factor or 1
    size = {"height": request.height // factor, "width": request.width // factor}
    return tuple(VideoShape(num_frames=reference.num_frames, **size) for reference in request.references)
