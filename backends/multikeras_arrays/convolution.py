"""Kernels of convolution, channels last, and of its two gradients, as matrix products.

The patches under the windows are gathered a tile at a time and multiplied while they are still in the
cache: against one large array of patches this takes two thirds of the time and next to no memory. The
gradient for the input multiplies first and adds one product per offset of the window into shifted
views.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from multikeras.contract import Array, Kernel
from multikeras_arrays.depthwise import depthwise_kernels
from multikeras_arrays.half import in_float32
from multikeras_arrays.windows import Ints, Pairs, output_sizes, overlaps, tiles

#: Below so many channels a patch is gathered offset by offset: its contiguous runs are too short.
FEW_CHANNELS = 4

Strided = Callable[[Array, Ints, Ints], Array]


def convolution_kernels(xp: Any, *, as_strided: Strided, tile_bytes: int) -> dict[str, Kernel]:
    """Kernels of the convolution primitives over the array module `xp`.

    Args:
        xp: The array module.
        as_strided: Gives a view of a C-contiguous array with other shape and strides.
        tile_bytes: Working memory of one step; the size of the cache on a CPU, much more on a GPU.
    """

    def windows_of(x: Array, window: Ints, outputs: Ints, strides: Ints, padding: Pairs, dilation: Ints) -> Array:
        """A view of shape `(batch, *outputs, *window, channels)` of `x`, padded if need be."""
        if any(map(any, padding)):
            inside = tuple(
                slice(before, before + size) for (before, _), size in zip(padding, x.shape[1:], strict=False)
            )
            sizes = tuple(size + sum(pad) for size, pad in zip(x.shape[1:], padding, strict=False))
            padded = xp.zeros((x.shape[0], *sizes, x.shape[-1]), x.dtype)
            padded[(slice(None), *inside)] = x
            x = padded
        x = xp.ascontiguousarray(x)
        batch_stride, *spatial, channel_stride = x.strides
        steps = (
            batch_stride,
            *(stride * jump for stride, jump in zip(spatial, strides, strict=True)),
            *(stride * jump for stride, jump in zip(spatial, dilation, strict=True)),
            channel_stride,
        )
        return as_strided(x, (x.shape[0], *outputs, *window, x.shape[-1]), steps)

    def gather_patches(view: Array, images: slice, rows: slice, ndim: int) -> Array:
        """The patches of one tile, as a matrix with a row per position."""
        part = view[images, rows]
        positions, width = prod(part.shape[: 1 + ndim]), prod(part.shape[1 + ndim :])
        if part.shape[-1] <= FEW_CHANNELS:
            axes = (*range(1 + ndim, part.ndim), *range(1 + ndim))
            return part.transpose(axes).reshape((width, positions)).T
        return part.reshape((positions, width))

    def conv(x: Array, kernel: Array, *, strides: Ints, padding: Pairs, dilation: Ints) -> Array:
        *window, channels, filters = kernel.shape
        outputs = output_sizes(x.shape[1:-1], tuple(window), strides, padding, dilation)
        y = xp.empty((x.shape[0], *outputs, filters), x.dtype)
        matrix = kernel.reshape((prod(window) * channels, filters))
        if not y.size or not matrix.size:
            y[...] = 0
            return y
        view = windows_of(x, tuple(window), outputs, strides, padding, dilation)
        row_bytes = prod(outputs[1:]) * matrix.shape[0] * x.dtype.itemsize
        for images, rows in tiles(x.shape[0], outputs[0], row_bytes, tile_bytes):
            patches = gather_patches(view, images, rows, len(window))
            xp.matmul(patches, matrix, out=y[images, rows].reshape((patches.shape[0], filters)))
        return y

    def conv_input_gradient(
        g: Array, kernel: Array, *, shape: Ints, strides: Ints, padding: Pairs, dilation: Ints
    ) -> Array:
        *window, channels, filters = kernel.shape
        if prod(window) * prod(strides) == 1 and not any(map(any, padding)):
            rows_of_g = g.reshape((prod(g.shape[:-1]), filters))
            return xp.matmul(rows_of_g, kernel.reshape((channels, filters)).T).reshape(shape)
        gradient = xp.zeros(shape, g.dtype)
        if not gradient.size or not g.size:
            return gradient
        # One matrix (filters, channels) per offset of the window.
        matrices = xp.ascontiguousarray(kernel.reshape((prod(window), channels, filters)).transpose((0, 2, 1)))
        outputs = g.shape[1:-1]
        row_bytes = prod(outputs[1:]) * prod(window) * channels * g.dtype.itemsize
        for images, rows in tiles(g.shape[0], outputs[0], row_bytes, tile_bytes):
            part = g[images, rows]
            products = xp.matmul(part.reshape((prod(part.shape[:-1]), filters)), matrices)
            products = products.reshape((prod(window), *part.shape[:-1], channels))
            # A tile that begins at a later row is a convolution with less padding before it.
            before = (padding[0][0] - rows.start * strides[0], *(pad[0] for pad in padding[1:]))
            target = gradient[images]
            for number, result, place in overlaps(
                shape[1:-1], part.shape[1:-1], tuple(window), strides, before, dilation
            ):
                target[place] += products[number][result]
        return gradient

    def conv_kernel_gradient(
        x: Array, g: Array, *, shape: Ints, strides: Ints, padding: Pairs, dilation: Ints
    ) -> Array:
        *window, channels, filters = shape
        gradient = xp.zeros((prod(window) * channels, filters), g.dtype)
        if not gradient.size or not g.size:
            return gradient.reshape(shape)
        outputs = g.shape[1:-1]
        view = windows_of(x, tuple(window), outputs, strides, padding, dilation)
        row_bytes = prod(outputs[1:]) * gradient.shape[0] * x.dtype.itemsize
        for images, rows in tiles(x.shape[0], outputs[0], row_bytes, tile_bytes):
            patches = gather_patches(view, images, rows, len(window))
            gradient += xp.matmul(patches.T, g[images, rows].reshape((patches.shape[0], filters)))
        return gradient.reshape(shape)

    def in_groups(plain: Kernel, depthwise: Kernel) -> Kernel:
        """The kernel for any number of groups; all three take and give channels of a group side by side."""

        def kernel(x: Array, y: Array, *, groups: int, **attributes: Any) -> Array:
            if groups == 1:
                return plain(x, y, **attributes)
            weights_shape = attributes["shape"] if plain is conv_kernel_gradient else y.shape
            if weights_shape[-2] == 1:
                return depthwise(x, y, **attributes)
            if "shape" in attributes:
                *others, width = attributes["shape"]
                attributes["shape"] = (*others, width // groups)
            parts = zip(_parts(x, groups), _parts(y, groups), strict=True)
            return xp.concatenate([plain(*part, **attributes) for part in parts], -1)

        return in_float32(kernel)

    depthwise = depthwise_kernels(xp, tile_bytes=tile_bytes)
    return {
        "conv": in_groups(conv, depthwise["conv"]),
        "conv_input_gradient": in_groups(conv_input_gradient, depthwise["conv_input_gradient"]),
        "conv_kernel_gradient": in_groups(conv_kernel_gradient, depthwise["conv_kernel_gradient"]),
    }


def _parts(x: Array, groups: int) -> list[Array]:
    """The last axis in `groups` equal parts, as views."""
    width = x.shape[-1] // groups
    return [x[..., start : start + width] for start in range(0, groups * width, width)]
