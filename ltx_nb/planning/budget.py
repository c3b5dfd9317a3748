"""What each part of a run takes, line by line: accelerator memory, seconds, RAM and download.

Knows sizes, presets and formulas; which preset to take and how many blocks stay is the planner's. GB is 1e9 bytes.
Formulas are fitted to full-size models on the meta device, for a forward that chunks its tokens by 4,096.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from ltx_nb import shapes
from ltx_nb.catalogue.models import Model
from ltx_nb.catalogue.parameters import Sizes
from ltx_nb.planning.plan import TASKS, Job, Line, Stage
from ltx_nb.planning.presets import Preset
from ltx_nb.running import tiles

GB = 1e9
# Of one lean forward in bf16, at a video width of 4,096: 0.58 GB at 6,270 tokens, 2.43 at 32,766, 9.23 at 124,941.
ACTIVATIONS_GB, ACTIVATIONS_GB_PER_TOKEN, FITTED_WIDTH = 0.09, 73.2e-6, 4096
# Of diffusers' own forward, for each token: with one timestep for all; with each its own, where media are given.
STOCK_ACTIVATIONS_GB_PER_TOKEN, STOCK_ACTIVATIONS_GB_PER_GIVEN_TOKEN = 148e-6, 302e-6
# Of one forward of 48 blocks of 386,695,360 parameters: 199 TFLOP at 6,270 tokens, 1,715 at 32,766, 15,547 at 124,941.
TFLOP_PER_TOKEN, TFLOP_PER_TOKEN_PAIR, FITTED_PARAMETERS = 0.02684, 7.811e-7, 48 * 386_695_360
CUDA_CONTEXT, CUDA_CONTEXT_GB = "CUDA context", 0.5
PROMPT_TOKENS = 1024
# On 1,024 prompt tokens in bf16: hidden states of every layer, and what the connectors make of them in passing.
HIDDEN_STATES_GB, CONNECTOR_ACTIVATIONS_GB = 0.385, 1.303
# Of one tile, or of a picture, which a causal convolution sees as a clip.
DECODE_GB_PER_PX, ENCODE_GB_PER_PX, ENCODE_IMAGE_GB_PER_PX = 72.8e-9, 86.5e-9, 182e-9
# Summed over the convolutions, for each latent position and each token of the upsampler's input.
DECODE_TFLOP, ENCODE_TFLOP, UPSAMPLER_TFLOP = 20.11e-3, 19.48e-3, 2.376e-3
UPSAMPLER_CHANNELS, UPSAMPLER_LIVE_TENSORS = 1024, 4
VOCODER_GB_PER_SECOND = 0.0432
PROCESS_GB = 2.5


def needs_int8_files(model: Model, preset: Preset, num_streamed: int) -> bool:
    """Whether blocks are to be read from int8 files, which nobody publishes: `load` writes them once."""
    return num_streamed > 0 and preset.offload == "disk" and preset.weight_bytes == 1 and not model.is_fp8


@dataclass(frozen=True)
class Budget:
    """The sums for one model, preset and job. Every method takes the number of blocks that stay on the accelerator."""

    model: Model
    sizes: Sizes
    preset: Preset
    job: Job

    @property
    def block_gb(self) -> float:
        return self.sizes.block * (1 if self.model.is_fp8 else self.preset.weight_bytes) / GB

    def stages(self, resident: int) -> tuple[Stage, ...]:
        made = [self._text(resident)]
        if TASKS[self.job.task] is not None:
            made.append(self._encode(resident))
        sampling = self.model.sampling
        steps = sampling.num_inference_steps or 0
        passes = 1 + sum(
            max(of_video or 0, of_audio or 0) > none
            for of_video, of_audio, none in (
                (sampling.guidance_scale, sampling.audio_guidance_scale, 1),
                (sampling.stg_scale, sampling.audio_stg_scale, 0),
                (sampling.modality_scale, sampling.audio_modality_scale, 1),
            )
        )
        if self.job.two_stage:
            made.append(self._denoise("stage 1", resident, self.job.tokens(divided_by=2), steps, passes))
            made.append(self._upsample(resident))
            made.append(self._denoise("stage 2", resident, self.job.tokens(), len(self.model.stage_2_sigmas), 1))
        else:
            made.append(self._denoise("stage 1", resident, self.job.tokens(), steps, passes))
        return (*made, self._decode(resident), self._audio(resident))

    def denoise_lines(self, resident: int) -> tuple[Line, ...]:
        """Of the stage with most tokens, at the full size."""
        return self._denoise_lines(resident, self.job.tokens())

    def ram(self, resident: int, stages: tuple[Stage, ...]) -> tuple[Line, ...]:
        job, sizes, compute = self.job, self.sizes, self.preset.compute_bytes
        tile_frames = tiles.tile_shape(job.latent()).pixel.num_frames
        lines = [
            Line("Python, torch and the libraries", PROCESS_GB, "assumed"),
            Line("the clip's frames", 3 * job.pixels / GB, "uint8"),
            Line(f"{tile_frames} frames while they are blended", 9 * job.width * job.height * tile_frames / GB),
        ]
        if TASKS[job.task] == "video":
            lines.append(Line("the given frames", 3 * job.pixels / GB, "uint8"))
        if self.preset.kind == "cuda" and not self.preset.keeps_all:
            lines.append(Line("video VAE, pinned", compute * (sizes.vae_encoder + sizes.vae_decoder) / GB))
        streamed = self.sizes.blocks - resident
        if self.preset.kind != "cuda":
            peak = max(stages, key=lambda stage: stage.gb)
            lines.append(Line(f"all of {peak.name}", peak.gb, "one memory for everything"))
        elif streamed and self.preset.offload == "disk":
            lines.append(Line("two blocks on their way from the disk", 2 * self.block_gb))
        elif streamed:
            lines.append(Line(f"{streamed} streamed blocks, pinned", streamed * self.block_gb))
        return tuple(lines)

    def download(self, resident: int) -> tuple[Line, ...]:
        """What goes to the disk: what is downloaded, unless it lies here, and what `load` makes of it."""
        sizes = self.sizes
        rest = sizes.around_blocks + sizes.connectors + sizes.vae_encoder + sizes.vae_decoder
        rest += sizes.audio_vae + sizes.vocoder
        copy = (2 * (rest + sizes.latent_upsampler) + sizes.blocks * sizes.block) / GB
        is_copied = needs_int8_files(self.model, self.preset, sizes.blocks - resident)
        copies = (Line("int8 copy, which streams", copy, "all but the text encoder"),) * is_copied
        text_bytes, text_dtype = (2, "bf16") if self.model.file else (4, "float32, as the folder has it")
        text = Line("Gemma 3 12B, the text encoder", text_bytes * sizes.text_encoder_file / GB, text_dtype)
        if os.path.isabs(self.model.weights):  # a place here, not a repository; a single file has no text encoder
            return (text,) * (self.model.file is not None) + copies
        in_bf16 = 5 if self.model.is_fp8 else sizes.blocks  # four or five blocks of the fp8 files are
        weights = 2 * (rest + in_bf16 * sizes.block) + (sizes.blocks - in_bf16) * sizes.block
        return (
            Line(self.model.file or f"{self.model.weights} without its text encoder", weights / GB),
            Line("spatial upscaler", 2 * sizes.latent_upsampler / GB, "bf16"),
            text,
            *copies,
        )

    @property
    def _parts_stay(self) -> bool:
        """Whether VAE, vocoder and upsampler do."""
        return self.preset.keeps_all or self.preset.kind == "mps"

    @property
    def _connectors_stay(self) -> bool:
        return self.preset.keeps_all or self.preset.keeps_text

    def _stays(self, resident: int) -> list[Line]:
        """What lies on the accelerator in every stage."""
        sizes, compute = self.sizes, self.preset.compute_bytes
        lines = [Line("weights around the blocks", compute * sizes.around_blocks / GB)]
        if resident:
            lines.append(Line(f"{resident} of {sizes.blocks} blocks", resident * self.block_gb))
        if self._parts_stay:
            gb = (compute * (sizes.vae_encoder + sizes.vae_decoder + sizes.latent_upsampler) + 4 * sizes.vocoder) / GB
            lines.append(Line("video VAE, vocoder, upsampler", gb))
        if self._connectors_stay:
            lines.append(Line("connectors", compute * sizes.connectors / GB))
        if self.preset.keeps_text:
            lines.append(Line("text encoder", compute * sizes.text_encoder_file / GB))
        lines.append(Line("audio VAE", 4 * sizes.audio_vae / GB, "float32"))
        if self.preset.kind == "cuda":
            lines.append(Line(CUDA_CONTEXT, CUDA_CONTEXT_GB, "assumed"))
        return lines

    def _own(self, what: str, gb: float) -> list[Line]:
        """Weights that a stage brings in and takes out again, unless they stay."""
        return [] if self._parts_stay else [Line(what, gb)]

    def _text(self, resident: int) -> Stage:
        """The peak is in the connectors; Gemma before them, two layers at a time, takes about half as much."""
        sizes, lines = self.sizes, self._stays(resident)
        if not self._connectors_stay:
            gb = self.preset.compute_bytes * sizes.largest_connector / GB
            lines.append(Line("largest part of the connectors", gb))
        # Hidden states of a prompt and its negative, apart and joined. Where the connectors stream, one runs at a time.
        rows = 2 if self._connectors_stay else 1
        activations = self._scaled(4 * HIDDEN_STATES_GB + rows * CONNECTOR_ACTIVATIONS_GB)
        lines.append(Line("their activations", activations, "1,024 tokens of the prompt and of its negative"))
        read_gb = 2 * (sizes.text_encoder + sizes.connectors) / GB
        tflop = 2 * (sizes.text_encoder + sizes.connectors) * PROMPT_TOKENS / 1e12
        seconds = read_gb / self.preset.disk_gb_s + tflop / self.preset.tflops
        return Stage("text", tuple(lines), seconds, f"{read_gb:.1f} GB read at {self.preset.disk_gb_s:g} GB/s")

    def _encode(self, resident: int) -> Stage:
        latent, gb_per_px = self.job.latent(), ENCODE_GB_PER_PX
        if TASKS[self.job.task] == "image":
            latent, gb_per_px = replace(latent, num_frames=1), ENCODE_IMAGE_GB_PER_PX
        return self._in_tiles("encode", resident, self.sizes.vae_encoder, latent, gb_per_px, ENCODE_TFLOP)

    def _denoise(self, name: str, resident: int, tokens: int, steps: int, passes: int) -> Stage:
        sizes = self.sizes
        size = sizes.blocks * sizes.block / FITTED_PARAMETERS
        width = sizes.width * sizes.blocks / (FITTED_WIDTH * 48)
        tflop = tokens * (TFLOP_PER_TOKEN * size + TFLOP_PER_TOKEN_PAIR * width * tokens)
        streamed_gb = (sizes.blocks - resident) * self.block_gb if self.preset.kind == "cuda" else 0
        gb_s = self.preset.disk_gb_s if self.preset.offload == "disk" else self.preset.bus_gb_s
        forward_s = max(tflop / self.preset.tflops, streamed_gb / gb_s)
        forwards = f"{steps} steps of {passes} forward{'s' * (passes > 1)}, {tflop:,.0f} TFLOP each"
        lines = self._denoise_lines(resident, tokens)
        return Stage(name, lines, steps * passes * forward_s, f"{forwards}, {self._speed()}")

    def _denoise_lines(self, resident: int, tokens: int) -> tuple[Line, ...]:
        lines = self._stays(resident)
        if self.preset.kind == "cuda" and resident < self.sizes.blocks:
            lines.append(Line("two slots for streamed blocks", 2 * self.block_gb))
        if self.block_gb * GB < self.sizes.block * self.preset.compute_bytes:
            upcast = self.preset.compute_bytes * self.sizes.largest_layer / GB
            lines.append(Line("the largest layer, turned back from one byte", upcast))
        if self.preset.lean:
            activations, how = ACTIVATIONS_GB + ACTIVATIONS_GB_PER_TOKEN * tokens, ", chunked by 4,096"
        elif TASKS[self.job.task] is None:
            activations, how = STOCK_ACTIVATIONS_GB_PER_TOKEN * tokens, ""
        else:
            activations, how = STOCK_ACTIVATIONS_GB_PER_GIVEN_TOKEN * tokens, ", each with its modulation"
        lines.append(Line("activations", self._scaled(activations), f"{tokens:,} tokens{how}"))
        return tuple(lines)

    def _upsample(self, resident: int) -> Stage:
        tokens = self.job.latent().tokens
        compute = self.preset.compute_bytes
        lines = [*self._stays(resident), *self._own("latent upsampler", compute * self.sizes.latent_upsampler / GB)]
        live = UPSAMPLER_LIVE_TENSORS * UPSAMPLER_CHANNELS * tokens * compute / GB
        lines.append(Line("activations", live, "four tensors of 1,024 channels"))
        tflop = tokens / 4 * UPSAMPLER_TFLOP
        return Stage("upsample", tuple(lines), tflop / self.preset.tflops, self._speed())

    def _decode(self, resident: int) -> Stage:
        latent = self.job.latent()
        return self._in_tiles("decode", resident, self.sizes.vae_decoder, latent, DECODE_GB_PER_PX, DECODE_TFLOP)

    def _in_tiles(
        self, name: str, resident: int, weights: int, latent: shapes.VideoLatentShape, gb_per_px: float, tflop: float
    ) -> Stage:
        """What a half of the video VAE does, tile by tile. tflop: for each latent."""
        tile = tiles.tile_shape(latent).pixel
        size = f"{tile.width}x{tile.height} px x {tile.num_frames} frame{'s' * (tile.num_frames > 1)}"
        lines = [*self._stays(resident), *self._own(f"video VAE's {name}r", self.preset.compute_bytes * weights / GB)]
        lines.append(Line("one tile", self._scaled(gb_per_px * tile.num_frames * tile.height * tile.width), size))
        tflop *= tiles.coded_latents(latent)
        return Stage(name, tuple(lines), tflop / self.preset.tflops, f"{tflop:,.0f} TFLOP in tiles, {self._speed()}")

    def _audio(self, resident: int) -> Stage:
        lines = [*self._stays(resident), *self._own("vocoder, float32", 4 * self.sizes.vocoder / GB)]
        lines.append(Line("activations", VOCODER_GB_PER_SECOND * self.job.duration_s, "0.043 GB a second"))
        return Stage("audio", tuple(lines), self.job.duration_s / 10, "ten seconds of sound a second")

    def _scaled(self, gb: float) -> float:
        """Activations fitted in bf16 at the real width, for this model and dtype."""
        return gb * self.sizes.width / FITTED_WIDTH * self.preset.compute_bytes / 2

    def _speed(self) -> str:
        return f"{self.preset.tflops:g} TFLOP/s"
