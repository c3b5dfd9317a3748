"""Names in LoRA files: which layer of which component a tensor changes, and which part of the change it is.

Every writer has its own: the publisher's, diffusers', PEFT's with adapters, kohya's with underscores for dots, bare
ones. Knows names alone; no tensors and no arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ltx_nb.loading.keys import OFFICIAL_PARTS, TEXT_PROJECTION_PREFIX, TRANSFORMER_PREFIX, diffusers_name

COMPONENTS = ("transformer", "connectors")
DOWN, UP, ALPHA, MAGNITUDE = "down", "up", "alpha", "magnitude"
KRONECKER = ("lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b")
# Ends of names: lora_A and lora_B are PEFT's and diffusers', with an adapter's name at times; lora_down and lora_up
# kohya's, lora.down and lora.up diffusers' first. dora_scale is LyCORIS', lora_magnitude_vector PEFT's.
_ENDS = (
    (re.compile(r"\.(?:lora_A(?:\.[^.]+)?|lora_down|lora\.down)\.weight$|\.lora_A$"), DOWN),
    (re.compile(r"\.(?:lora_B(?:\.[^.]+)?|lora_up|lora\.up)\.weight$|\.lora_B$"), UP),
    (re.compile(r"\.alpha$"), ALPHA),
    (re.compile(r"\.dora_scale$|\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?$"), MAGNITUDE),
    *((re.compile(rf"\.{part}$"), part) for part in KRONECKER),
)
_PREFIXES = ("base_model.model.", TRANSFORMER_PREFIX, "diffusion_model.", "transformer.")
_KOHYA = ("lora_unet_", "lora_transformer_", "lycoris_")


class LoraNames:
    """Names of one model's layers, by every name that a LoRA may have for them."""

    def __init__(self, layers: Mapping[str, Iterable[str]]):
        """layers: names in diffusers' layout, by component."""
        self._layers = {f"{component}.{name}" for component, names in layers.items() for name in names}
        self._beginnings = {".".join(name.split(".")[:2]) for name in self._layers}
        self._underscored = {}
        for name in self._layers:
            component, _, rest = name.partition(".")
            for known in (rest, official_name(component, rest)):
                self._underscored[known.replace(".", "_")] = name
                self._underscored[f"{component}.{known}".replace(".", "_")] = name

    def layer_and_part(self, key: str) -> tuple[str, str] | None:
        """("transformer.proj_in", "up"), or None for a key that is not a LoRA's.

        A layer with a prefix may be none of the model's; one without has to begin as one of them.
        """
        for end, part in _ENDS:
            found = end.search(key)
            if found:
                layer = self._layer(key[: found.start()])
                return None if layer is None else (layer, part)
        return None

    def _layer(self, name: str) -> str | None:
        for prefix in _KOHYA:
            if name.startswith(prefix):
                rest = name.removeprefix(prefix)
                return self._underscored.get(rest.removeprefix("diffusion_model_"), name)
        if name.removeprefix("base_model.model.").startswith("connectors."):
            return name.removeprefix("base_model.model.")
        bare = name
        for prefix in _PREFIXES:
            bare = bare.removeprefix(prefix)
        whole = bare if bare.startswith(TEXT_PROJECTION_PREFIX) else TRANSFORMER_PREFIX + bare
        component, layer = diffusers_name(f"{whole}.weight")
        found = f"{component}.{layer.removesuffix('.weight')}"
        return found if bare != name or ".".join(found.split(".")[:2]) in self._beginnings else None


def official_name(component: str, name: str) -> str:
    """A layer's name as the official files have it, without a prefix."""
    renamed = (OFFICIAL_PARTS[component].get(part, part) for part in name.split("."))
    return ".".join(renamed)
