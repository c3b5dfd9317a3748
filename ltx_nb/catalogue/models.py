"""The models that `load` knows: where their weights are, and how they are sampled by default, with the source of each.

Plain data; knows no tensors and reads no files.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

from ltx_nb.checks import choice
from ltx_nb.sampling import UNGUIDED, Sampling

# diffusers.pipelines.ltx2.utils DISTILLED_SIGMA_VALUES and STAGE_2_DISTILLED_SIGMA_VALUES, from the reference's
# ltx_pipelines/utils/constants.py.
DISTILLED_SIGMAS = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875)
STAGE_2_SIGMAS = (0.909375, 0.725, 0.421875)
# The most that the reference's LTX2Scheduler shifts, for 4,096 tokens; its pipelines do not tell it how many there are,
# and it then takes this.
SHIFT = math.exp(2.05)

# DEFAULT_NEGATIVE_PROMPT of the same file of the reference; diffusers' has not yet the first line.
NEGATIVE_PROMPT = (
    "has_subtitles, has_blurbox, transition from black, transition to black, speech_ending_short, "
    "blurry, out of focus, overexposed, underexposed, low contrast, washed out colors, excessive noise, "
    "grainy texture, poor lighting, flickering, motion blur, distorted proportions, unnatural skin tones, "
    "deformed facial features, asymmetrical face, missing facial features, extra limbs, disfigured hands, "
    "wrong hand count, artifacts around text, inconsistent perspective, camera shake, incorrect depth of "
    "field, background too sharp, background clutter, distracting reflections, harsh shadows, inconsistent "
    "lighting direction, color banding, cartoonish rendering, 3D CGI look, unrealistic materials, uncanny "
    "valley effect, incorrect ethnicity, wrong gender, exaggerated expressions, wrong gaze direction, "
    "mismatched lip sync, silent or muted audio, distorted voice, robotic voice, echo, background noise, "
    "off-sync audio, incorrect dialogue, added dialogue, repetitive speech, jittery movement, awkward "
    "pauses, incorrect timing, unnatural transitions, inconsistent framing, tilted camera, flat lighting, "
    "inconsistent tone, cinematic oversaturation, stylized filters, or AI artifacts."
)


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue.

    weights: a folder, or the id of a hub repository, in diffusers' layout; or a repository that has `file`.
    file: name of an official single file, which has everything but a text encoder and the scheduler's settings.
    sampling: every setting but sigmas; those come from `sigmas_of(num_inference_steps)`, which raises ValueError for a
        number of steps that the model was not made for.
    makes_sound_alone: whether sound alone is made without a picture; else a picture is imagined with it.
    appends_keyframes: whether of several images one at the first frame is appended as the others are, as by the
        reference's `KeyframeInterpolationPipeline`; else it stands in that frame's place.
    stage_2_lora: the repository, file and strength of the LoRA that its second stage is made for, if it is for one.
    keeps_first_sound: whether two stages end with the sound of the first, the second refining the picture alone.
    text_encoder: repository of the text encoder, and its file there, or None for a folder; None where the model's own
        folder has it.
    upscalers: published latent upscalers that are made for its latents, by their names in UPSCALERS.
    about_file: what a reader of the file's name may take it for and it is not.
    negative_prompt: what a request without one is steered away from, where there is guidance.
    image_crf: H.264 quality at which given images are compressed first, as in training; 0 leaves them as they are.
    """

    name: str
    weights: str
    sampling: Sampling
    sigmas_of: Callable[[int], tuple[float, ...]]
    stage_2_sigmas: tuple[float, ...]
    width: int
    height: int
    num_frames: int
    image_crf: int
    negative_prompt: str = ""
    makes_sound_alone: bool = True
    appends_keyframes: bool = True
    stage_2_lora: tuple[str, str, float] | None = None
    keeps_first_sound: bool = False
    file: str | None = None
    text_encoder: tuple[str, str | None] | None = None
    upscalers: tuple[str, ...] = ()
    about_file: str = ""

    @property
    def is_fp8(self) -> bool:
        """Whether its file has most weights in fp8 with scales, as the publisher names such files."""
        return self.file is not None and "fp8" in self.file

    @property
    def is_distilled(self) -> bool:
        """Whether it was distilled to a few sigmas, which are given."""
        return self.sigmas_of is _distilled_sigmas

    @property
    def has_fp8_text_encoder(self) -> bool:
        """Whether most weights of its text encoder are in fp8 with scales."""
        return self.text_encoder == TEXT_ENCODER_FP8

    def complete(self, sampling: Sampling) -> Sampling:
        """`sampling` with this model's values where it says None."""
        given = {f.name: getattr(sampling, f.name) for f in fields(sampling) if getattr(sampling, f.name) is not None}
        if "sigmas" in given:
            given["num_inference_steps"] = len(given["sigmas"])
        done = replace(self.sampling, **given)
        if done.sigmas is not None:
            return done
        return replace(done, sigmas=self.sigmas_of(done.num_inference_steps))


