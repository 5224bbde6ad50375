"""`GRU` and its cell."""

from __future__ import annotations

from typing import Any, ClassVar

from multikeras import activations
from multikeras import backend as K
from multikeras.graph.ops.shapes import split
from multikeras.layers.recurrent.cell import (
    CellLayer,
    FromCell,
    RecurrentCell,
    implementation_of,
    masked,
    product,
    with_bias,
)


class GRUCell(RecurrentCell):
    """A step of a `GRU`, whose arguments it has.

    With `z` and `r` from the recurrent activation, the new state is `z * state + (1 - z) * h`. The
    candidate `h` is made of the input and of `r * state`; with `reset_after`, of the input and of
    `r` times the product of the state with its kernel.

    Weights: kernel (features, 3 units), recurrent_kernel (units, 3 units), in the order z, r, h; bias
    (3 units,), with `reset_after` (2, 3 units): of the input, then of the state.

    Sources: Cho et al. 2014, version 3 of the preprint; with `reset_after` version 1.
    """

    _gates: ClassVar[int] = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        reset_after: bool = False,
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
        self.implementation = implementation_of(type(self).__name__, implementation)
        self.reset_after = bool(reset_after)

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _biases(self) -> tuple[Any, Any]:
        """The bias of the input's product and that of the state's, None where there is none."""
        if self.bias is None:
            return None, None
        return (self.bias[0], self.bias[1]) if self.reset_after else (self.bias, None)

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        before, units = states[0], self.units
        # With several masks every gate has one of its own.
        count = 1 if self.implementation == 2 else 3
        input_masks = self._input_masks(inputs, training, count)
        state_masks = self._state_masks(before, training, count)
        bias, state_bias = self._biases()
        of_input = with_bias(product(inputs, self.kernel, input_masks, training), bias)
        z, r, candidate = split(of_input, axis=1, sizes=(units,) * 3)
        act = self.recurrent_activation
        if self.reset_after:
            of_state = with_bias(product(before, self.recurrent_kernel, state_masks, training), state_bias)
            z_state, r_state, reset = split(of_state, axis=1, sizes=(units,) * 3)
            z, r = act(z + z_state), act(r + r_state)
            candidate = candidate + r * reset
        else:
            gates, last = split(self.recurrent_kernel, axis=1, sizes=(2 * units, units))
            of_state = product(before, gates, state_masks[:2], training)
            z_state, r_state = split(of_state, axis=1, sizes=(units,) * 2)
            z, r = act(z + z_state), act(r + r_state)
            candidate = candidate + K.dot(r * masked(before, state_masks, 2, training), last)
        # What is dropped of the state is dropped on the way to the gates; the state itself goes on whole.
        output = z * before + (1 - z) * self.activation(candidate)
        return output, [output]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "implementation": self.implementation,
            "reset_after": self.reset_after,
        }


class GRU(CellLayer):
    """Gated recurrent units.

    Args:
        units: Length of the output.
        activation: Of the candidate; name, function or object, nothing if None.
        recurrent_activation: Of the gates.
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
        implementation: With 1 every gate has dropout masks of its own, with 2 all share them; values
            are the same otherwise.
        return_sequences, return_state, go_backwards, stateful, unroll: As of `RNN`.
        reset_after: Whether the reset gate acts after the product of the state with its kernel, as
            in cuDNN.
        **kwargs: What every layer takes, and `input_length`.

    Input shape: `(batch, time, features)`. Output shape: `(batch, units)`, or `(batch, time, units)`.
    Weights: those of `GRUCell`.
    """

    cell: GRUCell

    recurrent_activation = FromCell()
    implementation = FromCell()
    reset_after = FromCell()

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
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
        implementation: int = 2,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
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
            implementation=implementation,
            reset_after=reset_after,
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
