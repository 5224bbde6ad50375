"""The hooks of the backend: arrays in and out, devices, scope."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from multikeras.contract import DTYPES, Backend, DeviceError, DeviceSettings

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def test_names(backend: Any) -> None:
    assert isinstance(backend, Backend)
    assert (backend.name, backend.title, backend.device) == ("torch", "PyTorch", "cpu")
    assert backend.dtypes == DTYPES
    assert backend.in_place and not backend.donates and not backend.asynchronous
    assert backend.versions() == {"torch": torch.__version__}
    assert "cpu" in backend.devices()
    assert "the tests" in backend.device_reason
    assert backend.is_array(torch.zeros(1)) and not backend.is_array(np.zeros(1))
    backend.synchronize()

    def function() -> tuple[Any, ...]:
        return ()

    assert backend.compile(function, ()) is function


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_there_and_back(backend: Any, dtype: str) -> None:
    values = np.array([[0, 1, 2], [3, 100, 1]])
    for value in (values, values.astype("float32"), values.tolist(), torch.tensor(values)):
        for make in (backend.feed, backend.own):
            array = make(value, dtype)
            assert type(array) is torch.Tensor
            assert array.dtype == getattr(torch, dtype)
            back = backend.to_numpy(array)
            assert back.dtype == ("float32" if dtype == "bfloat16" else dtype)
            np.testing.assert_array_equal(back, values.astype(back.dtype))
    scalar = backend.feed(1, dtype)
    assert scalar.shape == () and backend.to_numpy(scalar) == 1


def test_feed_shares_memory_and_own_does_not(backend: Any) -> None:
    for value in (np.zeros((2, 3), "float32"), torch.zeros(2, 3)):
        fed, owned = backend.feed(value, "float32"), backend.own(value, "float32")
        value[0, 0] = 7
        assert fed[0, 0] == 7
        assert owned[0, 0] == 0
    assert np.shares_memory(backend.to_numpy(fed), fed.numpy())


def test_own_is_contiguous(backend: Any) -> None:
    for value in (np.arange(6.0).reshape(2, 3).T, torch.arange(6.0).reshape(2, 3).T, np.broadcast_to(1.0, (3, 2))):
        assert backend.own(value, "float32").is_contiguous()
        assert backend.own(value, "float64").is_contiguous()


def test_copy_and_constant(backend: Any) -> None:
    array = torch.arange(6.0).reshape(2, 3).t()
    copy = backend.copy(array)
    array[0, 0] = 9
    assert copy.is_contiguous() and copy[0, 0] == 0
    half = backend.constant(np.asarray(0.5), "float16")
    assert half.shape == () and half.dtype == torch.float16


def test_arrays_that_pytorch_does_not_take(backend: Any) -> None:
    frozen = np.arange(6, dtype="float32").reshape(2, 3)
    frozen.flags.writeable = False
    packed = np.zeros(3, dtype=[("byte", "i1"), ("x", "f4")])
    packed["x"] = [1, 2, 3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (
            frozen,
            frozen[0, 0],
            np.arange(4.0)[::-1],
            np.arange(4, dtype=">f4"),
            np.arange(4, dtype="uint64"),
            packed["x"],
            np.broadcast_to(np.float32(1), (2, 2)),
            np.float32(3),
            np.zeros((0, 3), "float32"),
        ):
            for make in (backend.feed, backend.own):
                np.testing.assert_array_equal(backend.to_numpy(make(value, "float32")), value)
    fed = backend.feed(frozen, "float32")
    assert fed.data_ptr() == frozen.ctypes.data
    del frozen
    assert fed.sum() == 15


def test_read_only_arrays_are_fed_without_a_word(python: Any) -> None:
    """PyTorch's warning would come once a process, so only a process of its own can show its absence."""
    done = python(
        "import numpy as np; from multikeras_torch import TorchBackend; x = np.ones(3, 'float32');"
        "x.flags.writeable = False; TorchBackend().feed(x, 'float32')"
    )
    assert done.returncode == 0, done.stderr
    assert "writable" not in done.stderr


def test_bfloat16_of_other_libraries(backend: Any) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes comes with JAX, which is not installed")
    value = np.array([1.5, -2.25]).astype(ml_dtypes.bfloat16)
    assert backend.feed(value, "bfloat16").dtype == torch.bfloat16
    np.testing.assert_array_equal(backend.to_numpy(backend.feed(value, "bfloat16")), [1.5, -2.25])
    np.testing.assert_array_equal(backend.to_numpy(backend.own(value, "float64")), [1.5, -2.25])


def test_tensors_with_history_come_in_without_it(backend: Any) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    fed = backend.feed(weight * 2, "float32")
    assert not fed.requires_grad
    assert type(backend.feed(weight, "float32")) is torch.Tensor
    np.testing.assert_array_equal(backend.to_numpy(weight), [1, 1])


