"""Values that are finished on the host, since the shapes of a graph cannot depend on values.

A tensor whose `finish` is a function of NumPy arrays has that applied to its value where K hands it
out. In programs, in models and inside other tensors its value is the unfinished one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras.graph.tensor import Tensor
from multikeras.programs import Function


def finished(tensor: Tensor, value: np.ndarray) -> np.ndarray:
    """The value of a tensor as K hands it out."""
    finish = getattr(tensor, "finish", None)
    return value if finish is None else finish(value)


class FinishingFunction(Function):
    """A function of which some outputs are to be finished."""

    def __call__(self, inputs: Any = ()) -> list[np.ndarray]:
        results = super().__call__(inputs)
        return [finished(tensor, value) for tensor, value in zip(self.outputs, results, strict=True)]


def function_of(outputs: list[Tensor]) -> type[Function]:
    """The class of function that these outputs need."""
    return FinishingFunction if any(getattr(t, "finish", None) is not None for t in outputs) else Function
