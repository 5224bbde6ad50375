"""Layers that put zeros around the spatial axes, or cut their ends off."""

from __future__ import annotations

from typing import Any

from multikeras import backend as K
from multikeras.layers import windows
from multikeras.layers.base import Layer


class Borders(Layer):
    """What zero padding and cropping share: so many entries before and behind each spatial axis.

    Args:
        amounts: A number for all sides, a number for both sides of each axis, or a pair (before,
            behind) for each axis.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.

    Input and output shape: `(batch, *spatial, channels)`, or with channels first.
    """

    #: Number of spatial axes.
    rank: int = 2
    #: What the constructor calls the amounts.
    argument: str = "padding"

    def __init__(self, amounts: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self._amounts = windows.pairs(kind, self.argument, amounts, self.rank)
        self.data_format = windows.check_data_format(kind, data_format)
        self.input_spec = windows.input_spec(self.rank, self.data_format)

    def _length(self, n: int, before: int, behind: int) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how long its output is.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths = [
            None if n is None else self._length(n, before, behind)
            for n, (before, behind) in zip(windows.spatial(input_shape, self.data_format), self._amounts, strict=True)
        ]
        channels = windows.channels_of(input_shape, self.data_format)
        return windows.with_spatial(input_shape, lengths, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        amounts = [list(pair) for pair in self._amounts]
        config = {**super().get_config(), self.argument: amounts[0] if self.rank == 1 else amounts}
        # Layers over time have their channels last, as in Keras 2.
        return config if self.rank == 1 else {**config, "data_format": self.data_format}


class ZeroPadding(Borders):
    """Zeros around the spatial axes."""

    argument = "padding"

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)
        self.padding = self._amounts if self.rank > 1 else self._amounts[0]

    def _length(self, n: int, before: int, behind: int) -> int:
        return n + before + behind


class ZeroPadding1D(ZeroPadding):
    """Zeros before and behind the steps of time.

    Args:
        padding: A number for both ends, or `(before, behind)`.
        **kwargs: What every layer takes.

    Input and output shape: `(batch, time, channels)`.
    """

    rank = 1

    def __init__(self, padding: Any = 1, **kwargs: Any) -> None:
        super().__init__(padding, "channels_last", **kwargs)

    def call(self, inputs: Any) -> Any:
        return K.temporal_padding(inputs, self.padding)


class ZeroPadding2D(ZeroPadding):
    """Zeros around rows and columns.

    Args:
        padding: A number for all sides, `(rows, columns)`, or `((top, bottom), (left, right))`.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.
    """

    rank = 2

    def call(self, inputs: Any) -> Any:
        return K.spatial_2d_padding(inputs, self.padding, self.data_format)


class ZeroPadding3D(ZeroPadding):
    """Zeros around three axes.

    Args:
        padding: A number for all sides, one for both sides of each axis, or a pair for each axis.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.
    """

    rank = 3

    def call(self, inputs: Any) -> Any:
        return K.spatial_3d_padding(inputs, self.padding, self.data_format)


class Cropping(Borders):
    """Cuts entries off the ends of the spatial axes."""

    argument = "cropping"

    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)
        self.cropping = self._amounts if self.rank > 1 else self._amounts[0]

    def _length(self, n: int, before: int, behind: int) -> int:
        if n <= before + behind:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) cuts {before} + {behind} entries off an axis of {n}: "
                f"nothing is left. Its cropping is {self.cropping}."
            )
        return n - before - behind

    def call(self, inputs: Any) -> Any:
        shape = K.int_shape(inputs)
        self.compute_output_shape(shape)
        spans = [slice(before, None if behind == 0 else -behind) for before, behind in self._amounts]
        return inputs[windows.with_spatial([slice(None)], spans, slice(None), self.data_format)]


class Cropping1D(Cropping):
    """Cuts steps off the beginning and the end of time.

    Args:
        cropping: A number for both ends, or `(before, behind)`.
        **kwargs: What every layer takes.

    Input and output shape: `(batch, time, channels)`.
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, "channels_last", **kwargs)


class Cropping2D(Cropping):
    """Cuts rows and columns off the sides.

    Args:
        cropping: A number for all sides, `(rows, columns)`, or `((top, bottom), (left, right))`.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(Cropping):
    """Cuts entries off the ends of three axes.

    Args:
        cropping: A number for all sides, one for both sides of each axis, or a pair for each axis.
        data_format: Where the channels are; the global setting if None.
        **kwargs: What every layer takes.
    """

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


__all__ = [
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]
