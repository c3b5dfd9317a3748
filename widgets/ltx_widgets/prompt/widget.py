"""Prompt: the words of a request and its size, length, seed and sampling, edited in the browser; and which LoRAs count.

Takes any ClipRequest and gives it back with what was edited; what is given on its timelines passes through. What cannot
be is marked where it was typed, and no request until it is mended. Knows the models' defaults, and a tokenizer by two
methods only.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import traitlets

from ltx_nb.catalogue.models import TINY, Model, named_model
from ltx_nb.catalogue.prompting import lint_prompt
from ltx_nb.checks import choice, finite_number, keys, text, whole_number
from ltx_nb.request import MAX_SEED, ClipRequest, Sampling
from ltx_nb.sampling import UNGUIDED
from ltx_widgets.base import KitWidget
from ltx_widgets.offered_sizes import offered_sizes

PARTS = ("action", "look", "setting", "camera", "light", "sound", "speech")
EDITED = (
    "prompt",
    "negative_prompt",
    "width",
    "height",
    "crop_width",
    "crop_height",
    "num_frames",
    "frame_rate",
    "seed",
    "two_stage",
    "sampling",
)
MOST_EXACT = 2**53 - 1  # of whole numbers in JavaScript
MOST_LAST = 20
MOST_REPLACED = 20
LORA = ("path", "name", "trigger", "follows_reference")
MOST_STRENGTH = 2.0  # of a LoRA, either way
HOW = ("once", "new_seed", "seeds")


class Tokenizer(Protocol):
    """A tokenizer as far as the widget asks it."""

    def count(self, text: str) -> int:
        """How many tokens the text takes."""

    def unknown(self, text: str) -> list[str]:
        """The words of the text that it does not know."""


class Enhanced(Protocol):
    """A prompt written out, as `ltx_nb.enhance_prompt` gives it: what it became, and the stretches of words by kind,
    "same", "gone" or "new"."""

    @property
    def after(self) -> str: ...

    @property
    def changes(self) -> list[tuple[str, str]]: ...


class Prompt(KitWidget):
    """An editor of the fields EDITED of a ClipRequest.

    request: what to start from; by default an empty prompt at the model's own size and length.
    model: whose defaults and sizes are offered, by its name in the catalogue or as an entry of it.
    tokenizer: counts tokens and finds unknown words, where there is one.
    enhance(prompt): writes a prompt out, such as a function of `ltx_nb.enhance_prompt`; without one there is no button.
    generate(how): called on Ctrl + Enter with "once", while nothing is invalid.
    loras: what can be chosen, mappings of LORA as `ltx_nb.loading.found_loras` lists them: the path of the file, its
        name, the word that it waits for and whether it follows a reference. All but the path may be left out.

    Raises ValueError for what no ClipRequest can have. What the browser sends is checked alike; `invalid` and `error`
    then say why, and `value` stays.
    """

    _name = "prompt"

    value = traitlets.Dict().tag(sync=True)
    """The request's fields that are edited here, as in ClipRequest.to_dict(). Fields left out keep their value.

    A seed over 2^53 - 1 is a text here, since JavaScript would round the number.
    """

    parts = traitlets.Dict().tag(sync=True)
    """What of the prompt was written as which of PARTS. The prompt is what counts; the browser side joins the parts."""

    sizes = traitlets.List(traitlets.Dict()).tag(sync=True)
    """Sizes by name: {name, width, height, crop_width, crop_height} in pixels."""

    defaults = traitlets.Dict().tag(sync=True)
    """What the model takes where value says nothing, {negative_prompt, sampling}, and what each setting of guidance is
    where there is none: {unguided}."""

    tokens = traitlets.Int(None, allow_none=True).tag(sync=True)
    """How many tokens the prompt takes; None without a tokenizer."""

    unknown = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Words of the prompt that the tokenizer does not know: the model does not hear of them."""

    invalid = traitlets.Dict().tag(sync=True)
    """What was typed and refused, as {field: reason}; until it is mended, what is seen is no request."""

    hints = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What of the prompt is not as the model's captions were, with advice, as `ltx_nb.lint_prompt` finds it."""

    can_enhance = traitlets.Bool(False).tag(sync=True)
    """Whether there is an `enhance`."""

    enhancing = traitlets.Bool(False).tag(sync=True)
    """Whether a prompt is being written out now."""

    changed = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    """What `enhance` changed, as (kind, words) each; shown as long as its prompt stands there."""

    can_undo = traitlets.Bool(False).tag(sync=True)
    """Whether `undo` brings back a prompt that another one took the place of."""

    can_generate = traitlets.Bool(False).tag(sync=True)
    """Whether there is a `generate`."""

    loras = traitlets.List(traitlets.Dict()).tag(sync=True)
    """LoRAs to choose from, {name, trigger, follows_reference, strength}; strength is None for one that is off."""

    last = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Prompts that were used, the latest first."""

    def __init__(
        self,
        request: ClipRequest | None = None,
        *,
        model: str | Model = TINY,
        tokenizer: Tokenizer | None = None,
        enhance: Callable[[str], Enhanced] | None = None,
        generate: Callable[[str], Any] | None = None,
        loras: Iterable[Mapping[str, Any]] = (),
        **traits: Any,
    ) -> None:
        entry = named_model(model) if isinstance(model, str) else model
        self._tokenizer = tokenizer
        self._generate = generate
        self._enhance = enhance
        self._enhanced = ""
        self._replaced: list[ClipRequest] = []
        offered = [dict(keys("loras", one, LORA, required=("path",))) for one in loras]
        self._lora_paths = [os.fspath(one.pop("path")) for one in offered]
        self._offered_loras = [
            {"name": os.path.basename(path), "trigger": "", "follows_reference": False} | one | {"strength": None}
            for path, one in zip(self._lora_paths, offered, strict=True)
        ]
        self._base = request or ClipRequest("", width=entry.width, height=entry.height, num_frames=entry.num_frames)
        super().__init__(
            sizes=offered_sizes(entry),
            defaults={
                "negative_prompt": entry.negative_prompt,
                "sampling": entry.sampling.to_dict(),
                "unguided": UNGUIDED.to_dict(),
            },
            can_enhance=enhance is not None,
            can_generate=generate is not None,
            loras=self._offered_loras,
            **traits,
        )
        self.request = self._base.replace(**_changes(self.value))

    @property
    def request(self) -> ClipRequest:
        """The whole request as edited so far. Assign one to edit it."""
        return self._base.replace(**_changes(self.value))

    @request.setter
    def request(self, request: ClipRequest) -> None:
        if not isinstance(request, ClipRequest):
            raise ValueError(f"request is a {type(request).__name__}; give a ClipRequest, such as clip.request")
        before = self.request
        if before.prompt.strip() and before.prompt != request.prompt:
            self._replaced = [*self._replaced, before][-MOST_REPLACED:]
        self._show(request)

    @property
    def chosen_loras(self) -> list[tuple[str, float]]:
        """The LoRAs that are on, (path, strength) each, as `load` and `use_loras` take them."""
        listed = zip(self._lora_paths, self.loras, strict=True)
        return [(path, one["strength"]) for path, one in listed if one["strength"] is not None]

    def undo(self) -> None:
        """Bring back the request whose prompt another one took the place of. Nothing happens where there is none."""
        if self._replaced:
            self._show(self._replaced.pop())

    def _show(self, request: ClipRequest) -> None:
        self._base = request
        self.can_undo = bool(self._replaced)
        self.invalid = {}
        self.value = _edited(request)

    def remember(self) -> None:
        """Put the prompt first among the last ones, as when it is run."""
        prompt = self.request.prompt
        if prompt.strip():
            self.last = [prompt, *(other for other in self.last if other != prompt)][:MOST_LAST]

    def __repr__(self) -> str:
        request = self.request
        size = f"{request.width}x{request.height} px, {request.num_frames} frames at {request.frame_rate:g}/s"
        return f"Prompt({request.prompt!r}, {size}, seed {request.seed})"

    @traitlets.validate("value")
    def _checked_value(self, proposal: Any) -> dict[str, Any]:
        changes = _changes({**self.value, **keys("value", proposal["value"], EDITED)})
        return _edited(self._base.replace(**changes))

    @traitlets.validate("parts")
    def _checked_parts(self, proposal: Any) -> dict[str, str]:
        parts = keys("parts", proposal["value"], PARTS)
        for name, part in parts.items():
            if not isinstance(part, str):
                raise ValueError(f"parts[{name!r}] is a {type(part).__name__}, not a str")
        return dict(parts)

    @traitlets.validate("loras")
    def _checked_loras(self, proposal: Any) -> list[dict[str, Any]]:
        loras = proposal["value"]
        if [one | {"strength": None} for one in loras] != self._offered_loras:
            raise ValueError("LoRAs are given when the prompt is made: Prompt(loras=[{'path': ...}])")
        for one in loras:
            if one["strength"] is not None:
                finite_number("strength", one["strength"], least=-MOST_STRENGTH, most=MOST_STRENGTH)
        return loras

    @traitlets.observe("value")
    def _count(self, change: Any) -> None:
        prompt = change["new"]["prompt"]
        if (change["old"] or {}).get("prompt") == prompt:
            return
        self.hints = [str(hint) for hint in lint_prompt(prompt)] if prompt.strip() else []
        if self.changed and prompt != self._enhanced:
            self.changed = []
        if self._tokenizer is not None:
            self._guard(self._ask, self._tokenizer, prompt)

    def _ask(self, tokenizer: Tokenizer, prompt: str) -> None:
        self.tokens, self.unknown = tokenizer.count(prompt), list(dict.fromkeys(tokenizer.unknown(prompt)))

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind == "edit":
            self._take_edit(content)
        elif kind == "undo":
            keys(kind, content, ("type",))
            self.undo()
        elif kind == "recall":
            keys(kind, content, ("type", "index"), required=("index",))
            index = whole_number("index", content["index"], least=0, most=len(self.last) - 1)
            self.request = self.request.replace(prompt=self.last[index])
        elif kind == "lora":
            keys(kind, content, ("type", "index", "strength"), required=("index", "strength"))
            self._set_lora(content["index"], content["strength"])
        elif kind == "enhance":
            keys(kind, content, ("type",))
            self.write_out()
        elif kind == "generate":
            keys(kind, content, ("type", "how"), required=("how",))
            self._start(choice("how", content["how"], HOW))
        else:
            super()._on_message(kind, content, buffers)

    def write_out(self) -> None:
        """Have `enhance` write the prompt out, in a thread of its own; `undo` brings the old one back.

        The request keeps the old one as its `written_prompt`. Raises ValueError without an `enhance` or a prompt, and
        while it is at work.
        """
        before = self.request.prompt
        if self._enhance is None:
            raise ValueError("nobody writes prompts out; give Prompt a function with enhance=...")
        if not before.strip():
            raise ValueError("there is no prompt to write out; begin with an idea, such as: a dog runs on a beach")
        if self.enhancing:
            raise ValueError("a prompt is being written out; wait for it")
        self.enhancing = True
        if "google.colab" in sys.modules:  # which shows nothing that a thread does until the next cell runs
            self._write_out(self._enhance, before)
        else:
            threading.Thread(
                target=self._write_out, args=(self._enhance, before), name="ltx-enhance", daemon=True
            ).start()

    def _write_out(self, enhance: Callable[[str], Enhanced], before: str) -> None:
        made = self._guard(enhance, before)
        if made is not None:
            self._in_turn(self._take_enhanced, before, made)
        self.enhancing = False

    def _take_enhanced(self, before: str, made: Enhanced) -> None:
        if self.request.prompt != before:
            raise ValueError("the prompt was changed meanwhile, and what was written for the earlier one is dropped")
        self._enhanced = made.after
        self.request = self.request.replace(prompt=made.after, written_prompt=before)
        self.changed = [list(change) for change in made.changes]

    def _set_lora(self, index: object, strength: object) -> None:
        at = whole_number("index", index, least=0, most=len(self.loras) - 1)
        self.loras = [one | {"strength": strength} if n == at else one for n, one in enumerate(self.loras)]

    def _take_edit(self, content: dict[str, Any]) -> None:
        keys("edit", content, ("type", "id", "value", "parts"), required=("id", "value"))
        accepted = False
        try:
            value = dict(keys("value", content["value"], EDITED))
            try:
                self.value = value
            except ValueError as error:
                self.invalid = self._reasons(value) or dict.fromkeys(value, str(error))
                raise
            self.invalid = {}
            if "parts" in content:
                self.parts = dict(keys("parts", content["parts"], PARTS))
            accepted = True
        finally:
            # A view keeps what was typed over `value` until this comes, lest an answer to an earlier edit undo it.
            self.send_bytes("edited", {"id": text("id", content["id"]), "accepted": accepted})

    def _reasons(self, value: dict[str, Any]) -> dict[str, str]:
        """Which of the fields are refused each alone, and why."""
        reasons = {}
        for name, item in value.items():
            if item == "" and name != "prompt":
                reasons[name] = f"this is empty; it was {getattr(self.request, name)}"
                continue
            try:
                self.request.replace(**_changes({name: item}))
            except ValueError as error:
                reasons[name] = str(error)
        return reasons

    def _start(self, how: str) -> None:
        if self.invalid:
            raise ValueError(
                "nothing is generated, since not all that is seen can be: " + "; ".join(self.invalid.values())
            )
        if self._generate is not None:
            self._generate(how)


def _edited(request: ClipRequest) -> dict[str, Any]:
    """Plain data of the request's edited fields; its media are not turned into text for that."""
    assert request.seed is not None  # drawn where none was given
    seed = request.seed if request.seed <= MOST_EXACT else str(request.seed)
    return {name: getattr(request, name) for name in EDITED} | {"seed": seed, "sampling": request.sampling.to_dict()}


def _changes(value: Mapping[str, Any]) -> dict[str, Any]:
    changes = {name: Sampling.from_dict(item) if name == "sampling" else item for name, item in value.items()}
    seed = changes.get("seed")
    if isinstance(seed, str) and seed.isascii() and seed.isdigit() and len(seed) <= len(str(MAX_SEED)):
        changes["seed"] = int(seed)
    return changes
