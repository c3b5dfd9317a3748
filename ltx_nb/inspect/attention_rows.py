"""The exact softmax rows of one attention, as the model's processor would have them if it kept them, in chunks.

Knows diffusers' LTX2Attention; not which attentions are looked at, nor what becomes of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models.transformers.transformer_ltx2 import apply_interleaved_rotary_emb, apply_split_rotary_emb

CHUNK_BYTES = 32 * 2**20  # of scores: float32 for all heads


def softmax_rows(
    attention: Any,
    hidden_states: torch.Tensor,
    encoder_hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    query_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None,
    key_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None,
    heads: list[int],
) -> Iterator[tuple[int, torch.Tensor]]:
    """The softmax rows of an LTX2Attention for a batch of one, a chunk of queries after the other.

    Yields (first query, float32 [queries, keys], the mean over heads). As in LTX2AudioVideoAttnProcessor up to the
    product with the values.
    """
    rotate = apply_split_rotary_emb if attention.rope_type == "split" else apply_interleaved_rotary_emb
    key = attention.norm_k(attention.to_k(encoder_hidden_states))
    if query_rotary_emb is not None:
        key = rotate(key, key_rotary_emb or query_rotary_emb)
    key = key.unflatten(2, (attention.heads, -1))[0, :, heads].float()
    num_queries, num_keys = hidden_states.shape[1], key.shape[0]
    if attention_mask is not None:
        mask = attention.prepare_attention_mask(attention_mask, num_keys, 1)
        attention_mask = mask.view(attention.heads, -1, num_keys)[heads].float()
    chunk = max(1, CHUNK_BYTES // (4 * len(heads) * num_keys))
    for first in range(0, num_queries, chunk):
        part = slice(first, first + chunk)
        query = attention.norm_q(attention.to_q(hidden_states[:, part]))
        if query_rotary_emb is not None:
            # cos and sin are [B, heads, tokens, ...] in split form, [B, tokens, ...] in interleaved form.
            query = rotate(query, tuple(one[..., part, :] for one in query_rotary_emb))
        query = query.unflatten(2, (attention.heads, -1))[0, :, heads].float()
        scores = torch.einsum("qhd,khd->hqk", query, key) * query.shape[-1] ** -0.5
        if attention_mask is not None:
            scores += attention_mask if attention_mask.shape[1] == 1 else attention_mask[:, part]
        yield first, scores.softmax(-1).mean(0)
