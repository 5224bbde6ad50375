"""What surrounds the building of a tensor: the layer, the body, control dependencies.

All of it is thread-local, and every block restores what it found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multikeras.graph.tensor import Tensor


class Body:
    """A sub-graph under construction: the step of a scan or a branch of a cond.

    Attributes:
        label: What it is, for messages: `'step function of K.rnn'`.
        outer: The body around it, or None.
        updates: Updates made in it, in order; whoever traces the body decides what becomes of them.
        added: Numbers that somebody outside wants, such as losses, each with what takes it outside: the sum over the
            iterations of a loop, or 0 where another branch was taken.
    """

    __slots__ = ("added", "iteration", "label", "layer", "outer", "updates")

    def __init__(self, label: str, outer: Body | None, layer: str | None) -> None:
        self.label = label
        self.outer = outer
        self.layer = layer
        self.updates: list[Any] = []
        self.added: list[tuple[Any, Callable[[Any], None]]] = []
        self.iteration: Any = None

    def within(self, other: Body | None) -> bool:
        """Whether this body is `other` or lies inside it; every body lies inside None."""
        body: Body | None = self
        while body is not None:
            if body is other:
                return True
            body = body.outer
        return other is None

    def __str__(self) -> str:
        return f"the {self.label}" + (f" in layer {self.layer!r}" if self.layer else "")


class Eager:
    """A block in which tensors that are built have values, for debugging.

    Attributes:
        phase: The learning phase, 0 or 1.
        fed: Values of placeholders.
        keys: Keys of random primitives by the layer that draws: those of an earlier building of the same layers, so
            that these draw the same; new ones are added where there are not enough.
    """

    def __init__(self, phase: int, fed: dict[Any, Any], keys: dict[str | None, list[Any]]) -> None:
        self.phase = phase
        self.fed = fed
        self.keys = keys
        self._asked: dict[str | None, int] = {}

    def key(self, layer: str | None, make: Callable[[], Any]) -> Any:
        """The next key of a layer."""
        keys = self.keys.setdefault(layer, [])
        number = self._asked.get(layer, 0)
        self._asked[layer] = number + 1
        if number == len(keys):
            keys.append(make())
        return keys[number]


class _Context(threading.local):
    def __init__(self) -> None:
        self.body: Body | None = None
        self.layer: str | None = None
        self.building: int = 0
        # Whether what is built only shows what a body will be like.
        self.trial: bool = False
        self.replaced: dict[Any, Any] | None = None
        self.scopes: tuple[str, ...] = ()
        self.origin: Any = None
        self.eager: Eager | None = None


context = _Context()


@contextmanager
def building(layer: str | None = None) -> Iterator[None]:
    """Marks a block that builds graph, such as a layer's `call`: tensors have no value in it.

    Args:
        layer: Name of the layer that the block belongs to, kept by every tensor made in it.
    """
    before = context.layer
    context.building += 1
    if layer is not None:
        context.layer = layer
    try:
        yield
    finally:
        context.building -= 1
        context.layer = before


@contextmanager
def trial() -> Iterator[None]:
    """Marks a block that calls a step function to learn what it gives: nothing that it asks for besides is done."""
    scope, before = context.body, context.trial
    kept = (0, 0) if scope is None else (len(scope.updates), len(scope.added))
    context.building += 1
    context.trial = True
    try:
        yield
    finally:
        context.building -= 1
        context.trial = before
        if scope is not None:
            del scope.updates[kept[0] :], scope.added[kept[1] :]


@contextmanager
def no_trial() -> Iterator[None]:
    """Marks a block inside a trial where somebody looks at what is asked for."""
    before = context.trial
    context.trial = False
    try:
        yield
    finally:
        context.trial = before


@contextmanager
def body(label: str) -> Iterator[Body]:
    """Marks a block that traces a sub-graph."""
    before = context.body
    made = Body(label, before, context.layer)
    context.body = made
    context.building += 1
    try:
        yield made
    finally:
        context.body = before
        context.building -= 1


@contextmanager
def inside(scope: Body | None) -> Iterator[None]:
    """Marks a block whose tensors belong to a body that was traced before."""
    before = context.body
    context.body = scope
    try:
        yield
    finally:
        context.body = before


@contextmanager
def outside_bodies() -> Iterator[None]:
    """Marks a block inside a trace or trial whose tensors belong to no body, such as a layer's weights."""
    with inside(None), no_trial():
        yield


@contextmanager
def replacing(values: dict[Tensor, Tensor]) -> Iterator[None]:
    """In this block a variable used as an operand is replaced by the tensor given for it."""
    before = context.replaced
    context.replaced = {**(before or {}), **values} or None
    try:
        yield
    finally:
        context.replaced = before


@contextmanager
def eagerly(block: Eager) -> Iterator[None]:
    """Marks a block in which tensors have values also while graph is built."""
    before = context.eager
    context.eager = block
    try:
        yield
    finally:
        context.eager = before


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Puts `name/` before the names of variables made in the block."""
    before = context.scopes
    context.scopes = (*before, name)
    try:
        yield "/".join(context.scopes)
    finally:
        context.scopes = before
