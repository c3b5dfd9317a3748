"""Attention of the lean forward: a processor that projects, rotates and gates tokens in chunks.

The arithmetic and its order are those of diffusers' LTX-2 processors, so that the result is the same. Also the chunks
themselves, which the rest of the lean forward uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention

from ltx_nb.running import fused
from ltx_nb.running.one_byte import Tokens, prepared, turned_back_once
from ltx_nb.running.products import Int8Tokens

CHUNK_TOKENS = 4096

Rope = tuple[torch.Tensor, torch.Tensor]


class LeanAttention:
    """A processor that projects, rotates and gates in chunks; a perturbed attention is left to the stock one."""

    def __init__(self, stock: Any):
        self.stock = stock

    @property
    def _attention_backend(self) -> Any:
        """Which attention the stock processor dispatches to; set by diffusers' `set_attention_backend`."""
        return self.stock._attention_backend

    @_attention_backend.setter
    def _attention_backend(self, backend: Any) -> None:
        self.stock._attention_backend = backend

    def __call__(
        self,
        attn: LTX2Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        query_rotary_emb: Rope | None = None,
        key_rotary_emb: Rope | None = None,
        perturbation_mask: torch.Tensor | None = None,
        all_perturbed: bool | None = None,
    ) -> torch.Tensor:
        inputs = (hidden_states, encoder_hidden_states, attention_mask, query_rotary_emb, key_rotary_emb)
        if perturbation_mask is not None:
            return self.stock(attn, *inputs, perturbation_mask, all_perturbed)
        if torch.is_grad_enabled() or attn.rope_type != "split":
            return self.stock(attn, *inputs)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if attention_mask is not None:
            attention_mask = attention_mask[:, None]  # [B, 1, T or 1, words], without a copy for each head
        key_rope = key_rotary_emb if key_rotary_emb is not None else query_rotary_emb
        if context is hidden_states:
            asking = asked = prepared(hidden_states, attn.to_q, attn.to_k, attn.to_v)
        else:
            asking, asked = prepared(hidden_states, attn.to_q), prepared(context, attn.to_k, attn.to_v)
        query = _projected(asking, attn.to_q, attn.norm_q, query_rotary_emb).unflatten(2, (attn.heads, -1))
        key = _projected(asked, attn.to_k, attn.norm_k, key_rope).unflatten(2, (attn.heads, -1))
        value = _projected(asked, attn.to_v).unflatten(2, (attn.heads, -1))
        del asking, asked
        attended = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=attention_mask,
            dropout_p=0.0,
            is_causal=False,
            backend=self.stock._attention_backend,
            parallel_config=self.stock._parallel_config,
        ).to(hidden_states.dtype)
        del query, key, value

        def out(tokens: slice) -> torch.Tensor:
            part = attended[:, tokens]
            if attn.to_gate_logits is None:
                part = part.flatten(2, 3)
            else:
                part = fused.gated_heads(part, attn.to_gate_logits(hidden_states[:, tokens]))
            return attn.to_out[0](part)

        with turned_back_once(attn.to_out):
            return collected(hidden_states.shape[1], out, chunks_of_steps(hidden_states))


def chunks(num_tokens: int) -> list[slice]:
    """Slices of at most CHUNK_TOKENS."""
    return [slice(begin, min(begin + CHUNK_TOKENS, num_tokens)) for begin in range(0, num_tokens, CHUNK_TOKENS)]


def chunks_of_steps(x: Tokens) -> list[slice]:
    """Slices of the tokens of x [B, T, C] for a step of `fused`: all of them where it is compiled, and holds nothing in
    passing."""
    return [slice(0, x.shape[1])] if fused.compiles(x.device) else chunks(x.shape[1])


def collected(
    num_tokens: int, part_of: Callable[[slice], torch.Tensor], slices: list[slice] | None = None
) -> torch.Tensor:
    """Return the parts side by side along the tokens, dimension 1, without a second copy of them."""
    first, *others = slices or chunks(num_tokens)
    part = part_of(first)
    if not others:
        return part
    whole = part.new_empty(part.shape[0], num_tokens, *part.shape[2:])
    whole[:, first] = part
    for tokens in others:
        whole[:, tokens] = part_of(tokens)
    return whole


def _projected(
    x: Tokens, linear: torch.nn.Module, norm: torch.nn.RMSNorm | None = None, rope: Rope | None = None
) -> torch.Tensor:
    def part_of(tokens: slice) -> torch.Tensor:
        part = linear(x.part(tokens) if isinstance(x, Int8Tokens) else x[:, tokens])
        if norm is None:
            return part
        cos, sin = (None, None) if rope is None else (half[:, :, tokens] for half in rope)
        return fused.normed_rotated(part, norm.weight, norm.eps, cos, sin)

    with turned_back_once(linear):
        return collected(x.shape[1], part_of, chunks_of_steps(x))
