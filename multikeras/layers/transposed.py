"""Transposed convolutions, which make large pictures of small ones."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments, windows
from multikeras.layers.convolution import Conv2D, Conv3D, Convolution


class TransposedConvolution(Convolution):
    """What the transposed convolutions share: each entry puts a multiple of the kernel into the output.

    It is the adjoint of a convolution, with the same places of windows.

    Args:
        filters: Number of output channels.
        kernel_size: Lengths of the window; a number stands for all axes.
        strides: Steps of the window in the output.
        padding: `'valid'`, or `'same'`, with which the output is `strides` times as long.
        output_padding: Of several lengths of the output that have as many windows as the input has
            entries, the shortest one and so much more; None for the rule above.
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

    The kernel has the shape `(*kernel_size, filters, channels)`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
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
        self.output_padding = _checked(type(self).__name__, output_padding, self.strides)

    def _add_kernels(self, channels: int) -> None:
        self.kernel = arguments.add_weight(self, "kernel", (*self.kernel_size, self.filters, channels))

    def _lengths(self, lengths: Any) -> list[Any]:
        extras = self.output_padding or (None,) * self.rank
        return [
            windows.transposed_length(n, k, self.padding, s, d, extra)
            for n, k, s, d, extra in zip(
                lengths, self.kernel_size, self.strides, self.dilation_rate, extras, strict=True
            )
        ]

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths = self._lengths(windows.spatial(input_shape, self.data_format))
        return windows.with_spatial(input_shape, lengths, self.filters, self.data_format)

    def _wanted_shape(self, inputs: Any) -> tuple[Any, ...]:
        """The output's shape, whose unknown lengths are scalars made of the input's."""
        shape = K.shape(inputs)
        known = [shape[i] if n is None else n for i, n in enumerate(K.int_shape(inputs))]
        lengths = self._lengths(windows.spatial(known, self.data_format))
        return windows.with_spatial(known, lengths, self.filters, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_padding": None if self.output_padding is None else list(self.output_padding),
        }


def _checked(kind: str, value: Any, strides: tuple[int, ...]) -> tuple[int, ...] | None:
    if value is None:
        return None
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,) * len(strides)
    fits = len(entries) == len(strides) and all(isinstance(n, int) and n >= 0 for n in entries)
    if not fits or any(n >= s for n, s in zip(entries, strides, strict=True)):
        raise ValueError(
            f"{kind}: output_padding is None, or a whole number from 0 on for each axis, or one for all, below the "
            f"strides {strides}; received {value!r}."
        )
    return entries


class Conv2DTranspose(TransposedConvolution, Conv2D):
    """Transposed convolution over rows and columns; see `TransposedConvolution` for the arguments.

    Source: Zeiler et al., "Deconvolutional networks", CVPR 2010.
    """

    rank = 2

    def _convolved(self, inputs: Any) -> Any:
        return K.conv2d_transpose(inputs, self.kernel, self._wanted_shape(inputs), **self._places())


class Conv3DTranspose(TransposedConvolution, Conv3D):
    """Transposed convolution over three axes; see `TransposedConvolution` for the arguments.

    By position `activation` follows `data_format`, as in Keras 2.3; `dilation_rate` is given by name.
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
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
        *,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            output_padding=output_padding,
            data_format=data_format,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            dilation_rate=dilation_rate,
            **kwargs,
        )

    def _convolved(self, inputs: Any) -> Any:
        return K.conv3d_transpose(inputs, self.kernel, self._wanted_shape(inputs), **self._places())
