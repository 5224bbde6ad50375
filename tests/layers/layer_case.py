"""What one entry of the table of layers holds, and the references that many entries share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F


@dataclass
class Case:
    """A layer and its reference.

    Attributes:
        name: Name of the test.
        make: Makes the layer.
        shapes: Shapes of the inputs, the batch axis included.
        reference: The output from the inputs, then the weights, as PyTorch tensors.
        integers: Above which number no input entry is, where the inputs are whole numbers.
        arguments: Other arguments of the call.
        config: Whether the layer is made again by its configuration.
    """

    name: str
    make: Callable[[], Any]
    shapes: Sequence[tuple[int, ...]]
    reference: Callable[..., Any]
    integers: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    config: bool = True


def first(x: Any) -> Any:
    """A tensor of PyTorch, or a shape, with its last axis behind the batch."""
    return (x[0], x[-1], *x[1:-1]) if isinstance(x, tuple) else x.movedim(-1, 1)


def both_formats(case: Case) -> list[Case]:
    """The case, whose `make` takes `data_format`, and the same with channels first."""

    def reference(*tensors: Any) -> Any:
        count = len(case.shapes)
        y = case.reference(*(x.movedim(1, -1) for x in tensors[:count]), *tensors[count:])
        return first(y) if y.ndim > 2 else y

    def make() -> Any:
        return case.make(data_format="channels_first")

    turned = replace(
        case,
        name=f"{case.name}, channels first",
        make=make,
        shapes=[first(shape) for shape in case.shapes],
        reference=reference,
    )
    return [case, turned]


def same(x: Any, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int], value: float = 0.0) -> Any:
    """Padding of the spatial axes behind batch and channels, the smaller half before."""
    pads: list[int] = []
    for n, k, s, d in zip(x.shape[2:], window, strides, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x, pads, value=value)


def conv(
    padding: str = "valid", strides: int = 1, dilation: int = 1, first: bool = False, causal: bool = False
) -> Callable[..., Any]:
    """Convolution with channels last, or first."""

    def run(x: Any, kernel: Any, bias: Any) -> Any:
        rank = x.ndim - 2
        x = x if first else x.movedim(-1, 1)
        weight = kernel.permute(-1, -2, *range(rank))
        if padding == "same":
            x = same(x, kernel.shape[:rank], [strides] * rank, [dilation] * rank)
        if causal:
            x = F.pad(x, [(kernel.shape[0] - 1) * dilation, 0])
        y = getattr(F, f"conv{rank}d")(x, weight, bias, stride=strides, dilation=dilation)
        return y if first else y.movedim(1, -1)

    return run


def pool(mode: str, size: int, strides: int, padding: str = "valid", first: bool = False) -> Callable[..., Any]:
    """Pooling with channels last, or first."""

    def run(x: Any) -> Any:
        rank = x.ndim - 2
        x = x if first else x.movedim(-1, 1)
        windows, steps = [size] * rank, [strides] * rank
        fill = float("-inf") if mode == "max" else 0.0
        inside = torch.ones_like(x)
        if padding == "same":
            x, inside = same(x, windows, steps, [1] * rank, fill), same(inside, windows, steps, [1] * rank)
        if mode == "max":
            y = getattr(F, f"max_pool{rank}d")(x, size, strides)
        else:
            average = getattr(F, f"avg_pool{rank}d")
            y = average(x, size, strides) / average(inside, size, strides)
        return y if first else y.movedim(1, -1)

    return run
