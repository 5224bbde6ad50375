"""`CuDNNGRU` and `CuDNNLSTM`: the arithmetic and the weights of cuDNN, on every backend."""

from __future__ import annotations

from typing import Any

from multikeras.layers.recurrent.cell import CellLayer, FromCell
from multikeras.layers.recurrent.gru import GRUCell
from multikeras.layers.recurrent.lstm import LSTMCell, forget_bias

#: What is fixed in cuDNN and no argument of the layers, though the cells have it.
_FIXED = frozenset(
    {
        "activation",
        "recurrent_activation",
        "use_bias",
        "dropout",
        "recurrent_dropout",
        "implementation",
        "reset_after",
        "unroll",
    }
)


class _GRUCell(GRUCell):
    """A step of a `CuDNNGRU`: that of a GRU with the two biases in one vector."""

    def _bias_shape(self) -> tuple[int, ...]:
        return (6 * self.units,)

    def _biases(self) -> tuple[Any, Any]:
        width = 3 * self.units
        return self.bias[:width], self.bias[width:]


class _LSTMCell(LSTMCell):
    """A step of a `CuDNNLSTM`: that of an LSTM with two biases, which are added."""

    def _bias_shape(self) -> tuple[int, ...]:
        return (8 * self.units,)

    def _first_bias(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        # Of the two biases of the forget gate, that of the state.
        return forget_bias(self.bias_initializer, 5 * self.units, self.units, 2 * self.units)

    def _whole_bias(self) -> Any:
        width = 4 * self.units
        return self.bias[:width] + self.bias[width:]


class _CuDNN(CellLayer):
    """What both layers share."""

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name not in _FIXED}


class CuDNNGRU(_CuDNN):
    """A GRU as cuDNN computes it: sigmoid gates, tanh, the reset gate after the product.

    Args:
        units: Length of the output.
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
        return_sequences, return_state, stateful: As of `RNN`, masks included.
        **kwargs: What every layer takes, `go_backwards` and `input_length`.

    Input shape: `(batch, time, features)`. Output shape: `(batch, units)`, or `(batch, time, units)`.
    Weights: kernel (features, 3 units), recurrent_kernel (units, 3 units), in the order z, r, h; bias
    (6 units,): of the input, then of the state.
    """

    cell: _GRUCell

    def __init__(
        self,
        units: int,
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
        return_sequences: bool = False,
        return_state: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = _GRUCell(
            units,
            recurrent_activation="sigmoid",
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            reset_after=True,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            stateful=stateful,
            **kwargs,
        )


class CuDNNLSTM(_CuDNN):
    """An LSTM as cuDNN computes it: sigmoid gates, tanh, two biases.

    Args:
        units: Length of the output.
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
        return_sequences, return_state, stateful: As of `RNN`, masks included.
        **kwargs: What every layer takes, `go_backwards` and `input_length`.

    Input shape: `(batch, time, features)`. Output shape: `(batch, units)`, or `(batch, time, units)`.
    Weights: kernel (features, 4 units), recurrent_kernel (units, 4 units), in the order i, f, c, o; bias
    (8 units,): of the input, then of the state.
    """

    cell: _LSTMCell

    unit_forget_bias = FromCell()

    def __init__(
        self,
        units: int,
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
        return_sequences: bool = False,
        return_state: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = _LSTMCell(
            units,
            recurrent_activation="sigmoid",
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            stateful=stateful,
            **kwargs,
        )
