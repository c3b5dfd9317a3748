"""from_comfyui(): what a ComfyUI workflow for LTX-2 makes, as a request; and all of it that a request cannot say.

Starts at what the workflow saves and goes back: to the sampler, its noise, guider, sigmas and latents. Knows the nodes
of ComfyUI and of ComfyUI-LTXVideo by name; runs none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltx_nb import shapes
from ltx_nb.catalogue.models import STAGE_2_SIGMAS
from ltx_nb.comfy.graph import Graph, Node, nearest, plain, read_graph, upstream
from ltx_nb.request import DEFAULT_UPSCALER, ClipRequest, Given, Source
from ltx_nb.sampling import UNGUIDED, Sampling

SAMPLER = "SamplerCustomAdvanced"
SAVERS = ("SaveVideo", "SaveWEBM", "SaveAudio", "SaveAudioMP3", "PreviewAudio")
IMAGES = ("LTXVImgToVideoConditionOnly", "LTXVImgToVideoInplace", "LTXVImgToVideo")
TEXTS = ("CLIPTextEncode", "GemmaAPITextEncode")
DEFAULT_SIDES = {"width": 768, "height": 512}
DEFAULT_FRAMES = 97  # as of ComfyUI's EmptyLTXVLatentVideo
# What is understood, or changes nothing that a request says.
UNDERSTOOD = {
    *IMAGES,
    *TEXTS,
    *SAVERS,
    SAMPLER,
    "CFGGuider",
    "CheckpointLoaderSimple",
    "CreateVideo",
    "EmptyLTXVLatentVideo",
    "GuiderParameters",
    "KSamplerSelect",
    "LTXAVTextEncoderLoader",
    "LTXFloatToInt",
    "LTXVAddGuide",
    "LTXVAudioOnlyEmptyVideoLatent",
    "LTXVAudioOnlyModel",
    "LTXVAudioVAEDecode",
    "LTXVAudioVAEEncode",
    "LTXVAudioVAELoader",
    "LTXVConcatAVLatent",
    "LTXVConditioning",
    "LTXVCropGuides",
    "LTXVEmptyLatentAudio",
    "LTXVLatentUpsampler",
    "LTXVPreprocess",
    "LTXVScheduler",
    "LTXVSeparateAVLatent",
    "LTXVTiledVAEDecode",
    "LatentUpscaleModelLoader",
    "LoadAudio",
    "LoadImage",
    "LoraLoaderModelOnly",
    "ManualSigmas",
    "MultimodalGuider",
    "PrimitiveBoolean",
    "PrimitiveFloat",
    "PrimitiveInt",
    "PrimitiveString",
    "PrimitiveStringMultiline",
    "RandomNoise",
    "ResizeImageMaskNode",
    "SetLatentNoiseMask",
    "SolidMask",
    "VAEDecode",
    "VAEDecodeTiled",
    "VAEEncodeAudio",
}


@dataclass(frozen=True)
class Imported:
    """A clip that a workflow makes.

    request: as far as a request says it. loras: (file name, strength) each, for `load(loras=)`. checkpoint: the file
    name of its model. left_out: in words, everything of the workflow that the request does not have.
    """

    request: ClipRequest
    loras: tuple[tuple[str, float], ...]
    checkpoint: str | None
    left_out: tuple[str, ...]


def from_comfyui(path: str | os.PathLike[str], inputs: str | os.PathLike[str] | None = None) -> Imported:
    """Return what a ComfyUI workflow makes.

    path: a workflow's JSON in either form, or a PNG or video that ComfyUI saved with its workflow. inputs: the folder
        of the pictures and sounds that it loads, ComfyUI's `input`; by default the folder of `path`.

    Raises FileNotFoundError, and ValueError for a file without a workflow, for one without LTX-2's sampler, and for
    what no request can be.
    """
    graph = read_graph(path)
    return _Reader(graph, Path(inputs) if inputs is not None else Path(path).parent).read()


class _Reader:
    def __init__(self, graph: Graph, folder: Path):
        self.graph = graph
        self.folder = folder
        self.left_out: list[str] = []

    def read(self) -> Imported:
        saver, last = self._what_is_saved()
        first, upscaler = self._first_stage(last)
        scale = shapes.Upscaling() if upscaler is None else shapes.UPSCALINGS[upscaler]
        guider = nearest(self.graph, first.inputs.get("guider"), "CFGGuider", "MultimodalGuider")
        if guider is None:
            raise ValueError("its sampler has no CFGGuider and no MultimodalGuider; other guiders are not known")
        settings: dict[str, Any] = {
            **self._shape(first, scale),
            "frame_rate": self._frame_rate(saver, guider),
            "seed": self._number(nearest(self.graph, first.inputs.get("noise"), "RandomNoise"), "noise_seed", 0),
            "negative_prompt": self._text(guider, "negative"),
            "sampling": self._sampling(first, guider),
            "two_stage": upscaler is not None,
        }
        if upscaler is not None:
            settings["upscaler"] = upscaler
        settings["outputs"] = ("audio",) if saver.type in SAVERS[2:] else ("video", "audio")
        self._snap(settings, scale)
        settings["given"] = tuple(self._given(first, settings))
        loras = tuple(self._loras(guider))
        checkpoint = plain(self.graph, nearest(self.graph, guider, "CheckpointLoaderSimple"), "ckpt_name")
        self._name_the_rest(saver)
        request = ClipRequest(self._text(guider, "positive") or "", **settings)
        return Imported(request, loras, checkpoint, tuple(dict.fromkeys(self.left_out)))

    def _what_is_saved(self) -> tuple[Node, Node]:
        """The first node that saves what a sampler made, and that sampler."""
        found = [
            (node, sampler)
            for node in self.graph.values()
            if node.type in SAVERS and (sampler := nearest(self.graph, node, SAMPLER)) is not None
        ]
        if not found:
            raise ValueError(f"nothing that it saves comes from a {SAMPLER}, as LTX-2's workflows have")
        for node, _ in found[1:]:
            name = plain(self.graph, node, "filename_prefix", node.id)
            self.left_out.append(f"what is saved as {name!r}: a request makes one clip")
        return found[0]

    def _first_stage(self, last: Node) -> tuple[Node, str | None]:
        """The sampler at the workflow's first size, and the upscaler of what `last` refines, if it refines anything."""
        upsampler = nearest(self.graph, last.inputs.get("latent_image"), "LTXVLatentUpsampler")
        first = None if upsampler is None else nearest(self.graph, upsampler, SAMPLER)
        if first is None:
            return last, None
        sigmas = self._sigmas(last)
        if sigmas and sigmas != STAGE_2_SIGMAS:
            told = ", ".join(f"{sigma:g}" for sigma in sigmas)
            self.left_out.append(f"the second stage's sigmas {told}: a request has the model's own")
        file = str(plain(self.graph, nearest(self.graph, upsampler, "LatentUpscaleModelLoader"), "model_name"))
        if "temporal" in file:
            self.left_out.append(f"the refinement after {file}: session.upscale(clip, frame_rate=...) makes it")
            return first, None
        return first, "spatial-x1.5" if "x1.5" in file else DEFAULT_UPSCALER

    def _shape(self, sampler: Node, scale: shapes.Upscaling) -> dict[str, int]:
        """width, height and num_frames of what a sampler begins with, its sides once upscaled."""
        start = sampler.inputs.get("latent_image")
        video = nearest(self.graph, start, "EmptyLTXVLatentVideo", "LTXVImgToVideo")
        sides = {name: self._number(video, name, default) for name, default in DEFAULT_SIDES.items()}
        sides = {name: int(side_px * scale.space) for name, side_px in sides.items()}
        if video is not None:
            return sides | {"num_frames": self._number(video, "length", DEFAULT_FRAMES)}
        sound = nearest(self.graph, start, "LTXVEmptyLatentAudio")
        return sides | {"num_frames": self._number(sound, "frames_number", DEFAULT_FRAMES)}

    def _number(self, node: Node | None, name: str, default: int) -> int:
        value = plain(self.graph, node, name)
        if value is None:
            value = default
            if node is not None and name in node.inputs:
                self.left_out.append(f"{name}, which other nodes work out: {default} stands for it")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} is {value!r}, not a number")
        return int(value)

    def _frame_rate(self, saver: Node, guider: Node) -> float:
        conditioning = nearest(self.graph, guider.inputs.get("positive"), "LTXVConditioning")
        video = nearest(self.graph, saver, "CreateVideo")
        rate = plain(self.graph, conditioning, "frame_rate", plain(self.graph, video, "fps", 24.0))
        return float(rate)

    def _text(self, guider: Node, which: str) -> str | None:
        """The text that an encoder turns into the guider's `positive` or `negative`, which pass nodes side by side."""
        value = guider.inputs.get(which)
        while value is not None:
            node = self.graph.get(getattr(value, "node", ""))
            if node is None:
                return None
            if node.type in TEXTS:
                found = plain(self.graph, node, "text", plain(self.graph, node, "prompt"))
                return found if isinstance(found, str) else None
            # Nodes that have both have them in this order among their outputs, too.
            value = node.inputs.get(("positive", "negative")[value.slot]) if value.slot < 2 else None
        return None

    def _sigmas(self, sampler: Node) -> tuple[float, ...] | None:
        text = plain(self.graph, nearest(self.graph, sampler.inputs.get("sigmas"), "ManualSigmas"), "sigmas")
        if not isinstance(text, str):
            return None
        try:
            values = [float(part) for part in text.replace(",", " ").split()]
        except ValueError:
            raise ValueError(f"its sigmas {text[:80]!r} are no numbers") from None
        return tuple(values[:-1] if values and values[-1] == 0 else values)

    def _sampling(self, sampler: Node, guider: Node) -> Sampling:
        settings: dict[str, Any] = {name: value for name, value in UNGUIDED.to_dict().items()}
        sigmas = self._sigmas(sampler)
        if sigmas is not None:
            settings["sigmas"] = sigmas
        else:
            scheduler = nearest(self.graph, sampler.inputs.get("sigmas"), "LTXVScheduler")
            settings["num_inference_steps"] = self._number(scheduler, "steps", 20)
            shifts = [plain(self.graph, scheduler, name) for name in ("max_shift", "base_shift", "terminal")]
            if scheduler is not None and shifts != [2.05, 0.95, 0.1]:
                self.left_out.append(f"the scheduler's shifts {shifts}: a request has the model's own")
        name = plain(self.graph, nearest(self.graph, sampler.inputs.get("sampler"), "KSamplerSelect"), "sampler_name")
        if name != "euler":
            self.left_out.append(f"the sampler {name or 'of another node'}: a request is sampled by euler")
        if guider.type == "CFGGuider":
            scale = float(plain(self.graph, guider, "cfg", 1.0))
            return Sampling(**settings | {"guidance_scale": scale, "audio_guidance_scale": scale})
        for node in upstream(self.graph, guider.inputs.get("parameters")):
            if node.type == "GuiderParameters":
                prefix = "audio_" if plain(self.graph, node, "modality") == "AUDIO" else ""
                settings[f"{prefix}guidance_scale"] = float(plain(self.graph, node, "cfg", 1.0))
                settings[f"{prefix}stg_scale"] = float(plain(self.graph, node, "stg", 0.0))
                settings[f"{prefix}guidance_rescale"] = float(plain(self.graph, node, "rescale", 0.0))
                settings[f"{prefix}modality_scale"] = float(plain(self.graph, node, "modality_scale", 1.0))
        blocks = str(plain(self.graph, guider, "skip_blocks", "")).replace(",", " ").split()
        if blocks:
            settings["spatio_temporal_guidance_blocks"] = tuple(int(block) for block in blocks)
        return Sampling(**settings)

    def _snap(self, settings: dict[str, Any], scale: shapes.Upscaling) -> None:
        """ComfyUI floors what is no multiple; a request says so instead."""
        legal = {name: shapes.snap_side(settings[name], scale.side_multiple_px) for name in ("width", "height")}
        legal["num_frames"] = shapes.snap_num_frames(settings["num_frames"])
        for name, value in legal.items():
            if settings[name] != value:
                self.left_out.append(f"{name}={settings[name]}: brought to {value}")
                settings[name] = value

    def _given(self, sampler: Node, settings: dict[str, Any]) -> Iterator[Given]:
        for node in upstream(self.graph, sampler):
            if node.type in IMAGES and plain(self.graph, node, "bypass", False) is not True:
                yield from self._image(node, 0.0)
            elif node.type == "LTXVAddGuide":
                frame = self._number(node, "frame_idx", 0)
                frame += settings["num_frames"] if frame < 0 else 0
                yield from self._image(node, frame / settings["frame_rate"])
            elif node.type in ("LTXVAudioVAEEncode", "VAEEncodeAudio"):
                source = self._source(nearest(self.graph, node, "LoadAudio"), "audio")
                if source is not None:
                    yield Given("audio", source, 0.0, settings["num_frames"] / settings["frame_rate"])

    def _image(self, node: Node, start_s: float) -> Iterator[Given]:
        source = self._source(nearest(self.graph, node.inputs.get("image"), "LoadImage"), "image")
        if source is not None:
            yield Given("video", source, start_s, strength=float(plain(self.graph, node, "strength", 1.0)))

    def _source(self, loader: Node | None, name: str) -> Source | None:
        file = plain(self.graph, loader, name)
        if not isinstance(file, str):
            self.left_out.append(f"a given {name} that no file is loaded for")
            return None
        # A workflow is somebody else's: it names files in the folder, and none elsewhere.
        path = (self.folder / file).resolve()
        if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            self.left_out.append(f"the given {name} {file!r}: it is not in {self.folder}; name its folder as inputs=")
            return None
        return Source.from_path(path)

    def _loras(self, guider: Node) -> Iterator[tuple[str, float]]:
        for node in upstream(self.graph, guider.inputs.get("model")):
            if node.type == "LoraLoaderModelOnly":
                strength = plain(self.graph, node, "strength_model", 1.0)
                yield str(plain(self.graph, node, "lora_name")), float(strength)

    def _name_the_rest(self, saver: Node) -> None:
        for node in upstream(self.graph, saver):
            if node.type not in UNDERSTOOD:
                self.left_out.append(f"the node {node.type} ({node.id})")
