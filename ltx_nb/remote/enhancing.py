"""enhance_prompt(): a prompt rewritten as the model's captions are, by a chat model that runs on this machine.

An endpoint is spoken to as OpenAI's chat completions are, which Ollama, llama.cpp, LM Studio and vLLM all serve; where
there is none, a Gemma in a folder does (`ltx_nb.LocalChat`). What was changed is shown word by word, and the prompt as
it was written goes into the request.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ltx_nb.catalogue.prompting import MOST_WORDS, Hint, lint_prompt
from ltx_nb.checks import text as checked_text

if TYPE_CHECKING:
    from ltx_nb.remote.exchange import Patience

INSTRUCTIONS = (
    f"Rewrite the user's idea as a caption of one continuous shot, in one paragraph of at most {MOST_WORDS} words. "
    "Begin with the action. Use the present tense. Describe in order of time what is seen: subject, movement, place, "
    "light, camera. Say what is heard, with spoken words in quotation marks. Add nothing that "
    "contradicts the idea, no cuts, no titles, no preamble. Answer with the caption alone."
)
MOST_LETTERS = 4_000


class Chat(Protocol):
    """A chat model in this process, such as `ltx_nb.LocalChat`; name: what it is called."""

    name: str

    def answer(self, instructions: str, text: str) -> str: ...


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
        marked = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}
        return " ".join(marked[kind].format(words) for kind, words in self.changes)

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Both prompts as stretches of words in order, (kind, words) each; kind: "same", "gone" or "new"."""
        before, after = self.before.split(), self.after.split()
        found: list[tuple[str, str]] = []
        for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if kind == "equal":
                found.append(("same", " ".join(before[i:j])))
                continue
            found += [("gone", " ".join(before[i:j]))] * (j > i) + [("new", " ".join(after[k:m]))] * (m > k)
        return found

    @property
    def options(self) -> dict[str, str]:
        """The new prompt for a request, which keeps the old: `session.text_to_video(**enhanced.options)`."""
        return {"prompt": self.after, "written_prompt": self.before}

    def __str__(self) -> str:
        return self.diff


def enhance_prompt(
    text: str,
    endpoint: str | Chat,
    model: str | None = None,
    *,
    instructions: str = INSTRUCTIONS,
    seed: int = 0,
    patience: Patience | None = None,
) -> Enhanced:
    """Rewrite a prompt by a chat model on this machine.

    endpoint: its address up to "/v1", such as "http://localhost:11434/v1"; over http on this machine, else https, and
    then the prompt leaves it; or a chat model that is loaded here, `ltx_nb.LocalChat(folder)`. model: by the name that
    the endpoint has for it. instructions: what it is told to do.

    Raises ValueError for an empty prompt, for an address without a model and for a model that answers no usable prompt,
    RemoteError for an endpoint that fails or answers none.
    """
    if not checked_text("text", text).strip():
        raise ValueError("text is empty; give an idea to write out")
    if not isinstance(endpoint, str):
        return Enhanced(text, caption_in(endpoint.answer(instructions, text), endpoint.name), endpoint.name)
    if model is None:
        raise ValueError(f"name the chat model, as {endpoint} calls it: enhance_prompt(text, endpoint, 'llama3.2')")
    from ltx_nb.remote.exchange import Exchange, Patience, RemoteError  # httpx is an extra

    exchange = Exchange(endpoint, "", "", patience or Patience(answer_s=300))
    payload = {
        "model": model,
        "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": text}],
        "temperature": 0,
        "seed": seed,
        "stream": False,
    }
    said = _said_in(exchange.ask("chat/completions", payload))
    if said is None:
        raise RemoteError(f"{endpoint} answers no choices[0].message.content, as chat completions have it")
    try:
        return Enhanced(text, caption_in(said, endpoint), model)
    except ValueError as error:
        raise RemoteError(str(error)) from None


def _said_in(answer: Any) -> str | None:
    try:
        found = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None
    return found if isinstance(found, str) else None


def caption_in(said: str, whose: str) -> str:
    """Return what a chat model said, without what it put around it. Raises ValueError where no prompt is left."""
    found = re.sub(r"<think>.*?</think>", "", said, flags=re.DOTALL)  # of models that reason aloud
    found = " ".join(found.split()).strip("\"“”'` ")
    if not found:
        raise ValueError(f"{whose} answers an empty prompt")
    if len(found) > MOST_LETTERS:
        raise ValueError(f"{whose} answers {len(found):,} letters; a prompt has {MOST_LETTERS:,} at most")
    return found
