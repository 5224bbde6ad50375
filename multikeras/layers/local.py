"""Convolutions whose windows share no weights."""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments, windows
from multikeras.layers.base import Layer


class LocallyConnected(Layer):
    """What the locally connected layers share: a convolution with weights of its own for each place.

    Args:
        filters: Number of output channels.
        kernel_size: Lengths of the window; a number stands for all axes.
        strides: Steps of the window.
        padding: `'valid'`, or `'same'`, with which zeros are put around the input.
        data_format: Where the channels are; the global setting if None.
        activation: Name, function or object; nothing if None.
        use_bias: Whether there is a bias.
        kernel_initializer: First value of the kernel.
        bias_initializer: First value of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Bounds of the kernel.
        bias_constraint: Bounds of the bias.
        implementation: 1, 2 or 3, which in other Kerases are ways to compute the same; kept, and of
            no consequence: the product is one matrix product for each place, and the kernel has the
            shape below.
        **kwargs: What every layer takes.

    Input shape: `(batch, *spatial, channels)`, or with channels first; lengths are known. Weights:
    `kernel` of shape `(places, window * channels, filters)` and `bias` of shape `(*places, filters)`.
    The entries of a window are ordered as in Keras 2.3: with two spatial axes as the axes of the
    input are, with one channels last.
    """

    #: Number of spatial axes.
    rank: int = 2
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
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind, rank = type(self).__name__, self.rank
        self.filters = windows.numbers(kind, "filters", filters, 1)[0]
        self.kernel_size = windows.numbers(kind, "kernel_size", kernel_size, rank)
        self.strides = windows.numbers(kind, "strides", strides, rank)
        self.padding = windows.check_padding(kind, padding)
        self.data_format = windows.check_data_format(kind, data_format)
        if implementation not in (1, 2, 3):
            raise ValueError(f"{kind}: implementation is 1, 2 or 3, received {implementation!r}.")
        self.implementation = implementation
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

    def _places(self, shape: Any) -> list[int | None]:
        """How many windows there are along each axis."""
        return [
            windows.window_length(n, k, self.padding, s)
            for n, k, s in zip(windows.spatial(shape, self.data_format), self.kernel_size, self.strides, strict=True)
        ]

    def build(self, input_shape: Any) -> None:
        channels = windows.known_channels(self, input_shape)
        places = self._places(input_shape)
        counts = [n for n in places if n is not None]
        if len(counts) < len(places):
            raise ValueError(
                f"Layer {self.name!r} has weights for each place and needs to know all lengths of its input, received "
                f"shape {tuple(input_shape)}."
            )
        if min(counts) < 1:
            raise ValueError(
                f"Layer {self.name!r}: a window of {self.kernel_size} does not fit into an input of shape "
                f"{tuple(input_shape)} ({self.data_format})."
            )
        self._counts = tuple(counts)
        window = prod(self.kernel_size) * channels
        self.kernel = arguments.add_weight(self, "kernel", (prod(counts), window, self.filters))
        self.bias = arguments.add_weight(self, "bias", (*counts, self.filters)) if self.use_bias else None
        first = 2 if self.data_format == "channels_first" else 1
        lengths = {first + i: n for i, n in enumerate(windows.spatial(input_shape, self.data_format))}
        self.input_spec = windows.input_spec(
            self.rank, self.data_format, {**lengths, 1 if self.data_format == "channels_first" else -1: channels}
        )
        self.built = True

    def _padded(self, inputs: Any) -> Any:
        """The input with the zeros that `'same'` puts around it."""
        if self.padding == "valid":
            return inputs
        lengths = windows.spatial(K.int_shape(inputs), self.data_format)
        pairs = []
        for n, k, s in zip(lengths, self.kernel_size, self.strides, strict=True):
            extra = max((-(-n // s) - 1) * s + k - n, 0)
            pairs.append((extra // 2, extra - extra // 2))
        if self.rank == 2:
            return K.spatial_2d_padding(inputs, tuple(pairs), self.data_format)
        if self.data_format == "channels_last":
            return K.temporal_padding(inputs, pairs[0])
        turned = K.temporal_padding(K.permute_dimensions(inputs, (0, 2, 1)), pairs[0])
        return K.permute_dimensions(turned, (0, 2, 1))

    def _connected(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how it connects.")

    def call(self, inputs: Any) -> Any:
        outputs = self._connected(self._padded(inputs))
        if self.use_bias:
            outputs = K.bias_add(outputs, self.bias, data_format=self.data_format)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return windows.with_spatial(input_shape, self._places(input_shape), self.filters, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "use_bias": self.use_bias,
            "implementation": self.implementation,
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


class LocallyConnected1D(LocallyConnected):
    """Weights of its own for each step of time; see `LocallyConnected` for the arguments."""

    rank = 1

    def _connected(self, inputs: Any) -> Any:
        return K.local_conv1d(inputs, self.kernel, self.kernel_size, self.strides, self.data_format)


class LocallyConnected2D(LocallyConnected):
    """Weights of its own for each place of a picture; see `LocallyConnected` for the arguments."""

    rank = 2

    def _connected(self, inputs: Any) -> Any:
        return K.local_conv2d(inputs, self.kernel, self.kernel_size, self.strides, self._counts, self.data_format)
