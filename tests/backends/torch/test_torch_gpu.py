"""On a GPU: every kernel gives what it gives on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras.contract import DeviceSettings

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU here"),
]

R = np.random.default_rng(0)
X = R.standard_normal((2, 6, 6, 4)).astype("float32")
KERNEL = R.standard_normal((3, 3, 4, 8)).astype("float32")
G = R.standard_normal((2, 3, 3, 8)).astype("float32")
M = R.standard_normal((5, 7)).astype("float32")
KEY = np.array([123, 456], "uint32")
CONV = {"strides": (2, 2), "padding": ((0, 1), (0, 1)), "dilation": (1, 1), "groups": 1}
POOL = {"window": (3, 3), "strides": (2, 2), "padding": ((0, 1), (1, 1))}
SCALARS = [np.float32(v) for v in (0.01, 0.9, 0.99, 1e-3)]
LOOP = {"num_sequences": 1, "num_carries": 1, "length": 5, "reverse": True}

CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("add", [M, M], {}),
    ("maximum", [M, M[0]], {}),
    ("floor_divide", [np.arange(-4, 4), np.array([0, 1, 2, 3] * 2)], {}),
    ("add", [KEY, KEY], {}),
    ("less", [KEY, KEY[::-1]], {}),
    ("matmul", [M, M.T], {}),
    ("matmul", [np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)], {}),
    ("reduce_sum", [M], {"axis": (0,), "keepdims": True}),
    ("reduce_prod", [M], {"axis": (0, 1), "keepdims": False}),
    ("argmax", [M], {"axis": 1}),
    ("cumsum", [M], {"axis": 1, "reverse": True}),
    ("softmax", [M], {}),
    ("pad", [M], {"padding": ((1, 2), (0, 1)), "value": 1.5}),
    ("place", [M], {"starts": (1, 0), "stops": (11, 7), "steps": (2, 1), "shape": (12, 7)}),
    ("iota", [], {"length": 5, "dtype": "int32"}),
    ("gather", [M, np.array([[0, -1], [4, 2]], "int32")], {"axis": 0}),
    ("scatter_add", [M, np.array([0, -1, 1, 1, 0])], {"axis": 0, "size": 3}),
    ("conv", [X, KERNEL], CONV),
    ("conv_input_gradient", [G, KERNEL], {**CONV, "shape": X.shape}),
    ("conv_kernel_gradient", [X, G], {**CONV, "shape": KERNEL.shape}),
    ("max_pool", [X], {**POOL, "residuals": False}),
    ("sum_pool", [X], POOL),
    ("random_bits", [KEY], {"shape": (3, 100)}),
    ("random_uniform", [KEY], {"shape": (3, 100), "dtype": "float32"}),
    ("random_uniform", [KEY], {"shape": (3, 100), "dtype": "float64"}),
    ("dropout_mask", [KEY], {"shape": (3, 100), "rate": 0.3, "dtype": "float16"}),
    ("fold_in", [KEY, np.array(7, "int32")], {}),
    ("sgd_update", [*SCALARS[:2], M, M, M], {"nesterov": True, "in_place": False}),
    ("rmsprop_update", [*SCALARS[:2], SCALARS[3], M, M, M * M], {"in_place": True}),
    ("adam_update", [*SCALARS, M, M, M, M * M], {"in_place": True}),
    ("scan", [M, M[0]], {**LOOP, "body": lambda i, x, c: (c + x, x * i), "outputs": (((7,), "float32"),)}),
    ("cond", [np.array(True), M], {"then_body": lambda x: (x,), "else_body": lambda x: (x * 2,)}),
    ("host_call", [M], {"function": lambda x: (x * 2,), "outputs": (((5, 7), "float32"),)}),
]


@pytest.fixture(scope="module")
def gpu() -> Any:
    from multikeras_torch import TorchBackend

    return TorchBackend(DeviceSettings("gpu:0", source="the tests"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_as_on_the_cpu(backend: Any, gpu: Any, case: Any) -> None:
    name, xs, attributes = case
    values = []
    for one in (backend, gpu):
        with one.scope():
            result = one.kernels[name](*[one.own(x, np.asarray(x).dtype.name) for x in xs], **attributes)
        results = result if isinstance(result, tuple) else (result,)
        assert all(array.device.type == ("cpu" if one is backend else "cuda") for array in results)
        values.append([one.to_numpy(array) for array in results])
    for here, there in zip(*values, strict=True):
        assert here.dtype == there.dtype
        np.testing.assert_allclose(there, here, 1e-4, 1e-4)


def test_gradients_of_max_pooling(backend: Any, gpu: Any) -> None:
    values = []
    for one in (backend, gpu):
        with one.scope():
            x = one.own(np.round(X), "float32")
            y, residual = one.kernels["max_pool"](x, **POOL, residuals=True)
            values.append(one.to_numpy(one.kernels["max_pool_gradient"](y + 1, x, y, residual, **POOL)))
    np.testing.assert_allclose(*values, 1e-5)


def test_device(gpu: Any) -> None:
    assert gpu.device == "gpu:0" and gpu.asynchronous
    assert "gpu:0" in gpu.devices()
    gpu.synchronize()
    fed = gpu.feed(np.ones(3, "float32"), "float32")
    assert fed.is_cuda
    np.testing.assert_array_equal(gpu.to_numpy(fed), np.ones(3))
