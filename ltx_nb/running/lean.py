"""The lean forward: diffusers' transformer with its memory bounded, by hooks and processors that can be taken off.

Tokens go through norms, modulation, projections and feed-forward in chunks, and there is one row of modulation for each
distinct timestep instead of one for each token. The arithmetic and its order are those of `LTX2VideoTransformerBlock`,
so that the result is the same. Knows the transformer's modules; no pipeline and no device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.hooks import HookRegistry, ModelHook
from diffusers.models.attention import FeedForward
from diffusers.models.normalization import RMSNorm
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention

from ltx_nb.running import fused
from ltx_nb.running.lean_attention import LeanAttention, Rope, chunks, chunks_of_steps, collected
from ltx_nb.running.one_byte import multiplies_in_int8, turned_back_once
from ltx_nb.running.products import Int8Tokens

HOOK = "ltx_nb.lean"
# The modules that turn video timesteps into modulation: once a token where timesteps differ between tokens.
TIMESTEP_MODULES = ("time_embed", "av_cross_attn_video_scale_shift", "av_cross_attn_video_a2v_gate")


def make_lean(transformer: LTX2VideoTransformer3DModel) -> None:
    """Bound the memory of the transformer's forward, for inference. Forwards that record gradients stay as they are."""
    timesteps = {name: DistinctTimesteps() for name in TIMESTEP_MODULES}
    for name, hook in timesteps.items():
        HookRegistry.check_if_exists_or_initialize(getattr(transformer, name)).register_hook(hook, HOOK)
    for block in transformer.transformer_blocks:
        HookRegistry.check_if_exists_or_initialize(block).register_hook(LeanBlock(*timesteps.values()), HOOK)
        for layer in _attentions(block):
            layer.set_processor(LeanAttention(layer.processor))


def make_stock(transformer: LTX2VideoTransformer3DModel) -> None:
    """Undo `make_lean`."""
    HookRegistry.check_if_exists_or_initialize(transformer).remove_hook(HOOK)
    for block in transformer.transformer_blocks:
        for layer in _attentions(block):
            if isinstance(layer.processor, LeanAttention):
                layer.set_processor(layer.processor.stock)


