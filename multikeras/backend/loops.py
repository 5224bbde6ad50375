"""Loops over an axis of tensors: recurrent networks, maps and folds, all by the primitive `scan`.

Each calls its step function once outside the loop, on the first element, so that the function
learns shapes and makes what it keeps for itself (a dropout mask, a weight), and once more to trace
the body.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras.backend import common, reductions
from multikeras.backend.calling import called
from multikeras.backend.elementwise import as_bool
from multikeras.backend.making import cast
from multikeras.graph.context import trial
from multikeras.graph.ops import control as ops
from multikeras.graph.ops import shapes
from multikeras.graph.ops.rules import where as select
from multikeras.graph.ops.rules import zeros_like
from multikeras.graph.tensor import Tensor

Step = Callable[..., Any]


def rnn(
    step_function: Step,
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Runs a step function over the time axis.

    Args:
        step_function: `step_function(input_t, states + constants) -> (output, new_states)`, with
            `input_t` of shape (samples, …). It is called twice: once outside the loop, once to
            trace the body.
        inputs: Tensor (samples, time, …).
        initial_states: List of tensors (samples, …); may be empty.
        go_backwards: Whether the last step comes first; outputs come in the order processed.
        mask: Tensor (samples, time) or (samples, time, 1), or None. Where it is 0, states stay and
            the previous output comes again, zeros at first.
        constants: List of tensors that every step gets behind the states.
        unroll: Changes nothing.
        input_length: Changes nothing.

    Returns:
        The last output (samples, …), all outputs (samples, time, …), and the list of final states.

    Raises:
        ValueError: If the shapes do not fit, or a state changes its shape or type.

    Source: Keras 2.3 `K.rnn`.
    """
    sequence = common.tensor(inputs)
    if sequence.ndim < 2:
        raise ValueError(f"K.rnn takes inputs of shape (samples, time, ...), received {sequence!r}.")
    if isinstance(initial_states, Tensor):
        raise TypeError(f"K.rnn takes a list of initial states, received {initial_states!r}. Write [states].")
    states = [common.tensor(s) for s in initial_states or []]
    fixed = [common.tensor(c) for c in constants or []]
    first = sequence[:, -1 if go_backwards else 0]
    with trial():
        output, new_states = _step(step_function, first, states, fixed)
    timed = [_time_first(sequence)]
    carries = list(states)
    if mask is not None:
        timed.append(_time_mask(mask, sequence))
        carries.append(zeros_like(output))
    repeated: list[int] = []

    def step(iteration: Tensor, entry: Tensor, *rest: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        held = list(rest[1:] if mask is not None else rest)
        before = held[: len(states)]
        made, after = _step(step_function, entry, before, fixed)
        if mask is None:
            repeated.extend(i for i, s in enumerate(after) if s is made)
            return after, [made]
        valid, previous = rest[0], held[-1]
        made = select(_beside(valid, made), made, previous)
        kept = [select(_beside(valid, new), new, old) for new, old in zip(after, before, strict=True)]
        return [*kept, made], [made]

    finals, (stacked,) = ops.scan(step, timed, carries, reverse=bool(go_backwards), label="step function of K.rnn")
    if mask is not None:
        last = finals.pop()
    elif repeated:
        # The output is a state, as in most recurrent layers: the last one need not be cut out.
        last = common.fresh(finals[repeated[0]])
    else:
        last = stacked[0 if go_backwards else -1]
    outputs = shapes.flip(stacked, axis=(0,)) if go_backwards else stacked
    return last, _time_first(outputs), finals


def _step(function: Step, entry: Tensor, states: list[Tensor], constants: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    takes = "the input of a step and the list of states and constants"
    made = called(function, "the step function of K.rnn", takes, entry, [*states, *constants])
    if not isinstance(made, (tuple, list)) or len(made) != 2:
        raise ValueError(f"The step function of K.rnn returns the pair (output, new states), received {made!r}.")
    output, new_states = made
    if not isinstance(new_states, (tuple, list)):
        raise TypeError(f"The step function of K.rnn returns a list of new states, received {new_states!r}.")
    if len(new_states) != len(states):
        raise ValueError(
            f"The step function of K.rnn got {len(states)} states and returned {len(new_states)}: each state it gets "
            "needs its next value."
        )
    return common.tensor(output), [common.tensor(s) for s in new_states]


def _time_first(x: Tensor) -> Tensor:
    """The first two axes exchanged."""
    return common.transpose(x, [1, 0, *range(2, x.ndim)])


def _time_mask(mask: Any, inputs: Tensor) -> Tensor:
    """A mask as booleans of shape (time, samples)."""
    valid = as_bool(mask)
    if valid.ndim == 3:
        valid = shapes.squeeze(valid, axis=(2,))
    if valid.ndim != 2:
        raise ValueError(
            f"K.rnn: the mask has shape (samples, time) or (samples, time, 1), received {valid.shape} beside inputs of "
            f"shape {inputs.shape}."
        )
    return _time_first(valid)


def _beside(valid: Tensor, x: Tensor) -> Tensor:
    """A mask of the samples as a condition for a tensor of them."""
    return common.expand(valid, *range(1, x.ndim))


# -- maps and folds -----------------------------------------------------------------------------


def _elements(elems: Any, function: str) -> list[Tensor]:
    tensors = [common.tensor(t) for t in (elems if isinstance(elems, (tuple, list)) else [elems])]
    if not tensors:
        raise ValueError(f"K.{function} runs over a tensor, or over a list of at least one, received {elems!r}.")
    for t in tensors:
        if t.ndim == 0:
            raise ValueError(f"K.{function} runs over the first axis, received {t!r}, which has none.")
    return tensors


def _element(t: Tensor, last: bool = False) -> Tensor:
    """An element; of an empty tensor something that is like one, to learn shapes from."""
    if t.shape[0] == 0:
        return cast(reductions.sum(cast(t, "float32"), axis=0), t.dtype)
    return t[-1 if last else 0]


def map_fn(fn: Step, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """What a function gives for each element along the first axis, stacked.

    Args:
        fn: Takes an element (for a list of tensors, a list of them), returns a tensor or several.
        elems: Tensor, or a list of tensors of equal first length.
        name: Not used.
        dtype: Data type that results are cast to; None for their own.

    Returns:
        A tensor, or a list where `fn` returns several.
    """
    tensors = _elements(elems, "map_fn")
    several = isinstance(elems, (tuple, list))
    many: list[bool] = []

    def call(parts: list[Tensor]) -> list[Tensor]:
        takes = f"a list of {len(parts)} tensors, an element of each" if several else "an element"
        made = called(fn, "the fn of K.map_fn", takes, parts if several else parts[0])
        many.append(isinstance(made, (tuple, list)))
        results = [common.tensor(t) for t in (made if many[-1] else [made])]
        return results if dtype is None else [cast(t, dtype) for t in results]

    with trial():
        call([_element(t) for t in tensors])
    _, stacked = ops.scan(lambda i, *parts: ([], call(list(parts))), tensors, [], label="function of K.map_fn")
    return stacked if many[-1] else stacked[0]


def foldl(fn: Step, elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """`fn(accumulator, element)` over the elements along the first axis, from the first to the last.

    Args:
        fn: Takes the accumulator and an element, returns the new accumulator.
        elems: Tensor.
        initializer: Accumulator at the start; None for the first element.
        name: Not used.
    """
    return _fold(fn, elems, initializer, False, "foldl")


def foldr(fn: Step, elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """`fn(accumulator, element)` over the elements along the first axis, from the last to the first.

    Args:
        fn: Takes the accumulator and an element, returns the new accumulator.
        elems: Tensor.
        initializer: Accumulator at the start; None for the last element.
        name: Not used.
    """
    return _fold(fn, elems, initializer, True, "foldr")


def _fold(fn: Step, elems: Any, initializer: Any, reverse: bool, function: str) -> Tensor:
    tensors = _elements(elems, function)
    several = isinstance(elems, (tuple, list))
    if initializer is None:
        if several:
            raise ValueError(f"K.{function}: over several tensors an initializer is needed.")
        start = tensors[0][-1 if reverse else 0]
        tensors = [tensors[0][:-1] if reverse else tensors[0][1:]]
    else:
        start = common.tensor(initializer)

    def call(accumulator: Tensor, parts: list[Tensor]) -> Tensor:
        takes = "the accumulator and " + ("a list with an element of each tensor" if several else "an element")
        made = called(fn, f"the fn of K.{function}", takes, accumulator, parts if several else parts[0])
        return common.tensor(made)

    with trial():
        call(start, [_element(t, reverse) for t in tensors])
    finals, _ = ops.scan(
        lambda i, *values: ([call(values[-1], list(values[:-1]))], []),
        tensors,
        [start],
        reverse=reverse,
        label=f"function of K.{function}",
    )
    return finals[0]