def shifted_sigmas(num_steps: int) -> tuple[float, ...]:
    """Linear sigmas 1 .. 1/n, moved towards noise: s u / (1 + (s - 1) u), as FlowMatchEulerDiscreteScheduler."""
    linear = [1 - step / num_steps for step in range(num_steps)]
    return tuple(SHIFT * u / (1 + (SHIFT - 1) * u) for u in linear)


def dev_sigmas(num_steps: int) -> tuple[float, ...]:
    """Return the schedule of the models that are not distilled, from 1 to 0.1, the same for a clip of any size.

    Source: the reference's LTX2Scheduler.execute(steps). The last sigma is brought to 0.1, the others in proportion.
    """
    shifted = shifted_sigmas(num_steps)
    stretch = (1 - shifted[-1]) / (1 - 0.1) or 1.0  # a single step stays at 1
    return tuple(1 - (1 - sigma) / stretch for sigma in shifted)


def _distilled_sigmas(num_steps: int) -> tuple[float, ...]:
    if num_steps != len(DISTILLED_SIGMAS):
        raise ValueError(
            f"num_inference_steps={num_steps} for a model distilled to {len(DISTILLED_SIGMAS)} given sigmas; "
            f"nearest: {len(DISTILLED_SIGMAS)}, or give your own with sigmas=(...)"
        )
    return DISTILLED_SIGMAS


TINY = Model(
    name="tiny",
    weights=str(Path(__file__).parents[1] / "tiny" / "weights"),
    # Guidance is distilled into its weights. Block 3 is as far down its 6 blocks as 28 is down the real model's 48.
    sampling=replace(UNGUIDED, num_inference_steps=8, spatio_temporal_guidance_blocks=(3,)),
    sigmas_of=shifted_sigmas,  # it was trained with a shift of 3: docs/tiny_weights.md says what this one gains
    stage_2_sigmas=STAGE_2_SIGMAS,
    width=128,
    height=128,
    num_frames=49,
    image_crf=0,
    makes_sound_alone=False,  # it never learned to: 5 of 8 sounds were right, and 8 of 8 with a picture imagined
    appends_keyframes=False,
)

# What stage 2 of the dev model is made for: ltx_pipelines/ti2vid_two_stages.py and the README beside it.
DISTILLED_LORA = ("Lightricks/LTX-2.3", "ltx-2.3-22b-distilled-lora-384-1.1.safetensors", 0.8)
# Gemma 3 12B, in the publisher's own copy, which is not gated; in bf16, 24.4 GB. The folder in diffusers' layout has it
# twice as large. ComfyUI's copy has most weights in fp8 with scales, 13.2 GB.
TEXT_ENCODER = "Lightricks/gemma-3-12b-it-qat-q4_0-unquantized"
TEXT_ENCODER_FP8 = ("Comfy-Org/ltx-2", "split_files/text_encoders/gemma_3_12B_it_fp8_scaled.safetensors")


class UpscalerFile(NamedTuple):
    repository: str
    file: str


# Latent upscalers of LTX-2.3, by their names in `shapes.UPSCALINGS`. Two stages are run with x2; the others are had for
# the asking.
UPSCALERS = {
    "spatial-x2": UpscalerFile("Lightricks/LTX-2.3", "ltx-2.3-spatial-upscaler-x2-1.1.safetensors"),
    "spatial-x1.5": UpscalerFile("Lightricks/LTX-2.3", "ltx-2.3-spatial-upscaler-x1.5-1.0.safetensors"),
    "temporal-x2": UpscalerFile("Lightricks/LTX-2.3", "ltx-2.3-temporal-upscaler-x2-1.0.safetensors"),
}
UPSCALER = UPSCALERS["spatial-x2"]

# Guidance, steps and CRF: the LTX-2 reference's LTX_2_3_PARAMS.
DEV = Model(
    name="2.3-dev",
    weights="diffusers/LTX-2.3-Diffusers",
    sampling=replace(
        UNGUIDED,
        num_inference_steps=30,
        guidance_scale=3.0,
        stg_scale=1.0,
        modality_scale=3.0,
        guidance_rescale=0.7,
        audio_guidance_scale=7.0,
        audio_stg_scale=1.0,
        audio_modality_scale=3.0,
        audio_guidance_rescale=0.7,
        spatio_temporal_guidance_blocks=(28,),
    ),
    sigmas_of=dev_sigmas,
    stage_2_sigmas=STAGE_2_SIGMAS,
    width=768,
    height=512,
    num_frames=121,
    image_crf=33,
    negative_prompt=NEGATIVE_PROMPT,
    stage_2_lora=DISTILLED_LORA,
    keeps_first_sound=True,
    text_encoder=(TEXT_ENCODER, None),
    upscalers=tuple(UPSCALERS),
)

