"""Writes the tiny model for a web page: a folder of ONNX parts, and `model.json` with everything else a sampler needs.

Weights are stored in bf16 where that loses nothing, which is how the kit has them, and computed with in fp32. One clip
size, that of the model. Needs the extra "web". Which parts there are is in `web_parts`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import ltx_nb
from ltx_nb import shapes
from ltx_nb.pipeline.prepare import draw_noise, pack_video
from ltx_nb.request import ClipRequest
from ltx_nb.whole_files import whole_folder

from . import web_parts

if TYPE_CHECKING:
    from onnx import ModelProto

    from ltx_nb.pipeline.session import Session

FORMAT = "ltx-nb-web-1"
OPSET = 20  # the first with Gelu; what onnxruntime-web runs goes beyond
# Decoders that a page may run on a graphics card, and the lane of what they decode.
LANE_OF_CHECKED = {"picture": "video", "sound": "audio"}
NUM_CHECKED, SHARE_CHECKED = 31, 0.03  # values compared, and how far they may be apart, of the largest
SMALLEST_HALVED = 256  # values; below it the cast takes more room than it saves
PROMPTS = (
    "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump.",
    "A green square slides from side to side in front of a black background. Each turn makes a woody knock.",
    "A yellow triangle bounces up and down in front of a teal background. A ringing bell is heard.",
    "A purple ball stands still in front of a gray background. There is no sound.",
)


@dataclass(frozen=True)
class Part:
    """A module and what it takes and gives: names, with an example of each input."""

    module: torch.nn.Module
    inputs: dict[str, torch.Tensor]
    outputs: tuple[str, ...]

    def run(self) -> tuple[np.ndarray, ...]:
        """Run it in torch on its examples."""
        with torch.no_grad():
            found = self.module(*self.inputs.values())
        return tuple(one.numpy() for one in (found if isinstance(found, tuple) else (found,)))


def parts_of(session: Session) -> dict[str, Callable[[], Part]]:
    """Return by name what makes each part of the model, with examples of its inputs, every time the same."""
    pipe, request = session.pipe, _request(session)
    latent, frame_tokens = request.video_latent_shape, request.video_latent_shape.tokens_per_frame
    shape, count = (latent.num_frames, latent.height, latent.width), request.audio_tokens
    num_samples = round(request.duration_s * session.sample_rate)
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator)
    words = pipe.tokenizer(
        [PROMPTS[0]], padding="max_length", max_length=pipe.tokenizer.model_max_length, return_tensors="pt"
    )
    text_room = pipe.tokenizer.model_max_length

    def transformer() -> Part:
        inputs = {
            "latents": draw(1, latent.tokens, 128),
            "audio_latents": draw(1, count, 128),
            "video_text": draw(1, text_room, pipe.transformer.config.cross_attention_dim),
            "audio_text": draw(1, text_room, pipe.transformer.config.audio_cross_attention_dim),
            "timestep": torch.full((1, latent.tokens), 700.0),
            "audio_timestep": torch.full((1, count), 700.0),
            "sigma": torch.full((1,), 700.0),
            "audio_sigma": torch.full((1,), 700.0),
        }
        inputs["timestep"][:, :frame_tokens] = 0  # as where the first frame is given
        module = web_parts.Transformer(pipe, shape, count, request.frame_rate)
        return Part(module, inputs, ("velocity", "audio_velocity"))

    picture = (torch.rand(request.height, request.width, 4, generator=generator) * 255).to(torch.uint8)
    return {
        "text": lambda: Part(
            web_parts.Text(pipe),
            {"input_ids": words.input_ids, "attention_mask": words.attention_mask},
            ("video_text", "audio_text"),
        ),
        "transformer": transformer,
        "glance": lambda: Part(web_parts.Glance(pipe, shape), {"latents": draw(1, latent.tokens, 128)}, ("frames",)),
        "picture": lambda: Part(web_parts.Picture(pipe, shape), {"latents": draw(1, latent.tokens, 128)}, ("frames",)),
        "sound": lambda: Part(web_parts.Sound(pipe, num_samples), {"audio_latents": draw(1, count, 128)}, ("samples",)),
        "image": lambda: Part(web_parts.Image(pipe), {"picture": picture}, ("latents",)),
    }


def export_web(session: Session, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Write the model into a new folder and return what its `model.json` says.

    Raises FileExistsError where there is something at `folder`, ImportError without the extra "web".
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401, torch's exporter is built on it
    except ImportError as error:
        raise ImportError(f"{error.name} is missing; pip install 'ltx-nb[web]'") from None
    with whole_folder(folder) as unfinished:
        parts, checks = {}, {}
        for name, make in parts_of(session).items():
            part = make()
            model = to_onnx(part)
            path = unfinished / f"{name}.onnx"
            onnx.save(model, path)
            content = path.read_bytes()
            parts[name] = {
                "file": path.name,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "inputs": {name: list(value.shape) for name, value in part.inputs.items()},
                "outputs": list(part.outputs),
            }
            if name in LANE_OF_CHECKED:
                checks[name] = _check(part, LANE_OF_CHECKED[name], session)
        described = describe(session) | {"parts": parts, "checks": checks}
        Path(unfinished, "model.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    return described


def _check(part: Part, lane: str, session: Session) -> dict[str, Any]:
    """Return a decoder's values for the noise of seed 0 at a few places, which a page holds a graphics card to."""
    request = _request(session)
    latent = request.video_latent_shape
    if lane == "video":
        noise = pack_video(draw_noise(0, lane, 1, (1, 128, latent.num_frames, latent.height, latent.width)))
    else:
        noise = draw_noise(0, lane, 1, (1, request.audio_tokens, 128))
    with torch.no_grad():
        found = part.module(noise).flatten().numpy()
    places = np.linspace(0, len(found) - 1, NUM_CHECKED).astype(int)
    values = [[int(at), float(found[at])] for at in places]
    return {"lane": lane, "seed": 0, "values": values, "tolerance": SHARE_CHECKED * float(np.abs(found).max())}


