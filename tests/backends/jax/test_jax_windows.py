"""Convolution and pooling, with their gradients, against sums written out in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from multikeras_jax.kernels import pooling
from multikeras_jax.kernels.common import NUMPY_DTYPES

Window = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def values(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def counts(sizes: Window, window: Window, strides: Window, padding: Pairs, dilation: Window) -> Window:
    return tuple(
        (n + sum(pair) - (w - 1) * d - 1) // s + 1
        for n, w, s, pair, d in zip(sizes, window, strides, padding, dilation, strict=True)
    )


def places(
    shape: tuple[int, ...], window: Window, strides: Window, padding: Pairs, dilation: Window
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """For each entry of a window: its index, and where it meets the padded array in all windows."""
    out = counts(shape[1:-1], window, strides, padding, dilation)
    for place in itertools.product(*map(range, window)):
        starts = [p * d for p, d in zip(place, dilation, strict=True)]
        yield (
            place,
            (
                slice(None),
                *(slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, strides, out, strict=True)),
                slice(None),
            ),
        )


def padded(x: np.ndarray, padding: Pairs, value: float = 0) -> np.ndarray:
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def cropped(x: np.ndarray, padding: Pairs, shape: tuple[int, ...]) -> np.ndarray:
    return x[(slice(None), *(slice(before, before + n) for (before, _), n in zip(padding, shape[1:-1], strict=True)))]


def grouped(kernel: np.ndarray, groups: int) -> np.ndarray:
    """The kernel over all input channels: zero between the groups."""
    per_group, out = kernel.shape[-2:]
    whole = np.zeros((*kernel.shape[:-2], per_group * groups, out))
    for group in range(groups):
        rows, columns = (
            slice(group * per_group, (group + 1) * per_group),
            slice(group * out // groups, (group + 1) * out // groups),
        )
        whole[..., rows, columns] = kernel[..., columns]
    return whole


def convolved(x: np.ndarray, kernel: np.ndarray, strides: Window, padding: Pairs, dilation: Window) -> Any:
    where = places(x.shape, kernel.shape[:-2], strides, padding, dilation)
    return sum(padded(x, padding)[meeting] @ kernel[place] for place, meeting in where)


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Window, Pairs, Window, int]] = {
    "plain": ((2, 6, 5, 3), (3, 2, 3, 4), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "strides, uneven padding": ((2, 7, 6, 3), (3, 3, 3, 4), (2, 3), ((0, 1), (2, 1)), (1, 1), 1),
    "dilation": ((2, 9, 8, 2), (3, 2, 2, 3), (1, 1), ((2, 2), (0, 3)), (2, 3), 1),
    "groups": ((2, 6, 5, 4), (3, 3, 2, 6), (2, 1), ((1, 1), (1, 1)), (1, 1), 2),
    "depthwise": ((2, 6, 5, 3), (2, 2, 1, 6), (1, 1), ((0, 1), (0, 1)), (1, 1), 3),
    "one axis, causal": ((2, 9, 3), (3, 3, 4), (1,), ((4, 0),), (2,), 1),
    "three axes": ((2, 4, 5, 4, 2), (2, 3, 2, 2, 3), (1, 2, 1), ((0, 0), (1, 1), (0, 1)), (1, 1, 1), 1),
    "window left over": ((1, 8, 8, 1), (3, 3, 1, 1), (4, 4), ((0, 0), (0, 0)), (1, 1), 1),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_and_its_gradients(compiled: Any, backend: Any, case: str) -> None:
    shape, kernel_shape, strides, padding, dilation, groups = CONVOLUTIONS[case]
    x, kernel = values(shape), values(kernel_shape, 1)
    attributes: dict[str, Any] = {
        "strides": strides,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    whole = grouped(kernel, groups)
    y = convolved(x, whole, strides, padding, dilation)
    g = values(y.shape, 2)
    input_gradient = np.zeros(padded(x, padding).shape)
    whole_gradient = np.zeros(whole.shape)
    for place, meeting in places(shape, kernel_shape[:-2], strides, padding, dilation):
        input_gradient[meeting] += g @ whole[place].T
        whole_gradient[place] = np.tensordot(padded(x, padding)[meeting], g, ([*range(g.ndim - 1)],) * 2)
    mask = grouped(np.ones(kernel_shape), groups)
    kernel_gradient = np.zeros(kernel_shape)
    per_group, out = kernel_shape[-2], kernel_shape[-1] // groups
    for group in range(groups):
        rows, columns = slice(group * per_group, (group + 1) * per_group), slice(group * out, (group + 1) * out)
        kernel_gradient[..., columns] = (mask * whole_gradient)[..., rows, columns]

    def function(x: Any, kernel: Any, g: Any) -> tuple[Any, ...]:
        return (
            backend.kernels["conv"](x, kernel, **attributes),
            backend.kernels["conv_input_gradient"](g, kernel, shape=shape, **attributes),
            backend.kernels["conv_kernel_gradient"](x, g, shape=kernel_shape, **attributes),
        )

    got = compiled(function, *(a.astype(np.float32) for a in (x, kernel, g)))
    for result, wanted in zip(got, (y, cropped(input_gradient, padding, shape), kernel_gradient), strict=True):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=2e-5)


def test_convolution_op_by_op_in_float64(kernels: Any) -> None:
    shape, kernel_shape, strides, padding, dilation, groups = CONVOLUTIONS["strides, uneven padding"]
    x, kernel = values(shape), values(kernel_shape, 1)
    attributes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    y = kernels.conv(x, kernel, **attributes)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, convolved(x, kernel, strides, padding, dilation), rtol=1e-12)
    gradient = kernels.conv_kernel_gradient(x, np.asarray(y), shape=kernel_shape, **attributes)
    assert gradient.dtype == np.float64
    assert gradient.shape == kernel_shape


def test_gradients_are_the_operations_of_jax_grad(backend: Any) -> None:
    """No forward pass beside a gradient, and nothing that `jax.grad` would not have."""
    attributes = {"strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    kernels = backend.kernels
    x, kernel = np.ones((2, 6, 6, 3), np.float32), np.ones((3, 3, 3, 4), np.float32)
    g = np.ones((2, 6, 6, 4), np.float32)
    with backend.scope():
        mine = jax.jit(
            lambda x, k, g: (
                kernels["conv_input_gradient"](g, k, shape=x.shape, **attributes),
                kernels["conv_kernel_gradient"](x, g, shape=k.shape, **attributes),
            )
        ).lower(x, kernel, g)
        theirs = jax.jit(lambda x, k, g: jax.vjp(lambda x, k: kernels["conv"](x, k, **attributes), x, k)[1](g)).lower(
            x, kernel, g
        )
        count = mine.compile().as_text().count(" convolution(")
        assert count == theirs.compile().as_text().count(" convolution(") == 2
        # The same multiplications, too: a wrong dilation would give the right numbers by more of them.
        assert mine.compile().cost_analysis()["flops"] <= theirs.compile().cost_analysis()["flops"]


POOLS: dict[str, tuple[tuple[int, ...], Window, Window, Pairs]] = {
    "tiles": ((2, 4, 6, 3), (2, 3), (2, 3), ((0, 0), (0, 0))),
    "tiles and a rest": ((2, 5, 7, 2), (2, 2), (2, 2), ((0, 0), (0, 0))),
    "overlap": ((2, 7, 6, 3), (3, 3), (2, 2), ((1, 1), (0, 1))),
    "stride 1, uneven": ((1, 5, 6, 2), (2, 3), (1, 1), ((0, 1), (1, 1))),
    "gaps": ((2, 9, 8, 2), (2, 2), (3, 4), ((0, 0), (1, 0))),
    "one axis": ((3, 9, 2), (3,), (2,), ((1, 1),)),
    "three axes": ((1, 4, 5, 4, 2), (2, 3, 2), (2, 1, 2), ((0, 0), (1, 1), (0, 0))),
    "whole, large": ((2, 9, 9, 2), (9, 9), (9, 9), ((0, 0), (0, 0))),
    "overlap, large": ((1, 14, 12, 2), (9, 9), (2, 1), ((4, 4), (0, 2))),
}


@pytest.mark.parametrize("case", POOLS)
def test_pooling_and_its_gradients(compiled: Any, backend: Any, case: str) -> None:
    shape, window, strides, padding = POOLS[case]
    # Whole numbers: many ties, the first of which gets the gradient.
    x = np.random.default_rng(0).integers(-2, 3, shape).astype(np.float32)
    ones = (1,) * len(window)
    out = counts(shape[1:-1], window, strides, padding, ones)
    g = values((shape[0], *out, shape[-1])).astype(np.float32)
    attributes: dict[str, Any] = {"window": window, "strides": strides, "padding": padding}
    meetings = [meeting for _, meeting in places(shape, window, strides, padding, ones)]
    entries = np.stack([padded(x, padding, -np.inf)[meeting] for meeting in meetings])
    first = entries.argmax(0)
    maximum_gradient, sum_gradient = np.zeros((2, *padded(x, padding).shape))
    for number, meeting in enumerate(meetings):
        maximum_gradient[meeting] += np.where(first == number, g, 0)
        sum_gradient[meeting] += g
    wanted = (
        entries.max(0),
        cropped(maximum_gradient, padding, shape),
        np.stack([padded(x, padding)[meeting] for meeting in meetings]).sum(0),
        cropped(sum_gradient, padding, shape),
    )

    def function(x: Any, g: Any) -> tuple[Any, ...]:
        y, residual = backend.kernels["max_pool"](x, **attributes, residuals=True)
        return (
            y,
            backend.kernels["max_pool_gradient"](g, x, y, residual, **attributes),
            backend.kernels["sum_pool"](x, **attributes),
            backend.kernels["sum_pool_gradient"](g, shape=shape, **attributes),
        )

    for got, value in zip(compiled(function, x, g), wanted, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-5)


def test_max_pool_of_integers_and_of_minus_infinity(kernels: Any) -> None:
    attributes = {"window": (2,), "strides": (1,), "padding": ((1, 0),), "residuals": False}
    integers = np.array([[[-5], [-7], [-6]]], np.int32)
    (y,) = kernels.max_pool(integers, **attributes)
    np.testing.assert_array_equal(y[0, :, 0], [-5, -5, -6])
    (y,) = kernels.max_pool(np.full((1, 3, 1), -np.inf, np.float32), **attributes)
    assert (np.asarray(y) == -np.inf).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sum_pool_of_narrow_floats_is_wide_inside(kernels: Any, dtype: str) -> None:
    x = np.ones((1, 5000, 1), NUMPY_DTYPES[dtype])
    for window in ((5000,), (4999,)):
        y = kernels.sum_pool(x, window=window, strides=(5000,), padding=((0, 0),))
        assert y[0, 0, 0] == NUMPY_DTYPES[dtype].type(window[0])


def test_large_windows_are_not_written_out(backend: Any) -> None:
    side = int(pooling._MOST_PLACES**0.5) + 1
    x = np.ones((1, 2 * side, 2 * side, 1), np.float32)
    for strides in ((side, side), (1, 1)):
        attributes = {"window": (side, side), "strides": strides, "padding": ((0, 0), (0, 0))}

        def gradient(x: Any, attributes: Any = attributes) -> Any:
            (y,) = backend.kernels["max_pool"](x, **attributes, residuals=False)
            return backend.kernels["max_pool_gradient"](y, x, y, None, **attributes)

        with backend.scope():
            assert len(jax.make_jaxpr(gradient)(x).eqns) < 40
