"""`RNN`: a cell in a loop over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from multikeras import backend as K
from multikeras.contract import is_float
from multikeras.contract.dtypes import promote
from multikeras.graph import operands
from multikeras.graph.ops.rules import length_of
from multikeras.graph.ops.shapes import broadcast_to
from multikeras.layers.base import InputSpec, Layer
from multikeras.layers.calls import CallRecord
from multikeras.layers.recurrent import inputs as called_with
from multikeras.layers.recurrent import stepping
from multikeras.layers.recurrent.stacked import StackedRNNCells


class RNN(Layer):
    """Runs a cell over the time axis.

    Called as `layer(x)`, or with the states to begin with and constants that every step gets:
    `layer(x, initial_state=[...], constants=[...])`, also in one list, `layer([x, *states])`.

    Args:
        cell: What a step does. It has `call(inputs, states) -> (output, new_states)`, `state_size`
            (a number, a shape, or a list of these) and perhaps `output_size`, by default the first
            state's size. Its `call` may take `training` and `constants`; a layer's `build` gets the
            shape of one step, or a list with the shapes of the constants behind it. A list of cells
            is run as `StackedRNNCells`.
        return_sequences: Whether the output of every step is returned, or of the last alone.
        return_state: Whether the last states are returned behind the output.
        go_backwards: Whether the last step comes first; outputs come in the order processed.
        stateful: Whether the last states of one batch begin the next, sample by sample. The batch
            size has to be known.
        unroll: Accepted; the loop is the same.
        **kwargs: What every layer takes; `input_length`, which with `input_dim` says `input_shape`; and
            `zero_output_for_mask` of Keras 3: whether steps that the mask leaves out give 0 among
            the outputs of all steps.

    Input shape: `(batch, time, ...)`; states `(batch, *state_size)`.
    Output shape: `(batch, *output_size)`, or `(batch, time, *output_size)` with return_sequences.
    A step that the mask leaves out keeps the states and repeats the output before it.

    Source: Keras 2.3 `RNN`.
    """

    #: Number of axes of the input; None for three or more.
    _input_ndim: ClassVar[int | None] = None

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        _check_cell(type(self).__name__, cell)
        length = kwargs.pop("input_length", None)
        if not {"input_shape", "batch_input_shape"} & set(kwargs) and (length or "input_dim" in kwargs):
            kwargs["input_shape"] = (length, kwargs.pop("input_dim", None))
        # A configuration of Keras names the number here.
        num_constants = kwargs.pop("num_constants", None)
        self.zero_output_for_mask = bool(kwargs.pop("zero_output_for_mask", False))
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.supports_masking = True
        ndim = self._input_ndim
        self.input_spec = [InputSpec(min_ndim=3) if ndim is None else InputSpec(ndim=ndim)]
        self.state_spec: list[InputSpec] | None = None
        self.constants_spec: list[InputSpec] | None = None
        self._states: list[Any] | None = None
        self._num_constants: int | None = num_constants

    # -- states ---------------------------------------------------------------------------------

    @property
    def states(self) -> list[Any]:
        """The variables of a stateful layer that keep its states; None for each elsewhere."""
        return [None] * len(stepping.state_shapes(self.cell)) if self._states is None else list(self._states)

    @states.setter
    def states(self, states: Sequence[Any]) -> None:
        self._states = list(states)

    def _state_shapes(self, input_shape: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The shapes of the states without the batch axis."""
        return stepping.state_shapes(self.cell)

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """States to begin with where none are given: zeros.

        Args:
            inputs: The sequence.
        """
        return [self._zeros(inputs, shape) for shape in stepping.state_shapes(self.cell)]

    def _zeros(self, inputs: Any, shape: Sequence[Any]) -> Any:
        """Zeros of shape (batch, *shape)."""
        zero = operands.scalar(0, self._state_dtype(inputs))
        return broadcast_to(zero, shape=operands.pack([length_of(inputs, 0), *shape]))

    def _state_dtype(self, inputs: Any) -> str:
        dtype = K.dtype(inputs)
        return promote(dtype, self.dtype) if is_float(dtype) else self.dtype

    def reset_states(self, states: Any = None) -> None:
        """Sets the states of a stateful layer.

        Args:
            states: Arrays, one for each state, or one array; None for zeros. Before the layer is
                built there is nothing to set to zero.

        Raises:
            AttributeError: If the layer is not stateful.
            ValueError: If number or shapes are others, or the layer is not built yet.
        """
        if not self.stateful:
            raise AttributeError(f"Layer {self.name!r} keeps no states: make it with stateful=True.")
        if self._states is None:
            if states is not None:
                raise ValueError(f"Layer {self.name!r} is not built yet and has no states to set.")
            return
        if states is None:
            K.batch_set_value([(variable, np.zeros(variable.shape)) for variable in self._states])
            return
        given = called_with.listed(states)
        called_with.check_count(self.name, "states", given, len(self._states))
        pairs = []
        for i, (variable, value) in enumerate(zip(self._states, given, strict=True)):
            if np.shape(value) != variable.shape:
                raise ValueError(
                    f"Layer {self.name!r}: state {i} has shape {variable.shape}, reset_states received an array of "
                    f"shape {np.shape(value)}. Nothing was changed."
                )
            pairs.append((variable, value))
        K.batch_set_value(pairs)

    def _make_states(self, input_shape: Sequence[Any]) -> None:
        shapes = self._state_shapes(input_shape)
        for shape in shapes:
            if None in shape:
                raise ValueError(
                    f"Layer {self.name!r} is stateful and needs to know the shape of its states, which is {shape} for "
                    f"an input of shape {tuple(input_shape)}."
                )
        made: list[Any] = [
            K.variable(np.zeros((input_shape[0], *shape)), dtype=self.dtype, name=f"{self.name}/state_{i}")
            for i, shape in enumerate(shapes)
        ]
        for variable in made:
            variable.trainable = False
        self._states = made

    def _check_batch(self, shape: Sequence[Any]) -> None:
        """Refuses a batch whose size is unknown, or other than that of the states kept."""
        if shape[0] is None:
            raise ValueError(
                f"Layer {self.name!r} is stateful and has to know the batch size, which is unknown in its input of "
                f"shape {tuple(shape)}. Give the first layer batch_input_shape=(batch_size, time, features) or "
                "batch_size=, or the model Input(batch_shape=...)."
            )
        if self._states and self._states[0].shape[0] != shape[0]:
            raise ValueError(
                f"Layer {self.name!r} is stateful and keeps states for a batch size of {self._states[0].shape[0]}; "
                f"received a batch of {shape[0]}, in an input of shape {tuple(shape)}."
            )

    # -- building and calling -------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        shapes = [input_shape] if _is_shape(input_shape) else list(input_shape)
        constants = shapes[len(shapes) - self._num_constants :] if self._num_constants else []
        shape = tuple(shapes[0])
        if self.stateful:
            self._check_batch(shape)
        step = (shape[0], *shape[2:])
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell._name_weights(self._weights_name)
            self.cell.build([step, *constants] if constants else step)
            self.cell.built = True
        self.input_spec = [self._built_spec(shape)]
        self.state_spec = [InputSpec(shape=(None, *state)) for state in self._state_shapes(shape)]
        self.constants_spec = [InputSpec(shape=(None, *c[1:])) for c in constants]
        if self.stateful and self._states is None:
            self._make_states(shape)
        self.built = True

    def _built_spec(self, shape: tuple[Any, ...]) -> InputSpec:
        return InputSpec(shape=(shape[0] if self.stateful else None, None, *shape[2:]))

    def _input_specs(self, count: int) -> Any:
        first = self.input_spec[0]
        if first.shape is not None:
            # A batch of another size than that of the states has a message of its own.
            first = InputSpec(shape=(None, *first.shape[1:]))
        rest = [*(self.state_spec or ()), *(self.constants_spec or ())]
        return [first, *(rest if count == 1 + len(rest) else [None] * (count - 1))]

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        """Calls the layer.

        Args:
            inputs: The sequence, or the list `[sequence, *initial_state, *constants]`.
            initial_state: States to begin with, a list or one.
            constants: What every step gets, a list or one.
            **kwargs: `mask` and `training`.
        """
        self._check_initialized()
        inputs, states, constants = called_with.taken_apart(
            self.name, inputs, initial_state, constants, self._num_constants
        )
        self._check_beside(states, constants)
        given, others = called_with.joined(inputs, states, constants, kwargs)
        return super().__call__(given, **others)

    def _check_beside(self, states: list[Any] | None, constants: list[Any] | None) -> None:
        if states is not None:
            called_with.check_count(self.name, "states", states, len(stepping.state_shapes(self.cell)))
        if constants is not None or self._num_constants is not None:
            count = len(constants or ())
            if self._num_constants is None:
                self._num_constants = count
            called_with.check_count(self.name, "constants", constants or (), self._num_constants)

    def _passed(self, record: CallRecord) -> dict[str, Any]:
        # States and constants are used whole, whatever masks they have.
        record.input_masks[1:] = [None] * (len(record.input_masks) - 1)
        return super()._passed(record)

    def call(
        self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None, constants: Any = None
    ) -> Any:
        inputs, initial_state, constants = called_with.taken_apart(
            self.name, inputs, initial_state, constants, self._num_constants
        )
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        shape = K.int_shape(inputs)
        if self.stateful:
            self._check_batch(shape)
        if initial_state is None:
            initial_state = self._states if self.stateful else self.get_initial_state(inputs)
        dtype = self._state_dtype(inputs)
        initial_state = [operands.cast(operands.convert(state), dtype) for state in initial_state]
        called_with.check_count(self.name, "states", initial_state, len(stepping.state_shapes(self.cell)))
        last, outputs, states = self._run(inputs, initial_state, mask, training, constants or [], shape)
        if self.stateful:
            self.add_update([K.update(old, new) for old, new in zip(self.states, states, strict=True)], inputs)
        if self.zero_output_for_mask and self.return_sequences and mask is not None:
            outputs = self._zeroed(outputs, mask)
        output = outputs if self.return_sequences else last
        return [output, *states] if self.return_state else output

    def _zeroed(self, outputs: Any, mask: Any) -> Any:
        """The outputs of all steps, 0 where the mask leaves a step out."""
        # Outputs come in the order processed, masks in that of time.
        kept = K.reverse(mask, 1) if self.go_backwards else mask
        while K.ndim(kept) < K.ndim(outputs):
            kept = K.expand_dims(kept)
        return K.where(K.not_equal(K.cast(kept, "int32"), 0), outputs, K.zeros_like(outputs))

    def _run(
        self, inputs: Any, states: list[Any], mask: Any, training: Any, constants: list[Any], shape: Sequence[Any]
    ) -> tuple[Any, Any, list[Any]]:
        """The last output, all outputs and the last states."""
        cell, count = self.cell, len(states)

        def step(entry: Any, held: list[Any]) -> Any:
            output, new = stepping.call_cell(cell, entry, held[:count], training, held[count:])
            return output, list(new)

        with stepping.fresh_masks(cell):
            return stepping.Loop(self, cell if isinstance(cell, Layer) else None, step).run(
                inputs,
                states,
                go_backwards=self.go_backwards,
                mask=mask,
                constants=constants,
                unroll=self.unroll,
                input_length=shape[1],
            )

    # -- shapes, masks, configuration -----------------------------------------------------------

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape if _is_shape(input_shape) else input_shape[0])
        made = stepping.output_shape(self.cell)
        output = (*shape[:2], *made) if self.return_sequences else (shape[0], *made)
        if not self.return_state:
            return output
        return [output, *[(shape[0], *state) for state in self._state_shapes(shape)]]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        passed = mask if self.return_sequences else None
        if not self.return_state:
            return passed
        return [passed, *[None] * len(stepping.state_shapes(self.cell))]

    def _flags(self) -> dict[str, Any]:
        """The part of the configuration that is of the loop rather than of the cell."""
        flags: dict[str, Any] = {
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
        }
        if self.zero_output_for_mask:
            flags["zero_output_for_mask"] = True
        if self._num_constants is not None:
            flags["num_constants"] = self._num_constants
        return flags

    def get_config(self) -> dict[str, Any]:
        from multikeras.layers import serialize

        if not hasattr(self.cell, "get_config"):
            raise NotImplementedError(
                f"Layer {self.name!r}: its cell, {type(self.cell).__name__}, has no get_config, so that the layer has "
                "no configuration. Define get_config and from_config on the cell."
            )
        return {**super().get_config(), **self._flags(), "cell": serialize(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A layer with these arguments, without weights.

        Args:
            config: What `get_config` gives.
            custom_objects: Classes of cells of one's own, by name.
        """
        from multikeras.layers import deserialize

        config = dict(config)
        if isinstance(config.get("cell"), Mapping):
            config["cell"] = deserialize(config["cell"], custom_objects)
        return cls(**config)


def _is_shape(shape: Any) -> bool:
    return all(entry is None or isinstance(entry, (int, np.integer)) for entry in shape)


def _check_cell(kind: str, cell: Any) -> None:
    for name in ("call", "state_size"):
        if not hasattr(cell, name):
            raise ValueError(
                f"{kind}: a cell has call(inputs, states) and state_size; received {cell!r}, which has no {name}."
            )
