"""Convolutions of each channel by itself, and of all channels after that."""

from __future__ import annotations

import warnings
from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments, windows
from multikeras.layers.convolution import Conv2D, Convolution


class SeparableConvolution(Convolution):
    """What the separable convolutions share: each channel by itself, then all of them place by place.

    Args:
        filters: Number of output channels.
        kernel_size: Lengths of the window; a number stands for all axes.
        strides: Steps of the window.
        padding: `'valid'` or `'same'`; with SeparableConv1D also `'causal'`.
        data_format: Where the channels are; the global setting if None.
        dilation_rate: Distance between the entries that a window takes.
        depth_multiplier: How many channels the first step makes of each.
        activation: Name, function or object; nothing if None.
        use_bias: Whether there is a bias.
        depthwise_initializer: First value of the kernel of the first step.
        pointwise_initializer: First value of the kernel of the second.
        bias_initializer: First value of the bias.
        depthwise_regularizer: Penalty on the kernel of the first step.
        pointwise_regularizer: Penalty on the kernel of the second.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Bounds of the kernel of the first step.
        pointwise_constraint: Bounds of the kernel of the second.
        bias_constraint: Bounds of the bias.
        **kwargs: What every layer takes.

    Weights: `depthwise_kernel` of shape `(*kernel_size, channels, depth_multiplier)`,
    `pointwise_kernel` of shape `(1, …, channels * depth_multiplier, filters)`, `bias`.

    Source: Chollet, "Xception", arXiv 1610.02357.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        _warn_about_kernel(type(self).__name__, kwargs)
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.depth_multiplier = windows.numbers(type(self).__name__, "depth_multiplier", depth_multiplier, 1)[0]
        arguments.look_up(
            self,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
        )

    def _add_kernels(self, channels: int) -> None:
        apart = (*self.kernel_size, channels, self.depth_multiplier)
        together = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.depthwise_kernel = arguments.add_weight(self, "depthwise", apart, called="depthwise_kernel")
        self.pointwise_kernel = arguments.add_weight(self, "pointwise", together, called="pointwise_kernel")

    def get_config(self) -> dict[str, Any]:
        return {
            **_without_kernel(super().get_config()),
            "depth_multiplier": self.depth_multiplier,
            **arguments.serialized(
                self,
                "depthwise_initializer",
                "pointwise_initializer",
                "depthwise_regularizer",
                "pointwise_regularizer",
                "depthwise_constraint",
                "pointwise_constraint",
            ),
        }


def _warn_about_kernel(kind: str, given: dict[str, Any]) -> None:
    """Warns of arguments that Keras takes from these layers and makes nothing of."""
    unused = [name for name in given if name in ("kernel_initializer", "kernel_regularizer", "kernel_constraint")]
    if any(given[name] is not None for name in unused):
        warnings.warn(
            f"{kind} has no kernel over all channels: {', '.join(unused)} changes nothing. Its arguments begin with "
            "depthwise_ or pointwise_.",
            stacklevel=3,
        )


def _without_kernel(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what only a kernel of all channels has."""
    return {name: value for name, value in config.items() if not name.startswith("kernel_") or name == "kernel_size"}


class SeparableConv1D(SeparableConvolution):
    """Separable convolution over time; see `SeparableConvolution` for the arguments."""

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
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
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
            depth_multiplier=depth_multiplier,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        windows.check_causal(type(self).__name__, self.padding, self.data_format)

    def _convolved(self, inputs: Any) -> Any:
        places = self._places()
        if self.padding == "causal":
            inputs = K.temporal_padding(inputs, ((self.kernel_size[0] - 1) * self.dilation_rate[0], 0))
            places["padding"] = "valid"
        return K.separable_conv1d(inputs, self.depthwise_kernel, self.pointwise_kernel, **places)


class SeparableConv2D(SeparableConvolution):
    """Separable convolution over rows and columns; see `SeparableConvolution` for the arguments."""

    rank = 2

    def _convolved(self, inputs: Any) -> Any:
        return K.separable_conv2d(inputs, self.depthwise_kernel, self.pointwise_kernel, **self._places())


class DepthwiseConv2D(Conv2D):
    """Convolution of each channel by itself: the first step of a separable convolution.

    Args:
        kernel_size: Lengths of the window; a number stands for both axes.
        strides: Steps of the window.
        padding: `'valid'` or `'same'`.
        depth_multiplier: How many output channels each channel makes.
        data_format: Where the channels are; the global setting if None.
        dilation_rate: Distance between the entries that a window takes.
        activation: Name, function or object; nothing if None.
        use_bias: Whether there is a bias.
        depthwise_initializer: First value of the kernel.
        bias_initializer: First value of the bias.
        depthwise_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Bounds of the kernel.
        bias_constraint: Bounds of the bias.
        **kwargs: What every layer takes.

    Input shape: `(batch, rows, columns, channels)`, or with channels first. Output channel
    `c * depth_multiplier + i` is made of input channel c. Weights: `depthwise_kernel` of shape
    `(*kernel_size, channels, depth_multiplier)`, `bias`.
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        _warn_about_kernel(type(self).__name__, kwargs)
        super().__init__(
            1,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.depth_multiplier = windows.numbers(type(self).__name__, "depth_multiplier", depth_multiplier, 1)[0]
        arguments.look_up(
            self,
            depthwise_initializer=depthwise_initializer,
            depthwise_regularizer=depthwise_regularizer,
            depthwise_constraint=depthwise_constraint,
        )

    def _add_kernels(self, channels: int) -> None:
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = arguments.add_weight(self, "depthwise", shape, called="depthwise_kernel")

    def _channels_out(self, channels: Any) -> Any:
        return None if channels is None else channels * self.depth_multiplier

    def _convolved(self, inputs: Any) -> Any:
        return K.depthwise_conv2d(inputs, self.depthwise_kernel, **self._places())

    def get_config(self) -> dict[str, Any]:
        config = _without_kernel(super().get_config())
        del config["filters"]
        return {
            **config,
            "depth_multiplier": self.depth_multiplier,
            **arguments.serialized(self, "depthwise_initializer", "depthwise_regularizer", "depthwise_constraint"),
        }


__all__ = ["DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "SeparableConvolution"]
