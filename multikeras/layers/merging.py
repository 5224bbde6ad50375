"""Layers that make one tensor of several, and their functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.graph.ops.rules import broadcast_shapes
from multikeras.layers.base import Layer


class Merge(Layer):
    """What the merging layers share: a list of at least two inputs, broadcast after the batch axis.

    Args:
        **kwargs: What every layer takes.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        shapes = self._checked(input_shape)
        if self._merged_shape(shapes) is None:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) cannot merge inputs of shapes "
                f"{', '.join(map(str, shapes))}: {self._rule()}."
            )
        self.built = True

    def _rule(self) -> str:
        """Which shapes go together, for messages."""
        return "lengths at one place must be equal, or one of them 1"

    def _checked(self, shapes: Any) -> list[Any]:
        # A shape rather than a list of them is what a layer gets that was called on one tensor.
        single = not isinstance(shapes, (list, tuple)) or any(n is None or isinstance(n, int) for n in shapes)
        if single or len(shapes) < 2:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) merges a list of at least 2 inputs, received "
                f"{'one tensor' if single else len(shapes)}."
            )
        return list(shapes)

    def _merged_shape(self, shapes: Sequence[Any]) -> Any:
        ndim = max(map(len, shapes))
        widened = [(shape[0], *(1,) * (ndim - len(shape)), *shape[1:]) for shape in shapes]
        return broadcast_shapes(*widened)

    def call(self, inputs: Any) -> Any:
        self._checked(inputs)
        ndim = max(K.ndim(x) for x in inputs)
        widened = []
        for x in inputs:
            while K.ndim(x) < ndim:
                x = K.expand_dims(x, 1)
            widened.append(x)
        return self._merge(widened)

    def _merge(self, inputs: Sequence[Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how it merges.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._merged_shape(self._checked(input_shape))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = [m for m in mask or [] if m is not None]
        return reduce(K.logical_and, masks) if masks else None


class Add(Merge):
    """Sum of the inputs."""

    def _merge(self, inputs: Sequence[Any]) -> Any:
        return reduce(lambda x, y: x + y, inputs)


class Subtract(Merge):
    """First input less the second."""

    def _merge(self, inputs: Sequence[Any]) -> Any:
        if len(inputs) != 2:
            raise ValueError(f"Layer {self.name!r} (Subtract) takes 2 inputs, received {len(inputs)}.")
        return inputs[0] - inputs[1]


class Multiply(Merge):
    """Product of the inputs, entry by entry."""

    def _merge(self, inputs: Sequence[Any]) -> Any:
        return reduce(lambda x, y: x * y, inputs)


class Average(Merge):
    """Mean of the inputs."""

    def _merge(self, inputs: Sequence[Any]) -> Any:
        return reduce(lambda x, y: x + y, inputs) / len(inputs)


class Maximum(Merge):
    """Largest of the inputs, entry by entry."""

    def _merge(self, inputs: Sequence[Any]) -> Any:
        return reduce(K.maximum, inputs)


class Minimum(Merge):
    """Smallest of the inputs, entry by entry."""

    def _merge(self, inputs: Sequence[Any]) -> Any:
        return reduce(K.minimum, inputs)


class Concatenate(Merge):
    """Joins the inputs along an axis.

    Args:
        axis: The axis, batch axis included in the count.
        **kwargs: What every layer takes.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, np.integer)):
            raise ValueError(f"Concatenate: axis is a whole number, received {axis!r}.")
        self.axis = int(axis)

    def build(self, input_shape: Any) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        self._checked(inputs)
        return K.concatenate(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = self._checked(input_shape)
        ndim = len(shapes[0])
        fits = all(len(shape) == ndim for shape in shapes) and -ndim <= self.axis < ndim
        axis = self.axis % ndim if ndim else 0
        columns = list(zip(*shapes, strict=False))
        if not fits or any(len({n for n in c if n is not None}) > 1 for i, c in enumerate(columns) if i != axis):
            raise ValueError(
                f"Layer {self.name!r} (Concatenate) cannot join inputs of shapes {', '.join(map(str, shapes))} along "
                f"axis {self.axis}: all other lengths must be equal."
            )
        merged = [next((n for n in column if n is not None), None) for column in columns]
        merged[axis] = None if None in columns[axis] else sum(columns[axis])
        return tuple(merged)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = mask or []
        if all(m is None for m in masks):
            return None
        wide = []
        for x, m in zip(inputs, masks, strict=True):
            if m is None:
                m = K.ones_like(x, dtype="bool")
            elif K.ndim(m) < K.ndim(x):
                # One entry for all features, which may be joined along their own axis.
                m = K.logical_and(K.expand_dims(m), K.ones_like(x, dtype="bool"))
            wide.append(m)
        return K.all(K.concatenate(wide, axis=self.axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class Dot(Merge):
    """Product of two inputs over one axis of each, for each sample.

    Args:
        axes: The axis of both, or a pair of axes; the batch axis is 0, and negative ones count from
            the end.
        normalize: Whether the inputs are scaled to L2 norm 1 along these axes before, so that the
            product is a cosine.
        **kwargs: What every layer takes.

    Output shape: the axes of the first input without its contracted one, then those of the second
    without batch and contracted one; `(batch, 1)` where only the batch is left.
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        listed = list(axes) if isinstance(axes, (list, tuple)) else [axes]
        several = isinstance(axes, (list, tuple))
        if (several and len(listed) != 2) or not all(isinstance(axis, int) for axis in listed):
            raise ValueError(f"Dot: axes is a whole number or a pair of them, received {axes!r}.")
        self.axes = axes if isinstance(axes, int) else tuple(axes)
        self.normalize = normalize

    def _checked(self, shapes: Any) -> list[Any]:
        listed = super()._checked(shapes)
        if len(listed) != 2:
            raise ValueError(f"Layer {self.name!r} (Dot) takes 2 inputs, received {len(listed)}.")
        return listed

    def _pair(self, *ndims: int) -> list[int]:
        """The axes, counted from the beginning."""
        pair = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        if any(not -n <= axis < n or axis % n == 0 for axis, n in zip(pair, ndims, strict=True)):
            raise ValueError(
                f"Layer {self.name!r} (Dot): axes {self.axes} are not among those behind the batch axis of inputs of "
                f"{ndims[0]} and {ndims[1]} axes."
            )
        return [axis % n for axis, n in zip(pair, ndims, strict=True)]

    def _merged_shape(self, shapes: Sequence[Any]) -> Any:
        x, y = shapes
        a, b = self._pair(len(x), len(y))
        if x[a] is not None and y[b] is not None and x[a] != y[b]:
            return None
        batch = x[0] if x[0] is not None else y[0]
        rest = [*(n for i, n in enumerate(x) if i not in (0, a)), *(n for i, n in enumerate(y) if i not in (0, b))]
        return (batch, *(rest or [1]))

    def _rule(self) -> str:
        return f"the axes {self.axes} of the two must have equal lengths"

    def call(self, inputs: Any) -> Any:
        x, y = self._checked(inputs)
        a, b = self._pair(K.ndim(x), K.ndim(y))
        if self.normalize:
            x, y = K.l2_normalize(x, axis=a), K.l2_normalize(y, axis=b)
        return K.batch_dot(x, y, (a, b))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        # What is left of a step is in every entry of the product.
        return None

    def get_config(self) -> dict[str, Any]:
        axes = self.axes if isinstance(self.axes, int) else list(self.axes)
        return {**super().get_config(), "axes": axes, "normalize": self.normalize}


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Sum of the inputs."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """First input less the second."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Product of the inputs, entry by entry."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Mean of the inputs."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Largest of the inputs, entry by entry."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Smallest of the inputs, entry by entry."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """The inputs joined along an axis."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> Any:
    """Product of two inputs over one axis of each, for each sample; see `Dot`."""
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
