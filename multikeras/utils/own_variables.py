"""Copies of objects that hold variables."""

from __future__ import annotations

import copy
from typing import Any

from multikeras import backend as K


def deep_copy(instance: Any, memo: dict[int, Any], without: tuple[str, ...] = ()) -> Any:
    """A deep copy with variables of its own, which hold the same values.

    Everywhere else a variable is the same object in a copy, as tensors are.

    Args:
        instance: An object whose attributes are or list variables.
        memo: As `copy.deepcopy` passes it.
        without: Attributes that begin as empty lists in the copy.
    """
    cls: Any = type(instance)
    made = cls.__new__(cls)
    memo[id(instance)] = made
    for name, value in vars(instance).items():
        if name in without:
            made.__dict__[name] = []
            continue
        for variable in _variables(value):
            if id(variable) not in memo:
                own = K.variable(K.get_value(variable), dtype=K.dtype(variable), name=variable.name.split("/")[-1])
                own.trainable = variable.trainable
                memo[id(variable)] = own
        made.__dict__[name] = copy.deepcopy(value, memo)
    return made


def _variables(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [variable for entry in value for variable in _variables(entry)]
    return [value] if K.is_tensor(value) and K.is_variable(value) else []
