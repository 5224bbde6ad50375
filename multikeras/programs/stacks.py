"""One operation on the stacked values of all steps of a scan, in place of one at every step.

The gradient of a weight that every step uses is a carry to which each step adds a product, such as
`transpose(h) @ dz`. The sum of these products is one product of the factors of all steps. And what is
multiplied by one weight at every step, without regard to the step before, is multiplied at once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multikeras.contract import PRIMITIVES
from multikeras.graph.tensor import Tensor

if TYPE_CHECKING:
    from multikeras.programs.scans import Loop
    from multikeras.programs.specialise import Specialiser

Stacked = Callable[[Tensor], Tensor]
Emit = Callable[["Specialiser", Stacked], Tensor]

#: Linear in their first and only input: what they do to a sum they may do after it.
_LINEAR = frozenset({"negative", "transpose", "reshape", "place", "slice", "flip", "reduce_sum"})


@dataclass(frozen=True)
class Sum:
    """How to take a sum after the loop.

    Attributes:
        factors: Nodes of the body that are needed of all steps.
        product: Whether a product is spared at every step, so that factors are worth stacking.
        emit: Builds the sum, given the specialiser and what finds the stack of a factor.
    """

    factors: tuple[Tensor, ...]
    product: bool
    emit: Emit


def recognise(loop: Loop, number: int) -> Sum | None:
    """The carry as a sum that can be taken after the loop, or None."""
    state, final = loop.states[number], loop.finals[number]
    name = _name(final)
    if name not in ("add", "subtract") or final.shape != state.shape:
        return None
    x, y = final.inputs
    if name == "add" and y is state:
        x, y = y, x
    if x is not state or y.shape != state.shape:
        return None
    # Nothing else may read it, neither before nor after the step has added to it.
    if sum(t.inputs.count(state) for t in loop.order) != 1 or any(final in t.inputs for t in loop.order):
        return None
    if state in loop.body.outputs or loop.body.outputs.count(final) != 1:
        return None
    made = _sum_of(loop, y)
    return _after(made, lambda spec, value: _emit(spec, "negative", value)) if made and name == "subtract" else made


def worth(loop: Loop, sums: Mapping[int, Sum], stacked: Iterable[Tensor], limit: int) -> list[int]:
    """Which sums to take after the loop.

    Args:
        loop: The scan.
        sums: Its sums by number of the carry.
        stacked: Nodes of the body that are stacked already.
        limit: Bytes that may be stacked for it.
    """
    found = set(stacked)
    chosen: list[int] = []
    left = limit
    for number, made in sums.items():
        cost = sum(loop.stacked_bytes(f) for f in dict.fromkeys(made.factors) if f not in found)
        if made.product and cost <= left:
            left -= cost
            found.update(made.factors)
            chosen.append(number)
    # What is no product is worth it only where the factors are there.
    return chosen + [n for n, made in sums.items() if n not in chosen and found.issuperset(made.factors)]


def is_product(loop: Loop, tensor: Tensor, at_hand: Container[Tensor]) -> bool:
    """Whether a node of the body is the product of a fixed matrix with what can be had of all steps.

    Args:
        loop: The scan.
        tensor: The node.
        at_hand: Nodes whose values of all steps there are.
    """
    if _name(tensor) != "matmul" or tensor.ndim != 2:
        return False
    x, weight = tensor.inputs
    return x.ndim == weight.ndim == 2 and loop.is_movable(weight) and _can_be_had(loop, x, at_hand)


def _can_be_had(loop: Loop, tensor: Tensor, at_hand: Container[Tensor]) -> bool:
    if tensor in at_hand:
        return True
    if loop.is_fixed(tensor) or tensor.primitive is None or not tensor.primitive.elementwise:
        return False
    return all(loop.is_movable(x) or _can_be_had(loop, x, at_hand) for x in tensor.inputs)


def at_once(
    spec: Specialiser, loop: Loop, tensor: Tensor, stacked: Callable[[Tensor], Tensor | None], fixed: Stacked
) -> Tensor:
    """The values of a product of all steps, stacked.

    Args:
        spec: Who builds it.
        loop: The scan.
        tensor: A node that `is_product`.
        stacked: Gives the stack of a node at hand, None for any other.
        fixed: Gives a node that is the same at every step.
    """
    found = stacked(tensor)
    if found is not None:
        return found
    if _name(tensor) == "matmul":
        x, weight = tensor.inputs
        stack = at_once(spec, loop, x, stacked, fixed)
        steps, rows, width = _known(stack.shape)
        flat = _emit(spec, "reshape", stack, shape=(steps * rows, width))
        product = _emit(spec, "matmul", flat, fixed(weight))
        return _emit(spec, "reshape", product, shape=(steps, *_known(tensor.shape)))
    assert tensor.primitive is not None
    operands = []
    for x in tensor.inputs:
        if loop.is_fixed(x):
            operands.append(fixed(x))
            continue
        stack = at_once(spec, loop, x, stacked, fixed)
        # Broadcasting aligns axes from the last one on, and the steps come first.
        shape = (loop.length, *[1] * (tensor.ndim - x.ndim), *_known(x.shape))
        operands.append(_emit(spec, "reshape", stack, shape=shape))
    return _emit(spec, tensor.primitive.name, *operands, **tensor.attributes)


def _name(tensor: Tensor) -> str:
    return "" if tensor.primitive is None else tensor.primitive.name


def _emit(spec: Specialiser, name: str, *inputs: Tensor, **attributes: Any) -> Tensor:
    made: Tensor = spec.emit(PRIMITIVES[name], inputs, attributes)
    return made


def _after(made: Sum, change: Callable[[Specialiser, Tensor], Tensor]) -> Sum:
    return Sum(made.factors, made.product, lambda spec, stacked: change(spec, made.emit(spec, stacked)))


def _sum_of(loop: Loop, tensor: Tensor) -> Sum | None:
    """The sum over all steps of a node of the body, or None where it is as well kept in the loop."""
    if loop.is_fixed(tensor):
        return None
    name = _name(tensor)
    if name in ("add", "subtract") and all(x.shape == tensor.shape for x in tensor.inputs):
        return _sum_of_both(loop, tensor, name)
    if name == "matmul" and all(x.ndim == 2 and not loop.is_fixed(x) for x in tensor.inputs):
        return _sum_of_products(tensor)
    if name == "scatter_add" and tensor.attributes["axis"] == 0 and not any(map(loop.is_fixed, tensor.inputs)):
        return Sum(
            tuple(tensor.inputs),
            True,
            lambda spec, stacked: _emit(spec, name, *map(stacked, tensor.inputs), **tensor.attributes),
        )
    if name in _LINEAR:
        inner = _sum_of(loop, tensor.inputs[0])
        if inner is not None:
            return _after(inner, lambda spec, value: _emit(spec, name, value, **tensor.attributes))
    if name == "reduce_sum":
        return _sum_of_sums(tensor)
    return None


def _sum_of_both(loop: Loop, tensor: Tensor, name: str) -> Sum | None:
    first, second = (_sum_of(loop, x) for x in tensor.inputs)
    if first is None or second is None:
        return None
    return Sum(
        (*first.factors, *second.factors),
        first.product or second.product,
        lambda spec, stacked: _emit(spec, name, first.emit(spec, stacked), second.emit(spec, stacked)),
    )


def _sum_of_sums(tensor: Tensor) -> Sum:
    (x,) = tensor.inputs
    axis, keepdims = tensor.attributes["axis"], tensor.attributes["keepdims"]

    def emit(spec: Specialiser, stacked: Stacked) -> Tensor:
        total = _emit(spec, "reduce_sum", stacked(x), axis=(0, *[a + 1 for a in axis]), keepdims=False)
        return _emit(spec, "reshape", total, shape=tensor.shape) if keepdims else total

    return Sum((x,), False, emit)


def _sum_of_products(tensor: Tensor) -> Sum:
    """The sum of products is the product of the factors beside each other, along the axis that is summed over."""
    x, y = tensor.inputs
    # A transposed factor is stacked as it was, which puts the steps beside the axis that is summed over.
    turned = _name(x) == "transpose"
    first = x.inputs[0] if turned else x
    turned_second = _name(y) == "transpose"
    second = y.inputs[0] if turned_second else y

    def rows(spec: Specialiser, stack: Tensor, upright: bool) -> Tensor:
        """A stack of matrices (steps, n, k), or (steps, k, n) where not upright, as (steps * n, k)."""
        if not upright:
            stack = _emit(spec, "transpose", stack, permutation=(0, 2, 1))
        steps, n, k = _known(stack.shape)
        return _emit(spec, "reshape", stack, shape=(steps * n, k))

    def emit(spec: Specialiser, stacked: Stacked) -> Tensor:
        left = rows(spec, stacked(first), turned)
        right = rows(spec, stacked(second), not turned_second)
        return _emit(spec, "matmul", _emit(spec, "transpose", left, permutation=(1, 0)), right)

    return Sum((first, second), True, emit)


def _known(shape: Sequence[int | None]) -> list[int]:
    return [n for n in shape if n is not None]
