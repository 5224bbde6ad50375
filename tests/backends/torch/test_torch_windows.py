"""Convolution and pooling against sums over windows written out, and their gradients against the adjoint."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

Padding = tuple[tuple[int, int], ...]


def windows(x: np.ndarray, window: Any, strides: Any, padding: Padding, dilation: Any, fill: float) -> np.ndarray:
    """Array (batch, *out, *window, channels) of the padded array's windows."""
    x = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)
    spans = [d * (w - 1) + 1 for w, d in zip(window, dilation, strict=True)]
    outs = [(size - span) // s + 1 for size, span, s in zip(x.shape[1:-1], spans, strides, strict=True)]
    result = np.empty((x.shape[0], *outs, *window, x.shape[-1]), x.dtype)
    for out in product(*map(range, outs)):
        index = [slice(o * s, o * s + p, d) for o, s, p, d in zip(out, strides, spans, dilation, strict=True)]
        result[(slice(None), *out)] = x[(slice(None), *index)]
    return result


def convolved(
    x: np.ndarray, kernel: np.ndarray, strides: Any, padding: Padding, dilation: Any, groups: int
) -> np.ndarray:
    n = len(strides)
    seen = windows(x, kernel.shape[:n], strides, padding, dilation, 0.0)
    parts = []
    for inputs, weights in zip(np.split(seen, groups, -1), np.split(kernel, groups, -1), strict=True):
        parts.append(np.tensordot(inputs, weights, n + 1))
    return np.concatenate(parts, -1)


# shape of x, shape of kernel, strides, padding, dilation, groups
CONVOLUTIONS = [
    ((2, 7, 3), (3, 3, 4), (1,), ((0, 0),), (1,), 1),
    ((2, 8, 4), (3, 2, 6), (2,), ((0, 1),), (1,), 2),
    ((2, 9, 2), (2, 2, 3), (1,), ((2, 0),), (3,), 1),
    ((2, 6, 5, 3), (3, 3, 3, 4), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 6, 5, 3), (2, 3, 3, 4), (2, 1), ((0, 1), (1, 1)), (1, 1), 1),
    ((2, 7, 8, 4), (3, 2, 1, 8), (1, 2), ((2, 2), (0, 1)), (2, 1), 4),
    ((1, 5, 5, 1), (5, 5, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((0, 5, 5, 2), (3, 3, 2, 4), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 4, 5, 4, 2), (2, 3, 2, 2, 3), (1, 2, 1), ((0, 1), (1, 1), (0, 0)), (1, 1, 2), 1),
    ((1, 4, 4, 4, 4), (3, 3, 3, 2, 2), (1, 1, 1), ((1, 1),) * 3, (1, 1, 1), 2),
]
NAMES = ("strides", "padding", "dilation", "groups")


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_and_its_adjoints(run: Any, case: Any) -> None:
    shape, kernel_shape, *rest = case
    attributes = dict(zip(NAMES, rest, strict=True))
    random = np.random.default_rng(0)
    x, kernel = random.standard_normal(shape), random.standard_normal(kernel_shape)
    y = run("conv", x, kernel, **attributes)
    np.testing.assert_allclose(y, convolved(x, kernel, **attributes), 1e-10, 1e-10)
    assert y.flags.c_contiguous
    g = random.standard_normal(y.shape)
    x_gradient = run("conv_input_gradient", g, kernel, shape=shape, **attributes)
    kernel_gradient = run("conv_kernel_gradient", x, g, shape=kernel_shape, **attributes)
    assert x_gradient.shape == shape
    assert kernel_gradient.shape == kernel_shape
    assert kernel_gradient.flags.c_contiguous
    # The convolution is linear in both: <g, conv(x, k)> = <adjoint of g, x>.
    for other in (random.standard_normal(shape),):
        np.testing.assert_allclose((g * run("conv", other, kernel, **attributes)).sum(), (x_gradient * other).sum())
    for other in (random.standard_normal(kernel_shape),):
        np.testing.assert_allclose((g * run("conv", x, other, **attributes)).sum(), (kernel_gradient * other).sum())


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-5), ("float16", 4e-3), ("bfloat16", 3e-2)])
@pytest.mark.parametrize("case", [CONVOLUTIONS[1], CONVOLUTIONS[4], CONVOLUTIONS[8]])
def test_convolution_of_other_types(backend: Any, case: Any, dtype: str, error: float) -> None:
    shape, kernel_shape, *rest = case
    attributes = dict(zip(NAMES, rest, strict=True))
    random = np.random.default_rng(1)
    x, kernel = random.standard_normal(shape), random.standard_normal(kernel_shape)
    expected = convolved(x, kernel, **attributes)
    g = random.standard_normal(expected.shape)
    with backend.scope():
        arrays = {name: backend.feed(v, dtype) for name, v in {"x": x, "kernel": kernel, "g": g}.items()}
        exact = {name: array.double() for name, array in arrays.items()}
        for name, inputs, more in [
            ("conv", ("x", "kernel"), {}),
            ("conv_input_gradient", ("g", "kernel"), {"shape": shape}),
            ("conv_kernel_gradient", ("x", "g"), {"shape": kernel_shape}),
        ]:
            result = backend.kernels[name](*[arrays[i] for i in inputs], **attributes, **more)
            oracle = backend.kernels[name](*[exact[i] for i in inputs], **attributes, **more)
            assert result.dtype == getattr(torch, dtype)
            scale = oracle.abs().max()
            assert (result.double() - oracle).abs().max() <= error * scale


