"""The hooks of a backend: arrays in and out, types, devices, and that kernels are there."""
# ruff: noqa: D103 - the name of a test says what it tests

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras.contract import DTYPES, PRIMITIVES, Backend, check_dtype
from multikeras.testing.case import held_by

#: What the framework does itself, beside every backend: no kernel has to exist.
_DONE_BY_THE_FRAMEWORK = {"item", "shape", "after", "identity"}


def values(dtype: str) -> np.ndarray:
    """Six numbers that the type can hold."""
    numbers = np.array([[0, 1, 2], [3, 100, 7]])
    return held_by(numbers * 0.25 if "float" in dtype else numbers, dtype)


def as_numpy(backend: Backend, array: Any) -> np.ndarray:
    found = backend.to_numpy(array)
    assert isinstance(found, np.ndarray)
    return np.asarray(found, "float64")


def test_names_itself(tested_backend: Backend) -> None:
    assert tested_backend.name
    assert tested_backend.title
    assert all(isinstance(version, str) for version in tested_backend.versions().values())


def test_device_is_one_of_those_there_are(tested_backend: Backend) -> None:
    assert tested_backend.device in tested_backend.devices()
    assert tested_backend.device_reason.endswith(".")


def test_has_the_types_that_every_model_needs(tested_backend: Backend) -> None:
    assert tested_backend.dtypes <= DTYPES
    assert {"float32", "float64", "int32", "int64", "uint32", "uint8", "bool"} <= tested_backend.dtypes


def test_every_primitive_can_be_computed(tested_backend: Backend) -> None:
    missing = [
        name
        for name, primitive in PRIMITIVES.items()
        if name not in tested_backend.kernels
        and primitive.composition is None
        and tested_backend.name not in primitive.kernels
        and name not in _DONE_BY_THE_FRAMEWORK
    ]
    assert not missing, f"{tested_backend.name} needs kernels for {', '.join(missing)}"


def test_every_kernel_is_that_of_a_primitive(tested_backend: Backend) -> None:
    unknown = set(tested_backend.kernels) - set(PRIMITIVES)
    assert not unknown, f"no primitive is named {', '.join(sorted(unknown))}"


@pytest.mark.parametrize("way", ["feed", "own", "constant"])
def test_arrays_go_in_and_come_out(way: str, tested_backend: Backend) -> None:
    with tested_backend.scope():
        for dtype in sorted(tested_backend.dtypes):
            array = getattr(tested_backend, way)(values(dtype), dtype)
            assert array.shape == (2, 3)
            assert check_dtype(array.dtype) == dtype
            np.testing.assert_array_equal(as_numpy(tested_backend, array), values(dtype), dtype)


@pytest.mark.parametrize("way", ["feed", "own"])
def test_arrays_become_what_is_asked_for(way: str, tested_backend: Backend) -> None:
    numbers = np.array([[0, 1, 2], [3, 4, 5]])
    odd = [
        numbers.astype(">i4"),
        numbers.astype("float64")[:, ::-1],
        np.asfortranarray(numbers),
        np.broadcast_to(numbers[0], (2, 3)),
        numbers.astype("float16"),
        numbers > 2,
    ]
    with tested_backend.scope():
        for array in odd:
            for dtype in ("float32", "float64", "int32", "int64"):
                made = getattr(tested_backend, way)(array, dtype)
                assert check_dtype(made.dtype) == dtype
                np.testing.assert_array_equal(as_numpy(tested_backend, made), array, f"{array.dtype} to {dtype}")


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 1, 1)])
def test_arrays_of_few_entries(shape: tuple[int, ...], tested_backend: Backend) -> None:
    with tested_backend.scope():
        for way in (tested_backend.feed, tested_backend.own):
            array = way(np.full(shape, 2.5), "float32")
            assert tuple(array.shape) == shape
            np.testing.assert_array_equal(as_numpy(tested_backend, array), np.full(shape, 2.5))


def test_owned_arrays_share_nothing(tested_backend: Backend) -> None:
    # Large enough for a library to take memory over instead of copying it.
    source = np.arange(1 << 16, dtype="float32")
    with tested_backend.scope():
        owned = tested_backend.own(source, "float32")
        twice = tested_backend.own(owned, "float32")
        copied = tested_backend.copy(owned)
        source[:] = -1
        tested_backend.synchronize()
        for array in (owned, twice, copied):
            assert as_numpy(tested_backend, array)[5] == 5
        memory = tested_backend.to_numpy(owned)
        assert not np.shares_memory(memory, tested_backend.to_numpy(copied))
        assert not np.shares_memory(memory, tested_backend.to_numpy(twice))


def test_own_arrays_are_known(tested_backend: Backend) -> None:
    with tested_backend.scope():
        owned = tested_backend.own(np.zeros(3), "float32")
        if tested_backend.is_array(owned):
            fed = tested_backend.feed(owned, "float64")
            assert check_dtype(fed.dtype) == "float64"
    assert not tested_backend.is_array([1.0, 2.0])
    assert not tested_backend.is_array(None)


def test_compile_keeps_the_meaning(tested_backend: Backend) -> None:
    add = tested_backend.kernels["add"]
    with tested_backend.scope():
        compiled = tested_backend.compile(lambda x, y: (add(x, y), x), ())
        arrays = [tested_backend.own(np.array([1.0, 2.0]), "float32") for _ in range(2)]
        total, same = compiled(*arrays)
        np.testing.assert_array_equal(as_numpy(tested_backend, total), [2, 4])
        np.testing.assert_array_equal(as_numpy(tested_backend, same), [1, 2])
