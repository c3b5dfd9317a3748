"""Prompts encoded by Lightricks' endpoint, which costs nothing and stands in for Gemma: 25 GB that are not downloaded.

The prompt leaves this machine. The endpoint answers for one file of weights, by an id in its metadata; its answer is
what the connectors make of a prompt, the first channels for the video lane and the rest for the audio lane.
Source: ComfyUI-LTXVideo, gemma_api_conditioning.py, and LTX-Desktop, ltx_text_encoder.py, of October 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ltx_nb.remote.answer import MAX_NUMBERS, Unsafe, tensor_in
from ltx_nb.remote.exchange import Exchange, Patience, RemoteError

HOST, KEY = "https://api.ltx.video", "LTXV_API_KEY"
ID_NOTE = "encrypted_wandb_properties"  # in the metadata of official files
LEAVES = f"the prompts leave this machine, to {HOST.removeprefix('https://')}"


class PromptEndpoint:
    """Encoder of prompts for `load(model, text=PromptEndpoint(yes=True))`, free of charge.

    yes=True agrees that prompts leave this machine. The key is in the environment variable LTXV_API_KEY. What it
    answers goes into the prompt cache, so that a prompt is sent once. Raises ValueError without yes=True.
    """

    def __init__(self, yes: bool = False, patience: Patience | None = None):
        if yes is not True:
            raise ValueError(f"{LEAVES}; agree with PromptEndpoint(yes=True)")
        self._exchange = Exchange(HOST, KEY, "Bearer", patience)

    def __repr__(self) -> str:
        return f"PromptEndpoint({self._exchange.host!r})"

    def encode(self, prompt: str, model_id: str, widths: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """A prompt for both lanes, [1, tokens, width] each. model_id: from the file. widths: of the lanes, in channels.

        Raises RemoteError for an endpoint that fails or answers another shape, ValueError for an empty prompt.
        """
        if not prompt.strip():
            raise ValueError("the endpoint encodes no empty prompt; give prompt='...'")
        payload = {"prompt": prompt, "model_id": model_id, "enhance_prompt": False}
        content = self._exchange.content("v1/prompt-embedding", payload, max_bytes=5 * MAX_NUMBERS)
        try:
            found = tensor_in(content)
        except Unsafe as error:
            raise RemoteError(f"{self._exchange.host}: {error}") from None
        if found.ndim != 3 or found.shape[0] != 1 or found.shape[2] != sum(widths):
            raise RemoteError(
                f"{self._exchange.host} answers a tensor of {tuple(found.shape)}; this model takes [1, tokens, "
                f"{sum(widths)}]"
            )
        if not torch.isfinite(found).all():
            raise RemoteError(f"{self._exchange.host} answers numbers that are not finite")
        return found[..., : widths[0]], found[..., widths[0] :]


class PromptsElsewhere:
    """Encoder of a Session's prompts that its cache has not: an endpoint, for one model."""

    def __init__(self, endpoint: PromptEndpoint, notes: Mapping[str, str], widths: tuple[int, int], dtype: torch.dtype):
        """Bind an endpoint to a model. notes: the metadata of its file. dtype: that the session computes in.

        Raises ValueError for a file without the id.
        """
        if not notes.get(ID_NOTE):
            raise ValueError(
                f"the model's file has no {ID_NOTE!r} in its metadata, by which the endpoint knows it; official single "
                "files do. Leave text out, for Gemma"
            )
        self._endpoint, self._model_id, self._widths, self._dtype = endpoint, notes[ID_NOTE], widths, dtype

    @property
    def name(self) -> str:
        """Name by which its answers are told from others in a cache."""
        return f"{HOST} {self._model_id} {self._dtype}"

    def embeddings(self, prompt: str, negative_prompt: str, is_guided: bool) -> dict[str, Any]:
        """Outputs of the pipeline's text blocks, on the CPU.

        is_guided: whether the negative prompt is looked at; where it is not, it is not sent, and zeros stand for it.
        """
        video, audio = self._encoded(prompt)
        if is_guided:
            other_video, other_audio = self._encoded(negative_prompt)
            if other_video.shape != video.shape:
                raise RemoteError("the endpoint answers different lengths for a prompt and its negative prompt")
        else:
            other_video, other_audio = torch.zeros_like(video), torch.zeros_like(audio)
        mask = torch.ones(video.shape[:2], dtype=torch.int64)
        return {
            "connector_prompt_embeds": video,
            "connector_audio_prompt_embeds": audio,
            "connector_attention_mask": mask,
            "negative_connector_prompt_embeds": other_video,
            "negative_connector_audio_prompt_embeds": other_audio,
            "negative_connector_attention_mask": mask.clone(),
        }

    def _encoded(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        video, audio = self._endpoint.encode(prompt, self._model_id, self._widths)
        return video.to(self._dtype), audio.to(self._dtype)
