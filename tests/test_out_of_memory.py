"""Memory that runs out in a run: the stage and the next choice are named, and the session runs again."""

from dataclasses import replace

import pytest
import torch

from ltx_nb import Sampling
from ltx_nb.loading import load
from ltx_nb.planning import PRESETS, OutOfMemory

CARD = replace(PRESETS["8gb"], name="small card", resident_blocks=4, weight_bytes=4, compute_bytes=4)
SMALL = {"width": 64, "height": 64, "num_frames": 17, "sampling": Sampling(num_inference_steps=1), "progress": False}
ON_CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:128] DefaultCPUAllocator: can't allocate memory: 7 bytes")


@pytest.fixture(scope="module")
def streamed():
    return load("tiny", CARD, device="cpu", text="stream")


def run_out(module, error, after=lambda: True):
    """The module's forward fails with `error`, from the middle of its work, once `after()` is true."""

    def fail(*_):
        if after():
            raise error

    return module.register_forward_pre_hook(fail)


@pytest.mark.parametrize(
    "part, error, stage",
    [
        (lambda pipe: pipe.connectors, torch.OutOfMemoryError("CUDA out of memory"), "text"),
        (lambda pipe: pipe.transformer.transformer_blocks[3], torch.OutOfMemoryError("CUDA out of memory"), "stage 1"),
        (lambda pipe: pipe.vae.decoder, MemoryError(), "decode"),
        (lambda pipe: pipe.vocoder, ON_CPU, "audio"),
    ],
)
def test_the_stage_and_the_next_choice_are_named(streamed, part, error, stage):
    handle = run_out(part(streamed.pipe), error)
    try:
        with pytest.raises(OutOfMemory) as caught:
            streamed.text_to_video("a red ball", **SMALL)
    finally:
        handle.remove()
    assert caught.value.stage == stage
    assert str(caught.value).startswith(f"out of memory in {stage}; next: load with preset=dataclasses.replace(")
    assert "resident_blocks=2)" in str(caught.value)
    assert "preset small card: text-to-video, 64x64 px, 17 frames" in str(caught.value)
    assert streamed.text_to_video("a red ball", **SMALL).num_frames == 17


def test_a_second_stage_is_told_from_the_first(session):
    stages = []
    handle = run_out(session.pipe.transformer, MemoryError(), after=lambda: stages == [1])
    sizes = SMALL | {"width": 128, "height": 128, "two_stage": True}
    try:
        with pytest.raises(OutOfMemory, match=r"out of memory in stage 2; next: load with preset=.*lean=True\)"):
            session.text_to_video("A red ball.", on_step=lambda event: stages.append(event.stage), **sizes)
    finally:
        handle.remove()
    assert stages == [1]


def test_nothing_of_the_failed_run_is_kept_alive(session):
    handle = run_out(session.pipe.transformer, MemoryError())
    try:
        with pytest.raises(OutOfMemory) as caught:
            session.text_to_video("A red ball.", **SMALL)
    finally:
        handle.remove()
    assert caught.value.__suppress_context__
    trace = caught.value.__context__.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    assert trace.tb_frame.f_locals == {}


def test_other_errors_stay_as_they_are(session):
    def fail(event):
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        session.text_to_video("A red ball.", on_step=fail, **SMALL)
