"""A module in torch as an ONNX model whose weights are in fp16. Knows no model of ours.

onnxruntime works out what is constant, since torch's own way takes most of a minute for what is a second's work there.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20  # the first with Gelu; what onnxruntime-web runs goes beyond
SMALLEST_HALVED = 256  # values; below it the cast takes more room than it saves
LOST = 2**-25  # at most, of a weight: what fp16 rounds off where bf16, which has a wider range, has a smaller number


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


def to_onnx(part: Part) -> ModelProto:
    """Return the part as an ONNX model whose weights are in fp16 where that loses next to nothing."""
    names = {"input_names": list(part.inputs), "output_names": list(part.outputs)}
    with torch.no_grad(), _quietly():
        program = torch.export.export(part.module.eval(), tuple(part.inputs.values()), strict=False)
        _drop_idle_squeezes(program)
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            custom_translation_table=_translations(),
            optimize=False,
            verbose=False,
            **names,
        )
    assert exported is not None
    model = _folded(exported.model_proto)
    _forget_origins(model)
    _halve(model)
    return model


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
    """Store weights in fp16, cast to fp32 where they are used, if that loses no more than LOST.

    The kit has them in bf16, of which fp16 takes every digit. bf16 itself is nothing that onnxruntime-web casts in its
    build for graphics cards.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < SMALLEST_HALVED:
            continue
        values = numpy_helper.to_array(weight)
        halved = values.astype(np.float16)
        if np.abs(halved.astype(np.float32) - values).max() <= LOST:
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(halved, f"{name}.fp16"))
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
