"""`LSTM` and its cell."""

from __future__ import annotations

from typing import Any, ClassVar

from multikeras import activations, initializers
from multikeras import backend as K
from multikeras.graph.ops.shapes import split
from multikeras.layers.recurrent.cell import (
    CellLayer,
    FromCell,
    RecurrentCell,
    implementation_of,
    product,
    with_bias,
)


class LSTMCell(RecurrentCell):
    """A step of an `LSTM`, whose arguments it has.

    With `i`, `f` and `o` from the recurrent activation, the new memory is
    `f * memory + i * activation(c)` and the output `o * activation(memory)`. The states are the
    output and the memory.

    Weights: kernel (features, 4 units), recurrent_kernel (units, 4 units), bias (4 units,), in the order
    i, f, c, o.

    Sources: Hochreiter and Schmidhuber 1997, forget gate of Gers et al. 2000; its bias of 1 from
    Jozefowicz et al. 2015.
    """

    _gates: ClassVar[int] = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            **kwargs,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.implementation = implementation_of(type(self).__name__, implementation)

    @property
    def state_size(self) -> list[int]:
        """Lengths of output and memory."""
        return [self.units, self.units]

    def _first_bias(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        return forget_bias(self.bias_initializer, self.units, self.units, 2 * self.units)

    def _whole_bias(self) -> Any:
        """The bias of all gates."""
        return self.bias

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        before, memory = states
        # With several masks every gate has one of its own.
        count = 1 if self.implementation == 2 else 4
        input_masks = self._input_masks(inputs, training, count)
        state_masks = self._state_masks(before, training, count)
        of_input = with_bias(product(inputs, self.kernel, input_masks, training), self._whole_bias())
        of_state = product(before, self.recurrent_kernel, state_masks, training)
        i, f, c, o = split(of_input + of_state, axis=1, sizes=(self.units,) * 4)
        act = self.recurrent_activation
        memory = act(f) * memory + act(i) * self.activation(c)
        output = act(o) * self.activation(memory)
        return output, [output, memory]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
            "implementation": self.implementation,
        }


def forget_bias(initializer: Any, before: int, units: int, after: int) -> Any:
    """An initializer that gives 1 for the forget gate, and leaves what is before and after it to another."""

    def first_bias(shape: Any, dtype: str | None = None) -> Any:
        ones = initializers.Ones()((units,), dtype=dtype)
        return K.concatenate([initializer((before,), dtype=dtype), ones, initializer((after,), dtype=dtype)])

    return first_bias


class LSTM(CellLayer):
    """Long short-term memory.

    Args:
        units: Length of the output.
        activation: Of what enters and leaves the memory; name, function or object, nothing if None.
        recurrent_activation: Of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: First value of the kernel.
        recurrent_initializer: First value of the kernel of the state.
        bias_initializer: First value of the bias.
        unit_forget_bias: Whether the bias of the forget gate begins at 1.
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the kernel of the state.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Bounds of the kernel.
        recurrent_constraint: Bounds of the kernel of the state.
        bias_constraint: Bounds of the bias.
        dropout: Share of the input that is dropped in training, the same entries at every step.
        recurrent_dropout: Share of the state that is dropped, likewise.
        implementation: With 1 every gate has dropout masks of its own, with 2 all share them; values
            are the same otherwise.
        return_sequences, return_state, go_backwards, stateful, unroll: As of `RNN`.
        **kwargs: What every layer takes, and `input_length`.

    Input shape: `(batch, time, features)`. Output shape: `(batch, units)`, or `(batch, time, units)`.
    Weights: those of `LSTMCell`.
    """

    cell: LSTMCell

    recurrent_activation = FromCell()
    unit_forget_bias = FromCell()
    implementation = FromCell()

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            unit_forget_bias=unit_forget_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            implementation=implementation,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            **kwargs,
        )
