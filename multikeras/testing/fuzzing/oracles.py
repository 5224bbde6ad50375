"""What else a script can be compared with: each node in a program of its own, and differences of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.contract import is_float
from multikeras.graph.ops.random import key_words
from multikeras.graph.tensor import RandomKey, Tensor, Variable
from multikeras.graph.updates import Update
from multikeras.programs import storage
from multikeras.testing.fuzzing.script import Script, quiet
from multikeras.testing.running import run

_STEP = 1e-5
#: A difference that changes by more than this with the step is no derivative: there is a corner in between.
_STEADY = 2e-5


def reached(roots: Sequence[Tensor]) -> list[Tensor]:
    """All tensors that some are made of, and they themselves, in the order in which they were made."""
    found: dict[Tensor, None] = {}
    stack = list(roots)
    while stack:
        tensor = stack.pop()
        if tensor not in found:
            found[tensor] = None
            stack.extend(tensor.inputs)
    return sorted(found, key=lambda t: t.serial)


def first_keys(roots: Sequence[Tensor]) -> dict[Tensor, Any]:
    """The keys of the first run, to be fed, so that many runs draw the same numbers."""
    return {t: np.array(key_words(t.seed, 0), "uint32") for t in reached(roots) if isinstance(t, RandomKey)}


# -- each node by itself --------------------------------------------------------------------------


@dataclass(frozen=True)
class Values:
    """What one run gives.

    Attributes:
        outputs: The values of the outputs.
        stored: The new values of variables, by name.
    """

    outputs: list[np.ndarray]
    stored: dict[str, np.ndarray]


def node_by_node(script: Script) -> Values | None:
    """One run by NumPy, each node in a program of its own: nothing can be simplified, reused or overwritten.

    Returns:
        The values; None for a script whose state is more than the updates that are listed.
    """
    with quiet():
        made = script.build()
        outputs = [made[name] for name in script.outputs]
        updates = [made[name] for name in script.updates]
        nodes = reached([*outputs, *updates])
        stores = [t for t in nodes if isinstance(t, Update)]
        if not _plain(stores, updates, nodes):
            return None
        values: dict[Tensor, Any] = {made[leaf.name]: leaf.array for leaf in script.leaves if leaf.name[0] != "c"}
        for tensor in nodes:
            if isinstance(tensor, Variable):
                values.setdefault(tensor, storage.read(tensor))
        values |= first_keys(nodes)
        for tensor in nodes:
            if isinstance(tensor, Update):
                values[tensor] = _new_value(tensor, values, script.phase)
            elif tensor not in values and tensor.primitive is not None and not (tensor.on_host or _is_inner(tensor)):
                values[tensor] = _alone(tensor, values, script.phase)
        named = {made[name]: name for name in script.variables}
        return Values(
            [np.asarray(values[t] if t in values else _of_shapes(t, values, script.phase)) for t in outputs],
            {named[u.variable]: values[u] for u in stores if u.variable in named},
        )


def _plain(stores: Sequence[Update], updates: Sequence[Tensor], nodes: Sequence[Tensor]) -> bool:
    """Whether updates are listed, of a variable each, and no operands."""
    operands = {t for node in nodes for t in node.inputs}
    return len({u.variable for u in stores}) == len(stores) and set(stores) <= set(updates) - operands


def _alone(tensor: Tensor, values: Mapping[Tensor, Any], phase: int) -> np.ndarray:
    """The value of a node from those of its inputs."""
    needed: list[Tensor] = []
    stack = list(tensor.inputs)
    while stack:
        t = stack.pop()
        needed += _asked_for(t) if _is_inner(t) else [t]
        stack += t.inputs if _is_inner(t) else ()
    feeds = {t: values[t] for t in (*needed, *_asked_for(tensor)) if t in values}
    return run(tensor, feeds, backend="numpy", phase=phase)


def _of_shapes(tensor: Tensor, values: Mapping[Tensor, Any], phase: int) -> np.ndarray:
    """The value of what is made of shapes and numbers alone."""
    feeds = {t: values[t] for t in reached([tensor]) if t in values and not t.on_host}
    return run(tensor, feeds, backend="numpy", phase=phase)


def _is_inner(tensor: Tensor) -> bool:
    """Whether it is no array: several results in one, or what a kernel leaves for that of its gradient."""
    return tensor.dtype in ("tuple", "opaque")


def _asked_for(tensor: Tensor) -> list[Tensor]:
    """The tensors whose shapes a node asks for, through arithmetic of shapes."""
    found: list[Tensor] = []
    stack = [t for t in tensor.inputs if t.on_host]
    seen = set(stack)
    while stack:
        for t in stack.pop().inputs:
            if not t.on_host:
                found.append(t)
            elif t not in seen:
                seen.add(t)
                stack.append(t)
    return found


def _new_value(update: Update, values: Mapping[Tensor, Any], phase: int) -> np.ndarray:
    variable, source = update.inputs[:2]
    value = values[source] if source in values else _of_shapes(source, values, phase)
    assert update.primitive is not None
    before = values[variable]
    if update.primitive.name == "assign":
        made: Any = np.broadcast_to(value, before.shape)
    elif update.primitive.name == "assign_add":
        made = before + value
    else:
        momentum = update.attributes["momentum"]
        made = momentum * before + (1 - momentum) * value
    return np.array(made)


# -- slopes ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slope:
    """A derivative of a script's results along a direction.

    Attributes:
        order: 1, or 2 for the derivative of a derivative.
        by_graph: As gradients have it.
        by_difference: As values have it.
    """

    order: int
    by_graph: float
    by_difference: float

    @property
    def error(self) -> float:
        """How far they are apart, beside their size."""
        return abs(self.by_graph - self.by_difference) / (1 + abs(self.by_difference))


def slopes(script: Script) -> list[Slope]:
    """First and second derivatives along a direction, where they exist."""
    with quiet():
        made = script.build()
        floats = [made[name] for name in script.outputs if made[name].dtype == "float64"]
        leaves = [leaf for leaf in script.leaves if is_float(leaf.dtype) and leaf.name[0] != "c"]
        if not floats or not leaves:
            return []
        targets = [made[leaf.name] for leaf in leaves]
        at = [leaf.array for leaf in leaves]
        generator = np.random.default_rng(script.seed)
        along = [generator.normal(size=leaf.array.shape) for leaf in leaves]
        function: Any = sum(K.sum(K.tanh(t)) for t in floats)
        stores = [t for t in reached([function]) if isinstance(t, Update)]
        if len({u.variable for u in stores}) < len(stores):
            # What one of several updates of a variable is, the others decide.
            return []
        rest: dict[Tensor, Any] = {made[leaf.name]: leaf.array for leaf in script.leaves if leaf.name[0] == "x"}
        rest |= first_keys([function])
        found: list[Slope] = []
        for order in (1, 2):
            gradients = K.gradients(function, targets)
            products = [K.sum(g * v) for g, v in zip(gradients, along, strict=True) if g is not None]
            if not products:
                break
            slope: Any = sum(products)

            def moved(
                tensor: Tensor, step: float, at: Any = at, along: Any = along, targets: Any = targets, rest: Any = rest
            ) -> float:
                feeds = {t: x + step * v for t, x, v in zip(targets, at, along, strict=True)}
                value = run(tensor, {**rest, **feeds}, backend="numpy", phase=script.phase)
                return float(value)

            near, far = ((moved(function, h) - moved(function, -h)) / (2 * h) for h in (_STEP, 4 * _STEP))
            if not abs(near - far) <= _STEADY * (1 + abs(near)):
                break
            found.append(Slope(order, moved(slope, 0), near))
            function = slope
        return found