class DistinctTimesteps(ModelHook):
    """Makes the modulation of a timestep once. index: each token's row, None where none is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.index: torch.Tensor | None = None

    def new_forward(
        self, module: torch.nn.Module, timestep: torch.Tensor, *, batch_size: int, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        forward = self.fn_ref.original_forward
        distinct, index = torch.unique(timestep, return_inverse=True)  # [B x T] to [rows], and the row of each [B x T]
        is_shared = batch_size == 1 and len(distinct) < len(timestep) and not torch.is_grad_enabled()
        self.index = index if is_shared else None
        if not is_shared:
            return forward(timestep, batch_size=batch_size, **kwargs)
        modulation, embedded = forward(distinct, batch_size=batch_size, **kwargs)
        return modulation, embedded[index]


class LeanBlock(ModelHook):
    """The forward of one block, in chunks of tokens, with the residual streams updated in place."""

    def __init__(self, timestep: DistinctTimesteps, scale_shift: DistinctTimesteps, gate: DistinctTimesteps):
        super().__init__()
        self.timestep, self.scale_shift, self.gate = timestep, scale_shift, gate

    def new_forward(self, block: torch.nn.Module, *args: Any, **inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        if torch.is_grad_enabled():
            return self.fn_ref.original_forward(*args, **inputs)
        return self._in_chunks(block, *args, **inputs)

    def _in_chunks(
        self,
        block: torch.nn.Module,
        hidden_states: torch.Tensor,
        audio_hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        audio_encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        temb_audio: torch.Tensor,
        temb_ca_scale_shift: torch.Tensor,
        temb_ca_audio_scale_shift: torch.Tensor,
        temb_ca_gate: torch.Tensor,
        temb_ca_audio_gate: torch.Tensor,
        temb_prompt: torch.Tensor,
        temb_prompt_audio: torch.Tensor,
        video_rotary_emb: Rope,
        audio_rotary_emb: Rope,
        ca_video_rotary_emb: Rope,
        ca_audio_rotary_emb: Rope,
        encoder_attention_mask: torch.Tensor | None,
        audio_encoder_attention_mask: torch.Tensor | None,
        self_attention_mask: torch.Tensor | None,
        audio_self_attention_mask: torch.Tensor | None,
        a2v_cross_attention_mask: torch.Tensor | None,
        v2a_cross_attention_mask: torch.Tensor | None,
        use_a2v_cross_attention: bool,
        use_v2a_cross_attention: bool,
        perturbation_mask: torch.Tensor | None,
        all_perturbed: bool | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        video, audio = hidden_states, audio_hidden_states  # [B, T_video, C_video], [B, T_audio, C_audio]
        of_video = Modulation(block.scale_shift_table, temb, self.timestep.index)
        of_audio = Modulation(block.audio_scale_shift_table, temb_audio)
        perturbed = {"perturbation_mask": perturbation_mask, "all_perturbed": all_perturbed}
        perturbed = perturbed if block.perturbed_attn else {}
        _attend(video, block.norm1, block.attn1, of_video, video_rotary_emb, self_attention_mask, perturbed)
        _attend(
            audio,
            block.audio_norm1,
            block.audio_attn1,
            of_audio,
            audio_rotary_emb,
            audio_self_attention_mask,
            perturbed,
        )

        text, audio_text = encoder_hidden_states, audio_encoder_hidden_states
        if block.cross_attn_adaln:  # since LTX-2.3
            text = _modulated_text(text, block.prompt_scale_shift_table, temb_prompt)
            audio_text = _modulated_text(audio_text, block.audio_prompt_scale_shift_table, temb_prompt_audio)
        of_words = (of_video, of_audio) if block.cross_attn_adaln else (None, None)
        _attend_to_text(video, block.norm2, block.attn2, of_words[0], text, encoder_attention_mask)
        _attend_to_text(
            audio, block.audio_norm2, block.audio_attn2, of_words[1], audio_text, audio_encoder_attention_mask
        )

        if use_a2v_cross_attention or use_v2a_cross_attention:
            video_table, audio_table = (
                block.video_a2v_cross_attn_scale_shift_table,
                block.audio_a2v_cross_attn_scale_shift_table,
            )
            across_video = Modulation(video_table[:4], temb_ca_scale_shift, self.scale_shift.index)
            across_audio = Modulation(audio_table[:4], temb_ca_audio_scale_shift)
            video_gate = Modulation(video_table[4:], temb_ca_gate, self.gate.index)
            audio_gate = Modulation(audio_table[4:], temb_ca_audio_gate)
            video_norm, audio_norm = block.audio_to_video_norm, block.video_to_audio_norm
            to_audio = None
            # Both directions read both streams as they are now, so the first result waits for the second.
            if use_v2a_cross_attention:
                to_audio = block.video_to_audio_attn(  # [B, T_audio, C_audio] by [B, T_video, C_video]
                    _modulated(audio, audio_norm, across_audio, shift=3, scale=2),
                    encoder_hidden_states=_modulated(video, video_norm, across_video, shift=3, scale=2),
                    query_rotary_emb=ca_audio_rotary_emb,
                    key_rotary_emb=ca_video_rotary_emb,
                    attention_mask=v2a_cross_attention_mask,
                )
            if use_a2v_cross_attention:
                to_video = block.audio_to_video_attn(  # [B, T_video, C_video] by [B, T_audio, C_audio]
                    _modulated(video, video_norm, across_video, shift=1, scale=0),
                    encoder_hidden_states=_modulated(audio, audio_norm, across_audio, shift=1, scale=0),
                    query_rotary_emb=ca_video_rotary_emb,
                    key_rotary_emb=ca_audio_rotary_emb,
                    attention_mask=a2v_cross_attention_mask,
                )
                _add(video, to_video, video_gate, gate=0)
            if to_audio is not None:
                _add(audio, to_audio, audio_gate, gate=0)

        _feed_forward(video, block.norm3, block.ff, of_video)
        _feed_forward(audio, block.audio_norm3, block.audio_ff, of_audio)
        return video, audio


def _attentions(block: torch.nn.Module) -> Iterator[LTX2Attention]:
    return (layer for layer in block.modules() if isinstance(layer, LTX2Attention))


class Modulation:
    """Scales, shifts and gates of a block's tokens, made from its table and the timesteps' rows.

    table: [parameters, C]. temb: [B, rows, parameters x C]; index [T] gives each token its row, None where there is
    one row, or one a token.
    """

    def __init__(self, table: torch.Tensor, temb: torch.Tensor, index: torch.Tensor | None = None):
        self.table, self.index = table.to(temb.device), index
        self.rows = temb.unflatten(2, (table.shape[0], -1))  # [B, rows, parameters, C]
        self.is_small = index is not None or self.rows.shape[1] == 1
        if self.is_small:
            self.rows = self.table + self.rows

    def parameter(self, i: int, tokens: slice) -> torch.Tensor:
        """Return number i, [B, rows or tokens, C]: for these tokens where there is one row a token."""
        return self.rows[:, :, i] if self.is_small else self.table[i] + self.rows[:, tokens, i]

    def rows_of(self, tokens: slice) -> torch.Tensor | None:
        """Return the row of each of these tokens, None where it needs none."""
        return None if self.index is None else self.index[tokens]


def _attend(
    x: torch.Tensor,
    norm: RMSNorm,
    attention: LTX2Attention,
    of: Modulation,
    rope: Rope,
    mask: torch.Tensor | None,
    perturbed: dict[str, Any],
) -> None:
    modulated = _modulated(x, norm, of, shift=0, scale=1)
    out = attention(hidden_states=modulated, query_rotary_emb=rope, attention_mask=mask, **perturbed)
    _add(x, out, of, gate=2)


def _modulated_text(text: torch.Tensor, table: torch.Tensor, temb: torch.Tensor) -> torch.Tensor:
    """The words as keys and values."""
    return _modulated(text, None, Modulation(table, temb), shift=0, scale=1)


def _attend_to_text(
    x: torch.Tensor,
    norm: RMSNorm,
    attention: LTX2Attention,
    of: Modulation | None,
    text: torch.Tensor,
    mask: torch.Tensor | None,
) -> None:
    if of is None:
        x += attention(collected(x.shape[1], lambda tokens: norm(x[:, tokens])), text, mask)
        return
    modulated = _modulated(x, norm, of, shift=6, scale=7)
    _add(x, attention(modulated, encoder_hidden_states=text, attention_mask=mask), of, gate=8)


def _feed_forward(x: torch.Tensor, norm: RMSNorm, layers: FeedForward, of: Modulation) -> None:
    gelu, down = layers.net[0], layers.net[2]
    in_int8 = multiplies_in_int8(gelu.proj) and multiplies_in_int8(down)
    with turned_back_once(layers):
        for tokens in chunks(x.shape[1]):
            inputs = _inputs(x, norm, of, tokens, shift=3, scale=4)
            if in_int8:
                values, scales = fused.modulated_int8(*inputs)
                up = gelu.proj(Int8Tokens(values, scales, x.dtype))
                values, scales = fused.gelu_int8(up, gelu.approximate)
                out = down(Int8Tokens(values, scales, x.dtype))
            else:
                out = layers(fused.modulated(*inputs))
            fused.add_gated(x[:, tokens], out, of.parameter(5, tokens), of.rows_of(tokens))


def _modulated(x: torch.Tensor, norm: RMSNorm | None, of: Modulation, *, shift: int, scale: int) -> torch.Tensor:
    def part_of(tokens: slice) -> torch.Tensor:
        return fused.modulated(*_inputs(x, norm, of, tokens, shift=shift, scale=scale))

    return collected(x.shape[1], part_of, chunks_of_steps(x))


def _inputs(
    x: torch.Tensor, norm: RMSNorm | None, of: Modulation, tokens: slice, *, shift: int, scale: int
) -> tuple[Any, ...]:
    """Return what `fused.modulated` takes."""
    weight, eps = (None, None) if norm is None else (norm.weight, norm.eps)
    return x[:, tokens], of.parameter(scale, tokens), of.parameter(shift, tokens), of.rows_of(tokens), weight, eps


def _add(x: torch.Tensor, out: torch.Tensor, of: Modulation, *, gate: int) -> None:
    for tokens in chunks_of_steps(x):
        fused.add_gated(x[:, tokens], out[:, tokens], of.parameter(gate, tokens), of.rows_of(tokens))
