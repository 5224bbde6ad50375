"""What of the CuPy backend can be tried without a GPU: imports, devices, errors, and its Python."""

import sys
import types

import numpy as np
import pytest

from multikeras.contract import DTYPES, DeviceError, DeviceSettings
from multikeras_cupy import CupyBackend


@pytest.fixture
def two_gpus(monkeypatch):
    """A CUDA that shows two GPUs, on which nothing can run."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 2)
    return cupy


def test_importing_the_package_imports_no_cupy(python):
    result = python("import sys, multikeras_cupy; assert 'cupy' not in sys.modules")
    assert result.returncode == 0, result.stderr


def test_without_cupy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"needs the package cupy.*pip install cupy-cuda13x"):
        CupyBackend()


def test_it_refuses_the_cpu():
    with pytest.raises(DeviceError, match=r"KERAS_DEVICE asks for 'cpu' and CuPy computes on NVIDIA GPUs alone"):
        CupyBackend(DeviceSettings("cpu", source="KERAS_DEVICE"))


def test_without_a_gpu_it_says_so(monkeypatch, two_gpus):
    for failure in (lambda: 0, None):

        def fail():
            raise two_gpus.cuda.runtime.CUDARuntimeError(100)

        monkeypatch.setattr(two_gpus.cuda.runtime, "getDeviceCount", failure or fail)
        with pytest.raises(DeviceError, match=r"needs an NVIDIA GPU and finds none .*nvidia-smi"):
            CupyBackend()


def test_the_device_is_the_one_asked_for(two_gpus):
    backend = CupyBackend()
    assert (backend.device, backend.devices()) == ("gpu:0", ["gpu:0", "gpu:1"])
    assert "first of 2" in backend.device_reason
    backend = CupyBackend(DeviceSettings("gpu:1", source="keras.json"))
    assert backend.device == "gpu:1"
    assert backend.device_reason == "keras.json asks for 'gpu:1'."
    assert backend._on_device().id == 1
    with pytest.raises(DeviceError, match=r"keras.json asks for 'gpu:5' and CuPy finds gpu:0, gpu:1"):
        CupyBackend(DeviceSettings("gpu:5", source="keras.json"))


class ComputeTypes:
    """CuPy's settings of products, which it refuses to change where there is no GPU."""

    COMPUTE_TYPE_DEFAULT, COMPUTE_TYPE_FP16, COMPUTE_TYPE_TF32 = 1, 3, 7

    def __init__(self):
        self.types = {}

    def get_compute_type(self, dtype):
        return self.types[dtype.name]

    def set_compute_type(self, dtype, compute_type):
        self.types[dtype.name] = compute_type


def test_the_settings_of_products_are_those_of_cupy():
    linear_algebra = pytest.importorskip("cupy._core._routines_linalg", reason="CuPy is not installed")
    for name in ("COMPUTE_TYPE_DEFAULT", "COMPUTE_TYPE_TF32", "COMPUTE_TYPE_FP16"):
        assert getattr(linear_algebra, name) == getattr(ComputeTypes, name)
    assert callable(linear_algebra.set_compute_type)
    assert linear_algebra.get_compute_type(np.dtype("float32")) == linear_algebra.COMPUTE_TYPE_DEFAULT


def test_products_are_as_asked_for_and_the_users_setting_is_put_back(monkeypatch):
    from contextlib import nullcontext

    from multikeras_cupy.cupy_products import ProductScope

    settings = ComputeTypes()
    core = types.ModuleType("cupy._core")
    core._routines_linalg = settings
    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    monkeypatch.setitem(sys.modules, "cupy._core", core)
    full, half, tf32 = settings.COMPUTE_TYPE_DEFAULT, settings.COMPUTE_TYPE_FP16, settings.COMPUTE_TYPE_TF32
    for users in (full, tf32):
        before = settings.types = {"float32": users, "float16": half}
        before = dict(before)
        for word, wanted in (("float32", full), ("tf32", tf32)):
            with ProductScope(nullcontext(), word):
                assert settings.types == {"float32": wanted, "float16": full}
                with ProductScope(nullcontext(), word):
                    pass
                assert settings.types == {"float32": wanted, "float16": full}
            assert settings.types == before
        with pytest.raises(KeyError), ProductScope(nullcontext(), "float32"):
            raise KeyError
        assert settings.types == before


def test_what_it_declares(two_gpus):
    backend = CupyBackend()
    assert backend.dtypes == DTYPES - {"bfloat16"}
    assert backend.asynchronous
    assert backend.in_place
    assert not backend.is_array(np.ones(2))
    assert backend.compile(len, ()) is len


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"])
def test_scatter_add_over_numpy(two_gpus, monkeypatch, dtype):
    """Its Python, with NumPy in CuPy's place."""
    from multikeras_cupy import cupy_kernels

    monkeypatch.setattr(cupy_kernels, "cupy", np)
    updates = np.arange(-6, 6).reshape(2, 6).astype(dtype)
    result = cupy_kernels.scatter_add(updates, np.array([0, 2, 2, 0, 1, 2]), axis=1, size=4)
    expected = np.zeros((2, 4), dtype)
    for column, place in enumerate([0, 2, 2, 0, 1, 2]):
        expected[:, place] += updates[:, column]
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("in_place", [True, False])
def test_optimizer_steps_pass_what_may_be_written(two_gpus, monkeypatch, in_place):
    from multikeras_cupy import cupy_kernels

    def adam(lr, beta_1, beta_2, epsilon, p, g, m, v, *written):
        calls.append(written)
        return p - 1, m + 1, v + 2

    calls = []
    monkeypatch.setattr(cupy_kernels, "_ADAM", adam)
    repeated = np.broadcast_to(np.float64(0), (2,))
    ps, gs, ms, vs = (
        [np.zeros(3), repeated],
        [np.ones(3), np.ones(2)],
        [np.zeros(3), np.zeros(2)],
        [np.zeros(3), np.zeros(2)],
    )
    results = cupy_kernels.adam_update(1, 2, 3, 4, *ps, *gs, *ms, *vs, in_place=in_place)
    assert [(len(result), result[0]) for result in results] == [(3, -1), (2, -1), (3, 1), (2, 1), (3, 2), (2, 2)]
    assert [len(written) for written in calls] == ([3, 0] if in_place else [0, 0])
    if in_place:
        assert calls[0][0] is ps[0]
        assert calls[0][2] is vs[0]
