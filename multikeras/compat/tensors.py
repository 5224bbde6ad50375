"""Attributes of tensors that old programs read and that multikeras itself has no use for."""

from __future__ import annotations

from typing import Any

from multikeras.graph.tensor import Setting, Tensor

_NAMES = ("_keras_shape", "_uses_learning_phase")


def install() -> None:
    """Gives every tensor `_keras_shape` and `_uses_learning_phase`, which may be set as well."""
    Tensor._keras_shape = property(_shape, _setter("_keras_shape"))  # type: ignore[attr-defined]
    Tensor._uses_learning_phase = property(_uses_phase, _setter("_uses_learning_phase"))  # type: ignore[attr-defined]


def uninstall() -> None:
    """Takes them away again."""
    for name in _NAMES:
        if name in Tensor.__dict__:
            delattr(Tensor, name)


def _shape(tensor: Tensor) -> Any:
    return tensor.__dict__.get("_keras_shape", tensor.shape)


def _uses_phase(tensor: Tensor) -> bool:
    """Whether the learning phase has an influence on it."""
    known = tensor.__dict__.get("_uses_learning_phase")
    if known is not None:
        return bool(known)
    seen = {tensor}
    stack = [tensor]
    while stack:
        here = stack.pop()
        if isinstance(here, Setting) and here.key == "learning_phase":
            return True
        for x in here.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return False


def _setter(name: str) -> Any:
    def write(tensor: Tensor, value: Any) -> None:
        tensor.__dict__[name] = value

    return write
