"""Streamed blocks give what resident ones give, bit for bit, with no more of them on the device than said."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_lean import inputs
from test_one_byte import fp8_of
from torch import nn

from ltx_nb.catalogue.components import CONFIGS, empty_component
from ltx_nb.running import host_memory
from ltx_nb.running.host_memory import BlockWeights
from ltx_nb.running.lean import make_lean, make_stock
from ltx_nb.running.one_byte import ScaledLinear, quantise_blocks
from ltx_nb.running.slots import Slots
from ltx_nb.running.streaming import stop_streaming, stream_blocks, stream_parts
from ltx_nb.tiny import architecture


def in_fp8(transformer):
    for block in transformer.transformer_blocks:
        for name, layer in list(block.named_modules()):
            if isinstance(layer, nn.Linear) and "gate" not in name:
                block.set_submodule(name, fp8_of(layer))


WEIGHTS = {"bf16": lambda transformer: None, "int8": quantise_blocks, "fp8": in_fp8}


@pytest.fixture(scope="module", params=WEIGHTS)
def transformer(request):
    torch.manual_seed(0)
    model = architecture.transformer().to(torch.bfloat16).eval().requires_grad_(False)
    WEIGHTS[request.param](model)
    return model


@pytest.fixture
def streamed(transformer):
    """Streams the transformer; afterwards it is as it was."""
    yield lambda **how: stream_blocks(transformer, "cpu", **how)
    stop_streaming(transformer)


@torch.no_grad()
def forward(model, **changes):
    return model(**inputs(**changes))


def assert_equal(found, expected):
    for tensor, other in zip(found, expected, strict=True):
        assert other.isfinite().all()
        assert torch.equal(tensor, other)


def storages(tensors):
    return {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}


def block_bytes(model):
    return max(BlockWeights(block).num_bytes for block in model.transformer_blocks)


@pytest.mark.parametrize("source", ["ram", "disk"])
@pytest.mark.parametrize("resident", [0, 2, architecture.LAYERS, 1000])
def test_streamed_is_resident(transformer, streamed, resident, source):
    expected = forward(transformer)
    streamed(resident=resident, source=source)
    assert_equal(forward(transformer), expected)
    assert_equal(forward(transformer), expected)


@pytest.mark.parametrize("lean_first", [True, False])
def test_streaming_and_the_lean_forward_work_together_in_any_order(transformer, streamed, lean_first):
    expected = forward(transformer)
    if lean_first:
        make_lean(transformer)
    streamed(resident=1)
    if not lean_first:
        make_lean(transformer)
    try:
        assert_equal(forward(transformer), expected)
    finally:
        make_stock(transformer)


@pytest.mark.parametrize("resident", [0, 2])
def test_at_rest_no_streamed_block_takes_memory_on_the_device(transformer, streamed, resident):
    blocks = {id(part) for block in transformer.transformer_blocks for part in block.modules()}
    around = [
        tensor for part in transformer.modules() if id(part) not in blocks for tensor in part._parameters.values()
    ]
    around_bytes = sum(storages(tensor for tensor in around if tensor is not None).values())
    streamed(resident=resident)
    held = sum(storages([*transformer.parameters(), *transformer.buffers()]).values())
    assert held <= around_bytes + resident * block_bytes(transformer) + 4096
    assert held >= around_bytes + resident * block_bytes(transformer) * 0.95


def test_a_forward_has_two_slots_and_gives_them_back(transformer, streamed):
    streamed(resident=1)
    known, seen = storages(tensors_alive()), []

    def look(*_):
        new = {at: size for at, size in storages(tensors_alive()).items() if at not in known}
        seen.append([size for size in new.values() if size > block_bytes(transformer) / 2])

    handles = [block.attn1.register_forward_hook(look) for block in transformer.transformer_blocks]
    forward(transformer)
    look()
    for handle in handles:
        handle.remove()
    assert seen == [[block_bytes(transformer)] * 2] * len(transformer.transformer_blocks) + [[]]


def tensors_alive():
    gc.collect()
    return [it for it in gc.get_objects() if type(it) is torch.Tensor and it.layout == torch.strided]


def test_a_block_is_copied_before_the_one_in_front_of_it_runs(transformer, streamed, monkeypatch):
    events, fill = [], Slots.fill
    monkeypatch.setattr(Slots, "fill", lambda slots, turn: (events.append(("copy", turn)), fill(slots, turn)))
    handles = [
        block.attn1.register_forward_pre_hook(lambda *_, turn=turn: events.append(("run", turn)))
        for turn, block in enumerate(transformer.transformer_blocks)
    ]
    streamed()
    forward(transformer)
    for handle in handles:
        handle.remove()
    turns = range(len(handles))
    assert [turn for what, turn in events if what == "copy"] == list(turns)
    assert all(events.index(("copy", turn)) < events.index(("run", turn - 1)) for turn in turns[1:])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_a_forward_that_failed_the_next_one_is_right(transformer, streamed, error):
    def fail(*_):
        raise error

    expected = forward(transformer)
    streamed(resident=1)
    handle = transformer.transformer_blocks[3].ff.register_forward_pre_hook(fail)
    with pytest.raises(error):
        forward(transformer)
    handle.remove()
    assert all(tensor.untyped_storage().nbytes() <= 8 for tensor in transformer.transformer_blocks[3].parameters())
    assert_equal(forward(transformer), expected)


def test_a_block_by_itself_says_that_it_has_no_weights(transformer, streamed):
    streamed()
    with pytest.raises(RuntimeError, match="has its weights only while the model it is part of runs"):
        transformer.transformer_blocks[0](torch.zeros(1))


def test_nothing_of_it_is_left_behind(transformer):
    before = {name: tensor.clone() for name, tensor in transformer.state_dict().items()}
    stream_blocks(transformer, "cpu", resident=1)
    stop_streaming(transformer)
    for name, tensor in transformer.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor.float(), before[name].float())
    assert not any(module._forward_pre_hooks for module in transformer.modules())
    registries = [module._diffusers_hook for module in transformer.modules() if hasattr(module, "_diffusers_hook")]
    assert not any(registry.hooks for registry in registries)


@pytest.mark.parametrize("piece", [256, 1024, 2**20])
def test_pieces_make_up_a_block_in_the_dtypes_that_it_is_wanted_in(monkeypatch, piece):
    monkeypatch.setattr(host_memory, "STAGED_BYTES", piece)
    block = nn.Sequential(nn.Linear(24, 40), nn.LayerNorm(7), ScaledLinear.int8_rows(nn.Linear(33, 5)))
    block.register_parameter("table", nn.Parameter(torch.randn(40, 24).t()))  # not as it lies in memory
    weights = BlockWeights(block.requires_grad_(False), torch.bfloat16)
    whole, staged, found = (
        torch.zeros(size, dtype=torch.uint8) for size in (weights.num_bytes, piece, weights.num_bytes)
    )
    weights.read_into(whole)
    for begin, end in host_memory.pieces(weights.num_bytes):
        weights.read_into(staged, begin, end)
        found[begin:end] = staged[: end - begin]
    for tensor, wanted, view in zip(weights.host, weights.views(whole), weights.views(found), strict=True):
        assert torch.equal(view, wanted) and torch.equal(view, tensor.to(view.dtype))


def test_wrong_arguments_are_refused(transformer, streamed):
    with pytest.raises(ValueError, match="resident=-1 is too small; the least is 0"):
        streamed(resident=-1)
    with pytest.raises(ValueError, match="source='disc' is not one of ram, disk; did you mean 'disk'"):
        streamed(source="disc")
    streamed()
    with pytest.raises(ValueError, match="streamed already"):
        streamed()


def test_where_memory_runs_out_the_weights_are_back(transformer, monkeypatch):
    expected, held = forward(transformer), []

    def page_locked(num_bytes, device):
        if len(held) == 3:
            raise MemoryError
        held.append(torch.empty(num_bytes, dtype=torch.uint8))
        return held[-1]

    with monkeypatch.context() as context:
        context.setattr(host_memory, "page_locked", page_locked)
        with pytest.raises(MemoryError):
            stream_blocks(transformer, "cpu")
    assert_equal(forward(transformer), expected)


@pytest.fixture
def mapped_layers(tmp_path):
    """Eight layers of 16 MiB, mapped from a file in bf16."""
    generator = torch.Generator().manual_seed(0)
    stored = {f"{i}.weight": torch.randn(2048, 4096, generator=generator).to(torch.bfloat16) for i in range(8)}
    save_file(stored, tmp_path / "layers.safetensors")
    with torch.device("meta"):
        layers = nn.ModuleList(nn.Linear(4096, 2048, bias=False) for _ in range(8))
    layers.load_state_dict(load_file(tmp_path / "layers.safetensors"), assign=True)
    return Sum(layers.requires_grad_(False)), stored


class Sum(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        return sum(layer(x) for layer in self.layers)


def test_from_disk_weights_stay_mapped_and_are_converted_on_the_way(mapped_layers):
    model, stored = mapped_layers
    places = [layer.weight.data_ptr() for layer in model.layers]
    x = torch.randn(2, 4096)
    expected = sum(nn.functional.linear(x, stored[f"{i}.weight"].float()) for i in range(8))
    stream_parts(model, "cpu", source="disk", dtype=torch.float32)
    assert torch.equal(model(x), expected)
    assert model.layers[0].weight.dtype == torch.float32
    stop_streaming(model)
    assert [layer.weight.data_ptr() for layer in model.layers] == places


GATHER = """
import json, sys
import psutil, torch
from torch import nn
from ltx_nb.running import host_memory
from ltx_nb.running.streaming import stream_parts
from test_streaming import Sum

