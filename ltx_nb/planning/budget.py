"""Accelerator memory and time of each part of a run, line by line.

What a run consists of is said by `ltx_nb.stages`, which preset to take and how many blocks stay by the planner; here
are the formulas, fitted to full-size models on the meta device, for a forward that chunks its tokens by 4,096. GB is
1e9 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ltx_nb.catalogue.models import Model
from ltx_nb.catalogue.parameters import ParameterCounts, upscaler_parameters
from ltx_nb.planning.plans import Line, Part
from ltx_nb.planning.presets import CUDA_CONTEXT_GB as CUDA_CONTEXT_GB
from ltx_nb.planning.presets import Preset
from ltx_nb.request import DEFAULT_UPSCALER, ClipRequest
from ltx_nb.running import tiles
from ltx_nb.shapes import UPSCALINGS, VideoShape
from ltx_nb.stages import Stage, stages_of, video_shape

GB = 1e9
# Of one lean forward in bf16, at a video width of 4,096: 0.58 GB at 6,270 tokens, 2.43 at 32,766, 9.23 at 124,941.
ACTIVATIONS_GB, ACTIVATIONS_GB_PER_TOKEN, FITTED_WIDTH = 0.09, 73.2e-6, 4096
# Of diffusers' own forward, for each token: with one timestep for all; with each its own, where media are given.
STOCK_ACTIVATIONS_GB_PER_TOKEN, STOCK_ACTIVATIONS_GB_PER_GIVEN_TOKEN = 148e-6, 302e-6
# Of one forward of 48 blocks of 386,695,360 parameters: 199 TFLOP at 6,270 tokens, 1,715 at 32,766, 15,547 at 124,941.
TFLOP_PER_TOKEN, TFLOP_PER_TOKEN_PAIR, FITTED_PARAMETERS = 0.02684, 7.811e-7, 48 * 386_695_360
# Kernels of a block of one forward as its machine queues them: 0.73 s for 48 blocks beside an H100, with few tokens.
QUEUEING_S_PER_BLOCK = 0.015
CUDA_CONTEXT = "CUDA context"
# Embeddings of the timesteps, token by token, in a lean forward whose tokens differ in them; beside the others.
TIMESTEPS_GB_PER_TOKEN = 8.2e-6
PROMPT_TOKENS, HEAD_WIDTH = 1024, 128
# Of one text more among timed prompts, a forward of 48 blocks: attention to its words, 4 x 1,024 x 4,096 a token and
# block, and its keys and values, 4 x 1,024 x 4,096 x 4,096 a block.
TFLOP_PER_TOKEN_AND_TEXT, TFLOP_PER_TEXT = 0.805e-3, 3.3
# On 1,024 prompt tokens in bf16: hidden states of every layer, and what the connectors make of them in passing.
HIDDEN_STATES_GB, CONNECTOR_ACTIVATIONS_GB = 0.385, 1.303
# Of one tile, or of a picture, which a causal convolution sees as a clip.
DECODE_GB_PER_PX, ENCODE_GB_PER_PX, ENCODE_IMAGE_GB_PER_PX = 72.8e-9, 86.5e-9, 182e-9
BLEND_BYTES_PER_PX = 6
# Summed over the convolutions, for each latent position and each token of the upsampler's input.
DECODE_TFLOP, ENCODE_TFLOP = 20.11e-3, 19.48e-3
# Of the speed of products on CUDA, as an H200 decoded, with tiles blended on its CPU: 1,246 TFLOP in 8.0 s, 193 in 1.3.
CONVOLUTIONS_SHARE = 0.31
# Channels; tensors of so many, and of the tokens that it ends with, that are alive at once; TFLOP a token before.
UPSAMPLERS = {
    "spatial-x2": (1024, 4, 2.376e-3),
    "spatial-x1.5": (1024, 8.45, 1.665e-3),
    "temporal-x2": (512, 4.1, 0.371e-3),
}
VOCODER_GB_PER_SECOND, AUDIO_ENCODER_GB_PER_SECOND = 0.0432, 0.0133
SOUND_S_PER_SECOND, SOUND_SPEED = 10, "ten seconds of sound a second"


@dataclass(frozen=True)
class Budget:
    """The sums for one model, preset and request. Methods take the number of blocks that stay on the accelerator."""

    model: Model
    counts: ParameterCounts
    preset: Preset
    request: ClipRequest

    @property
    def block_gb(self) -> float:
        return self.counts.block * (1 if self.model.is_fp8 else self.preset.weight_bytes) / GB

    @cached_property
    def stages(self) -> list[Stage]:
        return stages_of(self.model, self.request)

    def parts(self, resident: int) -> tuple[Part, ...]:
        """The parts of the run in their order."""
        made = [self._text(resident)]
        for stage in self.stages:
            if stage.low is not None:
                made.append(self._encode(resident, [video_shape(stage.low)]))
            if stage.number == 2:
                made.append(self._upsample(resident, stage))
            if stage.pictures:
                made.append(self._encode(resident, stage.pictures))
            if stage.sounds:
                made.append(self._encode_sound(resident, stage.sounds))
            made.append(self._denoise(resident, stage))
            if "video" in stage.decoded:
                made.append(self._decode(resident))
            if "audio" in stage.decoded:
                made.append(self._audio(resident))
        return tuple(made)

    def denoise_lines(self, resident: int) -> tuple[Line, ...]:
        """The lines of the stage with most tokens, which is the last."""
        return self._denoise_lines(resident, self.stages[-1])

    @property
    def _parts_stay(self) -> bool:
        """Whether VAE, vocoder and upsampler do."""
        return self.preset.keeps_all or self.preset.kind == "mps"

    @property
    def _connectors_stay(self) -> bool:
        return self.preset.keeps_all or self.preset.keeps_text

    def stays(self, resident: int) -> list[Line]:
        """List what lies on the accelerator throughout."""
        counts, compute = self.counts, self.preset.compute_bytes
        lines = [Line("weights around the blocks", compute * counts.around_blocks / GB)]
        if resident:
            lines.append(Line(f"{resident} of {counts.blocks} blocks", resident * self.block_gb))
        if self._parts_stay:
            gb = (
                compute * (counts.vae_encoder + counts.vae_decoder + counts.latent_upsampler) + 4 * counts.vocoder
            ) / GB
            lines.append(Line("video VAE, vocoder, upsampler", gb))
        if self._connectors_stay:
            lines.append(Line("connectors", compute * counts.connectors / GB))
        if self.preset.keeps_text:
            lines.append(Line("text encoder", compute * counts.text_encoder / GB))
        lines.append(Line("audio VAE", 4 * counts.audio_vae / GB, "float32"))
        if self.preset.kind == "cuda" and self.preset.context_gb:
            lines.append(Line(CUDA_CONTEXT, self.preset.context_gb, "as measured on an H200"))
        return lines

    def _own(self, what: str, gb: float) -> list[Line]:
        """List the weights that a part brings in and takes out again; none where they stay."""
        return [] if self._parts_stay else [Line(what, gb)]

    def _text(self, resident: int) -> Part:
        """Price the prompt and its negative.

        The peak is in the connectors; Gemma before them, two layers at a time, takes about half as much.
        """
        counts, lines = self.counts, self.stays(resident)
        if not self._connectors_stay:
            gb = self.preset.compute_bytes * counts.largest_connector / GB
            lines.append(Line("largest part of the connectors", gb))
        # Hidden states of a prompt and its negative, apart and joined. Where the connectors stream, one runs at a time.
        rows = 2 if self._connectors_stay else 1
        activations = self.scaled(4 * HIDDEN_STATES_GB + rows * CONNECTOR_ACTIVATIONS_GB)
        lines.append(Line("their activations", activations, "1,024 tokens of the prompt and of its negative"))
        read_gb, texts = 2 * (counts.text_encoder + counts.connectors) / GB, len(self.request.texts)
        tflop = 2 * texts * (counts.text_encoder + counts.connectors) * PROMPT_TOKENS / 1e12
        seconds = read_gb / self.preset.disk_gb_s + tflop / self.preset.tflops
        return Part(
            "text", tuple(lines), seconds, f"{read_gb:.1f} GB read at {self.preset.disk_gb_s:g} GB/s", 2 * texts
        )

    def _encode(self, resident: int, pictures: Sequence[VideoShape]) -> Part:
        """Price the video VAE's encoder for pictures one after the other."""
        largest = max(pictures, key=lambda picture: picture.num_frames)
        gb_per_px = ENCODE_GB_PER_PX if largest.num_frames > 1 else ENCODE_IMAGE_GB_PER_PX
        return self._in_tiles("encode", resident, self.counts.vae_encoder, pictures, largest, gb_per_px, ENCODE_TFLOP)

    def _encode_sound(self, resident: int, sounds: int) -> Part:
        duration_s = self.request.duration_s
        activations = Line("activations", AUDIO_ENCODER_GB_PER_SECOND * duration_s, "0.013 GB a second")
        lines, seconds = (*self.stays(resident), activations), sounds * duration_s / SOUND_S_PER_SECOND
        return Part("encode sound", lines, seconds, SOUND_SPEED, calls=sounds)

    def _denoise(self, resident: int, stage: Stage) -> Part:
        counts, tokens = self.counts, stage.tokens
        size = counts.blocks * counts.block / FITTED_PARAMETERS
        width = counts.width * counts.blocks / (FITTED_WIDTH * 48)
        further_texts = len(stage.request.texts) - 1 + bool(stage.nag_prefixes)
        products, attention = TFLOP_PER_TOKEN * size * tokens, TFLOP_PER_TOKEN_PAIR * width * tokens**2
        products += further_texts * size * (TFLOP_PER_TOKEN_AND_TEXT * tokens + TFLOP_PER_TEXT)
        tflop = products + attention
        streamed_gb = (counts.blocks - resident) * self.block_gb if self.preset.streams else 0
        gb_s = self.preset.disk_gb_s if self.preset.offload == "disk" else self.preset.bus_gb_s
        computing_s = products / self._products_tflops + attention / self.preset.tflops
        queueing_s = QUEUEING_S_PER_BLOCK * counts.blocks if self.preset.kind == "cuda" else 0
        if self.preset.kind == "cuda":
            forward_s = max(computing_s, queueing_s, streamed_gb / gb_s)
        else:  # without a stream for copies, a block is read before the next begins
            forward_s = computing_s + streamed_gb / gb_s
        passes = len(stage.passes)
        forwards = f"{stage.steps} steps of {passes} forward{'s' * (passes > 1)}, {tflop:,.0f} TFLOP each"
        return Part(
            f"stage {stage.number}",
            self._denoise_lines(resident, stage),
            stage.forwards * forward_s,
            f"{forwards}, {self._speed_of_forwards()}",
            calls=stage.forwards,
        )

    def _denoise_lines(self, resident: int, stage: Stage) -> tuple[Line, ...]:
        lines, tokens = self.stays(resident), stage.tokens
        if self.preset.streams and resident < self.counts.blocks:
            lines.append(Line("two slots for streamed blocks", 2 * self.block_gb))
        if self.block_gb * GB < self.counts.block * self.preset.compute_bytes:
            upcast = self.preset.compute_bytes * self.counts.largest_layer / GB
            lines.append(Line("the largest layer, turned back from one byte", upcast))
        if self.preset.lean:
            activations, how = ACTIVATIONS_GB + ACTIVATIONS_GB_PER_TOKEN * tokens, ", chunked by 4,096"
            if stage.has_a_timestep_per_token:
                activations += TIMESTEPS_GB_PER_TOKEN * tokens
        elif stage.has_a_timestep_per_token:
            activations, how = STOCK_ACTIVATIONS_GB_PER_GIVEN_TOKEN * tokens, ", each with its modulation"
        else:
            activations, how = STOCK_ACTIVATIONS_GB_PER_TOKEN * tokens, ""
        lines.append(Line("activations", self.scaled(activations), f"{tokens:,} tokens{how}"))
        if stage.nag_prefixes:
            gb = self.scaled(2 * 2 * FITTED_WIDTH * tokens / GB)
            lines.append(Line("text attention of two prompts", gb, "normalized attention guidance"))
        texts = len(stage.request.texts)
        if texts > 1:  # in diffusers' own forward, again for each head
            copies = 1 if self.preset.lean else 1 + self.counts.width // HEAD_WIDTH
            gb = copies * texts * PROMPT_TOKENS * tokens * self.preset.compute_bytes / GB
            lines.append(Line(f"bias on the words of {texts} texts", gb, "timed prompts"))
        return tuple(lines)

    def _upsample(self, resident: int, stage: Stage) -> Part:
        """Price the upscaler that goes before a stage, by the tokens that it begins with."""
        scale, compute = UPSCALINGS[stage.upscaler], self.preset.compute_bytes
        after = stage.request.video_latent_shape
        begins_with = int(after.tokens_per_frame / scale.space**2) * scale.frames_before(after.num_frames)
        channels, live, tflop_per_token = UPSAMPLERS[stage.upscaler]
        lines = self.stays(resident)
        if stage.upscaler == DEFAULT_UPSCALER:
            lines += self._own("latent upsampler", compute * self.counts.latent_upsampler / GB)
        else:
            lines.append(Line(f"{stage.upscaler} upscaler", compute * upscaler_parameters(stage.upscaler) / GB))
        why = f"as {live:g} tensors of {channels:,} channels"
        lines.append(Line("activations", live * channels * after.tokens * compute / GB, why))
        tflop = begins_with * tflop_per_token
        return Part("upsample", tuple(lines), tflop / self.preset.tflops, self._speed(), calls=1)

    def _decode(self, resident: int) -> Part:
        whole = video_shape(self.request)
        made = self._in_tiles(
            "decode", resident, self.counts.vae_decoder, [whole], whole, DECODE_GB_PER_PX, DECODE_TFLOP
        )
        if made.calls == 1:
            return made
        frames = tiles.tile_shape(whole.latent).pixel.num_frames
        # In float16; where there are tiles in time too, some frames wait for those that they overlap with.
        gb = BLEND_BYTES_PER_PX * frames * whole.height * whole.width / GB * (1.5 if frames < whole.num_frames else 1)
        return replace(made, lines=(*made.lines, Line(f"{frames} frames while they are blended", gb, "float16")))

    def _in_tiles(
        self,
        name: str,
        resident: int,
        weights: int,
        pictures: Sequence[VideoShape],
        largest: VideoShape,
        gb_per_px: float,
        tflop: float,
    ) -> Part:
        """Price a half of the video VAE, which takes pictures tile by tile. tflop: for each latent."""
        tile = tiles.tile_shape(largest.latent).pixel
        size = f"{tile.width}x{tile.height} px x {tile.num_frames} frame{'s' * (tile.num_frames > 1)}"
        lines = [*self.stays(resident), *self._own(f"video VAE's {name}r", self.preset.compute_bytes * weights / GB)]
        lines.append(Line("one tile", self.scaled(gb_per_px * tile.num_frames * tile.height * tile.width), size))
        tflop *= sum(tiles.coded_latents(picture.latent) for picture in pictures)
        tflops = self.preset.tflops * (CONVOLUTIONS_SHARE if self.preset.kind == "cuda" else 1)
        assuming = f"{tflop:,.0f} TFLOP in tiles, {tflops:.2g} TFLOP/s in convolutions"
        calls = sum(tiles.num_tiles(picture.latent) for picture in pictures)
        return Part(name, tuple(lines), tflop / tflops, assuming, calls)

    def _audio(self, resident: int) -> Part:
        lines = [*self.stays(resident), *self._own("vocoder, float32", 4 * self.counts.vocoder / GB)]
        duration_s = self.request.duration_s
        lines.append(Line("activations", VOCODER_GB_PER_SECOND * duration_s, "0.043 GB a second"))
        return Part("audio", tuple(lines), duration_s / SOUND_S_PER_SECOND, SOUND_SPEED, calls=1)

    def scaled(self, gb: float) -> float:
        """Scale activations, fitted in bf16 at the real width, to this model and dtype."""
        return gb * self.counts.width / FITTED_WIDTH * self.preset.compute_bytes / 2

    @property
    def _products_tflops(self) -> float:
        """TFLOP/s of the transformer's products; those of the first and the last block stay as they are."""
        preset, blocks = self.preset, self.counts.blocks
        stays_fp8 = self.model.is_fp8 and preset.offload == "disk"
        if stays_fp8 or preset.compute != "int8" or preset.weight_bytes != 1 or not preset.int8_tflops:
            return preset.tflops
        kept = min(2 / blocks, 1.0)
        return 1 / (kept / preset.tflops + (1 - kept) / preset.int8_tflops)

    def _speed_of_forwards(self) -> str:
        if self._products_tflops == self.preset.tflops:
            return self._speed()
        return f"{self.preset.int8_tflops:g} TFLOP/s in int8, {self._speed()} else"

    def _speed(self) -> str:
        return f"{self.preset.tflops:g} TFLOP/s"
