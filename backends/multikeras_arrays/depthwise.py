"""Convolution in which every channel has filters of its own, and its gradients.

There is nothing to sum but the window, so that matrix products would be tiny; products of shifted
views are summed instead, a tile at a time.
"""

from __future__ import annotations

from math import prod
from typing import Any

from multikeras.contract import Array, Kernel
from multikeras_arrays.windows import Ints, Pairs, output_sizes, overlaps, tiles


def depthwise_kernels(xp: Any, *, tile_bytes: int) -> dict[str, Kernel]:
    """Kernels for groups of one channel over the array module `xp`.

    The filters of one channel are neighbours in the result, which is therefore computed with an axis
    of channels and one of filters.

    Args:
        xp: The array module.
        tile_bytes: Working memory of one step.
    """

    def parts(batch: int, outputs: Ints, width: int, itemsize: int) -> list[slice]:
        # A result, a product and an input at a time.
        whole = prod(outputs) * width * itemsize * 3
        return [images for images, _ in tiles(batch, 1, whole, max(tile_bytes, whole))]

    def conv(x: Array, kernel: Array, *, strides: Ints, padding: Pairs, dilation: Ints) -> Array:
        *window, _, filters = kernel.shape
        batch, *sizes, channels = x.shape
        outputs = output_sizes(tuple(sizes), tuple(window), strides, padding, dilation)
        y = xp.zeros((batch, *outputs, channels, filters // channels), x.dtype)
        weights = kernel.reshape((prod(window), channels, filters // channels))
        before = tuple(pad[0] for pad in padding)
        pairs = overlaps(tuple(sizes), outputs, tuple(window), strides, before, dilation)
        for images in parts(batch, outputs, filters, x.dtype.itemsize):
            for number, result, place in pairs:
                y[images][result] += x[images][place][..., None] * weights[number]
        return y.reshape((batch, *outputs, filters))

    def conv_input_gradient(
        g: Array, kernel: Array, *, shape: Ints, strides: Ints, padding: Pairs, dilation: Ints
    ) -> Array:
        *window, _, filters = kernel.shape
        batch, *sizes, channels = shape
        outputs = g.shape[1:-1]
        gradient = xp.zeros(shape, g.dtype)
        weights = kernel.reshape((prod(window), channels, filters // channels))
        arriving = g.reshape((batch, *outputs, channels, filters // channels))
        before = tuple(pad[0] for pad in padding)
        pairs = overlaps(tuple(sizes), outputs, tuple(window), strides, before, dilation)
        for images in parts(batch, outputs, filters, g.dtype.itemsize):
            for number, result, place in pairs:
                products = arriving[images][result] * weights[number]
                gradient[images][place] += products[..., 0] if filters == channels else products.sum(-1)
        return gradient

    def conv_kernel_gradient(
        x: Array, g: Array, *, shape: Ints, strides: Ints, padding: Pairs, dilation: Ints
    ) -> Array:
        *window, _, filters = shape
        batch, *sizes, channels = x.shape
        outputs = g.shape[1:-1]
        gradient = xp.zeros((prod(window), channels, filters // channels), g.dtype)
        arriving = g.reshape((batch, *outputs, channels, filters // channels))
        before = tuple(pad[0] for pad in padding)
        pairs = overlaps(tuple(sizes), outputs, tuple(window), strides, before, dilation)
        axes = tuple(range(1 + len(window)))
        for images in parts(batch, outputs, filters, g.dtype.itemsize):
            for number, result, place in pairs:
                products = x[images][place][..., None] * arriving[images][result]
                gradient[number] += products.sum(axes)
        return gradient.reshape(shape)

    return {
        "conv": conv,
        "conv_input_gradient": conv_input_gradient,
        "conv_kernel_gradient": conv_kernel_gradient,
    }
