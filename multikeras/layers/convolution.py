"""Convolution over one, two and three axes."""

from __future__ import annotations

from typing import Any

from multikeras import activations, constraints, initializers, regularizers
from multikeras import backend as K
from multikeras.layers import windows
from multikeras.layers.base import InputSpec, Layer


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
        self.padding = windows.check_padding(kind, padding, self._paddings())
        self.data_format = windows.check_data_format(kind, data_format)
        self.dilation_rate = windows.numbers(kind, "dilation_rate", dilation_rate, rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{kind}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot both be above 1."
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=rank + 2)

    def _paddings(self) -> tuple[str, ...]:
        return ("valid", "same")

    def build(self, input_shape: Any) -> None:
        channels = windows.channels_of(input_shape, self.data_format)
        if channels is None:
            raise ValueError(
                f"Layer {self.name!r} needs to know the channels of its input ({self.data_format}), received shape "
                f"{tuple(input_shape)}."
            )
        self.kernel = self.add_weight(
            "kernel",
            (*self.kernel_size, channels, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                (self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        axis = 1 if self.data_format == "channels_first" else -1
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        self.built = True

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
        return windows.with_spatial(input_shape, lengths, self.filters, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": list(self.dilation_rate),
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


class Conv1D(Convolution):
    """Convolution over time; see `Convolution` for the arguments."""

    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, data_format, **kwargs)
        if self.padding == "causal" and self.data_format != "channels_last":
            raise ValueError("Conv1D: padding='causal' needs data_format='channels_last'.")

    def _paddings(self) -> tuple[str, ...]:
        return ("valid", "same", "causal")

    def _convolved(self, inputs: Any) -> Any:
        return K.conv1d(
            inputs,
            self.kernel,
            strides=self.strides[0],
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate[0],
        )


class Conv2D(Convolution):
    """Convolution over rows and columns; see `Convolution` for the arguments."""

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, **kwargs)

    def _convolved(self, inputs: Any) -> Any:
        return K.conv2d(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )


class Conv3D(Convolution):
    """Convolution over three axes; see `Convolution` for the arguments."""

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1, 1),
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, **kwargs)

    def _convolved(self, inputs: Any) -> Any:
        return K.conv3d(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