def describe(session: Session) -> dict[str, Any]:
    """Return what a sampler must know beside the parts, as plain data.

    sigmas: noise levels of the steps, and the 0 they end in, as the float32 that they are. noise: the shape that each
    lane's is drawn in, channels first for video; `ltx_nb.pipeline.prepare.draw_noise` says how. intervals_s: seconds
    [start, end) of every latent frame and audio latent. request: of a clip, whose prompt and seed are to be filled in.
    words: what a prompt can name, as `session.vocabulary` has it.
    """
    request = _request(session)
    sampling = session.model.sampling
    sigmas = session.model.sigmas_of(sampling.num_inference_steps)
    latent = request.video_latent_shape
    tokenizer = session.pipe.tokenizer
    vocabulary = session.vocabulary
    return {
        "format": FORMAT,
        "version": ltx_nb.__version__,
        "request": request.to_dict(),
        "sample_rate": session.sample_rate,
        "num_samples": round(request.duration_s * session.sample_rate),
        "latent_shape": [latent.num_frames, latent.height, latent.width],
        "channels": 128,
        "sigmas": [float(np.float32(sigma)) for sigma in (*sigmas, 0.0)],
        "timesteps_per_sigma": session.pipe.scheduler.config.num_train_timesteps,
        "noise": {
            "video": [1, 128, latent.num_frames, latent.height, latent.width],
            "audio": [1, request.audio_tokens, 128],
        },
        "intervals_s": {
            "video": shapes.video_intervals_s(latent.num_frames, request.frame_rate),
            "audio": shapes.audio_intervals_s(request.audio_tokens),
        },
        "tokenizer": {
            "ids": tokenizer.get_vocab(),
            "length": tokenizer.model_max_length,
            "pad": tokenizer.pad_token_id,
            "begin": tokenizer.bos_token_id,
            "unknown": tokenizer.unk_token_id,
        },
        "words": {name: list(getattr(vocabulary, name)) for name in ("objects", "colours", "backgrounds", "silence")}
        | {name: {k: list(v) for k, v in getattr(vocabulary, name).items()} for name in ("motions", "sounds")},
        "prompts": list(PROMPTS),
    }


def to_onnx(part: Part) -> ModelProto:
    """Return the part as an ONNX model whose weights are in bf16 where that loses nothing."""
    names = {"input_names": list(part.inputs), "output_names": list(part.outputs)}
    with torch.no_grad(), _quietly():
        program = torch.export.export(part.module.eval(), tuple(part.inputs.values()), strict=False)
        _drop_idle_squeezes(program)
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            custom_translation_table=_translations(),
            optimize=False,  # takes most of a minute for what onnxruntime does in a second
            verbose=False,
            **names,
        )
    assert exported is not None
    model = _folded(exported.model_proto)
    _forget_origins(model)
    _halve(model)
    return model


def _request(session: Session) -> ClipRequest:
    """The model's usual clip, of a prompt that is still to be given."""
    model = session.model
    size = {"width": model.width, "height": model.height, "num_frames": model.num_frames}
    return ClipRequest(PROMPTS[0], model=model.name, seed=0, **size)


def _drop_idle_squeezes(program: torch.export.ExportedProgram) -> None:
    """Leave out squeezes of a dimension that is not 1, which torch ignores and ONNX refuses."""
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.target is torch.ops.aten.squeeze.dim and node.args[0].meta["val"].shape[node.args[1]] != 1:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    program.graph_module.recompile()


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return ONNX for the one thing that torch's exporter has none for: a stable sort is TopK, by its order of ties."""
    from onnxscript import opset20 as op

    def sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
        count = op.Shape(values, start=dim, end=None if dim == -1 else dim + 1)
        return op.TopK(values, count, axis=dim, largest=int(descending), sorted=1)

    return {torch.ops.aten.sort.stable: sort}


def _folded(model: ModelProto) -> ModelProto:
    """The model with what is constant worked out, and no more changed, so that it stays plain ONNX."""
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as scratch:
        before, after = (os.path.join(scratch, name) for name in ("before.onnx", "after.onnx"))
        onnx.save(model, before)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = after
        options.log_severity_level = 3
        onnxruntime.InferenceSession(before, options, providers=["CPUExecutionProvider"])
        folded = onnx.load(after)
    used = {node.domain for node in folded.graph.node}
    kept = [domain for domain in folded.opset_import if domain.domain in used]
    del folded.opset_import[:]
    folded.opset_import.extend(kept)
    return folded


def _forget_origins(model: ModelProto) -> None:
    """Leave out which line of which file each node and value comes from, a third of the transformer's file."""
    del model.graph.value_info[:]
    for described in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        described.ClearField("doc_string")
        described.ClearField("metadata_props")


def _halve(model: ModelProto) -> None:
    """Store weights in bf16, cast to fp32 where they are used, if that loses nothing."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < SMALLEST_HALVED:
            continue
        bits = numpy_helper.to_array(weight).view(np.uint32)  # of which bf16 is the upper half
        if not (bits & 0xFFFF).any():
            name, dims = weight.name, list(weight.dims)
            upper = (bits >> 16).astype("<u2").tobytes()
            weight.CopyFrom(helper.make_tensor(f"{name}.bf16", TensorProto.BFLOAT16, dims, upper, raw=True))
            casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter tells of torchvision and of constants that it leaves alone."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
