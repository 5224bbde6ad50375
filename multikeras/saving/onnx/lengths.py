"""Lengths that are known when a graph runs: which axis of which tensor they are first seen at."""

from __future__ import annotations

from typing import Any

from multikeras.graph.build import ITEM
from multikeras.graph.tensor import Tensor
from multikeras.saving.graphs.fixed import Fixed

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


class Lengths:
    """Where lengths come from, so that nothing is computed for the sake of its shape.

    Args:
        fixed: What is known of tensors.
    """

    def __init__(self, fixed: Fixed) -> None:
        self._fixed = fixed
        self._roots: dict[Source, Source] = {}

    def root(self, tensor: Tensor, axis: int) -> Source:
        """The tensor and the axis nearest to the inputs whose length is that of an axis."""
        roots = self._roots
        stack = [(tensor, axis)]
        while stack:
            top = stack[-1]
            if top in roots:
                stack.pop()
                continue
            before = self._before(*top)
            waiting = [source for source in before if source not in roots]
            if waiting:
                stack.extend(waiting)
                continue
            found = {roots[source] for source in before}
            roots[top] = found.pop() if len(found) == 1 else top
            stack.pop()
        return roots[tensor, axis]

    def _before(self, tensor: Tensor, axis: int) -> list[Source]:
        """Axes of inputs, all of which have that length; none where nothing is known of them."""
        primitive = tensor.primitive
        if primitive is None:
            return []
        inputs = tensor.inputs
        if primitive.name == "host_select":
            return [(self._fixed.selected(tensor), axis)] if self._fixed.is_fixed(inputs[0]) else []
        if primitive.elementwise:
            behind = [(x, axis - tensor.ndim + x.ndim) for x in inputs]
            return [(x, i) for x, i in behind if i >= 0 and x.shape[i] != 1]
        if primitive is ITEM:
            return self._of_item(tensor, axis)
        rule = _BEFORE.get(primitive.name)
        found = rule(tensor, axis) if rule is not None else None
        return [] if found is None else [found]

    def _of_item(self, tensor: Tensor, axis: int) -> list[Source]:
        source, place = tensor.inputs[0], tensor.attributes["index"]
        name = source.primitive.name if source.primitive is not None else ""
        if name == "split":
            return [] if axis == source.attributes["axis"] else [(source.inputs[0], axis)]
        if name == "top_k":
            return [] if axis == tensor.ndim - 1 else [(source.inputs[0], axis)]
        return self._of_loop(source, place, axis) if name == "scan" else []

    def _of_loop(self, loop: Tensor, place: int, axis: int) -> list[Source]:
        sequences, carries = loop.attributes["num_sequences"], loop.attributes["num_carries"]
        body = loop.attributes["body"]
        if place < carries:
            return [(loop.inputs[sequences + place], axis)]
        if axis == 0:
            return [(loop.inputs[0], 0)] if sequences else []
        if place >= len(body.outputs):
            # The states before each step.
            return [(loop.inputs[sequences + place - len(body.outputs)], axis - 1)]
        # What a step gives has its lengths from what is passed in, of which the first is the number of the step.
        tensor, axis = self.root(body.outputs[place], axis - 1)
        passed = [i for i, binding in enumerate(body.bindings) if binding is tensor]
        if not passed or passed[0] == 0:
            return []
        return [(loop.inputs[passed[0] - 1], axis + (passed[0] <= sequences))]


def _product(tensor: Tensor, axis: int) -> Source | None:
    x, y = tensor.inputs
    if axis == tensor.ndim - 1:
        return y, y.ndim - 1
    return (x, axis) if y.ndim == 2 or axis == tensor.ndim - 2 and x.ndim == tensor.ndim else None


def _reduced(tensor: Tensor, axis: int) -> Source | None:
    x, axes = tensor.inputs[0], tensor.attributes["axis"]
    axes = axes if isinstance(axes, tuple) else (axes,)
    if tensor.attributes.get("keepdims"):
        return None if axis in axes else (x, axis)
    return x, [i for i in range(x.ndim) if i not in axes][axis]


def _with_new_axes(tensor: Tensor, axis: int) -> Source | None:
    new = tensor.attributes["axis"]
    return None if axis in new else (tensor.inputs[0], axis - sum(i < axis for i in new))


def _window(tensor: Tensor, axis: int) -> Source | None:
    if tensor.host:
        return None
    bounds = [tensor.attributes[name] for name in ("starts", "stops", "steps")]
    whole = axis >= len(bounds[0]) or [each[axis] for each in bounds] in ([None, None, 1], [0, None, 1])
    return (tensor.inputs[0], axis) if whole else None


def _picked(tensor: Tensor, axis: int) -> Source | None:
    x, indices = tensor.inputs[:2]
    first = tensor.attributes["axis"]
    if axis < first:
        return x, axis
    return (indices, axis - first) if axis < first + indices.ndim else (x, axis - indices.ndim + 1)


def _repeated(tensor: Tensor, axis: int) -> Source | None:
    return source_of(tensor.inputs[1], axis) if tensor.host else None


def _kept(tensor: Tensor, axis: int) -> Source | None:
    return tensor.inputs[0], axis


def _of_samples(tensor: Tensor, axis: int) -> Source | None:
    return (tensor.inputs[0], 0) if axis == 0 else None


_BEFORE = {
    **dict.fromkeys(("softmax", "log_softmax", "flip", "cumsum", "sort", "argsort", "after", "custom_gradient"), _kept),
    **dict.fromkeys(("conv", "conv_input_gradient", "sum_pool"), _of_samples),
    **dict.fromkeys((f"reduce_{name}" for name in ("sum", "prod", "max", "min", "any", "all")), _reduced),
    **dict.fromkeys(("argmax", "argmin", "squeeze"), _reduced),
    "broadcast_to": _repeated,
    "place": _repeated,
    "sum_to": _repeated,
    "concatenate": lambda tensor, axis: None if axis == tensor.attributes["axis"] else (tensor.inputs[0], axis),
    "expand_dims": _with_new_axes,
    "gather": _picked,
    "matmul": _product,
    "slice": _window,
    "transpose": lambda tensor, axis: (tensor.inputs[0], tensor.attributes["permutation"][axis]),
}

__all__ = ["Lengths", "Source", "source_of"]
