"""What each part of a run takes, line by line: accelerator memory, seconds, RAM and download.

Knows sizes, presets and formulas; which preset to take and how many blocks stay is the planner's. GB is 1e9 bytes.
Formulas are fitted to full-size models on the meta device, for a forward that chunks its tokens by 4,096.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ltx_nb import shapes
from ltx_nb.models import Model
from ltx_nb.plan import Line, Stage
from ltx_nb.presets import Preset
from ltx_nb.sizes import Sizes

GB = 1e9
# Of one lean forward in bf16, at a video width of 4,096: 0.58 GB at 6,270 tokens, 2.43 at 32,766, 9.23 at 124,941.
ACTIVATIONS_GB, ACTIVATIONS_GB_PER_TOKEN, FITTED_WIDTH = 0.09, 73.2e-6, 4096
# Of diffusers' own forward, for each token: with one timestep for all; with each its own, where media are given.
STOCK_ACTIVATIONS_GB_PER_TOKEN, STOCK_ACTIVATIONS_GB_PER_GIVEN_TOKEN = 148e-6, 302e-6
# Of one forward of 48 blocks of 386,695,360 parameters: 199 TFLOP at 6,270 tokens, 1,715 at 32,766, 15,547 at 124,941.
TFLOP_PER_TOKEN, TFLOP_PER_TOKEN_PAIR, FITTED_PARAMETERS = 0.02684, 7.811e-7, 48 * 386_695_360
CUDA_CONTEXT_GB = 0.5
PROMPT_TOKENS = 1024
# On 1,024 prompt tokens in bf16: hidden states of every layer, and what the connectors make of them in passing.
HIDDEN_STATES_GB, CONNECTOR_ACTIVATIONS_GB = 0.385, 1.303
# Tiles of 14 x 12 x 12 latents, which overlap by 3: so much is decoded more than once.
TILE_PX, TILE_OVERLAP = (8 * 13 + 1) * 384**2, 14 / 11 * (12 / 9) ** 2
DECODE_GB_PER_PX = 72.8e-9
# The encoder sees a picture, or all frames, at once.
ENCODE_IMAGE_GB_PER_PX, ENCODE_GB_PER_PX = 182e-9, 86.5e-9
# Summed over the convolutions: a latent position, 8,192 px, takes 20.1 GFLOP to decode and 19.5 to encode; a token of
# the upsampler's input 2.38.
DECODE_FLOP_PER_PX, ENCODE_FLOP_PER_PX, UPSAMPLER_FLOP_PER_TOKEN = 2.455e6, 2.378e6, 2.376e9
UPSAMPLER_CHANNELS, UPSAMPLER_LIVE_TENSORS = 1024, 4
VOCODER_GB_PER_SECOND = 0.0432
PROCESS_GB = 2.5

# What of each task is encoded: nothing, a picture, or a clip's picture; sound takes far less.
TASKS = {
    "text-to-video": None,
    "image-to-video": "image",
    "keyframes": "image",
    "extend": "video",
    "retake": "video",
    "video-to-audio": "video",
    "audio-to-video": None,
}


@dataclass(frozen=True)
class Job:
    """What is to be made: a request without its words. Sizes in pixels."""

    width: int
    height: int
    num_frames: int
    frame_rate: float
    two_stage: bool
    task: str

    @property
    def duration_s(self) -> float:
        return self.num_frames / self.frame_rate

    @property
    def pixels(self) -> int:
        return self.width * self.height * self.num_frames

    def video_tokens(self, divided_by: int = 1) -> int:
        """At the full size, or at a side divided by so much."""
        width, height = self.width // divided_by, self.height // divided_by
        return shapes.VideoShape(self.num_frames, height, width).latent.tokens

    def tokens(self, divided_by: int = 1) -> int:
        return self.video_tokens(divided_by) + shapes.audio_num_latents(self.duration_s)


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
        lines = [
            Line("Python, torch and the libraries", PROCESS_GB, "assumed"),
            Line("the clip's frames", 3 * self.job.pixels / GB, "uint8"),
        ]
        streamed = self.sizes.blocks - resident
        if self.preset.kind != "cuda":
            peak = max(stages, key=lambda stage: stage.gb)
            lines.append(Line(f"all of {peak.name}", peak.gb, "one memory for everything"))
        elif streamed and self.preset.offload == "disk":
            lines.append(Line("two blocks on their way from the disk", 2 * self.block_gb))
        elif streamed:
            lines.append(Line(f"{streamed} streamed blocks, pinned", streamed * self.block_gb))
        return tuple(lines)

    def download(self) -> tuple[Line, ...]:
        if os.path.isabs(self.model.weights):  # a folder here, not a repository
            return ()
        sizes = self.sizes
        rest = sizes.around_blocks + sizes.connectors + sizes.vae_encoder + sizes.vae_decoder
        rest += sizes.audio_vae + sizes.vocoder
        in_bf16 = 5 if self.model.is_fp8 else sizes.blocks  # four or five blocks of the fp8 files are
        weights = 2 * (rest + in_bf16 * sizes.block) + (sizes.blocks - in_bf16) * sizes.block
        text_bytes, text_dtype = (2, "bf16") if self.model.file else (4, "float32, as the folder has it")
        return (
            Line(self.model.file or f"{self.model.weights} without its text encoder", weights / GB),
            Line("spatial upscaler", 2 * sizes.latent_upsampler / GB, "bf16"),
            Line("Gemma 3 12B, the text encoder", text_bytes * sizes.text_encoder_file / GB, text_dtype),
        )

    def _stays(self, resident: int) -> list[Line]:
        """What lies on the accelerator in every stage after the text."""
        sizes, compute = self.sizes, self.preset.compute_bytes
        lines = [Line("weights around the blocks", compute * sizes.around_blocks / GB)]
        if resident:
            lines.append(Line(f"{resident} of {sizes.blocks} blocks", resident * self.block_gb))
        return lines + self._always()

    def _always(self) -> list[Line]:
        sizes, lines = self.sizes, []
        if self.preset.keeps_all:
            kept = sizes.connectors + sizes.vae_encoder + sizes.vae_decoder + sizes.latent_upsampler
            lines.append(Line("connectors, video VAE, vocoder, upsampler", (2 * kept + 4 * sizes.vocoder) / GB))
        lines.append(Line("audio VAE", 4 * sizes.audio_vae / GB, "float32"))
        if self.preset.kind == "cuda":
            lines.append(Line("CUDA context", CUDA_CONTEXT_GB, "assumed"))
        return lines

    def _own(self, what: str, gb: float) -> list[Line]:
        """Weights that a stage brings in and takes out again, unless they stay."""
        return [] if self.preset.keeps_all else [Line(what, gb)]

    def _text(self, resident: int) -> Stage:
        """The peak is in the connectors; Gemma before them, two layers at a time, takes about half as much."""
        sizes = self.sizes
        lines = self._stays(resident)
        lines += self._own("largest part of the connectors", self.preset.compute_bytes * sizes.largest_connector / GB)
        # Hidden states of a prompt and its negative, apart and joined. Where the connectors stream, one runs at a time.
        rows = 2 if self.preset.keeps_all else 1
        activations = self._scaled(4 * HIDDEN_STATES_GB + rows * CONNECTOR_ACTIVATIONS_GB)
        lines.append(Line("their activations", activations, "1,024 tokens of the prompt and of its negative"))
        read_gb = 2 * (sizes.text_encoder + sizes.connectors) / GB
        tflop = 2 * (sizes.text_encoder + sizes.connectors) * PROMPT_TOKENS / 1e12
        seconds = read_gb / self.preset.disk_gb_s + tflop / self.preset.tflops
        return Stage("text", tuple(lines), seconds, f"{read_gb:.1f} GB read at {self.preset.disk_gb_s:g} GB/s")

    def _encode(self, resident: int) -> Stage:
        is_image = TASKS[self.job.task] == "image"
        pixels = self.job.pixels // self.job.num_frames if is_image else self.job.pixels
        rate = ENCODE_IMAGE_GB_PER_PX if is_image else ENCODE_GB_PER_PX
        lines = [*self._stays(resident), *self._own("video VAE's encoder", 2 * self.sizes.vae_encoder / GB)]
        lines.append(Line(f"{pixels / 1e6:,.1f} million pixels at once", self._scaled(rate * pixels)))
        tflop = pixels * ENCODE_FLOP_PER_PX / 1e12
        return Stage("encode", tuple(lines), tflop / self.preset.tflops, self._speed())

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
        tokens = self.job.video_tokens()
        lines = [*self._stays(resident), *self._own("latent upsampler", 2 * self.sizes.latent_upsampler / GB)]
        live = UPSAMPLER_LIVE_TENSORS * UPSAMPLER_CHANNELS * tokens * self.preset.compute_bytes / GB
        lines.append(Line("activations", live, "four tensors of 1,024 channels"))
        tflop = tokens / 4 * UPSAMPLER_FLOP_PER_TOKEN / 1e12
        return Stage("upsample", tuple(lines), tflop / self.preset.tflops, self._speed())

    def _decode(self, resident: int) -> Stage:
        lines = [*self._stays(resident), *self._own("video VAE's decoder", 2 * self.sizes.vae_decoder / GB)]
        tile_px = min(TILE_PX, self.job.pixels)
        lines.append(Line("one tile", self._scaled(DECODE_GB_PER_PX * tile_px), "384 px x 105 frames"))
        tflop = self.job.pixels * DECODE_FLOP_PER_PX * TILE_OVERLAP / 1e12
        return Stage(
            "decode", tuple(lines), tflop / self.preset.tflops, f"{tflop:,.0f} TFLOP in tiles, {self._speed()}"
        )

    def _audio(self, resident: int) -> Stage:
        lines = [*self._stays(resident), *self._own("vocoder, float32", 4 * self.sizes.vocoder / GB)]
        lines.append(Line("activations", VOCODER_GB_PER_SECOND * self.job.duration_s, "0.043 GB a second"))
        return Stage("audio", tuple(lines), self.job.duration_s / 10, "ten seconds of sound a second")

    def _scaled(self, gb: float) -> float:
        """Activations fitted in bf16 at the real width, for this model and dtype."""
        return gb * self.sizes.width / FITTED_WIDTH * self.preset.compute_bytes / 2

    def _speed(self) -> str:
        return f"{self.preset.tflops:g} TFLOP/s"
