"""Configurations from elsewhere: how large they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multikeras.saving.reading.faults import UnsafeFileError
from multikeras.saving.reading.limits import LIMITS, Limits


def check(content: Any, where: str, limits: Limits = LIMITS) -> None:
    """Makes sure that a configuration is not nested too deep, and asks for no more than a model may need.

    Args:
        content: The configuration, of any kind.
        where: Name of the file.
        limits: The limits.

    Raises:
        UnsafeFileError: If it is nested too deep, holds too many objects, or a shape of too many axes.
    """
    objects = 0
    stack = [(content, 0)]
    while stack:
        value, depth = stack.pop()
        if depth > limits.nesting:
            raise UnsafeFileError(f"{where} is nested too deep.")
        if isinstance(value, (list, tuple)):
            stack.extend((entry, depth + 1) for entry in value)
        elif isinstance(value, Mapping):
            objects += "class_name" in value
            _check_numbers(value, where, limits)
            stack.extend((entry, depth + 1) for entry in value.values())
    if objects > limits.layers:
        raise UnsafeFileError(f"{where} describes {objects:,} objects; at most {limits.layers:,} are made.")


def _check_numbers(value: Mapping[Any, Any], where: str, limits: Limits) -> None:
    for key, entry in value.items():
        if isinstance(entry, (list, tuple)) and len(entry) > limits.axes and _is_shape(key):
            raise UnsafeFileError(f"{where}: {key!r} has {len(entry):,} axes; at most {limits.axes} are read.")
    number = value.get("num_thresholds")
    if isinstance(number, (int, float)) and number > limits.thresholds:
        # The one number of a configuration whose arrays are made before they are needed.
        raise UnsafeFileError(f"{where}: a metric has {number:,} thresholds; at most {limits.thresholds:,} are read.")


def _is_shape(key: Any) -> bool:
    return isinstance(key, str) and key.endswith("shape")
