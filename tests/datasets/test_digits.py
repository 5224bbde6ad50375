"""`multikeras.datasets.digits`."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from multikeras import datasets
from multikeras.datasets import digits


def test_shapes_types_and_values() -> None:
    pytest.importorskip("sklearn")
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1438, 8, 8)
    assert x_test.shape == (359, 8, 8)
    assert y_train.shape == (1438,)
    assert y_test.shape == (359,)
    assert {x_train.dtype, x_test.dtype, y_train.dtype, y_test.dtype} == {np.dtype("uint8")}
    assert (x_train.min(), x_train.max()) == (0, 16)
    assert sorted(set(y_train)) == sorted(set(y_test)) == list(range(10))


def test_split_parts_the_whole_set() -> None:
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    whole = sklearn_datasets.load_digits()
    (x_train, y_train), (x_test, y_test) = digits.load_data(test_split=0.5, seed=7)
    assert abs(len(x_train) - len(x_test)) <= 1
    both = np.concatenate([x_train, x_test]).reshape(-1, 64)
    labelled = sorted(map(tuple, np.column_stack([both, np.concatenate([y_train, y_test])]).tolist()))
    expected = sorted(map(tuple, np.column_stack([whole.data, whole.target]).astype(int).tolist()))
    assert labelled == expected


def test_one_seed_gives_one_order() -> None:
    pytest.importorskip("sklearn")
    np.random.seed(0)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    (first, _), _ = digits.load_data(seed=3)
    (again, _), _ = digits.load_data(seed=3)
    (other, _), _ = digits.load_data(seed=4)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]


def test_no_test_split() -> None:
    pytest.importorskip("sklearn")
    (x_train, _), (x_test, y_test) = digits.load_data(test_split=0)
    assert len(x_train) == 1797
    assert x_test.shape == (0, 8, 8)
    assert y_test.shape == (0,)


@pytest.mark.parametrize("test_split", [1, 1.5, -0.1])
def test_wrong_split(test_split: float) -> None:
    with pytest.raises(ValueError, match=rf"from 0 to below 1\. Received: test_split={test_split}"):
        digits.load_data(test_split=test_split)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules is how Python marks a module whose import fails.
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        digits.load_data()


def test_scikit_learn_is_imported_only_when_called() -> None:
    code = "import sys, multikeras.datasets.digits; assert 'sklearn' not in sys.modules, 'sklearn was imported'"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_unknown_data_set() -> None:
    assert datasets.digits is digits
    assert "digits" in dir(datasets)
    with pytest.raises(AttributeError, match="no attribute 'letters'; there are: boston_housing, .*digits"):
        datasets.letters  # noqa: B018
