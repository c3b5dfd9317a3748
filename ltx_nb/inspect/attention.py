"""Attention of a run: of sound to picture, of picture to sound, of both to the prompt's words, and to references.

    with capture_attention(session) as maps:
        clip = session.run(request)

While it is open, the attention processors of the chosen blocks also compute their exact softmax rows, a chunk of
queries at a time, and add them up over heads and steps; what they return is untouched, so the run is the same. Only the
prompt's own pass of each step counts; passes for guidance are left out. Knows no plots and no words.

Names are the model's: in `video_to_audio` sound asks (query) and picture answers (key), the reverse in
`audio_to_video`. `video_reference` is the part of the picture's attention to itself that goes to tokens which stand
beside the clip's: references, and keyframes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.hooks import HookRegistry, ModelHook
from diffusers.hooks.hooks import BaseState, StateManager

from ltx_nb.checks import choice, whole_number
from ltx_nb.inspect.attention_rows import CHUNK_BYTES, softmax_rows
from ltx_nb.inspect.inputs import listed

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session

REFERENCE = "video_reference"
# The attention modules of a block by kind, and the names that their maps go by.
MODULES = {
    "video_to_audio": {"video_to_audio": "video_to_audio_attn"},
    "audio_to_video": {"audio_to_video": "audio_to_video_attn"},
    "text": {"video_text": "attn2", "audio_text": "audio_attn2"},
    "reference": {REFERENCE: "attn1"},
}
KINDS = ("video_to_audio", "audio_to_video", "text")  # captured unless others are asked for
PROMPT_PASS = "pred_cond"  # the name that a guider has for it, and under which the denoising loop runs it
MAX_TEXT_TOKENS = 256  # kept one by one; what goes to later ones and to the connectors' registers is summed up


@dataclass(frozen=True, eq=False)
class TokenGrid:
    """Where the tokens are: video ones as (frames, height, width), and both lanes' edges in seconds.

    cells, appended: [3, tokens, 2] of the clip's video tokens and of those beside them: time in s, rows and columns in
    px, as start and end.
    """

    video_shape: tuple[int, int, int]
    video_edges_s: np.ndarray
    audio_edges_s: np.ndarray
    cells: np.ndarray = field(default_factory=lambda: np.zeros((3, 0, 2)))
    appended: np.ndarray = field(default_factory=lambda: np.zeros((3, 0, 2)))


@dataclass(eq=False)
class AttentionMaps:
    """Captured attention, filled while a session runs. steps: how many denoising steps were added up.
    text_positions: all of them, words, padding and registers.

    Where the number of tokens changes, as in a second stage, it starts anew: the maps are of the last size.
    """

    blocks: tuple[int, ...]
    kinds: tuple[str, ...]
    tokenizer: Any
    grid: TokenGrid | None = None
    steps: int = 0
    text_positions: int = 0
    sums: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        return sum(total.nbytes for total in self.sums.values())

    def rows(self, name: str, block: int | None = None) -> np.ndarray:
        """Softmax rows [queries, keys], the mean over steps, heads and (without `block`) blocks; each sums to 1.

        name: "video_to_audio", "audio_to_video", "video_text", "audio_text" or "video_reference". In those of text the
        keys are the first 256 text positions and, last, all others together. Appended tokens, of keyframes and
        references, are among the video tokens; "video_reference" has the clip's own as queries and those appended as
        keys, so that its rows sum to the share of attention that goes there.

        Raises ValueError where nothing was captured under that name and block.
        """
        choice("name", name, [name for kind in self.kinds for name in MODULES[kind]])
        if block is not None and block not in self.blocks:
            raise ValueError(f"block={block!r} was not captured; captured: {', '.join(map(str, self.blocks))}")
        found = [self.sums[name, n] for n in ((block,) if block is not None else self.blocks) if (name, n) in self.sums]
        if not found:
            raise ValueError(f"no attention of {name} was captured; run the session inside the with block")
        return np.mean(found, axis=0) / self.steps


@contextmanager
def capture_attention(
    session: Session,
    blocks: Sequence[int] | None = None,
    heads: str | Sequence[int] = "mean",
    kinds: Sequence[str] = KINDS,
) -> Iterator[AttentionMaps]:
    """Capture attention of every run inside the block. `capture_bytes` says what it takes.

        with capture_attention(session) as maps:
            clip = session.run(request)
        plots.time_map(time_map(maps, "video_to_audio"))

    blocks: indices of transformer blocks, all if left out. heads: "mean", or the indices of those to average.
    kinds: of "video_to_audio", in which sound asks and picture answers, "audio_to_video", the reverse, "text" and,
        unless it is asked for left out, "reference".

    Raises ValueError for blocks, heads or kinds that the model lacks, or none. The model is as before when the block
    ends, also by an error.
    """
    transformer = session.pipe.transformer
    count = len(transformer.transformer_blocks)
    chosen = range(count) if blocks is None else listed("blocks", blocks)
    # Each once: a block recorded twice would count double.
    chosen = tuple(dict.fromkeys(whole_number("blocks", block, least=0, most=count - 1) for block in chosen))
    kinds = tuple(dict.fromkeys(choice("kinds", kind, MODULES) for kind in listed("kinds", kinds)))
    maps = AttentionMaps(chosen, kinds, session.pipe.tokenizer)
    recorder = _Recorder(maps, _checked_heads(heads, transformer.config.num_attention_heads))
    replaced = []
    registry, hook = HookRegistry.check_if_exists_or_initialize(transformer), f"ltx_nb.attention.{id(recorder)}"
    registry.register_hook(recorder, hook)
    try:
        for block in chosen:
            for name, attribute in ((name, one) for kind in kinds for name, one in MODULES[kind].items()):
                attention = getattr(transformer.transformer_blocks[block], attribute)
                replaced.append((attention, attention.processor))
                attention.set_processor(_RecordingProcessor(attention.processor, recorder, name, block))
        yield maps
    finally:
        for attention, processor in reversed(replaced):
            attention.set_processor(processor)
        registry.remove_hook(hook, recurse=False)


def capture_bytes(
    config: Mapping[str, Any],
    video_tokens: int,
    audio_tokens: int,
    num_blocks: int | None = None,
    kinds: Sequence[str] = KINDS,
    text_tokens: int = 1024,
) -> int:
    """The most memory that a capture adds, in bytes: what it keeps, and what it works with one block at a time.

    Kept: 4 (float32) x blocks x (queries x keys), with at most 257 text keys. Worked with: three copies of a chunk of
    32 MB, and 16 bytes for each number of the keys (as projected, normalised, rotated, in float32).
    config: the transformer's, with `num_layers`, heads and head sizes.
    """
    kept_text = min(MAX_TEXT_TOKENS, text_tokens) + 1
    pairs = {"video_to_audio": video_tokens * audio_tokens, "audio_to_video": video_tokens * audio_tokens}
    pairs["text"] = (video_tokens + audio_tokens) * kept_text
    pairs["reference"] = video_tokens * video_tokens // 4  # at most, where half of them are the reference's
    inner = config["num_attention_heads"] * config["attention_head_dim"]
    audio_inner = config["audio_num_attention_heads"] * config["audio_attention_head_dim"]
    keys = {"video_to_audio": video_tokens * audio_inner, "audio_to_video": audio_tokens * audio_inner}
    keys["text"] = text_tokens * inner
    keys["reference"] = video_tokens * inner
    num_blocks = config["num_layers"] if num_blocks is None else num_blocks
    kept = 4 * num_blocks * sum(pairs[kind] for kind in kinds)
    return kept + 3 * CHUNK_BYTES + 16 * max((keys[kind] for kind in kinds), default=0)


class _Recorder(ModelHook):
    """Decides which passes count, and adds up their rows.

    A hook that has state is told the name of each pass by the model's `cache_context`, in which it runs.
    """

    _is_stateful = True

    def __init__(self, maps: AttentionMaps, heads: list[int]):
        super().__init__()
        self.maps = maps
        self.heads = heads
        self.counts = False
        self._passes = StateManager(BaseState)

    def pre_forward(self, module: torch.nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple, dict[str, Any]]:
        self.counts = self._passes.context.name == PROMPT_PASS
        if self.counts:
            grid = _grid_of(kwargs["video_coords"], kwargs["audio_coords"])
            if self.maps.grid is None or not _same_size(grid, self.maps.grid):
                self.maps.sums.clear()
                self.maps.steps = 0
            self.maps.text_positions = kwargs["encoder_hidden_states"].shape[1]
            self.maps.grid = grid
            self.maps.steps += 1
        return args, kwargs

    def reset_state(self, module: torch.nn.Module) -> torch.nn.Module:
        return module  # maps are added up over runs

    @torch.no_grad()
    def record(self, name: str, block: int, attention: Any, inputs: tuple[Any, Any, Any, Any, Any]) -> None:
        if name == REFERENCE:
            self._record_reference(name, block, attention, inputs)
            return
        is_text = name.endswith("text")
        for first, rows in softmax_rows(attention, *inputs, self.heads):
            if is_text:
                rest = rows[:, MAX_TEXT_TOKENS:].sum(1, keepdim=True)
                rows = torch.cat([rows[:, :MAX_TEXT_TOKENS], rest], dim=1)
            if (name, block) not in self.maps.sums:
                num_queries = inputs[0].shape[1]
                self.maps.sums[name, block] = np.zeros((num_queries, rows.shape[1]), np.float32)
            self.maps.sums[name, block][first : first + len(rows)] += rows.cpu().numpy()

    def _record_reference(self, name: str, block: int, attention: Any, inputs: tuple[Any, Any, Any, Any, Any]) -> None:
        hidden_states, _, mask, query_rotary_emb, key_rotary_emb = inputs
        grid = self.maps.grid
        assert grid is not None  # pre_forward came first
        cells, beside = grid.cells.shape[1], grid.appended.shape[1]
        if not beside:
            return
        total = self.maps.sums.setdefault((name, block), np.zeros((cells, beside), np.float32))
        own = (hidden_states, hidden_states, mask, query_rotary_emb, key_rotary_emb)
        for first, rows in softmax_rows(attention, *own, self.heads):
            of_clip = rows[: max(cells - first, 0), cells:]
            total[first : first + len(of_clip)] += of_clip.cpu().numpy()


class _RecordingProcessor:
    """An attention processor that records, then leaves the work to the one that it replaces."""

    def __init__(self, replaced: Any, recorder: _Recorder, name: str, block: int):
        self._replaced = replaced
        self._recorder = recorder
        self._name = name
        self._block = block

    @property
    def unrecorded(self) -> Any:
        """Return the processor that it replaces, for attention that is no part of the model's own."""
        return self._replaced

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        query_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        key_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        perturbation_mask: torch.Tensor | None = None,
        all_perturbed: bool | None = None,
    ) -> torch.Tensor:
        inputs = (hidden_states, encoder_hidden_states, attention_mask, query_rotary_emb, key_rotary_emb)
        if self._recorder.counts:
            self._recorder.record(self._name, self._block, attn, inputs)
        # By name, as attention tells what a processor takes, and only where its own takes them too.
        perturbed = {"perturbation_mask": perturbation_mask, "all_perturbed": all_perturbed}
        return self._replaced(attn, *inputs, **{name: it for name, it in perturbed.items() if it is not None})


