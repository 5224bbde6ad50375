"""`StackedRNNCells`: cells one upon the other, as one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multikeras import lookup
from multikeras.layers import sharing
from multikeras.layers.base import Layer
from multikeras.layers.recurrent import stepping


class StackedRNNCells(Layer):
    """Cells of which each gets the output of the one before it, as one cell.

    Args:
        cells: The cells, the first gets the input.
        reverse_state_order: Whether the states of the last cell come first in the list of states,
            as they did in Keras before 2.3.
        **kwargs: What every layer takes.
    """

    def __init__(self, cells: Sequence[Any], reverse_state_order: bool = False, **kwargs: Any) -> None:
        if not cells:
            raise ValueError("StackedRNNCells needs at least one cell.")
        for cell in cells:
            for name in ("call", "state_size"):
                if not hasattr(cell, name):
                    raise ValueError(
                        "StackedRNNCells: a cell has call(inputs, states) and state_size; received "
                        f"{cell!r}, which has no {name}."
                    )
        super().__init__(**kwargs)
        self.cells = list(cells)
        self.reverse_state_order = reverse_state_order

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states of all cells."""
        return [
            shape[0] if len(shape) == 1 else shape
            for cell in (self.cells[::-1] if self.reverse_state_order else self.cells)
            for shape in stepping.state_shapes(cell)
        ]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        shape = stepping.output_shape(self.cells[-1])
        return shape[0] if len(shape) == 1 else shape

    def build(self, input_shape: Any) -> None:
        several = any(isinstance(entry, (list, tuple)) for entry in input_shape)
        step, constants = (input_shape[0], list(input_shape[1:])) if several else (input_shape, [])
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell._name_weights(self._weights_name)
                takes = bool(constants) and lookup.accepts(cell.call, "constants")
                cell.build([step, *constants] if takes else tuple(step))
                cell.built = True
            step = (step[0], *stepping.output_shape(cell))
        self.built = True

    def call(self, inputs: Any, states: Any, constants: Any = None, training: Any = None) -> Any:
        places = range(len(self.cells))[::-1] if self.reverse_state_order else range(len(self.cells))
        rest = list(states)
        # By place, since one cell may be there twice.
        held: dict[int, list[Any]] = {}
        for i in places:
            count = len(stepping.state_shapes(self.cells[i]))
            held[i], rest = rest[:count], rest[count:]
        for i, cell in enumerate(self.cells):
            given = constants if constants and lookup.accepts(cell.call, "constants") else None
            inputs, held[i] = stepping.call_cell(cell, inputs, held[i], training, given)
        return inputs, [state for i in places for state in held[i]]

    def get_config(self) -> dict[str, Any]:
        with sharing.writing():
            cells = [sharing.described(cell) for cell in self.cells]
        config = {**super().get_config(), "cells": cells}
        if self.reverse_state_order:
            config["reverse_state_order"] = True
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A stack with these arguments, without weights."""
        from multikeras.layers import deserialize

        config = dict(config)
        with sharing.reading():
            cells = [deserialize(cell, custom_objects) for cell in config.pop("cells")]
        return cls(cells, **config)
