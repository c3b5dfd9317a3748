"""Every form in which files have weights, made here and read: what is multiplied by is what the form stands for."""

import json

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ltx_nb.loading.forms import tensors_with_marks
from ltx_nb.loading.stored import WeightsError
from ltx_nb.loading.tensors import fill
from ltx_nb.loading.weight_files import opened
from ltx_nb.running.gguf_linear import BLOCKS, GgufLinear
from ltx_nb.running.one_byte import ScaledLinear, hadamard, turned

OUT, IN = 48, 512
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
# Half a step of the mantissa, relative to the value; half a step below the smallest normal number, to the scale.
FP8_STEPS = {E4M3: (2**-4, 2**-10), E5M2: (2**-3, 2**-17)}


class Toy(nn.Module):
    """Linear layers in a list, as in blocks, with what is none beside them."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(IN, OUT), nn.Linear(IN, OUT, bias=False)])
        self.words = nn.Embedding(7, IN)
        self.norm = nn.Parameter(torch.ones(IN))


@pytest.fixture(scope="module")
def truth():
    generator = torch.Generator().manual_seed(0)
    made = {name: torch.randn(tensor.shape, generator=generator) * 0.02 for name, tensor in Toy().state_dict().items()}
    return {name: tensor.to(torch.bfloat16).float() for name, tensor in made.items()}


def read(path):
    with torch.device("meta"):
        toy = Toy()
    with opened(path) as file:
        fill(path, {"toy": toy}, {"toy": tensors_with_marks(file)})
    return toy


def plain(truth):
    return {name: tensor.to(torch.bfloat16) for name, tensor in truth.items()}


def in_fp8(weight, dtype, scale_shape=()):
    """The weight and its scale, one or one a row."""
    by_row = max(scale_shape, default=1) > 1
    largest = weight.abs().amax(dim=1, keepdim=True) if by_row else weight.abs().max()
    scale = largest / torch.finfo(dtype).max
    return (weight / scale).to(dtype), scale.reshape(scale_shape)


def write(path, truth, layers, metadata=None):
    """Plain tensors, with `layers`: for each of the two linear layers a function of its weight that gives its parts."""
    tensors = plain(truth)
    for number in (0, 1):
        name = f"blocks.{number}"
        weight = tensors.pop(f"{name}.weight").float()
        tensors |= {f"{name}.{part}" if part[0] != "/" else part[1:]: it for part, it in layers(weight).items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return path


def mark(**config):
    return torch.frombuffer(bytearray(json.dumps(config).encode()), dtype=torch.uint8)


def assert_fp8_error(toy, truth, dtype, rounded=0.0):
    """rounded: of the scale's own dtype."""
    relative, absolute = FP8_STEPS[dtype]
    for number, layer in enumerate(toy.blocks):
        assert isinstance(layer, ScaledLinear) and layer.weight.dtype == dtype
        wanted = truth[f"blocks.{number}.weight"]
        error = (layer.dequantised(torch.float32) - wanted).abs()
        assert (error <= (wanted.abs() * (relative + rounded)).clamp(min=layer.weight_scale * absolute) * 1.01).all()
        assert (layer.weight.float() - wanted).norm() > 10 * wanted.norm()  # without its scale it is another weight


def assert_output(toy, truth, most):
    """What comes out of the first layer: relative error."""
    values = torch.randn(5, IN, generator=torch.Generator().manual_seed(3))
    wanted = values @ truth["blocks.0.weight"].T + truth["blocks.0.bias"]
    found = toy.float().blocks[0](values)
    assert 0 < (found - wanted).norm() < most * wanted.norm()