def test_scope_turns_gradients_off_and_back(backend: Any) -> None:
    assert torch.is_grad_enabled()
    with backend.scope():
        assert not torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
        with backend.scope():
            assert not torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with torch.no_grad():
        with backend.scope():
            pass
        assert not torch.is_grad_enabled()
    with pytest.raises(KeyError), backend.scope():
        raise KeyError
    assert torch.is_grad_enabled()


def test_results_serve_the_users_autograd(backend: Any) -> None:
    with backend.scope():
        result = backend.kernels["exp"](backend.feed(np.zeros(2), "float32"))
    weight = torch.ones(2, requires_grad=True)
    (weight * result).sum().backward()
    assert torch.equal(weight.grad, torch.ones(2))
    result.requires_grad_()
    (result * 3).sum().backward()
    assert torch.equal(result.grad, torch.full((2,), 3.0))


def products() -> list[Any]:
    """How PyTorch multiplies, all that it says of it."""
    cuda, mkldnn = torch.backends.cuda.matmul, torch.backends.mkldnn
    return [
        torch.get_float32_matmul_precision(),
        cuda.fp32_precision,
        torch.backends.cudnn.conv.fp32_precision,
        mkldnn.matmul.fp32_precision,
        mkldnn.conv.fp32_precision,
        cuda.allow_fp16_reduced_precision_reduction,
        cuda.allow_bf16_reduced_precision_reduction,
        cuda.allow_fp16_accumulation,
    ]


@pytest.fixture
def products_put_back() -> Iterator[None]:
    from multikeras_torch import scopes

    before = scopes._read()
    yield
    scopes._write(*before)


@pytest.mark.parametrize("users", ["highest", "high", "medium"])
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_products_are_as_asked_for_and_the_users_settings_are_put_back(
    precision: str, users: str, products_put_back: None
) -> None:
    from multikeras_torch.scopes import NoGradientsWith

    torch.set_float32_matmul_precision(users)
    torch.backends.cuda.matmul.allow_fp16_accumulation = True
    before = products()
    together, each = {"float32": ("highest", "ieee"), "tf32": ("high", "tf32")}[precision]
    wanted = [together, *[each] * 4, False, False, False]
    with NoGradientsWith(precision):
        assert products() == wanted
        with NoGradientsWith(precision):
            pass
        assert products() == wanted
    assert products() == before
    with pytest.raises(KeyError), NoGradientsWith(precision):
        raise KeyError
    assert products() == before


def test_products_on_a_processor_are_in_full(products_put_back: None) -> None:
    from multikeras_torch import TorchBackend

    backend = TorchBackend(DeviceSettings("cpu"))
    untouched = products()
    with backend.scope():
        # Nothing is switched where there is nothing to switch.
        assert products() == untouched
    changes = (
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: setattr(torch.backends, "fp32_precision", "tf32"),
        lambda: setattr(torch.backends.mkldnn.conv, "fp32_precision", "bf16"),
    )
    for change in changes:
        change()
        before = products()
        with backend.scope():
            assert products()[3:5] == ["ieee", "ieee"]
        assert products() == before
        torch.backends.fp32_precision = "none"
        torch.set_float32_matmul_precision("highest")
        torch.backends.mkldnn.conv.fp32_precision = "none"
    backend.matmul_precision = "tf32"
    with backend.scope():
        assert products()[:5] == ["high", *["tf32"] * 4]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    from multikeras_torch import TorchBackend

    for device in ("gpu", "gpu:1"):
        with pytest.raises(DeviceError, match=f"KERAS_DEVICE asks for '{device}'.*'cpu' or 'auto'"):
            TorchBackend(DeviceSettings(device, source="KERAS_DEVICE"))
    backend = TorchBackend()
    assert backend.device == "cpu"
    assert backend.devices() == ["cpu"]
    assert torch.__version__ in backend.device_reason


def test_importing_changes_nothing_and_builds_no_optimizer(python: Any) -> None:
    program = """
import sys, torch
def state():
    return (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(),
            torch.get_float32_matmul_precision(), torch.backends.cudnn.conv.fp32_precision)
before, modules = state(), set(sys.modules)
from multikeras_torch import TorchBackend
backend = TorchBackend()
with backend.scope():
    t = torch.ones(2)
    backend.kernels["adam_update"](0.1, 0.9, 0.9, 1e-7, t, t, t, t, in_place=False)
    backend.kernels["sgd_update"](0.1, 0.9, t, t, t, nesterov=True, in_place=False)
assert state() == before
new = {name for name in set(sys.modules) - modules if name.startswith("torch")}
assert not new, new
foreign = {"jax", "cupy", "scipy", "sklearn", "keras", "tensorflow", "multikeras_arrays", "multikeras_numpy"}
assert not foreign & set(sys.modules), foreign & set(sys.modules)
"""
    done = python(program)
    assert done.returncode == 0, done.stderr
