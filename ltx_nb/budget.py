"""What each part of a run takes, line by line: accelerator memory, seconds, RAM and download.

Knows sizes, presets and formulas; which preset to take and how many blocks stay is the planner's. GB is 1e9 bytes.
Formulas are fitted to full-size models on the meta device, for a forward that chunks its tokens by 4,096.
"""

from __future__ import annotations

from dataclasses import dataclass

from ltx_nb import shapes
from ltx_nb.models import TINY, Model
from ltx_nb.plan import Line, Stage
from ltx_nb.presets import Preset
from ltx_nb.sizes import Sizes

GB = 1e9
# Of one forward in bf16, at a video width of 4,096: 0.58 GB at 6,270 tokens, 1.89 at 32,766, 6.43 at 124,941.
ACTIVATIONS_GB, ACTIVATIONS_GB_PER_TOKEN, FITTED_WIDTH = 0.276, 49.25e-6, 4096
# Of one forward of 48 blocks of 386,695,360 parameters: 199 TFLOP at 6,270 tokens, 1,715 at 32,766, 15,547 at 124,941.
TFLOP_PER_TOKEN, TFLOP_PER_TOKEN_PAIR, FITTED_PARAMETERS = 0.02684, 7.811e-7, 48 * 386_695_360
CUDA_CONTEXT_GB = 0.5
PROMPT_TOKENS = 1024
# On 1,024 prompt tokens in bf16: hidden states of every layer, then both modalities' connectors.
GEMMA_ACTIVATIONS_GB, CONNECTOR_ACTIVATIONS_GB = 0.59, 1.69
# Tiles of 512 px x 33 frames, which overlap by 64 px and 8 frames: so much is decoded more than once.
TILE_ACTIVATIONS_GB, TILE_OVERLAP = 0.65, (512 / 448) ** 2 * 33 / 25
# Summed over the convolutions: a latent position, 8,192 px, takes 20.1 GFLOP to decode and 19.5 to encode; a token of
# the upsampler's input 2.38.
DECODE_FLOP_PER_PX, ENCODE_FLOP_PER_PX, UPSAMPLER_FLOP_PER_TOKEN = 2.455e6, 2.378e6, 2.376e9
UPSAMPLER_CHANNELS, UPSAMPLER_LIVE_TENSORS = 1024, 6
VOCODER_GB_PER_SECOND = 0.05
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
        is_fp8 = self.model.file is not None and "fp8" in self.model.file
        return self.sizes.block * (1 if is_fp8 else self.preset.weight_bytes) / GB

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
        elif streamed:
            lines.append(Line(f"{streamed} streamed blocks, pinned", streamed * self.block_gb))
        return tuple(lines)

    def download(self) -> tuple[Line, ...]:
        if self.model.weights == TINY.weights:
            return ()
        sizes = self.sizes
        rest = sizes.around_blocks + sizes.connectors + sizes.vae_encoder + sizes.vae_decoder
        rest += sizes.audio_vae + sizes.vocoder
        is_fp8 = self.model.file is not None and "fp8" in self.model.file
        # Four or five blocks of the fp8 files stay in bf16.
        in_bf16 = 5 if is_fp8 else sizes.blocks
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
            kept = sizes.connectors + sizes.vae_encoder + sizes.vae_decoder + sizes.audio_vae + sizes.latent_upsampler
            lines.append(Line("connectors, VAEs, vocoder, upsampler", (2 * kept + 4 * sizes.vocoder) / GB))
        if self.preset.kind == "cuda":
            lines.append(Line("CUDA context", CUDA_CONTEXT_GB, "assumed"))
        return lines

    def _own(self, what: str, gb: float) -> list[Line]:
        """Weights that a stage brings in and takes out again, unless they stay."""
        return [] if self.preset.keeps_all else [Line(what, gb)]

    def _text(self, resident: int) -> Stage:
        sizes, compute = self.sizes, self.preset.compute_bytes
        layers = 2 * compute * sizes.text_encoder_layer / GB
        gemma = layers + self._scaled(GEMMA_ACTIVATIONS_GB)
        largest = compute * sizes.largest_connector / GB
        connectors = largest + self._scaled(CONNECTOR_ACTIVATIONS_GB)
        if gemma >= connectors:
            lines = [Line("two layers of Gemma", layers), Line("its activations", self._scaled(GEMMA_ACTIVATIONS_GB))]
        else:
            lines = self._own("largest layer of the connectors", largest)
            lines.append(Line("their activations", self._scaled(CONNECTOR_ACTIVATIONS_GB), "1,024 tokens"))
        if self.preset.keeps_all:
            lines = [*self._stays(resident), *lines]
        else:
            lines = [*self._always(), *lines]
        read_gb = 2 * (sizes.text_encoder + sizes.connectors) / GB
        tflop = 2 * (sizes.text_encoder + sizes.connectors) * PROMPT_TOKENS / 1e12
        seconds = read_gb / self.preset.disk_gb_s + tflop / self.preset.tflops
        return Stage("text", tuple(lines), seconds, f"{read_gb:.1f} GB read at {self.preset.disk_gb_s:g} GB/s")

    def _encode(self, resident: int) -> Stage:
        frames = 1 if TASKS[self.job.task] == "image" else self.job.num_frames
        lines = [*self._stays(resident), *self._own("video VAE's encoder", 2 * self.sizes.vae_encoder / GB)]
        lines.append(Line("one tile", self._scaled(TILE_ACTIVATIONS_GB), "as in decoding"))
        tflop = self.job.pixels / self.job.num_frames * frames * ENCODE_FLOP_PER_PX * TILE_OVERLAP / 1e12
        return Stage("encode", tuple(lines), tflop / self.preset.tflops, self._speed())

    def _denoise(self, name: str, resident: int, tokens: int, steps: int, passes: int) -> Stage:
        sizes = self.sizes
        size = sizes.blocks * sizes.block / FITTED_PARAMETERS
        width = sizes.width * sizes.blocks / (FITTED_WIDTH * 48)
        tflop = tokens * (TFLOP_PER_TOKEN * size + TFLOP_PER_TOKEN_PAIR * width * tokens)
        streamed_gb = (sizes.blocks - resident) * self.block_gb if self.preset.kind == "cuda" else 0
        forward_s = max(tflop / self.preset.tflops, streamed_gb / self.preset.bus_gb_s)
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
        activations = ACTIVATIONS_GB + ACTIVATIONS_GB_PER_TOKEN * tokens
        lines.append(Line("activations", self._scaled(activations), f"{tokens:,} tokens, chunked by 4,096"))
        return tuple(lines)

    def _upsample(self, resident: int) -> Stage:
        tokens = self.job.video_tokens()
        lines = [*self._stays(resident), *self._own("latent upsampler", 2 * self.sizes.latent_upsampler / GB)]
        live = UPSAMPLER_LIVE_TENSORS * UPSAMPLER_CHANNELS * tokens * self.preset.compute_bytes / GB
        lines.append(Line("activations", live, "six tensors of 1,024 channels, estimated"))
        tflop = tokens / 4 * UPSAMPLER_FLOP_PER_TOKEN / 1e12
        return Stage("upsample", tuple(lines), tflop / self.preset.tflops, self._speed())

    def _decode(self, resident: int) -> Stage:
        lines = [*self._stays(resident), *self._own("video VAE's decoder", 2 * self.sizes.vae_decoder / GB)]
        lines.append(Line("one tile", self._scaled(TILE_ACTIVATIONS_GB), "512 px x 33 frames"))
        tflop = self.job.pixels * DECODE_FLOP_PER_PX * TILE_OVERLAP / 1e12
        return Stage(
            "decode", tuple(lines), tflop / self.preset.tflops, f"{tflop:,.0f} TFLOP in tiles, {self._speed()}"
        )

    def _audio(self, resident: int) -> Stage:
        weights = (2 * self.sizes.audio_vae + 4 * self.sizes.vocoder) / GB
        lines = [*self._stays(resident), *self._own("audio VAE and vocoder", weights)]
        lines.append(Line("activations", VOCODER_GB_PER_SECOND * self.job.duration_s, "0.05 GB a second, estimated"))
        return Stage("audio", tuple(lines), self.job.duration_s / 10, "ten seconds of sound a second")

    def _scaled(self, gb: float) -> float:
        """Activations fitted in bf16 at the real width, for this model and dtype."""
        return gb * self.sizes.width / FITTED_WIDTH * self.preset.compute_bytes / 2

    def _speed(self) -> str:
        return f"{self.preset.tflops:g} TFLOP/s"
