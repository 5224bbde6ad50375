"""Which axis of which tensor an integer in shape arithmetic is the length of."""

from __future__ import annotations

from typing import Any

from multikeras.graph.tensor import Tensor

Source = tuple[Tensor, int]


def source_of(tensor: Tensor, place: int | None = None) -> Source | None:
    """The tensor and the axis whose length an integer is; None where it is no length, or more than that.

    Args:
        tensor: A scalar, or a vector.
        place: Which entry of a vector.
    """
    while True:
        primitive = tensor.primitive
        if primitive is None:
            return None
        name = primitive.name
        if name == "shape":
            return None if place is None else (tensor.inputs[0], place)
        step = _STEPS.get(name)
        found = step(tensor, place) if step is not None else None
        if found is None:
            return None
        tensor, place = found


Found = tuple[Tensor, "int | None"] | None


def _same(tensor: Tensor, place: int | None) -> Found:
    return tensor.inputs[0], place


def _squeezed(tensor: Tensor, place: int | None) -> Found:
    return (tensor.inputs[0], 0) if tensor.ndim == 0 and tensor.inputs[0].ndim == 1 else None


def _expanded(tensor: Tensor, place: int | None) -> Found:
    return (tensor.inputs[0], None) if tensor.ndim == 1 and tensor.inputs[0].ndim == 0 else None


def _reshaped(tensor: Tensor, place: int | None) -> Found:
    before = tensor.inputs[0]
    if before.ndim > 1 or tensor.ndim > 1:
        return None
    return before, (None if before.ndim == 0 else 0 if place is None else place)


def _sliced(tensor: Tensor, place: int | None) -> Found:
    if place is None or tensor.host:
        return None
    before = tensor.inputs[0]
    bounds: list[Any] = [tensor.attributes[name][0] for name in ("starts", "stops", "steps")]
    if before.ndim != 1 or before.shape[0] is None:
        return None
    return before, range(*slice(*bounds).indices(before.shape[0]))[place]


def _joined(tensor: Tensor, place: int | None) -> Found:
    for part in tensor.inputs:
        length = part.shape[0]
        if place is None or length is None:
            return None
        if place < length:
            return part, place
        place -= length
    return None


def _gathered(tensor: Tensor, place: int | None) -> Found:
    before, indices = tensor.inputs[:2]
    chosen = indices.known[place] if isinstance(indices.known, tuple) and place is not None else indices.known
    if before.ndim != 1 or before.shape[0] is None or not isinstance(chosen, int):
        return None
    return before, chosen % before.shape[0]


_STEPS = {
    "cast": _same,
    "identity": _same,
    "squeeze": _squeezed,
    "expand_dims": _expanded,
    "reshape": _reshaped,
    "slice": _sliced,
    "concatenate": _joined,
    "gather": _gathered,
}

__all__ = ["Source", "source_of"]
