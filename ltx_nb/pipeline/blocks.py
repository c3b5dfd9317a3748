"""The tree of blocks that a Session runs: diffusers' own LTX-2 blocks, ours where it has none.

Ours: encoding of given sound and picture, masks on both lanes, the loop, two stages, decoding in tiles. Knows which
block follows which, not what they do.
"""

from __future__ import annotations

from collections.abc import Collection

from diffusers.modular_pipelines import (
    ConditionalPipelineBlocks,
    InputParam,
    ModularPipelineBlocks,
    OutputParam,
    SequentialPipelineBlocks,
)
from diffusers.modular_pipelines.ltx2.before_denoise import (
    LTX2ConditionPrepareCoordsStep,
    LTX2ConditionSetTimestepsStep,
)
from diffusers.modular_pipelines.ltx2.decoders import (
    LTX2AudioDecoderStep,
    LTX2TrimConditionTokensStep,
)
from diffusers.modular_pipelines.ltx2.modular_blocks_ltx2 import LTX2TextConditioningStep

from ltx_nb.pipeline.decode import DecodeVideoStep
from ltx_nb.pipeline.denoise import DenoiseStep
from ltx_nb.pipeline.encode import EncodeAudioStep, EncodeVideoStep
from ltx_nb.pipeline.prepare import AddNoiseStep, AppendAudioCoordsStep, TrimAudioStep
from ltx_nb.pipeline.prompt_cache import EMBEDDINGS
from ltx_nb.pipeline.timed_text import side_by_side
from ltx_nb.pipeline.upsample import AutoUpsampleStep


class StageBlocks(SequentialPipelineBlocks):
    model_name = "ltx2"
    block_classes = (
        EncodeVideoStep,
        EncodeAudioStep,
        LTX2ConditionSetTimestepsStep,
        AddNoiseStep,
        LTX2ConditionPrepareCoordsStep,
        AppendAudioCoordsStep,
        DenoiseStep,
        LTX2TrimConditionTokensStep,
        TrimAudioStep,
    )
    block_names = (
        "encode_video",
        "encode_audio",
        "set_timesteps",
        "add_noise",
        "prepare_coords",
        "append_audio_coords",
        "denoise",
        "trim",
        "trim_audio",
    )

    @property
    def description(self) -> str:
        return "One stage: encode what is given on either lane, noise the rest, denoise both lanes."


class AutoTextStep(ConditionalPipelineBlocks):
    model_name = "ltx2"
    block_classes = (LTX2TextConditioningStep,)
    block_names = ("text_conditioning",)
    block_trigger_inputs = ("connector_prompt_embeds",)

    @property
    def description(self) -> str:
        return "Encodes the prompts, unless their embeddings are passed on from an earlier stage."

    @property
    def inputs(self) -> list[InputParam]:
        passed_on = [InputParam(output.name, description=output.description) for output in self.intermediate_outputs]
        timed = InputParam("timed_prompts", default=(), description="Further texts, each for a time of its own.")
        return [*super().inputs, timed, *passed_on]

    def select_block(self, connector_prompt_embeds=None) -> str | None:
        return "text_conditioning" if connector_prompt_embeds is None else None

    def __call__(self, pipeline, state):
        """Encode, and let go of what the connectors were made from: 0.39 GB a prompt, which nothing takes later.

        Each timed prompt is encoded as if it were the only one, so that a prompt is the same wherever it stands.
        """
        if state.get("connector_prompt_embeds") is not None:
            return pipeline, state
        prompt, timed = state.get("prompt"), state.get("timed_prompts") or ()
        encoded = []
        for one in (prompt, *timed):
            state.set("prompt", one)
            pipeline, state = super().__call__(pipeline, state)
            for name in ("prompt_embeds", "negative_prompt_embeds"):
                state.set(name, None)
            encoded.append({name: state.get(name) for name in EMBEDDINGS})
            state.set("connector_prompt_embeds", None)  # which says that it is encoded
        state.set("prompt", prompt)
        state.set("encoded_texts", encoded)
        for name, value in side_by_side(encoded).items():
            state.set(name, value)
        return pipeline, state


class _AutoDecoderStep(ConditionalPipelineBlocks):
    model_name = "ltx2"
    block_trigger_inputs = ("lanes",)
    lane: str

    @property
    def description(self) -> str:
        return f"Decodes the {self.lane} lane where it is wanted."

    @property
    def inputs(self) -> list[InputParam]:
        return [*super().inputs, InputParam("lanes", description='Those to decode: "video", "audio".')]

    def select_block(self, lanes: Collection[str] = ()) -> str | None:
        return self.block_names[0] if self.lane in lanes else None


class AutoVideoDecoderStep(_AutoDecoderStep):
    block_classes = (DecodeVideoStep,)
    block_names = ("vae",)
    lane = "video"


class AutoAudioDecoderStep(_AutoDecoderStep):
    block_classes = (LTX2AudioDecoderStep,)
    block_names = ("audio_vae_and_vocoder",)
    lane = "audio"


class ClipBlocks(SequentialPipelineBlocks):
    model_name = "ltx2"
    block_classes = (AutoTextStep, AutoUpsampleStep, StageBlocks, AutoVideoDecoderStep, AutoAudioDecoderStep)
    block_names = ("text", "upsample", "stage", "decode_video", "decode_audio")

    @property
    def description(self) -> str:
        return "Everything from a prompt and what is given to a clip with sound. Every task runs these blocks."

    @property
    def outputs(self) -> list[OutputParam]:
        return [OutputParam("frames"), OutputParam("audio"), OutputParam("latents"), OutputParam("audio_latents")]

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
