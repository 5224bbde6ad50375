"""Recurrent layers whose states are pictures: `ConvRNN2D`, `ConvLSTM2D` and its cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.graph.ops.shapes import split
from multikeras.layers import windows
from multikeras.layers.base import InputSpec
from multikeras.layers.recurrent.cell import CellLayer, FromCell, masked
from multikeras.layers.recurrent.lstm import LSTMCell
from multikeras.layers.recurrent.rnn import RNN, _is_shape
from multikeras.layers.recurrent.stacked import StackedRNNCells


class ConvRNN2D(RNN):
    """Runs a cell over pictures in time.

    Args:
        cell: As of `RNN`; it has besides `filters`, `kernel_size`, `strides`, `padding`, `data_format` and
            `dilation_rate`, from which the shape of the states follows.
        return_sequences, return_state, go_backwards, stateful: As of `RNN`.
        unroll: Not taken.
        **kwargs: What every layer takes.

    Input shape: `(batch, time, rows, cols, channels)`, or `(batch, time, channels, rows, cols)`.
    Output shape: `(batch, rows, cols, filters)`, with return_sequences and channels first likewise.
    """

    _input_ndim = 5

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
        if unroll:
            raise TypeError(f"{type(self).__name__} does not take unroll=True.")
        if isinstance(cell, (list, tuple, StackedRNNCells)):
            raise TypeError(f"{type(self).__name__} takes one cell, received {cell!r}. Put layers behind one another.")
        super().__init__(cell, return_sequences, return_state, go_backwards, stateful, False, **kwargs)

    def _picture(self, lengths: Sequence[Any]) -> tuple[Any, ...]:
        """The shape of a state for these rows and columns."""
        cell = self.cell
        made = [
            windows.window_length(n, k, cell.padding, s, d)
            for n, k, s, d in zip(lengths, cell.kernel_size, cell.strides, cell.dilation_rate, strict=True)
        ]
        return (cell.filters, *made) if cell.data_format == "channels_first" else (*made, cell.filters)

    def _state_shapes(self, input_shape: Sequence[Any]) -> list[tuple[Any, ...]]:
        picture = self._picture(windows.spatial(input_shape[1:], self.cell.data_format))
        return [picture] * len(super()._state_shapes(input_shape))

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """States to begin with where none are given: zeros.

        Args:
            inputs: The pictures.
        """
        lengths = [n if n is not None else K.shape(inputs)[i] for i, n in enumerate(K.int_shape(inputs))]
        return [self._zeros(inputs, shape) for shape in self._state_shapes(lengths)]

    def _built_spec(self, shape: tuple[Any, ...]) -> InputSpec:
        channels = windows.channels_of(shape[1:], self.cell.data_format)
        kept = (
            (None, None, None, channels) if self.cell.data_format == "channels_last" else (None, channels, None, None)
        )
        return InputSpec(shape=(shape[0] if self.stateful else None, *kept))

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape if _is_shape(input_shape) else input_shape[0])
        states = self._state_shapes(shape)
        output = (*shape[:2], *states[0]) if self.return_sequences else (shape[0], *states[0])
        return [output, *[(shape[0], *state) for state in states]] if self.return_state else output


class ConvLSTM2DCell(LSTMCell):
    """A step of a `ConvLSTM2D`, whose arguments it has: that of an LSTM with convolutions for products.

    Weights: kernel (rows, cols, channels, 4 filters), recurrent_kernel (rows, cols, filters, 4 filters), bias
    (4 filters,), in the order i, f, c, o.

    Source: Shi et al. 2015, without connections from memory to gates.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        kind = type(self).__name__
        super().__init__(
            windows.numbers(kind, "filters", filters, 1)[0],
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            implementation=1,
            **kwargs,
        )
        self.kernel_size = windows.numbers(kind, "kernel_size", kernel_size, 2)
        self.strides = windows.numbers(kind, "strides", strides, 2)
        self.padding = windows.check_padding(kind, padding)
        self.data_format = windows.check_data_format(kind, data_format)
        self.dilation_rate = windows.numbers(kind, "dilation_rate", dilation_rate, 2)

    @property
    def filters(self) -> int:
        """Number of output channels, and of those of each state."""
        return self.units

    def _kernel_shapes(self, input_shape: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        channels = windows.channels_of(input_shape, self.data_format)
        if channels is None or isinstance(channels, (list, tuple)):
            raise ValueError(
                f"{type(self).__name__} needs to know the channels of its input ({self.data_format}), received shape "
                f"{tuple(input_shape)} for one step."
            )
        width = 4 * self.filters
        return (*self.kernel_size, channels, width), (*self.kernel_size, self.filters, width)

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        before, memory = states
        input_masks = self._input_masks(inputs, training, 4)
        state_masks = self._state_masks(before, training, 4)
        of_input = self._convolved(inputs, self.kernel, input_masks, training, False)
        if self.bias is not None:
            of_input = K.bias_add(of_input, self.bias, data_format=self.data_format)
        of_state = self._convolved(before, self.recurrent_kernel, state_masks, training, True)
        axis = 1 if self.data_format == "channels_first" else 3
        i, f, c, o = split(of_input + of_state, axis=axis, sizes=(self.filters,) * 4)
        act = self.recurrent_activation
        memory = act(f) * memory + act(i) * self.activation(c)
        output = act(o) * self.activation(memory)
        return output, [output, memory]

    def _convolved(self, x: Any, kernel: Any, masks: list[Any], training: Any, of_state: bool) -> Any:
        """The convolution for all gates, each with a dropout mask of its own."""

        def convolved(picture: Any, part: Any) -> Any:
            if of_state:
                return K.conv2d(picture, part, padding="same", data_format=self.data_format)
            return K.conv2d(
                picture,
                part,
                strides=self.strides,
                padding=self.padding,
                data_format=self.data_format,
                dilation_rate=self.dilation_rate,
            )

        if not masks:
            return convolved(x, kernel)

        def apart() -> Any:
            parts = split(kernel, axis=3, sizes=(self.filters,) * 4)
            made = [convolved(masked(x, masks, i, training), part) for i, part in enumerate(parts)]
            return K.concatenate(made, axis=1 if self.data_format == "channels_first" else 3)

        return K.in_train_phase(apart, lambda: convolved(x, kernel), training=training)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["units"], config["implementation"]
        return {
            **config,
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": list(self.dilation_rate),
        }


class ConvLSTM2D(CellLayer, ConvRNN2D):
    """An LSTM over pictures in time, with convolutions for products.

    Args:
        filters: Number of output channels, and of those of each state.
        kernel_size: Rows and columns of the window.
        strides: Steps of the window over the input.
        padding: `'valid'` or `'same'`, of the input; states are padded to the same size.
        data_format: Where the channels are; the global setting if None.
        dilation_rate: Distance between the entries that a window takes of the input.
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
        return_sequences, go_backwards, stateful: As of `RNN`.
        dropout: Share of the input that is dropped in training, the same entries at every step, for
            each gate others.
        recurrent_dropout: Share of the state that is dropped, likewise.
        **kwargs: What every layer takes, and `return_state`.

    Input shape: `(batch, time, rows, cols, channels)`, or `(batch, time, channels, rows, cols)`.
    Weights: those of `ConvLSTM2DCell`.
    """

    _input_ndim = 5

    cell: ConvLSTM2DCell

    recurrent_activation = FromCell()
    unit_forget_bias = FromCell()
    filters = FromCell()
    kernel_size = FromCell()
    strides = FromCell()
    padding = FromCell()
    data_format = FromCell()
    dilation_rate = FromCell()

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
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
        return_sequences: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        cell = ConvLSTM2DCell(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
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
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            go_backwards=go_backwards,
            stateful=stateful,
            **kwargs,
        )
