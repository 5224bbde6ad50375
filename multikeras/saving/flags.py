"""What was trainable when a model was compiled, where that has changed since.

A model goes on training what it was compiled for, whatever the flags of its layers are now: a discriminator that was
frozen for its combined model is the usual case. So a file says both.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def at_compile(model: Any) -> list[bool] | None:
    """The flags when the model was compiled, layer by layer; None if they are the same now."""
    layers = _layers(model)
    then = model._compiled.flags_at_compile()
    flags = [then.get(id(layer), layer.trainable) for layer in layers]
    return flags if flags != [layer.trainable for layer in layers] else None


@contextmanager
def as_compiled(model: Any, flags: Any) -> Iterator[None]:
    """A block in which a model has the flags that `at_compile` gave; None for those that it has."""
    layers = _layers(model)
    if flags is None:
        yield
        return
    if not isinstance(flags, list) or len(flags) != len(layers) or {*map(type, flags)} != {bool}:
        warnings.warn(
            f"What was trainable when model {model.name!r} was compiled is not known for all of its {len(layers)} "
            "layers: it trains what is trainable now.",
            stacklevel=6,
        )
        yield
        return
    now = [layer.trainable for layer in layers]
    _set(layers, flags)
    try:
        yield
    finally:
        _set(layers, now)


def _layers(model: Any) -> list[Any]:
    """The model and the layers inside it that may be frozen and are no wrappers, whose flag is that of the inside."""
    from multikeras.layers import InputLayer, Wrapper, versions
    from multikeras.layers.operations import Operations

    return [layer for layer in versions.inside(model) if not isinstance(layer, (InputLayer, Operations, Wrapper))]


def _set(layers: list[Any], flags: list[bool]) -> None:
    for layer, flag in zip(layers, flags, strict=True):
        if layer.trainable != flag:
            layer.trainable = flag


__all__ = ["as_compiled", "at_compile"]
