"""Convolution over one, two and three axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments, windows
from multikeras.layers.base import Layer


class Convolution(Layer):
    """What the convolutions share: `activation(conv(input, kernel) + bias)`.

    Args:
        filters: Number of output channels.
        kernel_size: Lengths of the window; a number stands for all axes.
        strides: Steps of the window.
        padding: `'valid'` or `'same'`; with Conv1D also `'causal'`, which looks at the past alone.
        data_format: Where the channels are; the global setting if None.
        dilation_rate: Distance between the entries that a window takes.
        activation: Name, function or object; nothing if None.
        use_bias: Whether there is a bias.
        kernel_initializer: First value of the kernel.
        bias_initializer: First value of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Bounds of the kernel.
        bias_constraint: Bounds of the bias.
        **kwargs: What every layer takes.

    Input shape: `(batch, *spatial, channels)`, or `(batch, channels, *spatial)` with channels first.
    The kernel has the shape `(*kernel_size, channels, filters)` in both.
    """

    #: Number of spatial axes.
    rank: int = 2
    #: What `padding` may be.
    paddings: tuple[str, ...] = ("valid", "same")
    kernel: Any
    bias: Any
    activation: Any

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind, rank = type(self).__name__, self.rank
        self.filters = windows.numbers(kind, "filters", filters, 1)[0]
        self.kernel_size = windows.numbers(kind, "kernel_size", kernel_size, rank)
        self.strides = windows.numbers(kind, "strides", strides, rank)
        self.padding = windows.check_padding(kind, padding, self.paddings)
        self.data_format = windows.check_data_format(kind, data_format)
        self.dilation_rate = windows.numbers(kind, "dilation_rate", dilation_rate, rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{kind}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot both be above 1."
            )
        self.use_bias = use_bias
        arguments.look_up(
            self,
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.input_spec = windows.input_spec(self.rank, self.data_format)

    # -- building -------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        channels = windows.known_channels(self, input_shape)
        self._add_kernels(channels)
        self._add_bias((self._channels_out(channels),))
        axis = 1 if self.data_format == "channels_first" else -1
        self.input_spec = windows.input_spec(self.rank, self.data_format, {axis: channels})
        self.built = True

    def _add_kernels(self, channels: int) -> None:
        self.kernel = arguments.add_weight(self, "kernel", (*self.kernel_size, channels, self.filters))

    def _channels_out(self, channels: Any) -> Any:
        return self.filters

    def _add_bias(self, shape: Sequence[int]) -> None:
        self.bias = arguments.add_weight(self, "bias", shape) if self.use_bias else None

    # -- computing ------------------------------------------------------------------------------

    def _places(self) -> dict[str, Any]:
        """Where the windows lie, as arguments of functions of K."""
        single = self.rank == 1
        return {
            "strides": self.strides[0] if single else self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate[0] if single else self.dilation_rate,
        }

    def _convolved(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how it convolves.")

    def call(self, inputs: Any) -> Any:
        outputs = self._convolved(inputs)
        if self.use_bias:
            outputs = K.bias_add(outputs, self.bias, data_format=self.data_format)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths = [
            windows.window_length(n, k, self.padding, s, d)
            for n, k, s, d in zip(
                windows.spatial(input_shape, self.data_format),
                self.kernel_size,
                self.strides,
                self.dilation_rate,
                strict=True,
            )
        ]
        channels = self._channels_out(windows.channels_of(input_shape, self.data_format))
        return windows.with_spatial(input_shape, lengths, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": list(self.dilation_rate),
            "use_bias": self.use_bias,
            **arguments.serialized(
                self,
                "activation",
                "kernel_initializer",
                "bias_initializer",
                "kernel_regularizer",
                "bias_regularizer",
                "activity_regularizer",
                "kernel_constraint",
                "bias_constraint",
            ),
        }


class Conv1D(Convolution):
    """Convolution over time; see `Convolution` for the arguments."""

    rank = 1
    paddings = ("valid", "same", "causal")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        windows.check_causal(type(self).__name__, self.padding, self.data_format)

    def _convolved(self, inputs: Any) -> Any:
        return K.conv1d(inputs, self.kernel, **self._places())


class Conv2D(Convolution):
    """Convolution over rows and columns; see `Convolution` for the arguments."""

    rank = 2

    def _convolved(self, inputs: Any) -> Any:
        return K.conv2d(inputs, self.kernel, **self._places())


class Conv3D(Convolution):
    """Convolution over three axes; see `Convolution` for the arguments."""

    rank = 3

    def _convolved(self, inputs: Any) -> Any:
        return K.conv3d(inputs, self.kernel, **self._places())
