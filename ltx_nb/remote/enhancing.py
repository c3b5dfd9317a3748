"""enhance_prompt(): a prompt rewritten as the model's captions are, by a chat model that runs on this machine.

Spoken to as OpenAI's chat completions are, which Ollama, llama.cpp, LM Studio and vLLM all serve. What was changed is
shown word by word, and the prompt as it was written goes into the request.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from ltx_nb.catalogue.prompting import MOST_WORDS, Hint, lint_prompt
from ltx_nb.checks import text as checked_text
from ltx_nb.remote.exchange import Exchange, Patience, RemoteError

INSTRUCTIONS = (
    f"Rewrite the user's idea as a caption of one continuous shot, in one paragraph of at most {MOST_WORDS} words. "
    "Begin with the action. Use the present tense. Describe in order of time what is seen: subject, movement, place, "
    "light, camera. Say what is heard, with spoken words in quotation marks. Add nothing that "
    "contradicts the idea, no cuts, no titles, no preamble. Answer with the caption alone."
)
MOST_LETTERS = 4_000


@dataclass(frozen=True)
class Enhanced:
    """A prompt before and after. model: the chat model that rewrote it."""

    before: str
    after: str
    model: str

    @property
    def hints(self) -> tuple[Hint, ...]:
        """Hints on what of the new prompt is still not as captions are."""
        return lint_prompt(self.after)

    @property
    def diff(self) -> str:
        """Both in one: [-what went-] and {+what came+}."""
        before, after = self.before.split(), self.after.split()
        parts: list[str] = []
        for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if kind == "equal":
                parts.append(" ".join(before[i:j]))
                continue
            parts += [f"[-{' '.join(before[i:j])}-]"] * (j > i) + [f"{{+{' '.join(after[k:m])}+}}"] * (m > k)
        return " ".join(parts)

    @property
    def options(self) -> dict[str, str]:
        """The new prompt for a request, which keeps the old: `session.text_to_video(**enhanced.options)`."""
        return {"prompt": self.after, "written_prompt": self.before}

    def __str__(self) -> str:
        return self.diff


def enhance_prompt(
    text: str,
    endpoint: str,
    model: str,
    *,
    instructions: str = INSTRUCTIONS,
    seed: int = 0,
    patience: Patience | None = None,
) -> Enhanced:
    """Rewrite a prompt by a chat model on this machine.

    endpoint: its address up to "/v1", such as "http://localhost:11434/v1"; over http on this machine, else https, and
    then the prompt leaves it. model: by the name that the endpoint has for it. instructions: what it is told to do.

    Raises ValueError for an empty prompt, RemoteError for an endpoint that fails or answers no usable prompt.
    """
    if not checked_text("text", text).strip():
        raise ValueError("text is empty; give an idea to write out")
    exchange = Exchange(endpoint, "", "", patience or Patience(answer_s=300))
    payload = {
        "model": model,
        "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": text}],
        "temperature": 0,
        "seed": seed,
        "stream": False,
    }
    answer = exchange.ask("chat/completions", payload)
    return Enhanced(text, _prompt_in(answer, endpoint), model)


def _prompt_in(answer: Any, endpoint: str) -> str:
    try:
        found = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        found = None
    if not isinstance(found, str):
        raise RemoteError(f"{endpoint} answers no choices[0].message.content, as chat completions have it")
    found = re.sub(r"<think>.*?</think>", "", found, flags=re.DOTALL)  # of models that reason aloud
    found = " ".join(found.split()).strip("\"“”'` ")
    if not found:
        raise RemoteError(f"{endpoint} answers an empty prompt")
    if len(found) > MOST_LETTERS:
        raise RemoteError(f"{endpoint} answers {len(found):,} letters; a prompt has {MOST_LETTERS:,} at most")
    return found
