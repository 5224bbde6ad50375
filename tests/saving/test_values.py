"""What loading stores belongs to the variables alone, and what saving writes is one moment of the model."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import BatchNormalization, Dense, Dropout
from multikeras.models import Sequential
from multikeras.programs import storage


@pytest.mark.parametrize("by_name", [False, True])
def test_layers_do_not_share_what_was_loaded(each_backend, tmp_path: Path, by_name: bool) -> None:
    model = Sequential(
        [Dense(3, use_bias=False, input_shape=(3,), name="same"), Dense(3, use_bias=False, name="other")]
    )
    model.save_weights(tmp_path / "two.h5")
    if by_name:
        # Two layers of one name get what the file holds for it.
        model.layers[1].name = "same"
    model.load_weights(tmp_path / "two.h5", by_name=by_name)
    before = model.get_weights()
    step = K.function([], [], updates=[K.update_add(model.layers[0].kernel, 1 + K.zeros((3, 3)))])
    step([])
    first, second = model.get_weights()
    np.testing.assert_allclose(first, before[0] + 1)
    np.testing.assert_array_equal(second, before[1])


@pytest.mark.parametrize("name", ["m.h5", "m.weights.h5", "m.keras"])
def test_a_file_holds_one_moment(each_backend, tmp_path: Path, name: str) -> None:
    # Both weights of every layer are counted up in each run; a file that holds unequal ones mixes two moments.
    model = Sequential([Dense(8, input_shape=(8,), kernel_initializer="zeros") for _ in range(6)])
    step = K.function([], [], updates=[K.update_add(w, 1 + K.zeros(w.shape)) for w in model.weights])
    step([])
    stop = threading.Event()

    def train() -> None:
        while not stop.is_set():
            step([])

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(5):
            target = tmp_path / name
            (model.save_weights if "weights" in name else model.save)(target)
            values = {float(a) for array in _arrays_of(target) for a in np.unique(array)}
            assert len(values) == 1 and values != {0.0}
    finally:
        stop.set()
        thread.join()


def _arrays_of(path: Path) -> list[np.ndarray]:
    content = path.read_bytes()
    if content[:2] == b"PK":
        import zipfile

        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read("model.weights.h5")
    found: list[np.ndarray] = []
    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(lambda name, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    assert found
    return found


def test_nothing_is_stored_while_values_are_held(each_backend) -> None:
    counter = K.variable(0.0)
    step = K.function([], [], updates=[K.update_add(counter, 1.0)])
    step([])
    thread = threading.Thread(target=step, args=([],))
    with storage.held():
        thread.start()
        thread.join(0.2)
        assert thread.is_alive() and storage.seen(counter) == 1
    thread.join()
    assert K.get_value(counter) == 2


def test_equal_models_make_equal_files(each_backend, tmp_path: Path) -> None:
    """Nothing of the moment of writing is in a file; a test of contents tells whether a model changed."""
    model = Sequential([Dense(3, input_shape=(3,)), BatchNormalization(), Dropout(0.5)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 3)), verbose=0)
    seconds: list[int] = []
    for number in range(2):
        while int(time.time()) in seconds:
            time.sleep(0.05)
        seconds.append(int(time.time()))
        model.save(tmp_path / f"m{number}.h5")
        model.save_weights(tmp_path / f"w{number}.h5")
        model.save_weights(tmp_path / f"w{number}.weights.h5")
    for first, second in (("m0.h5", "m1.h5"), ("w0.h5", "w1.h5"), ("w0.weights.h5", "w1.weights.h5")):
        assert (tmp_path / first).read_bytes() == (tmp_path / second).read_bytes()
