"""Which arguments a layer's `call` takes."""

from __future__ import annotations

import inspect
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multikeras.layers.base import Layer


@dataclass(frozen=True)
class Signature:
    """The arguments of a `call` after its inputs.

    Attributes:
        names: Names, in order.
        any_name: Whether it takes others as well (`**kwargs`).
    """

    names: tuple[str, ...]
    any_name: bool

    def takes(self, name: str) -> bool:
        """Whether it has an argument of this name."""
        return name in self.names


_known: weakref.WeakKeyDictionary[Any, Signature] = weakref.WeakKeyDictionary()


def of(layer: Layer) -> Signature:
    """The signature of a layer's `call`."""
    function = getattr(layer.call, "__func__", layer.call)
    found = _known.get(function) if callable(function) else None
    if found is None:
        if not callable(layer.call):
            raise TypeError(
                f"Layer {layer.name!r} ({type(layer).__name__}): call is a method, call(self, inputs); received "
                f"{layer.call!r}."
            )
        parameters = list(inspect.signature(layer.call).parameters.values())[1:]
        named = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        found = Signature(tuple(named), any(p.kind is p.VAR_KEYWORD for p in parameters))
        _known[function] = found
    return found


def takes_inputs(call: Any) -> bool:
    """Whether a method takes an argument by position."""
    parameters = inspect.signature(call).parameters.values()
    return any(p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in parameters)


def bind(layer: Layer, positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name.

    Raises:
        TypeError: If `call` does not take one of them.
    """
    signature = of(layer)
    if len(positional) > len(signature.names):
        raise TypeError(
            f"Layer {layer.name!r}: call takes {len(signature.names)} arguments after its inputs "
            f"({', '.join(signature.names) or 'none'}), received {len(positional)}. Several inputs are given as a list."
        )
    bound = {**dict(zip(signature.names, positional, strict=False)), **named}
    if not signature.any_name:
        unknown = [name for name in bound if name not in signature.names and name not in ("training", "mask")]
        if unknown:
            raise TypeError(
                f"Layer {layer.name!r}: call does not take {', '.join(map(repr, unknown))}. "
                f"It takes: {', '.join(signature.names) or 'its inputs alone'}."
            )
    return bound
