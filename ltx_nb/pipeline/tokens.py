"""Prompts as the model's tokenizer sees them: how long they are, and what of them would not be read.

Knows a fast tokenizer of transformers, which says where in the text each token is.
"""

from __future__ import annotations

from typing import Any


class Tokens:
    """Questions about texts to one tokenizer. Space around a text is left out, as the pipeline leaves it out."""

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        """Return the number of tokens of the text, with the special ones that the model gets too."""
        return len(self._encoded(text.strip()).input_ids)

    def unknown(self, text: str) -> list[str]:
        """Return the words of the text that there is no token for, in order, as often as they occur."""
        text = text.strip()
        encoded = self._encoded(text)
        return [
            text[start:end]
            for token, (start, end) in zip(encoded.input_ids, encoded.offset_mapping, strict=True)
            if token == self._tokenizer.unk_token_id
        ]

    def beyond(self, text: str, room: int) -> str:
        """Return the end of the text that comes after its first `room` tokens, "" where they are no more."""
        text = text.strip()
        offsets = self._encoded(text).offset_mapping
        return text[offsets[room][0] :] if len(offsets) > room else ""

    def _encoded(self, text: str) -> Any:
        # verbose=False: what is too long is told by the kit, in words of its own.
        return self._tokenizer(text, return_offsets_mapping=True, verbose=False)
