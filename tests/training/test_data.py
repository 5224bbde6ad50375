"""The kinds of data that `fit` and its kin take."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Dense, Input
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD
from multikeras.training import tables
from multikeras.training.data import Data
from multikeras.utils import HDF5Matrix

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


def test_matrices_in_files(each_backend, tmp_path):
    """`HDF5Matrix`: a part of the rows, normalized on their way."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.concatenate([X[:3], 10 * X, X[:2]])
        file["y"] = Y
    x = HDF5Matrix(path, "x", 3, 23, normalizer=lambda rows: rows / 10)
    check(x, HDF5Matrix(path, "y"))


def test_files_are_never_read_whole(tmp_path):
    """Not for shuffling, class weights, sample weights or a validation split."""
    h5py = pytest.importorskip("h5py")
    labels = (X[:, 0] > 0).astype(int)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"], file["w"] = X, labels[:, None], np.linspace(0, 1, 20)
    read = []
    with h5py.File(tmp_path / "data.h5") as file:

        class Noted:
            def __init__(self, name):
                self.data = file[name]
                self.shape, self.dtype = self.data.shape, self.data.dtype

            def __getitem__(self, key):
                found = self.data[key]
                read.append(len(found))
                return found

        def history(x, y, w, **more):
            np.random.seed(3)
            model = Sequential([Dense(2, activation="softmax", kernel_initializer="ones", input_shape=(4,))])
            model.compile(SGD(lr=0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
            given = {"class_weight": {0: 0.5, 1: 3}, "sample_weight": w, "batch_size": 6, "epochs": 2, "verbose": 0}
            return model.fit(x, y, validation_split=0.2, **given, **more).history

        for shuffle in (True, "batch", False):
            agree(
                history(Noted("x"), Noted("y"), Noted("w"), shuffle=shuffle),
                history(X, labels, np.linspace(0, 1, 20), shuffle=shuffle),
            )
        assert max(read) == 6
        with pytest.raises(ValueError, match=r"missing: \[1\]"):
            model = Sequential([Dense(2, activation="softmax", input_shape=(4,))])
            model.compile(SGD(lr=0.1), "sparse_categorical_crossentropy")
            model.fit(Noted("x"), Noted("y"), class_weight={0: 1.0}, verbose=0)


def test_matrices_by_themselves(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["x"], file["group/y"] = X, Y.astype("float64")
    matrix = HDF5Matrix(str(path), "x", start=2, end=12)
    part = X[2:12]
    assert (matrix.shape, matrix.dtype, matrix.ndim, matrix.size, len(matrix)) == ((10, 4), part.dtype, 2, 40, 10)
    for key in (3, -1, np.int64(0), slice(2, 5), slice(None), slice(-3, None), slice(8, 2), slice(0, 9, 4), [4, 0, 4],
                np.array([7, 1]), [-1, 2], [], part[:, 0] > 0):  # fmt: skip
        np.testing.assert_array_equal(matrix[key], part[key if not isinstance(key, list) else np.array(key, int)])
    np.testing.assert_array_equal(np.asarray(matrix), part)
    # What a worker process gets opens the file anew.
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(matrix))[2:4], part[2:4])
    normalized = HDF5Matrix(path, "group/y", normalizer=lambda rows: (rows * 2).astype("float32")[:, 0])
    assert (normalized.shape, normalized.dtype) == ((20,), np.dtype("float32"))
    np.testing.assert_allclose(normalized[[3, 1]], 2 * Y[[3, 1], 0])
    for key, error in (
        (10, IndexError),
        ([0, 10], IndexError),
        (-11, IndexError),
        ("x", TypeError),
        ([[1]], TypeError),
    ):
        with pytest.raises(error, match="HDF5Matrix"):
            matrix[key]
    with pytest.raises(KeyError, match="no data set 'z'; it has group/y, x"):
        HDF5Matrix(path, "z")
    with pytest.raises(FileNotFoundError, match="no file"):
        HDF5Matrix(tmp_path / "none.h5", "x")
    with pytest.raises(ValueError, match="rows 5 to 21 were asked for; 'x' in .* has 20 rows"):
        HDF5Matrix(path, "x", 5, 21)


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
    check(sparse.csc_array(X), Y)
    x = Input((4,), sparse=True)
    assert K.is_sparse(x)
    model = Model(x, Dense(1, kernel_initializer="ones")(x))
    expected = X.sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict(sparse.csr_matrix(X)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(sparse.csr_matrix(X)).numpy(), expected, rtol=1e-5, atol=1e-6)
    function = K.function([x], [model.output])
    np.testing.assert_allclose(function([sparse.lil_matrix(X)])[0], expected, rtol=1e-5, atol=1e-6)
    assert "sparse matrices made dense: 1" in function.explain()


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"), index=np.arange(20)[::-1])
    check(frame, pandas.Series(Y[:, 0]))
    check(frame.astype({"a": "float64"}), pandas.DataFrame({"y": Y[:, 0]}))
    model = model_of()
    expected = model.evaluate(np.round(X), Y, verbose=0)
    whole = frame.round().astype({"a": "int64", "b": "int8", "c": "Int64"})
    assert model.evaluate(whole, Y, verbose=0) == pytest.approx(expected)
    assert model.evaluate(np.round(X), Y, sample_weight=pandas.Series(np.ones(20)), verbose=0) == pytest.approx(
        expected
    )
    with pytest.raises(TypeError, match="the columns word of the data frame hold no numbers"):
        model.predict(frame[["a", "b", "c"]].assign(word="x"))


class Frame:
    """As much of a data frame as is looked at, for where pandas is not installed."""

    iloc = None

    def __init__(self, columns):
        self.columns = list(columns)
        self.values = columns
        self.dtypes = {name: column.dtype for name, column in columns.items()}
        self.shape = (20, len(columns))

    def to_numpy(self):
        return np.stack([column.astype(object) for column in self.values.values()], axis=1)


def test_frames_of_columns_of_several_types():
    mixed = Frame({"a": X[:, 0], "b": X[:, 1] > 0, "c": np.arange(20), "d": X[:, 3]})
    model = model_of()
    expected = np.stack([X[:, 0], X[:, 1] > 0, np.arange(20), X[:, 3]], axis=1)
    np.testing.assert_allclose(model.predict(mixed), model.predict(expected), rtol=1e-6)
    with pytest.raises(TypeError, match="input 'dense_1_input': the columns b, d of the data frame hold no numbers"):
        model.predict(Frame({"a": X[:, 0], "b": np.array(["x"] * 20), "c": X[:, 0], "d": np.array([{}] * 20)}))


def test_numbers_by_themselves():
    model = Sequential([Dense(1, kernel_initializer="ones", input_shape=(1,))])
    model.compile(SGD(lr=0.0), "mse")
    assert model.train_on_batch(3.0, 1) == pytest.approx(4)
    assert model.evaluate([1, 2, 3], [1, 2, 5], verbose=0) == pytest.approx(4 / 3)
    np.testing.assert_allclose(model.predict(range(3)), [[0], [1], [2]])
    np.testing.assert_allclose(model.predict(((1.0,), (2.0,))), [[1], [2]])


def test_anything_that_speaks_dlpack(each_backend):
    class Foreign:
        def __init__(self, array):
            self.array = array
            self.shape, self.dtype = array.shape, array.dtype

        def __dlpack__(self, **keywords):
            return self.array.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    check(Foreign(X), Foreign(Y))


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
