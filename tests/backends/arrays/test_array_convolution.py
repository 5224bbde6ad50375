"""Convolution against PyTorch in float64, and its gradients as adjoints of it."""

from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")

# shape of x, shape of the kernel, strides, padding, dilation, groups
CASES = [
    ((2, 7, 3), (3, 3, 4), (1,), ((0, 0),), (1,), 1),
    ((2, 7, 6), (3, 6, 4), (2,), ((1, 2),), (1,), 1),
    ((2, 9, 6), (3, 6, 4), (1,), ((2, 0),), (2,), 1),
    ((2, 8, 8, 1), (3, 3, 1, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 8, 7, 3), (3, 2, 3, 5), (2, 1), ((1, 0), (0, 1)), (1, 1), 1),
    ((3, 8, 7, 6), (3, 3, 6, 5), (2, 3), ((2, 1), (0, 3)), (1, 2), 1),
    ((2, 8, 7, 6), (1, 1, 6, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 8, 7, 6), (1, 1, 6, 5), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 8, 7, 2), (1, 1, 2, 5), (3, 2), ((1, 2), (4, 0)), (1, 1), 1),
    ((2, 8, 7, 6), (3, 3, 3, 4), (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    ((2, 8, 7, 6), (3, 3, 2, 9), (2, 1), ((0, 2), (1, 1)), (1, 1), 3),
    ((2, 8, 7, 6), (3, 3, 1, 6), (1, 1), ((1, 1), (1, 1)), (1, 1), 6),
    ((2, 8, 7, 3), (3, 2, 1, 6), (2, 2), ((0, 1), (1, 1)), (2, 1), 3),
    ((1, 5, 5, 2), (3, 3, 2, 2), (4, 4), ((4, 4), (5, 3)), (1, 1), 1),
    ((2, 3, 3, 6), (5, 5, 6, 4), (1, 1), ((1, 1), (2, 2)), (1, 1), 1),
    ((2, 4, 5, 6, 2), (2, 3, 3, 2, 3), (1, 1, 1), ((0, 0), (1, 1), (1, 0)), (1, 1, 1), 1),
    ((2, 5, 5, 6, 6), (2, 3, 2, 6, 3), (2, 1, 2), ((1, 0), (0, 1), (2, 2)), (1, 2, 1), 1),
    ((2, 4, 5, 6, 4), (2, 2, 3, 1, 4), (1, 2, 1), ((0, 1), (1, 1), (1, 1)), (1, 1, 1), 4),
]


def torch_convolution(x, kernel, strides, padding, dilation, groups):
    """The convolution of channels-last arrays, by PyTorch."""
    ndim = x.ndim - 2
    pad = [amount for pair in reversed(padding) for amount in pair]
    x = torch.nn.functional.pad(x.movedim(-1, 1), pad)
    convolve = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[ndim - 1]
    kernel = kernel.permute(ndim + 1, ndim, *range(ndim))
    return convolve(x, kernel, stride=strides, dilation=dilation, groups=groups).movedim(1, -1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution_and_its_gradients_are_those_of_torch(kernels, rng, case):
    x_shape, kernel_shape, strides, padding, dilation, groups = case
    attributes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    x, kernel = rng.standard_normal(x_shape), rng.standard_normal(kernel_shape)
    x_torch, kernel_torch = torch.tensor(x, requires_grad=True), torch.tensor(kernel, requires_grad=True)
    expected = torch_convolution(x_torch, kernel_torch, strides, padding, dilation, groups)
    y = kernels["conv"](x, kernel, **attributes)
    assert y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)

    g = rng.standard_normal(y.shape)
    expected.backward(torch.tensor(g))
    input_gradient = kernels["conv_input_gradient"](g, kernel, shape=x_shape, **attributes)
    kernel_gradient = kernels["conv_kernel_gradient"](x, g, shape=kernel_shape, **attributes)
    assert input_gradient.shape == x_shape
    assert kernel_gradient.shape == kernel_shape
    np.testing.assert_allclose(input_gradient, x_torch.grad.numpy(), rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(kernel_gradient, kernel_torch.grad.numpy(), rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("channels", [1, 6])
@pytest.mark.parametrize("tile_bytes", [1, 700, 5_000])
def test_small_tiles_change_nothing(kernels, rng, channels, tile_bytes):
    from numpy.lib.stride_tricks import as_strided

    from multikeras_arrays.convolution import convolution_kernels

    tiled = convolution_kernels(np, as_strided=as_strided, tile_bytes=tile_bytes)
    for strides, padding, dilation in product(((1, 1), (2, 3)), (((0, 0), (0, 0)), ((2, 1), (0, 2))), ((1, 1), (2, 1))):
        attributes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": 1}
        x, kernel = rng.standard_normal((3, 9, 8, channels)), rng.standard_normal((3, 2, channels, 4))
        y = kernels["conv"](x, kernel, **attributes)
        np.testing.assert_allclose(tiled["conv"](x, kernel, **attributes), y, rtol=1e-12, atol=1e-12)
        g = rng.standard_normal(y.shape)
        for name, inputs, shape in (
            ("conv_input_gradient", (g, kernel), x.shape),
            ("conv_kernel_gradient", (x, g), kernel.shape),
        ):
            expected = kernels[name](*inputs, shape=shape, **attributes)
            np.testing.assert_allclose(tiled[name](*inputs, shape=shape, **attributes), expected, atol=1e-11)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_gradients_are_adjoint(kernels, rng, groups):
    attributes = {"strides": (2, 1), "padding": ((1, 2), (0, 1)), "dilation": (1, 2), "groups": groups}
    x, kernel = rng.standard_normal((2, 9, 8, 6)), rng.standard_normal((3, 2, 6 // groups, 12))
    y = kernels["conv"](x, kernel, **attributes)
    g = rng.standard_normal(y.shape)
    product_of_results = np.vdot(y, g)
    by_input = np.vdot(x, kernels["conv_input_gradient"](g, kernel, shape=x.shape, **attributes))
    by_kernel = np.vdot(kernel, kernels["conv_kernel_gradient"](x, g, shape=kernel.shape, **attributes))
    np.testing.assert_allclose([by_input, by_kernel], product_of_results, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("contiguous", [True, False])
def test_dtype_and_inputs_stay(kernels, rng, dtype, groups, contiguous):
    attributes = {"strides": (1, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 1), "groups": groups}
    x = rng.integers(-3, 4, (2, 5, 4, 4)).astype(dtype)
    kernel = rng.integers(-3, 4, (3, 2, 4 // groups, 8)).astype(dtype)
    if not contiguous:
        x, kernel = x.transpose(0, 2, 1, 3).copy().transpose(0, 2, 1, 3), kernel[:, ::-1]
    g = rng.integers(-3, 4, (2, 5, 4, 8)).astype(dtype)
    copies = [x.copy(), kernel.copy(), g.copy()]
    for array in (x, kernel, g):
        array.flags.writeable = False
    exact = [array.astype("float64") for array in copies]
    calls = [
        ("conv", (0, 1), {}),
        ("conv_input_gradient", (2, 1), {"shape": x.shape}),
        ("conv_kernel_gradient", (0, 2), {"shape": kernel.shape}),
    ]
    for name, inputs, shape in calls:
        result = kernels[name](*[(x, kernel, g)[i] for i in inputs], **shape, **attributes)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, kernels[name](*[exact[i] for i in inputs], **shape, **attributes))
    for array, copy in zip((x, kernel, g), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("x_shape", "kernel_shape"),
    [((0, 5, 4), (3, 4, 2)), ((2, 5, 0), (3, 0, 2)), ((2, 5, 4), (3, 4, 0)), ((2, 2, 4), (3, 4, 2))],
)
def test_empty_arrays(kernels, x_shape, kernel_shape):
    attributes = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
    x, kernel = np.ones(x_shape, "float32"), np.ones(kernel_shape, "float32")
    y = kernels["conv"](x, kernel, **attributes)
    assert y.shape == (x_shape[0], max(0, x_shape[1] - 2), kernel_shape[2])
    assert not y.any()
    for name, inputs, shape in (
        ("conv_input_gradient", (y, kernel), x_shape),
        ("conv_kernel_gradient", (x, y), kernel_shape),
    ):
        gradient = kernels[name](*inputs, shape=shape, **attributes)
        assert gradient.shape == shape
        assert not gradient.any()
