"""Host settings: the learning phase and epsilon, which are part of a program's key.

They are known when a program is specialised, so that the branch not taken costs nothing.
"""

from __future__ import annotations

from multikeras import config
from multikeras.graph import operands
from multikeras.graph.context import context
from multikeras.graph.tensor import Setting, Tensor

_PHASE = Setting(
    "learning_phase",
    "int32",
    "Use K.in_train_phase(x, alt) or K.switch to choose between tensors, or list K.learning_phase() among the "
    "inputs of K.function.",
)
_EPSILON = Setting("epsilon", "float64", "K.epsilon() gives the number.")

#: What `set_learning_phase` said, None while nothing was.
_fixed_phase: int | None = None


def learning_phase() -> Tensor:
    """The phase as an operand: 0 test, 1 train; a constant after `set_learning_phase`."""
    if _fixed_phase is not None:
        return operands.scalar(_fixed_phase, "int32")
    return _PHASE


def epsilon() -> Setting:
    """Epsilon as an operand of type float64, read when a program is specialised."""
    return _EPSILON


def set_learning_phase(value: int) -> None:
    """Fixes the phase of graph built from now on, and the default of functions that do not list it.

    Raises:
        ValueError: If it is neither 0 nor 1.
    """
    global _fixed_phase
    if value not in (0, 1):
        raise ValueError(f"K.set_learning_phase takes 0 (test) or 1 (train), received {value!r}.")
    _fixed_phase = int(value)


def clear_learning_phase() -> None:
    """Forgets what `set_learning_phase` said."""
    global _fixed_phase
    _fixed_phase = None


def default_phase() -> int:
    """The phase of a run that does not say one."""
    if context.eager is not None:
        return context.eager.phase
    return _fixed_phase or 0


def values(phase: int) -> dict[str, float]:
    """The host settings of a run, by key."""
    return {"learning_phase": phase, "epsilon": config.epsilon()}


__all__ = [
    "clear_learning_phase",
    "default_phase",
    "epsilon",
    "learning_phase",
    "set_learning_phase",
    "values",
]
