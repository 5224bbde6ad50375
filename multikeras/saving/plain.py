"""Configurations as data that JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any, where: str) -> Any:
    """A configuration with NumPy's numbers, arrays and tuples as Python's numbers and lists.

    Args:
        value: What `get_config` gave.
        where: What it belongs to, for messages.

    Raises:
        TypeError: If it holds anything else, with the place of it.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(entry, f"{where}, {key!r}") for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry, where) for entry in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.dtype):
        return value.name
    name = getattr(value, "__name__", None)
    if callable(value) and name is not None:
        return name
    raise TypeError(
        f"The configuration of {where} holds {value!r}, which a file cannot. Give its class a get_config that returns "
        "numbers, texts, lists and dictionaries."
    )
