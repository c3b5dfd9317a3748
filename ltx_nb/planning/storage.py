"""RAM and disk that a run takes, line by line. GB is 1e9 bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ltx_nb.catalogue.models import UPSCALERS, Model, with_weight_bytes
from ltx_nb.catalogue.parameters import GEMMA, ParameterCounts, upscaler_parameters
from ltx_nb.planning.budget import GB, Budget
from ltx_nb.planning.plans import Line, Part
from ltx_nb.planning.presets import Preset
from ltx_nb.request import DEFAULT_UPSCALER, ClipRequest
from ltx_nb.running import tiles
from ltx_nb.stages import video_shape

PROCESS_GB = 2.5
STAGED_GB = 2 * 2**26 / GB  # `ltx_nb.running.host_memory.STAGED_BYTES`, which is torch's to import


def needs_int8_files(model: Model, preset: Preset, num_streamed: int) -> bool:
    """Whether blocks are to be read from int8 files, which nobody publishes: `load` writes them once.

    From an fp8 file they come as they are, but for Metal, which has no fp8.
    """
    as_they_are = model.is_fp8 and preset.kind != "mps"
    return num_streamed > 0 and preset.offload == "disk" and preset.weight_bytes == 1 and not as_they_are


def ram_lines(budget: Budget, resident: int, parts: Sequence[Part]) -> tuple[Line, ...]:
    """List what lies in the machine's own memory."""
    request, counts = budget.request, budget.counts
    frame_gb = request.width * request.height / GB
    lines = [Line("Python, torch and the libraries", PROCESS_GB, "assumed")]
    if "video" in request.outputs:
        tile_frames = tiles.tile_shape(request.video_latent_shape).pixel.num_frames
        lines.append(Line("the clip's frames", 3 * frame_gb * request.num_frames, "uint8"))
        if tile_frames < request.num_frames:
            lines.append(Line(f"{tile_frames} frames on their way there", 3 * frame_gb * tile_frames, "uint8"))
    given = [picture for stage in budget.stages for picture in stage.pictures]
    given += [video_shape(stage.low) for stage in budget.stages if stage.low is not None]
    if given:
        most = max(picture.num_frames * picture.height * picture.width for picture in given)
        lines.append(Line("the given frames", 3 * most / GB, "uint8"))
    if budget.preset.kind == "cuda" and not (budget.preset.keeps_all and budget.preset.keeps_text):
        lines.append(Line("two pieces on their way from files, pinned", STAGED_GB))
    streamed = counts.blocks - resident
    if budget.preset.kind != "cuda":
        peak = max(parts, key=lambda part: part.gb)
        lines.append(Line(f"all of {peak.name}", peak.gb, "one memory for everything"))
    elif streamed and budget.preset.offload == "ram":
        lines.append(Line(f"{streamed} streamed blocks, pinned", streamed * budget.block_gb))
    return tuple(lines)


def disk_lines(budget: Budget, resident: int) -> tuple[Line, ...]:
    """List what goes to the disk: what is downloaded, unless it lies here, and what `load` makes of it."""
    counts, model = budget.counts, with_weight_bytes(budget.model, budget.preset.weight_bytes)
    rest = counts.around_blocks + counts.connectors + counts.vae_encoder + counts.vae_decoder
    rest += counts.audio_vae + counts.vocoder
    copy = (2 * (rest + counts.latent_upsampler) + counts.blocks * counts.block) / GB
    is_copied = needs_int8_files(model, budget.preset, counts.blocks - resident)
    copies = (Line("int8 copy, which streams", copy, "all but the text encoder"),) * is_copied
    text = _text_line(model, counts)
    if os.path.isabs(model.weights):  # a place here, not a repository; a single file has no text encoder
        return (text,) * (model.file is not None) + copies
    in_bf16 = 5 if model.is_fp8 else counts.blocks  # four or five blocks of the fp8 files are
    weights = 2 * (rest + in_bf16 * counts.block) + (counts.blocks - in_bf16) * counts.block
    return (
        Line(model.file or f"{model.weights} without its text encoder", weights / GB, model.about_file),
        Line("spatial upscaler", 2 * counts.latent_upsampler / GB, "bf16"),
        *_further_upscaler(budget.request),
        text,
        *copies,
    )


def _further_upscaler(request: ClipRequest) -> tuple[Line, ...]:
    """List the upscaler that a request takes, unless it is the one that every model comes with."""
    if request.upscaler == DEFAULT_UPSCALER:
        return ()
    return (Line(UPSCALERS[request.upscaler].file, 2 * upscaler_parameters(request.upscaler) / GB, "bf16"),)


def _text_line(model: Model, counts: ParameterCounts) -> Line:
    """Gemma in bf16, or with one byte for each value of its layers, where the model takes ComfyUI's file of that."""
    gb = 2 * counts.text_encoder_file / GB
    if model.has_fp8_text_encoder:
        return Line(
            "Gemma 3 12B, the text encoder", gb - GEMMA["layers"] * counts.text_encoder_layer / GB, "scaled fp8"
        )
    return Line("Gemma 3 12B, the text encoder", gb, "bf16")
