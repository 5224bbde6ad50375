"""The graph: tensors, primitives and gradients. Building it needs no backend."""

from multikeras.graph import operands, ops
from multikeras.graph.gradients import gradients
from multikeras.graph.tensor import (
    Constant,
    Parameter,
    Placeholder,
    RandomKey,
    Setting,
    Tensor,
    ValueTensor,
    Variable,
)
from multikeras.graph.updates import Update

__all__ = [
    "Constant",
    "Parameter",
    "Placeholder",
    "RandomKey",
    "Setting",
    "Tensor",
    "Update",
    "ValueTensor",
    "Variable",
    "gradients",
    "operands",
    "ops",
]
