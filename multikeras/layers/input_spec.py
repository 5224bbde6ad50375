"""What a layer demands of its inputs, and the check of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras.graph.tensor import Tensor


class InputSpec:
    """Demands on one input.

    Args:
        dtype: Data type.
        shape: Shape, None for lengths that do not matter.
        ndim: Number of axes.
        max_ndim: Largest number of axes.
        min_ndim: Smallest number of axes.
        axes: Lengths of single axes, by index; negative indices count from the end.
        layout: What the axes are, for messages: `'(batch, time, features)'`.
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        layout: str | None = None,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = dict(axes or {})
        self.layout = layout

    def __repr__(self) -> str:
        fields = {name: value for name, value in vars(self).items() if value not in (None, {})}
        return f"InputSpec({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    def fault(self, tensor: Tensor) -> str | None:
        """What is wrong with a tensor, as 'expected …', or None."""
        shape = tensor.shape
        if self.ndim is not None and len(shape) != self.ndim:
            return f"expected {self.ndim} axes"
        if self.max_ndim is not None and len(shape) > self.max_ndim:
            return f"expected at most {self.max_ndim} axes"
        if self.min_ndim is not None and len(shape) < self.min_ndim:
            return f"expected at least {self.min_ndim} axes"
        if self.dtype is not None and tensor.dtype != self.dtype:
            return f"expected dtype {self.dtype}, received {tensor.dtype}"
        for axis, length in self.axes.items():
            if not -len(shape) <= axis < len(shape):
                return f"expected an axis {axis}"
            if length is not None and shape[axis] not in (length, None):
                return f"expected length {length} on axis {axis}"
        if self.shape is not None and any(
            wanted is not None and n is not None and n != wanted for n, wanted in zip(shape, self.shape, strict=True)
        ):
            return f"expected shape {self.shape}"
        return None


def check_inputs(name: str, specs: Any, tensors: Sequence[Tensor]) -> None:
    """Checks the inputs of a layer against its `input_spec`.

    Raises:
        ValueError: If one does not fit; the message names the layer, what it expects and the shape.
    """
    if not specs:
        return
    listed = list(specs) if isinstance(specs, (list, tuple)) else [specs]
    if len(tensors) != len(listed):
        raise ValueError(
            f"Layer {name!r} expects {len(listed)} inputs, received {len(tensors)}: "
            f"shapes {', '.join(str(t.shape) for t in tensors)}. Several inputs are given as a list: layer([a, b])."
        )
    for position, (tensor, spec) in enumerate(zip(tensors, listed, strict=True)):
        fault = None if spec is None else spec.fault(tensor)
        if fault is not None:
            layout = f" {spec.layout}" if spec.layout and fault.endswith("axes") else ""
            which = f"Input {position}" if len(listed) > 1 else "The input"
            raise ValueError(
                f"{which} of layer {name!r} does not fit: {fault}{layout}, received shape {tensor.shape}"
                f" ({len(tensor.shape)} axes). {_mend(fault)}"
            )


def _mend(fault: str) -> str:
    if fault.endswith("axes"):
        return "The batch axis counts; Reshape, Flatten and K.expand_dims change the number of axes."
    if "dtype" in fault:
        return "Give the Input that dtype, or use K.cast."
    return "A layer that was called keeps to the lengths that its weights were made for: make another layer for others."