def _checked_heads(heads: str | Sequence[int], count: int) -> list[int]:
    if isinstance(heads, str):
        choice("heads", heads, ["mean"])
        return list(range(count))
    return [whole_number("heads", head, least=0, most=count - 1) for head in listed("heads", heads)]


def _grid_of(video_coords: torch.Tensor, audio_coords: torch.Tensor) -> TokenGrid:
    """Read the grid from the tokens' coordinates, video [1, 3, N, 2] in s, px, px and audio [1, 1, L, 2] in s."""
    video, audio = video_coords[0].float().cpu().numpy(), audio_coords[0, 0].float().cpu().numpy()
    height, width = (len(np.unique(video[axis, :, 0])) for axis in (1, 2))
    spans = video[0, :: height * width]
    audio = audio[audio[:, 0] >= 0]  # reference sounds come before
    # Frames of the clip follow each other without a gap; what is appended, which lies inside it, does not.
    follows = np.append(True, np.isclose(spans[1:, 0], spans[:-1, 1], atol=1e-4))
    count = len(spans) if follows.all() else int(np.argmin(follows))
    cells = count * height * width
    return TokenGrid(
        (count, height, width),
        np.append(spans[:1, 0], spans[:count, 1]),
        np.append(audio[:1, 0], audio[:, 1]),
        video[:, :cells],
        video[:, cells:],
    )


def _same_size(a: TokenGrid, b: TokenGrid) -> bool:
    return (a.video_shape, a.appended.shape, a.audio_edges_s.shape) == (
        b.video_shape,
        b.appended.shape,
        b.audio_edges_s.shape,
    )
