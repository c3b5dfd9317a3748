"""Normalized attention guidance: a negative prompt without a second pass, for models whose guidance is distilled.

In every attention to text, both prompts are asked: z = z+ + (scale - 1) (z+ - z-); where the norm of a token's z is
over tau times that of its z+, it is brought down to that, and alpha of the result is blended with z+. Source: Chen et
al., "Normalized Attention Guidance: Universal Negative Guidance for Diffusion Models", arXiv 2505.21179; L1 norms, tau
and alpha as there. Here the norm is taken behind the attention's output projection, where the stock forward and the
lean one both have it; there it is before it. Knows the transformer's modules; no request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from diffusers import LTX2VideoTransformer3DModel

from ltx_nb.running.lean_attention import chunks

TEXT_ATTENTIONS = {"": "attn2", "audio_": "audio_attn2"}


class Nag(NamedTuple):
    """Settings of one lane; a scale of 1 is none."""

    scale: float
    tau: float
    alpha: float


@contextmanager
def guided_attention(
    transformer: LTX2VideoTransformer3DModel, lanes: Mapping[str, Nag], negative_words: int
) -> Iterator[None]:
    """Guide attention to text as long as the block lasts, in the lanes named "" (video) and "audio_".

    Their text is to be the prompt's words and then `negative_words` of the negative prompt's, in one.
    """
    layers = [
        (getattr(block, TEXT_ATTENTIONS[prefix]), nag)
        for prefix, nag in lanes.items()
        for block in transformer.transformer_blocks
    ]
    replaced = [(layer, layer.processor) for layer, _ in layers]
    try:
        for layer, nag in layers:
            layer.set_processor(_GuidedProcessor(layer.processor, nag, negative_words))
        yield
    finally:
        for layer, processor in replaced:
            layer.set_processor(processor)


def guided(positive: torch.Tensor, negative: torch.Tensor, nag: Nag) -> torch.Tensor:
    """Guide `positive` [B, T, C] away from `negative`, in its place and in chunks of tokens."""
    for tokens in chunks(positive.shape[1]):
        near, far = positive[:, tokens].float(), negative[:, tokens].float()
        away = near + (nag.scale - 1) * (near - far)
        ratio = away.norm(p=1, dim=-1, keepdim=True) / near.norm(p=1, dim=-1, keepdim=True).clamp(min=1e-7)
        away *= (nag.tau / ratio).clamp(max=1)
        positive[:, tokens] = torch.lerp(near, away, nag.alpha).to(positive.dtype)
    return positive


class _GuidedProcessor:
    """Asks the processor that it replaces twice. What records attention records the prompt's words alone."""

    def __init__(self, replaced: Any, nag: Nag, negative_words: int):
        self._replaced = replaced
        self._nag = nag
        self._negative_words = negative_words

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        query_rotary_emb: Any = None,
        key_rotary_emb: Any = None,
    ) -> torch.Tensor:
        count = encoder_hidden_states.shape[1] - self._negative_words
        found: list[torch.Tensor] = []
        for words, processor in (
            (slice(0, count), self._replaced),
            (slice(count, None), getattr(self._replaced, "unrecorded", self._replaced)),
        ):
            mask = None if attention_mask is None else attention_mask[..., words]
            found.append(processor(attn, hidden_states, encoder_hidden_states[:, words], mask, None, None))
        positive, negative = found
        return guided(positive, negative, self._nag)
