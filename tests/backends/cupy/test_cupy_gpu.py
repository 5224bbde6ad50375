"""One call of every kernel: over plain NumPy everywhere, and on a GPU where there is one.

On a machine with a GPU and CuPy: `python -m pytest tests/backends/cupy -m gpu`.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from multikeras.contract import DeviceError, DeviceSettings
from multikeras_arrays import array_kernels
from multikeras_numpy import NumpyBackend

FLOATS = ("float16", "float32", "float64")
REDUCED = {"axis": (0, 2), "keepdims": True}
IMAGES = {"strides": (2, 1), "padding": ((1, 2), (0, 1))}
DIGITS = {"float16": 1e-2, "float32": 1e-5, "float64": 1e-12}


def body(iteration, x, carry, factor):
    new = carry * factor + x
    return new, new * x


def positive(rng, dtype, shape):
    x = rng.integers(1, 5, shape) if "int" in dtype else rng.uniform(0.5, 2.0, shape)
    return x.astype(dtype) if dtype != "bool" else rng.integers(0, 2, shape).astype(bool)


def calls(dtype):
    """Triples of a kernel's name, its inputs as NumPy arrays, and its attributes."""
    rng = np.random.default_rng(0)
    x, y = positive(rng, dtype, (2, 3, 4)), positive(rng, dtype, (3, 1))
    key = np.array([0xDEADBEEF, 0x12345678], "uint32")
    bool_result = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
    if dtype == "bool":
        yield "logical_not", (x,), {}
        for name in ("logical_and", "logical_or", "logical_xor", "maximum", "minimum", "bitwise_and"):
            yield name, (x, y), {}
        for name in ("reduce_any", "reduce_all"):
            yield name, (x,), REDUCED
    else:
        for name in ("negative", "abs", "sign", "floor", "ceil", "round", "relu"):
            yield name, (x,), {}
        for name in ("add", "subtract", "multiply", "power", "floor_divide", "remainder", "maximum", "minimum"):
            yield name, (x, y), {}
        for name in bool_result:
            yield name, (x, y), {}
        for name in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min"):
            yield name, (x,), REDUCED
            yield name, (x,), {"axis": (), "keepdims": False}
        for name in ("argmax", "argmin"):
            yield name, (x,), {"axis": 1}
        for reverse in (False, True):
            yield "cumsum", (x,), {"axis": 1, "reverse": reverse}
            yield "cumprod", (x,), {"axis": 1, "reverse": reverse}
        yield "iota", (), {"length": 5, "dtype": dtype}
        yield "matmul", (x, positive(rng, dtype, (4, 5))), {}
        yield "matmul", (x, positive(rng, dtype, (2, 4, 5))), {}
        indices = np.array([[1, 0], [-1, 1], [1, 1]], "int32")
        yield "scatter_add", (positive(rng, dtype, (2, 3, 2, 4)), indices), {"axis": 1, "size": 3}
    if "int" in dtype:
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "shift_left", "shift_right"):
            yield name, (x, y), {}
    yield "where", (positive(rng, "bool", (3, 1)), x, y), {}
    for to in (*FLOATS, "int32", "int64", "uint8", "bool"):
        yield "cast", (x,), {"dtype": to}
    yield "identity", (x,), {}
    yield "reshape", (x,), {"shape": (4, 6)}
    yield "transpose", (x,), {"permutation": (2, 0, 1)}
    yield "broadcast_to", (y,), {"shape": (2, 3, 4)}
    yield "concatenate", (x, x), {"axis": 1}
    yield "split", (x,), {"axis": 2, "sizes": (1, 0, 3)}
    yield "slice", (x,), {"starts": (0, 1, 0), "stops": (2, 3, 4), "steps": (1, 1, 2)}
    yield "place", (x,), {"starts": (0, 1, 0), "stops": (2, 4, 8), "steps": (1, 1, 2), "shape": (2, 5, 8)}
    for value in (0, 1):
        yield "pad", (x,), {"padding": ((0, 1), (2, 0), (0, 0)), "value": value}
    yield "flip", (x,), {"axis": (0, 2)}
    yield "gather", (x, np.array([[2, 0], [-1, 1]])), {"axis": 1}
    for name in ("sort", "argsort"):
        yield name, (x,), {"axis": 1}
    yield "top_k", (x,), {"k": 2}
    yield "take_along_axis", (x, rng.integers(-3, 3, (2, 5, 4))), {"axis": 1}
    if dtype not in FLOATS:
        return
    for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "tanh", "sigmoid", "isnan", "isfinite"):
        yield name, (x,), {}
    for name in ("arctan", "sinh", "cosh", "arcsinh"):
        yield name, (x,), {}
    for name in ("arcsin", "arccos", "arctanh"):
        yield name, (x * np.array(0.4, dtype),), {}
    yield "inverse_normal", (x * np.array(0.07, dtype),), {}
    yield "arccosh", (x + np.ones((), dtype),), {}
    for name in ("divide", "arctan2"):
        yield name, (x, y), {}
    yield "relu_gradient", (x, x - np.ones((), dtype)), {}
    for name in ("softmax", "log_softmax"):
        yield name, (x,), {}
    yield from matrices(rng, dtype)
    yield "random_bits", (key,), {"shape": (3, 50)}
    yield "random_uniform", (key,), {"shape": (3, 50), "dtype": dtype}
    yield "dropout_mask", (key,), {"shape": (3, 50), "rate": 0.3, "dtype": dtype}
    for number in (3, -3):
        yield "fold_in", (key, np.array(number, "int32")), {}
    for groups in (1, 2, 4):
        convolution = {**IMAGES, "dilation": (1, 2), "groups": groups}
        images, kernel = positive(rng, dtype, (2, 7, 8, 4)), positive(rng, dtype, (3, 2, 4 // groups, 8))
        result = array_kernels(np, to_numpy=np.asarray, as_strided=as_strided, tile_bytes=1)["conv"](
            images, kernel, **convolution
        )
        g = positive(rng, dtype, result.shape)
        yield "conv", (images, kernel), convolution
        yield "conv_input_gradient", (g, kernel), {"shape": images.shape, **convolution}
        yield "conv_kernel_gradient", (images, g), {"shape": kernel.shape, **convolution}
    pooling = {"window": (3, 2), **IMAGES}
    images, g = positive(rng, dtype, (2, 7, 8, 4)), positive(rng, dtype, (2, 4, 8, 4))
    y, winners = NumpyBackend().kernels["max_pool"](images, residuals=True, **pooling)
    for residuals in (False, True):
        yield "max_pool", (images,), {"residuals": residuals, **pooling}
    yield "max_pool_gradient", (g, images, y, winners), pooling
    yield "sum_pool", (images,), pooling
    yield "sum_pool_gradient", (g,), {"shape": images.shape, **pooling}
    scan = {"body": body, "num_sequences": 1, "num_carries": 1, "length": 2, "outputs": (((3, 4), dtype),)}
    for reverse in (False, True):
        yield "scan", (x, x[0], y[0, 0, 0]), {"reverse": reverse, **scan}
    branches = {"then_body": lambda z: (z + z,), "else_body": lambda z: (z * z,)}
    yield "cond", (np.array(True), x), branches
    loop = {"body": lambda i, z, w: (i < 2, i + 1, z * w), "num_carries": 2, "maximum_iterations": None}
    for predicate in (True, False):
        yield "while_loop", (np.array(predicate), np.array(0, "int32"), x, x[0]), loop
    yield "host_call", (x,), {"function": lambda z: (z.sum((1, 2)),), "outputs": (((2,), dtype),)}
    yield "print_value", (x,), {"message": "x = "}


def matrices(rng, dtype):
    """Calls of linear algebra, in stacks of which the second matrix is singular."""
    definite = np.array([[[4, 1], [1, 3]], [[1, 1], [1, 1]], [[2, 0], [0, 5]]], dtype)
    b = positive(rng, dtype, (3, 2, 3))
    for name in ("inv", "det", "cofactor", "slogdet"):
        yield name, (definite,), {}
    yield "cholesky", (definite * np.array([[[1]], [[-1]], [[1]]], dtype),), {}
    yield "solve", (definite, b), {}
    for lower, transpose in ((True, False), (False, False), (True, True)):
        yield "triangular_solve", (definite, b), {"lower": lower, "transpose": transpose}


def steps(dtype):
    """As `calls`, of what is not among the shared kernels: erf, and the optimizer steps."""
    rng = np.random.default_rng(0)
    yield "erf", (positive(rng, dtype, (3, 4)),), {}
    for name, scalars, kinds, attributes in (
        ("sgd_update", (0.1, 0.9), 3, {"nesterov": False}),
        ("sgd_update", (0.1, 0.9), 3, {"nesterov": True}),
        ("rmsprop_update", (0.1, 0.9, 1e-3), 3, {}),
        ("adam_update", (0.1, 0.9, 0.99, 1e-3), 4, {}),
    ):
        arrays = [positive(rng, dtype, shape) for _ in range(kinds) for shape in ((3, 4), ())]
        for in_place in (False, True):
            yield name, (*[np.array(s, dtype) for s in scalars], *arrays), {"in_place": in_place, **attributes}


def compare(name, found, expected, dtype, to_numpy):
    found, expected = (value if isinstance(value, tuple) else (value,) for value in (found, expected))
    assert len(found) == len(expected), name
    for result, value in zip(found, expected, strict=True):
        result, value = to_numpy(result), np.asarray(value)
        assert (result.dtype, result.shape) == (value.dtype, value.shape), name
        digits = DIGITS.get(value.dtype.name, 0)
        if name.startswith(("random", "dropout", "fold")):
            digits = 0
        np.testing.assert_allclose(result, value, rtol=digits, atol=digits, err_msg=name)


@pytest.mark.parametrize("dtype", sorted(NumpyBackend.dtypes))
def test_the_calls_are_valid(dtype):
    """The shared kernels over NumPy agree with the NumPy backend's own; so the table is right."""
    backend = NumpyBackend()
    shared = array_kernels(np, to_numpy=np.asarray, as_strided=as_strided, tile_bytes=1 << 20)
    with backend.scope():
        for name, inputs, attributes in calls(dtype):
            expected = backend.kernels[name](*inputs, **attributes)
            compare(name, shared[name](*inputs, **attributes), expected, dtype, np.asarray)


def test_every_kernel_is_called():
    names = {name for dtype in ("bool", "int32", "float32") for name, _, _ in (*calls(dtype), *steps("float32"))}
    assert names == NumpyBackend().kernels.keys()


@pytest.fixture(scope="module")
def gpu():
    pytest.importorskip("cupy", reason="CuPy is not installed")
    from multikeras_cupy import CupyBackend

    try:
        return CupyBackend(DeviceSettings("gpu"))
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", sorted(NumpyBackend.dtypes))
def test_a_gpu_agrees_with_numpy(gpu, dtype):
    host = NumpyBackend()
    floats = steps(dtype) if dtype in FLOATS else ()
    for name, inputs, attributes in (*calls(dtype), *floats):
        with host.scope():
            expected = host.kernels[name](*[np.copy(x) for x in inputs], **attributes)
        fed = [gpu.own(x, x.dtype.name) for x in inputs]
        with gpu.scope():
            found = gpu.kernels[name](*fed, **attributes)
        compare(name, found, expected, dtype, gpu.to_numpy)


@pytest.mark.gpu
def test_arrays_in_and_out_of_a_gpu(gpu):
    x = np.arange(6, dtype="float32").reshape(2, 3)
    for array in (gpu.feed(x, "float32"), gpu.own(x.T, "float32").T):
        assert gpu.is_array(array)
        np.testing.assert_array_equal(gpu.to_numpy(array), x)
    first = gpu.feed(x, "float32")
    second = gpu.own(first, "float32")
    second += 1
    gpu.synchronize()
    np.testing.assert_array_equal(gpu.to_numpy(first), x)
    assert gpu.device == "gpu:0"
    assert gpu.versions()["cupy"]
