"""The kinds of data that `fit` and its kin take."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Dense
from multikeras.models import Sequential
from multikeras.optimizers import SGD
from multikeras.training import tables
from multikeras.training.data import Data

X = np.random.default_rng(1).normal(size=(20, 4)).astype("float32")
Y = X[:, :1] * 2


def model_of(lr=0.1):
    model = Sequential([Dense(1, kernel_initializer="ones", input_shape=(4,))])
    model.compile(SGD(lr=lr), "mse")
    return model


def check(x, y):
    """The data mean the same as X and Y."""
    found, expected = model_of(), model_of()
    for shuffle in (False, "batch"):
        np.random.seed(1)
        a = found.fit(x, y, batch_size=8, epochs=2, shuffle=shuffle, validation_split=0.25, verbose=0)
        np.random.seed(1)
        b = expected.fit(X, Y, batch_size=8, epochs=2, shuffle=shuffle, validation_split=0.25, verbose=0)
        agree(a.history, b.history)
    np.random.seed(1)
    a = found.fit(x, y, batch_size=8, verbose=0)
    np.random.seed(1)
    b = expected.fit(X, Y, batch_size=8, verbose=0)
    agree(a.history, b.history)
    assert found.evaluate(x, y, verbose=0) == pytest.approx(expected.evaluate(X, Y, verbose=0), rel=1e-5)
    np.testing.assert_allclose(found.predict(x), expected.predict(X), rtol=1e-5, atol=1e-6)
    assert found.train_on_batch(x, y) == pytest.approx(expected.train_on_batch(X, Y), rel=1e-5)


def agree(history, expected):
    """Equal up to the order of sums in a product, which depends on how an array lies in memory."""
    assert history.keys() == expected.keys()
    for name, values in history.items():
        assert values == pytest.approx(expected[name], rel=1e-5)


@pytest.mark.parametrize("kind", ["array", "float64", "fortran", "list", "lists", "rows", "in a list", "by name"])
def test_numpy_and_lists(each_backend, kind):
    x = {
        "array": X,
        "float64": X.astype("float64"),
        "fortran": np.asfortranarray(X),
        "list": X.tolist(),
        "lists": [list(row) for row in X],
        "rows": list(X),
        "in a list": [X],
        "by name": {"dense_1_input": X},
    }[kind]
    y = Y[:, 0] if kind == "list" else Y
    K.reset_uids()
    if kind == "by name":
        model = model_of()
        assert model.evaluate({model.input_names[0]: X}, y, verbose=0) == model.evaluate(X, Y, verbose=0)
    else:
        check(x, y)


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_arrays_of_other_libraries(each_backend, library):
    if library == "torch":
        torch = pytest.importorskip("torch")
        x, y = torch.tensor(X), torch.tensor(Y)
    else:
        numpy = pytest.importorskip("jax.numpy")
        x, y = numpy.asarray(X), numpy.asarray(Y)
    check(x, y)


def test_data_sets_in_files(each_backend, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"], file["flat"] = X, Y, Y[:, 0]
    with h5py.File(tmp_path / "data.h5") as file:
        check(file["x"], file["y"])
        check(file["x"], file["flat"])


def test_something_that_is_read_in_pieces():
    """Not even an array: it has a shape, a type, and gives rows by a slice or by increasing numbers."""

    class Rows:
        shape, dtype = (20, 4), np.dtype("float32")

        def __getitem__(self, key):
            if isinstance(key, list):
                assert key == sorted(set(key))
            return X[key]

    check(Rows(), Y)


def test_sparse_matrices(each_backend):
    sparse = pytest.importorskip("scipy.sparse")
    check(sparse.csr_matrix(X), Y)
    check(sparse.coo_matrix(X), sparse.csr_matrix(Y))


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    check(pandas.DataFrame(X), pandas.Series(Y[:, 0]))


def test_integers_and_booleans(each_backend):
    x = np.arange(80).reshape(20, 4) % 7
    model = model_of(lr=0.0)
    expected = model.evaluate(x.astype("float32"), Y, verbose=0)
    for dtype in ("uint8", "int64", "int8"):
        assert model.evaluate(x.astype(dtype), Y, verbose=0) == pytest.approx(expected)
    assert model.predict(x > 3).shape == (20, 1)


def test_what_is_fed_is_neither_changed_nor_kept(each_backend):
    x, y = X.copy(), Y.copy()
    model = model_of()
    model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    predicted = model.predict(x)
    x[:] = 0
    np.testing.assert_array_equal(model.predict(X), predicted)


def test_rows_of_a_file_that_are_far_apart():
    read = []

    class Rows:
        shape, dtype = (10,), np.dtype("float32")

        def __getitem__(self, key):
            read.append(key)
            return np.arange(10, dtype="float32")[key]

    table = tables.table(Rows(), "x").part(2, 9)
    assert len(table) == 7
    np.testing.assert_array_equal(table.picker()(np.array([5, 0, 3, 0])), [7, 2, 5, 2])
    np.testing.assert_array_equal(table.with_axis().picker()(np.array([3, 2, 4])), [[5], [4], [6]])
    np.testing.assert_array_equal(table.range(5, 100), [7, 8])
    assert read[0] == [2, 5, 7]
    assert read[1] == slice(4, 7)


def test_parts():
    data = Data([tables.table(X, "x"), tables.NoTable()], 20)
    first, second = data.part(0, 12), data.part(12, 20)
    assert (first.size, second.size) == (12, 8)
    np.testing.assert_array_equal(second.range(0, 3)[0], X[12:15])
    values = second.reader()(np.array([7, 0]))
    np.testing.assert_array_equal(values[0], X[[19, 12]])
    assert values[1].size == 0