DISTILLED = replace(
    DEV,
    name="2.3-distilled",
    weights="diffusers/LTX-2.3-Distilled-Diffusers",
    sampling=replace(UNGUIDED, num_inference_steps=8, spatio_temporal_guidance_blocks=(28,)),
    sigmas_of=_distilled_sigmas,
    stage_2_lora=None,
    keeps_first_sound=False,
)

# LTX-2.0, from folders alone. Steps and scale: the example of diffusers' LTX2LatentUpsamplePipeline; its transformer
# has no perturbed attention to guide with.
DEV_2_0 = replace(
    DEV,
    name="2.0-dev",
    weights="Lightricks/LTX-2",
    sampling=replace(UNGUIDED, num_inference_steps=40, guidance_scale=4.0, audio_guidance_scale=4.0),
    stage_2_lora=None,
    upscalers=(),
)
DISTILLED_2_0 = replace(DISTILLED, name="2.0-distilled", weights=DEV_2_0.weights, upscalers=())

# The official files, in the dtype they were published in: bf16, or fp8 with scales.
DEV_OFFICIAL = replace(DEV, name="2.3-dev-official", weights="Lightricks/LTX-2.3", file="ltx-2.3-22b-dev.safetensors")
DISTILLED_OFFICIAL = replace(
    DISTILLED,
    name="2.3-distilled-official",
    weights="Lightricks/LTX-2.3",
    file="ltx-2.3-22b-distilled-1.1.safetensors",
)
DEV_OFFICIAL_FP8 = replace(
    DEV,
    name="2.3-dev-official-fp8",
    weights="Lightricks/LTX-2.3-fp8",
    file="ltx-2.3-22b-dev-fp8.safetensors",
    text_encoder=TEXT_ENCODER_FP8,
)
DISTILLED_OFFICIAL_FP8 = replace(
    DISTILLED,
    name="2.3-distilled-official-fp8",
    weights="Lightricks/LTX-2.3-fp8",
    file="ltx-2.3-22b-distilled-fp8.safetensors",
    text_encoder=TEXT_ENCODER_FP8,
    about_file="of the first distilled model; of 1.1 there is no fp8",
)

MODELS = {
    model.name: model
    for model in (
        TINY,
        DEV,
        DISTILLED,
        DEV_OFFICIAL,
        DISTILLED_OFFICIAL,
        DEV_OFFICIAL_FP8,
        DISTILLED_OFFICIAL_FP8,
    )
}


# Which file has the same model with most weights in one byte, where a preset brings them to that anyway.
ONE_BYTE = {DEV.name: DEV_OFFICIAL_FP8, DISTILLED.name: DISTILLED_OFFICIAL_FP8}


def with_weight_bytes(model: Model, weight_bytes: int) -> Model:
    """The entry to download for weights of so many bytes: a third of the size where the publisher has one byte each.

    A model whose place is a folder here stays that.
    """
    is_here = os.path.isabs(model.weights)
    return ONE_BYTE.get(model.name, model) if weight_bytes == 1 and not is_here else model


def published_names() -> list[str]:
    """Names of the published files, and of the text encoder's folder, as they lie in a folder of models."""
    files = [model.file for model in MODELS.values() if model.file is not None]
    encoders = [TEXT_ENCODER.rpartition("/")[2], TEXT_ENCODER_FP8[1].rpartition("/")[2]]
    upscalers = [upscaler.file for upscaler in UPSCALERS.values()]
    return [*files, *upscalers, DISTILLED_LORA[1], *encoders]


def named_model(name: str) -> Model:
    """The entry called `name`. Raises ValueError for another name."""
    return MODELS[choice("model", name, MODELS)]


def model_of_file(path: str | os.PathLike[str]) -> Model:
    """The entry of an official single file, by its name.

    Nothing inside such a file says whether it is distilled. Raises ValueError where the name does not either, and names
    what else it may be.
    """
    path = Path(path)
    for word, model in (("distilled", DISTILLED_OFFICIAL), ("dev", DEV_OFFICIAL)):
        if word in path.stem.lower():
            return replace(model, weights=str(path.parent.absolute()), file=path.name)
    for words, what, option in _OTHER_FILES:
        if any(word in path.stem.lower() for word in words):
            raise ValueError(
                f"{path.name!r} is no model by its name, but {what}, which is given with one; nearest: "
                f"load({DISTILLED_OFFICIAL.name!r}, {option}={path.name!r})"
            )
    raise ValueError(
        f"the name {path.name!r} says neither 'dev' nor 'distilled', so how to sample is unknown; if it is LTX-2.3's, "
        f"rename the file or link to it, for example as {path.stem}-distilled{path.suffix}"
    )


# Words in the names of files that people have beside a model's, what such a file is, and the option of `load` for it.
_OTHER_FILES = (
    (("gemma", "text_encoder"), "a text encoder", "text_encoder"),
    (("lora",), "a LoRA", "loras"),
    (("upscaler",), "a latent upscaler", "upscalers"),
    (("vae", "vocoder", "connector", "text_projection"), "a part of one that is split", "parts"),
)
