"""Layers that move entries without computing on them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments
from multikeras.layers.base import InputSpec, Layer
from multikeras.layers.windows import check_data_format


class Flatten(Layer):
    """All axes after the batch axis become one, row-major in the given order of axes.

    Args:
        data_format: `'channels_first'` moves the channels last before; None leaves them.
        **kwargs: What every layer takes.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = None if data_format is None else check_data_format(type(self).__name__, data_format)
        self.input_spec = InputSpec(min_ndim=2)

    def call(self, inputs: Any) -> Any:
        if self.data_format == "channels_first" and K.ndim(inputs) > 2:
            inputs = K.permute_dimensions(inputs, (0, *range(2, K.ndim(inputs)), 1))
        return K.batch_flatten(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        rest = tuple(input_shape[1:])
        return (input_shape[0], None if None in rest else prod(rest))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class Reshape(Layer):
    """Another shape.

    Args:
        target_shape: Shape without the batch axis; one length may be -1.
        **kwargs: What every layer takes.

    Raises:
        ValueError: If the input has another number of entries (when it is called).
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(int(n) for n in target_shape)
        if self.target_shape.count(-1) > 1:
            raise ValueError(f"Reshape: one length may be -1, received {self.target_shape}.")

    def call(self, inputs: Any) -> Any:
        shape = self.compute_output_shape(K.int_shape(inputs))[1:]
        known = self.target_shape if None in shape else shape
        return K.reshape(inputs, (K.shape(inputs)[0], *known))

    def compute_output_shape(self, input_shape: Any) -> Any:
        given = tuple(input_shape[1:])
        if None in given:
            return (input_shape[0], *[None if n == -1 else n for n in self.target_shape])
        size, rest = prod(given), prod(n for n in self.target_shape if n != -1)
        fits = (rest > 0 and size % rest == 0) if -1 in self.target_shape else size == rest
        if not fits:
            raise ValueError(
                f"Layer {self.name!r}: an input of shape {tuple(input_shape)} ({size} entries each) cannot become "
                f"{self.target_shape}."
            )
        return (input_shape[0], *[size // rest if n == -1 else n for n in self.target_shape])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": list(self.target_shape)}


class Permute(Layer):
    """Another order of the axes.

    Args:
        dims: Numbers of the input's axes in the order of the output, counted from 1; the batch axis stays.
        **kwargs: What every layer takes.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims holds each of 1 … n once, received {self.dims}.")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return K.permute_dimensions(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *[input_shape[axis] for axis in self.dims])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": list(self.dims)}


class RepeatVector(Layer):
    """Repeats vectors along a new time axis: `(batch, n)` to `(batch, times, n)`.

    Args:
        n: How often.
        **kwargs: What every layer takes.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = arguments.whole("RepeatVector", "n", n)
        self.input_spec = InputSpec(ndim=2, layout="(batch, features)")

    def call(self, inputs: Any) -> Any:
        return K.repeat(inputs, self.n)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.n, input_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}
