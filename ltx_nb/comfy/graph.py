"""A ComfyUI workflow as a graph of nodes with named inputs, whichever of its forms it is stored in.

ComfyUI stores a workflow as the editor has it (nodes, links, widget values in order) or as its server takes it ("API
format": inputs by name); in a JSON file, or inside a picture or video that it made. Knows no meaning of any node.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltx_nb import media

MAX_BYTES = 64_000_000
ACTIVE = 0  # the editor's mode of a node that runs; others are muted or bypassed

# Names of a node's widgets in the order in which the editor stores their values; "" stands for one that is no input.
# Source: comfy_extras/nodes_lt.py, nodes_lt_audio.py, nodes_custom_sampler.py, nodes_video.py of ComfyUI, and
# ComfyUI-LTXVideo's latents.py and guiders/.
WIDGETS = {
    "CFGGuider": ("cfg",),
    "CLIPTextEncode": ("text",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CreateVideo": ("fps",),
    "EmptyLTXVLatentVideo": ("width", "height", "length", "batch_size"),
    "GemmaAPITextEncode": ("api_key", "prompt", "enhance_prompt", "ckpt_name"),
    "GuiderParameters": (
        "modality",
        "cfg",
        "stg",
        "perturb_attn",
        "rescale",
        "modality_scale",
        "skip_step",
        "cross_attn",
    ),
    "KSamplerSelect": ("sampler_name",),
    "LTXAVTextEncoderLoader": ("text_encoder", "ckpt_name", "device"),
    "LTXFloatToInt": ("a",),
    "LTXICLoRALoaderModelOnly": ("lora_name", "strength_model"),
    "LTXVAddGuide": ("frame_idx", "strength"),
    "LTXVAudioVAELoader": ("ckpt_name",),
    "LTXVConditioning": ("frame_rate",),
    "LTXVEmptyLatentAudio": ("frames_number", "frame_rate", "batch_size"),
    "LTXVImgToVideo": ("width", "height", "length", "batch_size", "strength"),
    "LTXVImgToVideoConditionOnly": ("strength", "bypass"),
    "LTXVImgToVideoInplace": ("strength", "bypass"),
    "LTXVPreprocess": ("img_compression",),
    "LTXVScheduler": ("steps", "max_shift", "base_shift", "stretch", "terminal"),
    "LatentUpscaleModelLoader": ("model_name",),
    "LoadAudio": ("audio", "", ""),
    "LoadImage": ("image", ""),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "ManualSigmas": ("sigmas",),
    "MultimodalGuider": ("skip_blocks",),
    "PrimitiveBoolean": ("value",),
    "PrimitiveFloat": ("value",),
    "PrimitiveInt": ("value", ""),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "RandomNoise": ("noise_seed", ""),
    "SaveVideo": ("filename_prefix", "format", "codec"),
}


@dataclass(frozen=True)
class Link:
    """An input that comes from another node's output."""

    node: str
    slot: int


@dataclass(frozen=True)
class Node:
    """One node that runs. inputs: a plain value or a Link by name; a widget that WIDGETS does not name is left out."""

    id: str
    type: str
    inputs: Mapping[str, Any]

    def links(self) -> Iterator[Link]:
        return (value for value in self.inputs.values() if isinstance(value, Link))


Graph = dict[str, Node]


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Return the workflow in a JSON file, or in a PNG or a video that ComfyUI saved.

    Raises FileNotFoundError, and ValueError for a file without a workflow, or with one that is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix.lower() == ".json":
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path} has {path.stat().st_size:,} bytes; a workflow has {MAX_BYTES:,} at most")
        texts = [path.read_text(encoding="utf-8", errors="replace")]
    else:
        tags = media.read_tags(path)
        # The server's form is what was run, with every value filled in, so it comes first.
        texts = [tags[name] for name in ("prompt", "workflow") if name in tags]
    if not texts:
        raise ValueError(f"{path.name} has no ComfyUI workflow inside; give the .json, or a file as ComfyUI saved it")
    try:
        return parsed_graph(json.loads(texts[0]))
    except (RecursionError, json.JSONDecodeError) as error:
        raise ValueError(f"the workflow in {path.name} is not JSON: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def parsed_graph(data: Any) -> Graph:
    """Return the graph of a workflow in either form. Raises ValueError for anything else."""
    if isinstance(data, Mapping) and isinstance(data.get("nodes"), list):
        return _of_editor(data)
    if isinstance(data, Mapping) and data and all(_is_api_node(node) for node in data.values()):
        return {
            str(key): Node(str(key), node["class_type"], {name: _value(it) for name, it in node["inputs"].items()})
            for key, node in data.items()
        }
    raise ValueError("this is no ComfyUI workflow: neither nodes with links nor nodes with a class_type each")


def _is_api_node(node: Any) -> bool:
    return (
        isinstance(node, Mapping)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), Mapping)
    )


def _value(value: Any) -> Any:
    is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)
    return Link(value[0], value[1]) if is_link else value


def _of_editor(data: Mapping[str, Any]) -> Graph:
    sources: dict[Any, Link] = {}
    for link in data.get("links") or []:
        if isinstance(link, Mapping):
            sources[link.get("id")] = Link(str(link.get("origin_id")), link.get("origin_slot", 0))
        elif isinstance(link, list) and len(link) >= 3:
            sources[link[0]] = Link(str(link[1]), link[2])
    graph: Graph = {}
    for node in data["nodes"]:
        if not isinstance(node, Mapping) or not isinstance(node.get("type"), str):
            raise ValueError("a node of this workflow has no type")
        if node.get("mode", ACTIVE) != ACTIVE:
            continue
        stored = node.get("widgets_values")
        inputs: dict[str, Any] = dict(stored) if isinstance(stored, Mapping) else {}
        if isinstance(stored, list):
            inputs |= {name: it for name, it in zip(WIDGETS.get(node["type"], ()), stored, strict=False) if name}
        for entry in node.get("inputs") or []:
            if isinstance(entry, Mapping) and entry.get("link") in sources:
                inputs[str(entry.get("name"))] = sources[entry["link"]]
        graph[str(node["id"])] = Node(str(node["id"]), node["type"], inputs)
    return graph


def upstream(graph: Graph, start: Any) -> Iterator[Node]:
    """Yield the nodes that an input or a node depends on, nearest first, each once."""
    waiting = list(start.links()) if isinstance(start, Node) else [start]
    seen: set[str] = set()
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, Link) and link.node in graph and link.node not in seen:
            seen.add(link.node)
            yield graph[link.node]
            waiting += graph[link.node].links()


def nearest(graph: Graph, start: Any, *types: str) -> Node | None:
    """Return the nearest node of one of `types` that `start` depends on; None if there is none."""
    return next((node for node in upstream(graph, start) if node.type in types), None)


def plain(graph: Graph, node: Node | None, name: str, default: Any = None) -> Any:
    """Return the value of an input, looked up where it comes from a primitive node or a conversion."""
    value = default if node is None else node.inputs.get(name, default)
    for _ in range(len(graph) + 1):
        if not isinstance(value, Link):
            return value
        source = graph.get(value.node)
        inputs = {} if source is None else source.inputs
        value = inputs.get("value", inputs.get("a", default))
    return default
