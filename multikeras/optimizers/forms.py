"""The forms in which `get_updates` is written and called.

Keras 2 has `get_updates(loss, params)`, Keras 1 `get_updates(params, constraints, loss)`. An optimizer written in
either form understands calls in both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from multikeras import backend as K

_FORMS = "get_updates takes (loss, params), or (params, constraints, loss) as in Keras 1"


def either(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method `get_updates` that is called in the form in which it was written, whatever the caller's form.

    Args:
        function: The method.
    """
    parameters = inspect.signature(function).parameters
    names = set(parameters)
    by_keywords = {"loss", "params"} <= names or any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    @wraps(function)
    def get_updates(self: Any, *args: Any, **keywords: Any) -> Any:
        loss, params, constraints = _read(type(self).__name__, args, keywords)
        if "constraints" in names:
            given = _by_parameter(type(self).__name__, params, constraints)
            kept = {p: c for p in params if (c := given.get(p, getattr(p, "constraint", None))) is not None}
            return function(self, params, kept, loss, **keywords)
        for parameter, constraint in _by_parameter(type(self).__name__, params, constraints).items():
            parameter.constraint = constraint
        if by_keywords:
            return function(self, loss=loss, params=params, **keywords)
        return function(self, loss, params, **keywords)

    return get_updates


def _read(kind: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, list[Any], Any]:
    """Loss, parameters and constraints of a call; takes them out of `keywords`."""
    given = {name: keywords.pop(name) for name in ("loss", "params", "constraints") if name in keywords}
    rest = list(args)
    if len(rest) == 3 and not given:
        given = dict(zip(("params", "constraints", "loss"), rest, strict=True))
        rest = []
    # What is left has no name: a tensor is the loss, and a list holds the parameters.
    for value in rest:
        if K.is_tensor(value) and "loss" not in given:
            given["loss"] = value
        elif isinstance(value, (list, tuple)) and "params" not in given:
            given["params"] = value
        elif "constraints" not in given and "params" in given:
            given["constraints"] = value
        else:
            raise TypeError(f"{kind}.{_FORMS}; received {value!r} as well as {', '.join(given)}.")
    missing = [name for name in ("loss", "params") if name not in given]
    if missing:
        raise TypeError(f"{kind}.{_FORMS}; missing: {' and '.join(missing)}.")
    loss, params = given["loss"], given["params"]
    if K.is_tensor(params) or not all(K.is_tensor(p) for p in params):
        raise TypeError(f"{kind}.{_FORMS}: params is a list of variables, received {params!r}.")
    return loss, list(params), given.get("constraints")


def _by_parameter(kind: str, params: Sequence[Any], constraints: Any) -> dict[Any, Any]:
    """Constraints by parameter, from a dictionary, a list or nothing."""
    if not constraints:
        return {}
    if isinstance(constraints, Mapping):
        return {p: constraints[p] for p in params if constraints.get(p) is not None}
    if len(constraints) != len(params):
        raise ValueError(
            f"{kind}.get_updates: constraints are a dictionary by parameter, or a list of one for each of the "
            f"{len(params)} parameters; received {constraints!r}."
        )
    return {p: c for p, c in zip(params, constraints, strict=True) if c is not None}