@pytest.mark.parametrize("scale_dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(), (1,), (OUT,), (OUT, 1)], ids=str)
def test_fp8_with_a_scale_of_any_dtype_and_shape(truth, tmp_path, scale_dtype, shape):
    def layers(weight):
        values, scale = in_fp8(weight, E4M3, shape)
        if scale_dtype == torch.float16:  # whose smallest numbers are larger than these scales
            values, scale = (weight / 2**-10).to(E4M3), torch.full(shape, 2**-10)
        return {"weight": values, "weight_scale": scale.to(scale_dtype), "input_scale": torch.tensor(0.5)}

    toy = read(write(tmp_path / "a.safetensors", truth, layers))
    assert toy.blocks[0].weight_scale.dtype == torch.float32
    assert_fp8_error(toy, truth, E4M3, rounded=0 if scale_dtype == torch.float32 else 2**-8)
    assert_output(toy, truth, 0.05)


@pytest.mark.parametrize("dtype", [E4M3, E5M2], ids=str)
def test_fp8_as_comfyui_wrote_it_first(truth, tmp_path, dtype):
    def layers(weight):
        values, scale = in_fp8(weight, dtype)
        marker = torch.tensor([], dtype=dtype)
        return {"weight": values, "scale_weight": scale, "scale_input": torch.tensor(0.5), "/scaled_fp8": marker}

    assert_fp8_error(read(write(tmp_path / "a.safetensors", truth, layers)), truth, dtype)


@pytest.mark.parametrize("dtype, name", [(E4M3, "float8_e4m3fn"), (E5M2, "float8_e5m2")])
def test_fp8_as_comfyui_marks_it(truth, tmp_path, dtype, name):
    def layers(weight):
        values, scale = in_fp8(weight, dtype)
        return {"weight": values, "weight_scale": scale, "comfy_quant": mark(format=name)}

    assert_fp8_error(read(write(tmp_path / "a.safetensors", truth, layers)), truth, dtype)


@pytest.mark.parametrize("dtype", [E4M3, E5M2], ids=str)
def test_everything_cast_to_fp8_without_scales(truth, tmp_path, dtype):
    """What is no linear layer is bf16 from then on, with the values of the cast."""
    path = tmp_path / "a.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in truth.items()}, path)
    toy = read(path)
    for name, layer in (("blocks.0", toy.blocks[0]), ("blocks.1", toy.blocks[1])):
        assert layer.weight.dtype == dtype and layer.weight_scale == 1
        assert torch.equal(layer.dequantised(torch.float32), truth[f"{name}.weight"].to(dtype).float())
    assert toy.words.weight.dtype == toy.norm.dtype == torch.bfloat16
    assert torch.equal(toy.words.weight.float(), truth["words.weight"].to(dtype).float())


def by_row(weight):
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    return (weight / scale).round().to(torch.int8), scale


@pytest.mark.parametrize("shape", [(OUT,), (OUT, 1)], ids=str)
def test_int8_by_row(truth, tmp_path, shape):
    def layers(weight):
        values, scale = by_row(weight)
        return {"weight": values, "weight_scale": scale.reshape(shape)}

    toy = read(write(tmp_path / "a.safetensors", truth, layers))
    for number, layer in enumerate(toy.blocks):
        wanted = truth[f"blocks.{number}.weight"]
        assert layer.weight_scale.shape == (OUT, 1)
        assert ((layer.dequantised(torch.float32) - wanted).abs() <= layer.weight_scale * 0.5001).all()


def test_int8_with_one_scale_for_all(truth, tmp_path):
    def layers(weight):
        scale = weight.abs().max() / 127
        return {"weight": (weight / scale).round().to(torch.int8), "weight_scale": scale}

    toy = read(write(tmp_path / "a.safetensors", truth, layers))
    wanted = truth["blocks.0.weight"]
    assert ((toy.blocks[0].dequantised(torch.float32) - wanted).abs() <= toy.blocks[0].weight_scale * 0.5001).all()


def rotated(weight, group):
    """Group for group by a matrix made here on its own, entry by entry: +-1 by the digits to base 4, over its root."""
    four = [[1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1], [-1, 1, 1, 1]]
    matrix = torch.ones(group, group)
    for row in range(group):
        for column in range(group):
            digit = 1
            while digit < group:
                matrix[row, column] *= four[row // digit % 4][column // digit % 4]
                digit *= 4
    matrix /= group**0.5
    groups = weight.view(len(weight), -1, group)
    return torch.einsum("ogi,ji->ogj", groups, matrix).reshape(weight.shape)


@pytest.mark.parametrize("group", [64, 256])
@pytest.mark.parametrize("marked", ["beside", "in the header"])
def test_rotated_int8_is_turned_back(truth, tmp_path, group, marked):
    config = {"format": "int8_tensorwise", "convrot": True, "convrot_groupsize": group}

    def layers(weight):
        values, scale = by_row(rotated(weight, group))
        found = {"weight": values, "weight_scale": scale}
        return found | ({"comfy_quant": mark(**config)} if marked == "beside" else {})

    header = {"_quantization_metadata": json.dumps({"layers": {f"blocks.{number}": config for number in (0, 1)}})}
    path = write(tmp_path / "a.safetensors", truth, layers, header if marked == "in the header" else None)
    toy = read(path)
    for number, layer in enumerate(toy.blocks):
        wanted = truth[f"blocks.{number}.weight"]
        assert (layer.dequantised(torch.float32) - wanted).norm() < 0.012 * wanted.norm()
        as_it_lies = layer.weight * layer.weight_scale
        assert (as_it_lies - wanted).norm() > 0.5 * wanted.norm()
    assert_output(toy, truth, 0.012)


def test_a_rotated_layer_is_written_and_read_again(truth, tmp_path):
    config = {"format": "int8_tensorwise", "convrot": True, "convrot_groupsize": 256}

    def layers(weight):
        values, scale = by_row(rotated(weight, 256))
        return {"weight": values, "weight_scale": scale, "comfy_quant": mark(**config)}

    first = read(write(tmp_path / "a.safetensors", truth, layers))
    save_file(first.state_dict(), tmp_path / "b.safetensors")
    again = read(tmp_path / "b.safetensors")
    assert again.blocks[0].rotation == 256
    assert torch.equal(again.blocks[0].dequantised(torch.float32), first.blocks[0].dequantised(torch.float32))


def test_turning_twice_changes_nothing():
    values = torch.randn(3, 512, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(turned(turned(values, 256), 256), values, atol=1e-5)
    assert torch.equal(hadamard(256, values.device), hadamard(256, values.device).T)


# GGUF. Its package writes Q8_0 alone; the others' blocks are random bits, and its own reader says what they stand for.


def random_blocks(quant, shape):
    _, values, num_bytes = BLOCKS[quant]
    raw = torch.randint(0, 256, (shape[0], shape[1] // values, num_bytes), dtype=torch.uint8)
    for begin in {"Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "Q8_0": (0,)}[quant]:  # float16: no NaN among them
        raw[..., begin : begin + 2] = torch.full((2,), 0.01).to(torch.float16).view(torch.uint8)[:2]
    return raw.flatten(1).numpy()


def write_gguf(path, truth, blocks_of):
    writer = gguf.GGUFWriter(path, "ltxv")
    for name, tensor in truth.items():
        if name.endswith("weight") and tensor.shape[-1] == IN:
            raw, quant = blocks_of(tensor)
            writer.add_tensor(name, raw, raw_dtype=quant)
        else:
            writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("quant", ["Q8_0", "Q6_K", "Q5_K", "Q4_K"])
def test_ggufs_blocks_are_what_its_own_package_reads(truth, tmp_path, quant):
    torch.manual_seed(0)
    kind = gguf.GGMLQuantizationType[quant]
    path = write_gguf(tmp_path / "a.gguf", truth, lambda tensor: (random_blocks(quant, tensor.shape), kind))
    toy = read(path)
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    for number, layer in enumerate(toy.blocks):
        assert isinstance(layer, GgufLinear) and layer.weight.shape[1] < IN * 1.1
        wanted = gguf.dequantize(stored[f"blocks.{number}.weight"].data, kind)
        np.testing.assert_allclose(layer.dequantised(torch.float32).numpy(), wanted, rtol=1e-5, atol=1e-7)
    words = gguf.dequantize(stored["words.weight"].data, kind)
    np.testing.assert_allclose(toy.words.weight.float().numpy(), words, rtol=2**-8)
    assert torch.equal(toy.norm, truth["norm"])


def test_gguf_in_eight_bits_is_the_weight_within_half_a_step(truth, tmp_path):
    kind = gguf.GGMLQuantizationType.Q8_0
    toy = read(write_gguf(tmp_path / "a.gguf", truth, lambda tensor: (gguf.quantize(tensor.numpy(), kind), kind)))
    wanted = truth["blocks.0.weight"].view(OUT, -1, 32)
    step = wanted.abs().amax(-1, keepdim=True) / 127
    found = toy.blocks[0].dequantised(torch.float32).view(OUT, -1, 32)
    assert ((found - wanted).abs() <= step * 0.51 + wanted.abs() * 2**-10).all()
    assert_output(toy, truth, 0.01)


def test_a_gguf_layer_is_written_and_read_again(truth, tmp_path):
    kind = gguf.GGMLQuantizationType.Q8_0
    first = read(write_gguf(tmp_path / "a.gguf", truth, lambda tensor: (gguf.quantize(tensor.numpy(), kind), kind)))
    save_file(first.state_dict(), tmp_path / "b.safetensors")
    again = read(tmp_path / "b.safetensors")
    assert torch.equal(again.blocks[0].dequantised(torch.float32), first.blocks[0].dequantised(torch.float32))


def test_a_shape_that_gguf_has_no_place_for_is_restored(truth, tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "ltxv")
    writer.add_array("comfy.gguf.orig_shape.table", [1, 2, 3, 4])
    writer.add_tensor("table", np.arange(24, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with opened(tmp_path / "a.gguf") as file:
        entry = file.tensors["table"]
        assert entry.shape == (1, 2, 3, 4)
        assert torch.equal(entry.read(), torch.arange(24.0).view(1, 2, 3, 4))


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:20],
        lambda raw: raw[:-100],
        lambda raw: b"GGUX" + raw[4:],
        lambda raw: raw[:8] + (2**60).to_bytes(8, "little") + raw[16:],
        lambda raw: raw[:16] + (2**60).to_bytes(8, "little") + raw[24:],
        lambda raw: raw[:24] + (2**60).to_bytes(8, "little") + raw[32:],
        lambda raw: raw[:4] + (9).to_bytes(4, "little") + raw[8:],
    ],
    ids=range(7),
)
def test_a_damaged_gguf_is_named(truth, tmp_path, damage):
    kind = gguf.GGMLQuantizationType.Q8_0
    path = write_gguf(tmp_path / "a.gguf", truth, lambda tensor: (gguf.quantize(tensor.numpy(), kind), kind))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match=r"a\.gguf is cut short or is no gguf file"), opened(path):
        pass


# What is refused


def nvfp4(weight):
    return {
        "weight": torch.zeros(OUT, IN // 2, dtype=torch.uint8),
        "weight_scale": torch.zeros(OUT, IN // 16).to(E4M3),
        "weight_scale_2": torch.ones(()),
    }


def mxfp8(weight):
    return {"weight": weight.to(E4M3), "weight_scale": torch.full((OUT, IN // 32), 127, dtype=torch.uint8)}


@pytest.mark.parametrize(
    "layers, message",
    [
        (nvfp4, r"blocks\.0 in nvfp4 or another format of four bits, which is not read here; take the official fp8"),
        (lambda weight: nvfp4(weight) | {"comfy_quant": mark(format="nvfp4")}, r"blocks\.0 in nvfp4, which is not"),
        (mxfp8, r"blocks\.0 in mxfp8, which is not read here; take the official fp8 file"),
        (
            lambda weight: {"weight": by_row(weight)[0], "comfy_quant": mark(format="asym_w4a8_int8")},
            r"blocks\.0 in asym_w4a8_int8, which is not read here",
        ),
        (
            lambda weight: {"weight": weight.to(E4M3), "weight_scale": torch.ones(8, 4)},
            r"blocks\.0\.weight_scale is \[8, 4\], not \[48, 1\]",
        ),
        (lambda weight: {"weight": by_row(weight)[0]}, r"blocks\.0\.weight is I8, not BF16 or F16 or F32"),
        (
            lambda weight: (
                dict(zip(("weight", "weight_scale"), by_row(weight), strict=True))
                | {"comfy_quant": mark(format="int8_tensorwise", convrot=True, convrot_groupsize=100)}
            ),
            r"blocks\.0\.weight is turned in groups of 100, and \[48, 512\] has no such groups",
        ),
        (
            lambda weight: {"weight": weight.bfloat16(), "comfy_quant": mark(format="int8_tensorwise")},
            r"says that blocks\.0 is int8_tensorwise, and its weight is BF16",
        ),
        (
            lambda weight: {"weight": weight.bfloat16(), "comfy_quant": torch.zeros(3, dtype=torch.uint8)},
            r"blocks\.0\.comfy_quant is no JSON object",
        ),
        (
            lambda weight: {"weight": weight.T.to(torch.bfloat16)},
            r"blocks\.0\.weight is \[512, 48\], not \[48, 512\]",
        ),
        (
            lambda weight: {"weight": weight.div(0).to(torch.bfloat16)},
            r"has NaN or infinity in 2 tensors: blocks\.0\.weight, blocks\.1\.weight",
        ),
        (
            lambda weight: {"weight": weight.to(E4M3), "weight_scale": torch.tensor(torch.nan)},
            r"has NaN or infinity in 2 tensors: blocks\.0\.weight_scale",
        ),
    ],
    ids=range(12),
)
def test_what_is_not_read_is_named(truth, tmp_path, layers, message):
    with pytest.raises(WeightsError, match=message):
        read(write(tmp_path / "a.safetensors", truth, layers))


def test_one_fp8_weight_that_lost_its_scale_is_not_taken_for_a_cast(truth, tmp_path):
    tensors = plain(truth)
    tensors["blocks.0.weight"], tensors["blocks.0.weight_scale"] = in_fp8(truth["blocks.0.weight"], E4M3)
    tensors["blocks.1.weight"] = in_fp8(truth["blocks.1.weight"], E4M3)[0]
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"blocks\.1\.weight is F8_E4M3, not BF16 or F16 or F32"):
        read(tmp_path / "a.safetensors")


def test_a_header_that_marks_nonsense_is_named(truth, tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(plain(truth), path, {"_quantization_metadata": "[1]"})
    with pytest.raises(WeightsError, match="has a _quantization_metadata that is not read"):
        read(path)
