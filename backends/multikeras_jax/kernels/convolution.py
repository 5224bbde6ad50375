"""Convolutions, channels last, in one to three spatial axes, and their two gradients.

The gradients are the transposes that JAX itself derives from the convolution: the same operations as
`jax.grad` gives, without a forward pass beside them.
"""

from __future__ import annotations

from typing import Any

import jax
from jax import lax

from multikeras.contract import Kernel
from multikeras_jax.kernels.common import array
from multikeras_jax.kernels.precision import precision_of

Pairs = tuple[tuple[int, int], ...]

_AXES = {1: "W", 2: "HW", 3: "DHW"}


def _conv(
    x: Any, kernel: Any, *, strides: tuple[int, ...], padding: Pairs, dilation: tuple[int, ...], groups: int
) -> jax.Array:
    axes = _AXES[len(strides)]
    return lax.conv_general_dilated(
        array(x),
        array(kernel),
        window_strides=strides,
        padding=padding,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        feature_group_count=groups,
        precision=precision_of(x),
    )


def _conv_input_gradient(
    g: Any,
    kernel: Any,
    *,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
    groups: int,
) -> jax.Array:
    g, kernel = array(g), array(kernel)
    transpose = jax.linear_transpose(
        lambda x: _conv(x, kernel, strides=strides, padding=padding, dilation=dilation, groups=groups),
        jax.ShapeDtypeStruct(shape, g.dtype),
    )
    return transpose(g)[0]


def _conv_kernel_gradient(
    x: Any,
    g: Any,
    *,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
    groups: int,
) -> jax.Array:
    x, g = array(x), array(g)
    transpose = jax.linear_transpose(
        lambda kernel: _conv(x, kernel, strides=strides, padding=padding, dilation=dilation, groups=groups),
        jax.ShapeDtypeStruct(shape, g.dtype),
    )
    return transpose(g)[0]


KERNELS: dict[str, Kernel] = {
    "conv": _conv,
    "conv_input_gradient": _conv_input_gradient,
    "conv_kernel_gradient": _conv_kernel_gradient,
}
