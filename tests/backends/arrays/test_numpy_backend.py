"""The NumPy backend as the framework sees it."""

import warnings

import numpy as np
import pytest

from multikeras.contract import DTYPES, DeviceError, DeviceSettings
from multikeras_numpy import NumpyBackend


def test_it_computes_on_the_cpu_alone():
    for device in ("auto", "cpu"):
        backend = NumpyBackend(DeviceSettings(device))
        assert (backend.device, backend.devices()) == ("cpu", ["cpu"])
        assert "NumPy" in backend.device_reason
    with pytest.raises(DeviceError, match=r"KERAS_DEVICE asks for 'gpu:1' and NumPy computes on the CPU alone"):
        NumpyBackend(DeviceSettings("gpu:1", source="KERAS_DEVICE"))


def test_fed_arrays_are_shared_and_owned_ones_are_not():
    backend = NumpyBackend()
    x = np.ones((2, 3), "float32")
    assert backend.feed(x, "float32") is x
    assert backend.feed(x, "int32").dtype == "int32"
    for value in (x, x.T, np.broadcast_to(np.float32(1), (2, 3))):
        own = backend.own(value, "float32")
        assert own.flags.c_contiguous
        assert own.flags.writeable
        assert not np.shares_memory(own, value)
        np.testing.assert_array_equal(own, value)
    assert backend.own(3, "int64").shape == ()
    assert backend.is_array(x)
    assert not backend.is_array([1.0])


def test_results_leave_as_arrays():
    backend = NumpyBackend()
    total = backend.to_numpy(backend.kernels["reduce_sum"](np.ones(3), axis=(0,), keepdims=False))
    assert isinstance(total, np.ndarray)
    assert total.shape == ()


def test_the_scope_is_silent_and_ends():
    backend = NumpyBackend()
    x = np.zeros(2, "float32")
    with backend.scope(), backend.scope():
        assert np.isnan(backend.kernels["divide"](x, x)).all()
        assert backend.kernels["add"](np.uint32(2**32 - 1), np.uint32(1)) == 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        backend.kernels["divide"](x, x)
    assert caught


def test_dtypes_and_versions():
    assert DTYPES - {"bfloat16"} <= NumpyBackend.dtypes <= DTYPES
    assert NumpyBackend().versions()["numpy"] == np.__version__
    assert NumpyBackend.in_place
    assert not NumpyBackend.donates
    assert not NumpyBackend.asynchronous
