"""From stored tensors to a module on the meta device: every name, shape and dtype is checked before any is read.

Tensors keep the dtype they are stored in, and their bytes stay mapped from the file until something changes them;
weights of one byte or less get layers of their own (`ltx_nb.loading.forms`). Knows names and modules; no layouts of
files, no devices.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import torch

from ltx_nb.loading.forms import PLAIN_DTYPES, make_room
from ltx_nb.loading.stored import TORCH_DTYPES, Stored, WeightsError, shown

# Non-finite values are looked for in the whole of smaller tensors, and in so much of both ends of larger ones: all of
# a file of 46 GB would have to be read.
SEARCHED_VALUES = 2**16


def fill(
    path: str | os.PathLike[str],
    models: Mapping[str, torch.nn.Module],
    stored: Mapping[str, Mapping[str, Stored]],
    unknown: Iterable[str] = (),
    what: str = "LTX-2.3 file; tensors",
) -> None:
    """Give the models their tensors, in evaluation mode; stored: by the name of the model, then as its state dict.

    path, unknown, what: for the message, where the files do not fill the models exactly: WeightsError, and no weight is
    read. Raises WeightsError for values that are not finite, too.
    """
    taken = _checked(path, models, stored, list(unknown), what)
    for name, model in models.items():
        shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
        tensors = {key: entry.read().reshape(shapes[key]) for key, entry in taken[name].items()}
        bad = [taken[name][key].key for key, tensor in tensors.items() if not _is_finite(tensor)]
        if bad:
            raise WeightsError(f"{path} has NaN or infinity in {len(bad)} tensors: {shown(bad)}")
        model.load_state_dict(tensors, strict=True, assign=True)
        model.eval().requires_grad_(False)


def _checked(
    path: str | os.PathLike[str],
    models: Mapping[str, torch.nn.Module],
    stored: Mapping[str, Mapping[str, Stored]],
    unknown: list[str],
    what: str,
) -> dict[str, dict[str, Stored]]:
    """Make room for weights of one byte; what to read of each model, or WeightsError."""
    missing, wrong, taken = [], [], {}
    for component, model in models.items():
        found = make_room(path, model, stored.get(component, {}))
        expected = model.state_dict()
        missing += [f"{component}.{name}" for name in expected if name not in found]
        unknown += [entry.key for name, entry in found.items() if name not in expected]
        taken[component] = {name: entry for name, entry in found.items() if name in expected}
        for name, entry in taken[component].items():
            wrong += _difference(entry, tuple(expected[name].shape), expected[name].dtype)
    if unknown or missing or wrong:
        parts = [f"{len(unknown)} unknown: {shown(unknown)}"] * bool(unknown)
        parts += [f"{len(missing)} missing: {shown(missing)}"] * bool(missing)
        parts += [f"{len(wrong)} of another kind: {shown(wrong)}"] * bool(wrong)
        raise WeightsError(f"{path} is not a whole {what} {'; '.join(parts)}", unknown, missing)
    return taken


def _difference(entry: Stored, shape: tuple[int, ...], dtype: torch.dtype) -> list[str]:
    """Fault of a tensor, in words; none where nothing is wrong."""
    exact = [] if dtype.is_floating_point and dtype.itemsize > 1 else [_NAMES[dtype]]
    if entry.shape not in (shape, (1,) if shape == () else shape):
        return [f"{entry.key} is {list(entry.shape)}, not {list(shape)}"]
    if entry.dtype not in (exact or PLAIN_DTYPES):
        return [f"{entry.key} is {entry.dtype}, not {' or '.join(exact or PLAIN_DTYPES)}"]
    return []


_NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}


def _is_finite(tensor: torch.Tensor) -> bool:
    if not tensor.dtype.is_floating_point:
        return True
    flat = tensor.flatten()
    if len(flat) > 2 * SEARCHED_VALUES:
        flat = torch.cat([flat[:SEARCHED_VALUES], flat[-SEARCHED_VALUES:]])
    return bool(flat.float().isfinite().all())