def test_convolution_agrees_with_autograd(backend: Any) -> None:
    x = torch.randn(3, 8, 8, 2, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, 3, 2, 5, dtype=torch.float64, requires_grad=True)
    y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), stride=2, padding=1)
    g = torch.randn_like(y)
    y.backward(g)
    attributes = {"strides": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    with backend.scope():
        here = g.permute(0, 2, 3, 1)
        one = backend.kernels["conv_input_gradient"](here, kernel.detach(), shape=(3, 8, 8, 2), **attributes)
        two = backend.kernels["conv_kernel_gradient"](x.detach(), here, shape=(3, 3, 2, 5), **attributes)
    torch.testing.assert_close(one, x.grad)
    torch.testing.assert_close(two, kernel.grad)


# shape of x, window, strides, padding
POOLINGS = [
    ((2, 7, 3), (2,), (2,), ((0, 0),)),
    ((2, 7, 3), (3,), (1,), ((2, 2),)),
    ((2, 8, 3), (3,), (2,), ((0, 1),)),
    ((2, 6, 6, 3), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((2, 7, 6, 3), (3, 2), (2, 1), ((1, 1), (0, 1))),
    ((2, 5, 6, 1), (3, 3), (1, 2), ((1, 1), (1, 1))),
    ((2, 4, 4, 2), (2, 4), (1, 1), ((1, 0), (3, 2))),
    ((2, 4, 5, 4, 2), (2, 2, 2), (2, 2, 2), ((0, 0), (0, 1), (0, 0))),
    ((1, 4, 4, 4, 2), (3, 2, 3), (1, 2, 1), ((1, 1), (1, 1), (1, 1))),
]


def pool_attributes(case: Any) -> dict[str, Any]:
    return dict(zip(("window", "strides", "padding"), case[1:], strict=True))


def first_of_ties(g: np.ndarray, x: np.ndarray, window: Any, strides: Any, padding: Padding) -> np.ndarray:
    """The gradient of max pooling, each window's to the first of its largest entries."""
    n = len(window)
    seen = windows(x, window, strides, padding, (1,) * n, -np.inf)
    padded = np.zeros([size + sum(pair) for size, pair in zip(x.shape, ((0, 0), *padding, (0, 0)), strict=True)])
    flat = seen.reshape(*seen.shape[: n + 1], -1, x.shape[-1]).argmax(n + 1)
    for index in np.ndindex(*g.shape):
        batch, *out, channel = index
        offsets = np.unravel_index(flat[index], window)
        place = [o * s + int(offset) for o, s, offset in zip(out, strides, offsets, strict=True)]
        padded[(batch, *place, channel)] += g[index]
    inside = [slice(before, before + size) for size, (before, _) in zip(x.shape[1:-1], padding, strict=True)]
    return padded[(slice(None), *inside)]


@pytest.mark.parametrize("case", POOLINGS)
def test_max_pooling(backend: Any, run: Any, case: Any) -> None:
    attributes = pool_attributes(case)
    n = len(case[1])
    random = np.random.default_rng(0)
    # Few different values: most windows hold ties.
    x = random.integers(-3, 0, case[0]).astype("float64")
    expected = windows(x, *case[1:], (1,) * n, -np.inf).max(tuple(range(n + 1, 2 * n + 1)))
    (y,) = run("max_pool", x, **attributes, residuals=False)
    np.testing.assert_array_equal(y, expected)
    assert y.flags.c_contiguous
    with backend.scope():
        fed = backend.feed(x, "float64")
        again, residual = backend.kernels["max_pool"](fed, **attributes, residuals=True)
    np.testing.assert_array_equal(again.numpy(), expected)
    g = random.standard_normal(y.shape)
    gradient = run("max_pool_gradient", g, x, y, residual, **attributes)
    np.testing.assert_allclose(gradient, first_of_ties(g, x, **attributes), 1e-12)


@pytest.mark.parametrize("case", POOLINGS)
def test_sum_pooling(run: Any, case: Any) -> None:
    attributes = pool_attributes(case)
    n = len(case[1])
    random = np.random.default_rng(0)
    x, other = random.standard_normal(case[0]), random.standard_normal(case[0])
    expected = windows(x, *case[1:], (1,) * n, 0.0).sum(tuple(range(n + 1, 2 * n + 1)))
    y = run("sum_pool", x, **attributes)
    np.testing.assert_allclose(y, expected, 1e-12, 1e-12)
    g = random.standard_normal(y.shape)
    gradient = run("sum_pool_gradient", g, shape=case[0], **attributes)
    assert gradient.shape == case[0]
    np.testing.assert_allclose((g * run("sum_pool", other, **attributes)).sum(), (gradient * other).sum())


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "bfloat16", "int8", "int32", "int64", "uint8", "uint16", "uint32"]
)
@pytest.mark.parametrize("case", POOLINGS[::2])
def test_pooling_of_other_types(backend: Any, case: Any, dtype: str) -> None:
    attributes = pool_attributes(case)
    n = len(case[1])
    x = np.random.default_rng(0).integers(1, 4, case[0])
    axes = tuple(range(n + 1, 2 * n + 1))
    with backend.scope():
        fed = backend.feed(x, dtype)
        total = backend.kernels["sum_pool"](fed, **attributes)
        y, residual = backend.kernels["max_pool"](fed, **attributes, residuals=True)
        assert total.dtype == y.dtype == fed.dtype
        np.testing.assert_array_equal(backend.to_numpy(total), windows(x, *case[1:], (1,) * n, 0).sum(axes))
        np.testing.assert_array_equal(backend.to_numpy(y), windows(x, *case[1:], (1,) * n, 0).max(axes))
        if fed.is_floating_point():
            one = backend.kernels["max_pool_gradient"](torch.ones_like(y), fed, y, residual, **attributes)
            two = backend.kernels["sum_pool_gradient"](torch.ones_like(y), shape=case[0], **attributes)
            assert one.dtype == two.dtype == fed.dtype
            assert one.double().sum() == y.numel()


def test_nan_in_a_window_is_its_largest(run: Any) -> None:
    x = np.array([1.0, np.nan, 3.0, 4.0]).reshape(1, 4, 1)
    (y,) = run("max_pool", x, window=(2,), strides=(2,), padding=((0, 0),), residuals=False)
    np.testing.assert_array_equal(y.ravel(), [np.nan, 4.0])
