"""`SimpleRNN` and its cell: a dense layer whose output comes back."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers.recurrent.cell import CellLayer, RecurrentCell, masked


class SimpleRNNCell(RecurrentCell):
    """A step of a `SimpleRNN`: `activation(dot(input, kernel) + dot(state, recurrent_kernel) + bias)`.

    Args: see `RecurrentCell`.

    Weights: kernel (features, units), recurrent_kernel (units, units), bias (units,).
    """

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        before = states[0]
        inputs = masked(inputs, self._input_masks(inputs, training, 1), 0, training)
        held = masked(before, self._state_masks(before, training, 1), 0, training)
        moved = K.dot(inputs, self.kernel)
        if self.use_bias:
            moved = K.bias_add(moved, self.bias, data_format="channels_last")
        output = self.activation(moved + K.dot(held, self.recurrent_kernel))
        return output, [output]


class SimpleRNN(CellLayer):
    """A dense layer over time whose output comes back to its input.

    Args:
        units: Length of the output.
        activation: Name, function or object; nothing if None.
        use_bias: Whether there is a bias.
        kernel_initializer: First value of the kernel.
        recurrent_initializer: First value of the kernel of the state.
        bias_initializer: First value of the bias.
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the kernel of the state.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Bounds of the kernel.
        recurrent_constraint: Bounds of the kernel of the state.
        bias_constraint: Bounds of the bias.
        dropout: Share of the input that is dropped in training, the same entries at every step.
        recurrent_dropout: Share of the state that is dropped, likewise.
        return_sequences, return_state, go_backwards, stateful, unroll: As of `RNN`.
        **kwargs: What every layer takes, and `input_length`.

    Input shape: `(batch, time, features)`. Output shape: `(batch, units)`, or `(batch, time, units)`.
    Weights: kernel (features, units), recurrent_kernel (units, units), bias (units,).
    """

    cell: SimpleRNNCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
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
