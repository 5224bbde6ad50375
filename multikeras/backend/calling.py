"""Calling the functions that users pass to K: what is wrong with one is said in words of K."""

from __future__ import annotations

import inspect
from typing import Any

from multikeras.graph.naming import located
from multikeras.graph.tensor import Tensor


def called(function: Any, what: str, takes: str, *values: Any) -> Any:
    """`function(*values)`.

    Args:
        function: What the user passed.
        what: What it is to K, such as `'the step function of K.rnn'`.
        takes: Its arguments in words, such as `'an input and a list of states'`.
        *values: Its arguments.

    Raises:
        TypeError: If it is no function, or does not take these arguments.
    """
    try:
        return function(*values)
    except TypeError as error:
        fault = _fault(function, what, takes, len(values))
        if fault is None:
            raise
        raise TypeError(located(fault)) from error


def _fault(function: Any, what: str, takes: str, count: int) -> str | None:
    """Why a function cannot be called; None where it could, and failed by itself."""
    if isinstance(function, Tensor) or not callable(function):
        return (
            f"{what[0].upper()}{what[1:]} is a function of {takes}, received {type(function).__name__}: {function!r}."
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # some functions written in C do not say
    try:
        signature.bind(*[None] * count)
    except TypeError as error:
        name = getattr(function, "__name__", repr(function))
        return f"{what[0].upper()}{what[1:]} is a function of {takes}, and {name}{signature} is not: {error}."
    return None
