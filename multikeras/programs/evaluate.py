"""The value of a tensor that needs no placeholder: `K.eval`, `np.asarray(tensor)`, initial values.

Such a program runs once, so it is interpreted and not compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from multikeras import registry
from multikeras.contract import Backend
from multikeras.graph.context import context
from multikeras.graph.tensor import Constant, RandomKey, Tensor, ValueTensor, Variable, set_evaluator
from multikeras.graph.updates import Update
from multikeras.programs import settings, storage
from multikeras.programs.interrupts import HeldInterrupts
from multikeras.programs.program import Program
from multikeras.programs.specialise import Argument, specialise


def evaluate(
    tensors: Sequence[Tensor],
    backend: Backend | None = None,
    updates: Sequence[Update] = (),
    fed: Mapping[Tensor, np.ndarray] | None = None,
    draws: bool = True,
) -> list[np.ndarray]:
    """Values of tensors as NumPy arrays of the caller's own, computed in one run.

    Args:
        tensors: What to compute.
        backend: Where; the current one if None.
        updates: What to store besides.
        fed: Values of placeholders.
        draws: Whether random primitives draw, rather than show what they will draw next.
    """
    backend = backend or registry.current()
    arguments = [Argument(t, np.shape(value), t.dtype) for t, value in (fed or {}).items()]
    known = {argument.source: argument for argument in arguments}
    made = specialise(tensors, updates, known, settings.values(settings.default_phase()), backend)
    program = Program(made, backend, arguments, compiled=False)
    before = [] if draws else [(key, key.runs) for key in program.keys]
    # Cut short, a scope would leave the library's settings changed.
    with HeldInterrupts(), backend.scope():
        try:
            arrays = program.run([backend.feed(value, t.dtype) for t, value in (fed or {}).items()])
        finally:
            for key, runs in before:
                key.runs = runs
        return [np.array(backend.to_numpy(array)) for array in arrays]


def value(tensor: Tensor) -> np.ndarray:
    """The value of one tensor."""
    if isinstance(tensor, Variable):
        return storage.read(tensor)
    if isinstance(tensor, Constant):
        return np.array(tensor.value)
    if isinstance(tensor, ValueTensor):
        return np.array(tensor.to_host(tensor.array))
    if context.eager is not None:
        return evaluate([tensor], fed=context.eager.fed, draws=False)[0]
    return evaluate([tensor])[0]


def protocol_value(tensor: Tensor) -> np.ndarray:
    """The value for `np.asarray(tensor)`, `float(tensor)`: refused where computing it would store."""
    update = _effect(tensor)
    if update is not None:
        raise TypeError(
            f"The value of {tensor!r} was asked for, and computing it would store into {update.variable.name!r}. "
            "Use K.eval, or a function, which are the calls that store."
        )
    return value(tensor)


def _effect(tensor: Tensor) -> Update | None:
    seen = {tensor}
    stack = [tensor]
    while stack:
        node = stack.pop()
        if isinstance(node, Update):
            return node
        for x in node.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return None


def initial_value(tensor: Tensor, host: Backend) -> np.ndarray:
    """The value of an initial expression, as every key's first run gives it.

    Args:
        tensor: The expression.
        host: The backend that computes it: NumPy's, whatever the current one, so that bits are equal.
    """
    made = specialise([tensor], [], {}, settings.values(settings.default_phase()), host)
    program = Program(made, host, [], compiled=False)
    before = {key: key.runs for key in program.keys}
    for key in program.keys:
        assert isinstance(key, RandomKey)
        key.runs = 0
    try:
        with HeldInterrupts(), host.scope():
            (result,) = program.run([])
    finally:
        for key, runs in before.items():
            key.runs = runs
    return np.array(host.to_numpy(result))


set_evaluator(protocol_value)
