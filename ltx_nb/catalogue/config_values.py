"""Values of a model's config, checked for kind and range before a class is made of them.

A config lies in a file that anyone may have written. Knows kinds of values and what sizes can be; no single field.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from math import isfinite
from reprlib import repr as shown
from typing import Any

LARGEST, MOST_LAYERS, MOST_ITEMS, MOST_DEPTH = 2**20, 1024, 1024, 6  # LTX-2.3's are 262,208 words and 49 layers


def check_values(name: str, config: Mapping[str, Any], depth: int = 0) -> None:
    """Raise ValueError for a number that no model has, and for what is neither number, text, list nor mapping."""
    if not isinstance(config, Mapping) or depth > MOST_DEPTH:
        raise ValueError(f"{name} is no mapping of names to values")
    for field, value in config.items():
        _check_size(f"{name}.{field}", value, MOST_LAYERS if field.endswith("layers") else LARGEST, depth)


def check_kinds(name: str, config: Mapping[str, Any], made: type) -> None:
    """Raise ValueError for a value of another kind than the default that its class has for it."""
    for field, parameter in inspect.signature(made).parameters.items():
        default, allowed = parameter.default, str(parameter.annotation)
        if field not in config or default is inspect.Parameter.empty or default is None:
            continue
        value = config[field]
        is_other = (value is None and "None" in allowed) or (isinstance(value, bool) and allowed.startswith("bool"))
        if not is_other and not _is_like(value, default):
            raise ValueError(f"{name}.{field}={shown(value)} is not of the kind of its default, {shown(default)}")


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, (list, tuple)):
        return isinstance(value, (list, tuple)) and all(_is_like(item, default[0]) for item in value)
    if isinstance(default, (bool, str)):
        return isinstance(value, type(default))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and (isinstance(default, float) or value == int(value))


def _check_size(name: str, value: Any, most: int, depth: int) -> None:
    if isinstance(value, Mapping):
        check_values(name, value, depth + 1)
    elif isinstance(value, (list, tuple)):
        if len(value) > MOST_ITEMS or depth > MOST_DEPTH:
            raise ValueError(f"{name} has {len(value)} values, {depth} deep")
        for item in value:
            _check_size(name, item, most, depth + 1)
    elif not (value is None or isinstance(value, (bool, str, int, float))):
        raise ValueError(f"{name}={shown(value)} is no number, text, list or mapping")
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    elif not isfinite(value) or (isinstance(value, int) and not -LARGEST <= value <= most):
        raise ValueError(f"{name}={shown(value)} is none that a model can have; the most is {most}")
