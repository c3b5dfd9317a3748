"""The tree of blocks that a Session runs: diffusers' own LTX-2 blocks, ours where it has none.

Ours: encoding of given sound and picture, masks on both lanes, the loop, two stages. Knows which block follows which,
not what they do.
"""

from __future__ import annotations

from diffusers.modular_pipelines import ModularPipelineBlocks, OutputParam, SequentialPipelineBlocks
from diffusers.modular_pipelines.ltx2.before_denoise import (
    LTX2ConditionPrepareCoordsStep,
    LTX2ConditionSetTimestepsStep,
)
from diffusers.modular_pipelines.ltx2.decoders import (
    LTX2AudioDecoderStep,
    LTX2TrimConditionTokensStep,
    LTX2VaeDecoderStep,
)
from diffusers.modular_pipelines.ltx2.modular_blocks_ltx2 import LTX2TextConditioningStep

from ltx_nb.pipeline.denoise import DenoiseStep
from ltx_nb.pipeline.encode import EncodeAudioStep, EncodeVideoStep
from ltx_nb.pipeline.prepare import AddNoiseStep


class StageBlocks(SequentialPipelineBlocks):
    model_name = "ltx2"
    block_classes = (
        EncodeVideoStep,
        EncodeAudioStep,
        LTX2ConditionSetTimestepsStep,
        AddNoiseStep,
        LTX2ConditionPrepareCoordsStep,
        DenoiseStep,
        LTX2TrimConditionTokensStep,
    )
    block_names = (
        "encode_video",
        "encode_audio",
        "set_timesteps",
        "add_noise",
        "prepare_coords",
        "denoise",
        "trim",
    )

    @property
    def description(self) -> str:
        return "One stage: encode what is given on either lane, noise the rest, denoise both lanes."


class DecodeBlocks(SequentialPipelineBlocks):
    model_name = "ltx2"
    block_classes = (LTX2VaeDecoderStep, LTX2AudioDecoderStep)
    block_names = ("video", "audio")

    @property
    def description(self) -> str:
        return "Decode both lanes: video VAE to frames, audio VAE and vocoder to a waveform."


class ClipBlocks(SequentialPipelineBlocks):
    model_name = "ltx2"
    block_classes = (LTX2TextConditioningStep, StageBlocks, DecodeBlocks)
    block_names = ("text", "stage_1", "decode")

    @property
    def description(self) -> str:
        return "Everything from a prompt and what is given to a clip with sound. Every task runs these blocks."

    @property
    def outputs(self) -> list[OutputParam]:
        return [OutputParam("videos"), OutputParam("audio"), OutputParam("latents"), OutputParam("audio_latents")]

    def __repr__(self) -> str:
        """The whole tree, a line a block; diffusers' own form stops at the first level."""
        return "\n".join([type(self).__name__, *_tree(self, "")])


def _tree(blocks: ModularPipelineBlocks, indent: str) -> list[str]:
    lines, last = [], len(blocks.sub_blocks) - 1
    for index, (name, block) in enumerate(blocks.sub_blocks.items()):
        origin = "diffusers" if type(block).__module__.startswith("diffusers.") else "ltx_nb"
        lines.append(f"{indent}{'└─' if index == last else '├─'} {name}: {type(block).__name__} ({origin})")
        lines += _tree(block, indent + ("   " if index == last else "│  "))
    return lines
