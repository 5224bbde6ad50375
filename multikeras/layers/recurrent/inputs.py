"""What a recurrent layer is called with: a sequence, beginnings of its states, and constants.

Tensors that a graph has made become inputs of the call, behind the sequence, so that a model finds
its way back through them and its configuration holds them. Arrays and variables stay arguments in
a graph; where everything is an array, all are inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras.graph.tensor import Placeholder, Tensor
from multikeras.layers import arrays


def listed(value: Any) -> list[Any]:
    """None as no entries, a list as it is, anything else as one entry."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def taken_apart(
    layer: str, inputs: Any, initial_state: Any, constants: Any, num_constants: int | None
) -> tuple[Any, list[Any] | None, list[Any] | None]:
    """The sequence, the states it begins with and the constants.

    Args:
        layer: Name of the layer, for messages.
        inputs: The sequence, or the list `[sequence, *initial_state, *constants]`.
        initial_state: The states, where they are not in the list.
        constants: The constants, where they are not in the list.
        num_constants: How many entries at the end of the list are constants.

    Raises:
        ValueError: If states or constants are both in the list and beside it.
    """
    if isinstance(inputs, (list, tuple)) and len(inputs) == 1:
        inputs = inputs[0]
    if isinstance(inputs, (list, tuple)):
        if initial_state is not None or constants is not None:
            raise ValueError(
                f"Layer {layer!r} received states or constants twice: {len(inputs)} entries in the list of inputs, "
                "and initial_state= or constants= beside it."
            )
        rest = list(inputs[1:])
        inputs = inputs[0]
        if num_constants:
            rest, constants = rest[:-num_constants], rest[-num_constants:]
        initial_state = rest or None
    return (
        inputs,
        None if initial_state is None else listed(initial_state),
        None if constants is None else listed(constants),
    )


def joined(
    inputs: Any, initial_state: Sequence[Any] | None, constants: Sequence[Any] | None, others: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The inputs of the call, and its other arguments."""
    beside = [*(initial_state or ()), *(constants or ())]
    arguments = dict(others)
    if not beside:
        return inputs, arguments
    in_graph = arrays.in_graph(inputs, {"beside": beside, **arguments})
    if not in_graph or all(_is_made(value) for value in beside):
        return [inputs, *beside], arguments
    if initial_state is not None:
        arguments["initial_state"] = list(initial_state)
    if constants is not None:
        arguments["constants"] = list(constants)
    return inputs, arguments


def _is_made(value: Any) -> bool:
    """Whether a tensor comes from an input or an operation, rather than being a leaf with a value."""
    return isinstance(value, Tensor) and (isinstance(value, Placeholder) or value.primitive is not None)


def check_count(layer: str, what: str, given: Sequence[Any], expected: int) -> None:
    """Refuses another number of states or constants than expected."""
    if len(given) != expected:
        raise ValueError(f"Layer {layer!r} has {expected} {what}, received {len(given)}: {list(given)!r}.")
