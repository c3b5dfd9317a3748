"""Tensors where they lie in a file: of any size, of every dtype, and no header that is not whole is believed."""

import json
import os

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_nb.loading.stored import WeightsError
from ltx_nb.loading.weight_files import opened, stored_tensors


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_a_file_larger_than_ram_and_swap_opens(tmp_path):
    """Sparse: it takes no disk. A private mapping as the safetensors library makes one is refused for its size."""
    large = psutil.virtual_memory().total + psutil.swap_memory().total + 2**30
    large -= large % 4096
    wanted = torch.arange(1000, dtype=torch.bfloat16)
    header = json.dumps(
        {
            "blocks": {"dtype": "BF16", "shape": [large // 4096, 2048], "data_offsets": [0, large]},
            "bias": {"dtype": "BF16", "shape": [1000], "data_offsets": [large, large + 2000]},
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.seek(large, os.SEEK_CUR)
        file.write(wanted.view(torch.uint8).numpy().tobytes())
    with opened(path) as file:
        stored = stored_tensors(file)
        assert torch.equal(stored["bias"].read(), wanted)
        blocks = stored["blocks"].read()
        assert blocks.shape == (large // 4096, 2048) and not blocks[-1].any()


def test_every_dtype_is_what_the_library_reads(tmp_path):
    wanted = {
        str(dtype): torch.arange(3).to(dtype)
        for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2, torch.int8)
    }
    wanted |= {"scalar": torch.tensor(2.5), "nothing": torch.empty(0, 4), "flags": torch.tensor([True, False])}
    path = tmp_path / "a.safetensors"
    save_file(wanted, path, {"note": "said"})
    with opened(path) as file:
        assert file.metadata() == {"note": "said"}
        found = {name: entry.read() for name, entry in stored_tensors(file).items()}
    for name, tensor in load_file(path).items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape
        assert torch.equal(found[name].float(), tensor.float()), name


def test_a_tensor_at_an_odd_place_is_read(tmp_path):
    number = torch.tensor([1.5])
    header = {
        "a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [3, 7]},
    }
    path = write(tmp_path / "a.safetensors", header, b"abc" + number.numpy().tobytes())
    with opened(path) as file:
        assert torch.equal(stored_tensors(file)["b"].read(), number)


def test_a_tensor_can_be_written_to_and_its_file_stays(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(8)}, path)
    before = path.read_bytes()
    with opened(path) as file:
        tensor = stored_tensors(file)["a"].read()
    tensor.fill_(7)
    assert tensor.sum() == 56 and path.read_bytes() == before


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "header, data",
    [
        (b"", b""),
        (b"{", b""),
        (b"[1]", b""),
        (b"[" * 100_000, b""),
        (b'{"a": 1}', b""),
        ({"a": ONE}, b""),
        ({"a": ONE}, bytes(5)),
        ({"a": ONE, "b": ONE}, bytes(4)),
        ({"a": ONE, "b": ONE | {"data_offsets": [8, 12]}}, bytes(12)),
        ({"a": ONE | {"shape": [2]}}, bytes(4)),
        ({"a": ONE | {"shape": [-1]}}, bytes(4)),
        ({"a": ONE | {"shape": [2**40, 2**40]}}, bytes(4)),
        ({"a": ONE | {"shape": "1"}}, bytes(4)),
        ({"a": ONE | {"dtype": "F31"}}, bytes(4)),
        ({"a": ONE | {"dtype": ["F32"]}}, bytes(4)),
        ({"a": ONE | {"data_offsets": [0, 4.0]}}, bytes(4)),
        ({"a": ONE | {"data_offsets": [0]}}, bytes(4)),
        ({"a": ONE, "__metadata__": {"config": 1}}, bytes(4)),
        (b'{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "a": 1}', b""),
    ],
    ids=range(19),
)
def test_a_damaged_header_is_named_with_its_file(tmp_path, header, data):
    path = write(tmp_path / "a.safetensors", header, data)
    message = r"a\.safetensors is cut short or is no safetensors file \(.*\); it has"
    with pytest.raises(WeightsError, match=message), opened(path):
        pass


def test_a_header_that_promises_more_than_there_is_is_not_read(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightsError, match=r"a header of 4611686018427387904 bytes"), opened(path):
        pass


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no file .*a\.safetensors"), opened(tmp_path / "a.safetensors"):
        pass