side, layers = int(sys.argv[1]), int(sys.argv[2])
freed = torch.empty(2**23 - 2**10)
freed = None  # 32 MiB: glibc keeps what is smaller from now on
blocks = [nn.Sequential(*(nn.Linear(side, side, bias=False) for _ in range(layers))) for _ in range(8)]
model = Sum(nn.ModuleList(blocks))
process, real, sizes, taken = psutil.Process(), host_memory.page_locked, [], []
before = process.memory_info().rss

def page_locked(num_bytes, device):
    sizes.append(num_bytes)
    taken.append(process.memory_info().rss - before)
    return real(num_bytes, device)

host_memory.page_locked = page_locked
from ltx_nb.running.streaming import stream
stream(model, blocks, "cpu", slots=2, source="ram", dtype=None)
taken.append(process.memory_info().rss - before)
print(json.dumps([sizes, taken]))
"""


@pytest.mark.parametrize("side, layers", [(4096, 1), (2048, 4)], ids=["a layer of 64 MiB", "four of 16 MiB"])
def test_gathering_in_ram_takes_one_block_beside_the_weights(side, layers):
    """Of eight blocks in ordinary memory; in a process of its own, whose memory nothing else moves."""
    command = [sys.executable, "-c", GATHER, str(side), str(layers)]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    sizes, taken = json.loads(done.stdout.splitlines()[-1])
    block = 4096 * 4096 * 4
    assert sizes == [block] * 8
    assert len(taken) == 9 and max(taken) < 1.5 * block


@pytest.mark.parametrize("part", ["connectors", "vocoder", "latent_upsampler", "encoder", "decoder"])
def test_parts_of_the_other_components_stream(part):
    torch.manual_seed(0)
    noise = torch.randn
    modules = {
        "connectors": (architecture.connectors, (noise(1, 64, 4 * architecture.TEXT_DIM), torch.ones(1, 64).long())),
        "vocoder": (architecture.vocoder, (noise(1, 2, 9, 64),)),
        "latent_upsampler": (architecture.latent_upsampler, (noise(1, 128, 2, 2, 2),)),
        "encoder": (lambda: architecture.video_vae().encoder, (noise(1, 3, 9, 64, 64),)),
        "decoder": (lambda: architecture.video_vae().decoder, (noise(1, 128, 2, 2, 2),)),
    }
    make, arguments = modules[part]
    module = make().eval().requires_grad_(False)
    expected = torch.utils._pytree.tree_leaves(module(*arguments))
    stream_parts(module, "cpu", slots=1)
    assert sum(storages(module.parameters()).values()) < 0.2 * sum(p.nbytes for p in module.parameters())
    assert_equal(torch.utils._pytree.tree_leaves(module(*arguments)), expected)


def test_a_module_that_reaches_into_its_parts_is_refused_and_not_wrong():
    decoder = architecture.audio_vae().decoder.eval().requires_grad_(False)
    stream_parts(decoder, "cpu")
    with pytest.raises(RuntimeError, match=r"streamed parts of LTX2AudioDecoder were not called as modules"):
        decoder(torch.randn(1, 8, 3, 16))


def test_two_blocks_of_full_width_stream():
    """As LTX-2.3's, 773 MB each in bf16, one of them resident."""
    config = CONFIGS["transformer"] | {"num_layers": 2}
    model = empty_component("transformer", config).eval()
    values = torch.randn(2**20 - 3, generator=torch.Generator().manual_seed(0)).mul(0.02).to(torch.bfloat16)
    weights = {}
    for name, tensor in model.state_dict().items():
        count = tensor.numel()
        weights[name] = values.repeat(-(-count // len(values)))[:count].view(tensor.shape)
    model.load_state_dict(weights, assign=True)
    model.requires_grad_(False)
    del weights
    generator = torch.Generator().manual_seed(1)
    changes = {
        "hidden_states": torch.randn(1, 4, 128, generator=generator).to(torch.bfloat16),
        "audio_hidden_states": torch.randn(1, 3, 128, generator=generator).to(torch.bfloat16),
        "encoder_hidden_states": torch.randn(1, 2, 4096, generator=generator).to(torch.bfloat16),
        "audio_encoder_hidden_states": torch.randn(1, 2, 2048, generator=generator).to(torch.bfloat16),
        "encoder_attention_mask": torch.ones(1, 2),
        "audio_encoder_attention_mask": torch.ones(1, 2),
        **{"num_frames": 1, "height": 2, "width": 2, "audio_num_frames": 3},
    }
    expected = forward(model, **changes)
    make_lean(model)
    stream_blocks(model, "cpu", resident=1)
    assert BlockWeights(model.transformer_blocks[1]).num_bytes == pytest.approx(2 * 386_695_360, rel=1e-3)
    assert_equal(forward(model, **changes), expected)
