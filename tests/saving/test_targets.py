"""What a model can be saved to, and what not."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras.layers import Dense
from multikeras.models import Sequential, load_model

ENDINGS = ["h5", "keras", "weights.h5"]


def model_of(value: float) -> Any:
    model = Sequential([Dense(2, input_shape=(3,), name="only")])
    model.set_weights([np.full((3, 2), value), np.full(2, value)])
    return model


def save(model: Any, path: Path) -> None:
    (model.save_weights if "weights" in path.name else model.save)(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_only_files_are_replaced(tmp_path: Path, ending: str) -> None:
    pipe, directory = tmp_path / f"pipe.{ending}", tmp_path / f"directory.{ending}"
    os.mkfifo(pipe)
    directory.mkdir()
    with pytest.raises(OSError, match=r"pipe\..* is a device, a pipe or a socket"):
        save(model_of(1), pipe)
    with pytest.raises(OSError, match=r"directory\..* is a directory"):
        save(model_of(1), directory)
    assert pipe.is_fifo() and directory.is_dir() and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_as_long_as_names_may_be(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"{'é' * 120}.{ending}"
    save(model_of(3), path)
    model = model_of(0)
    model.load_weights(path)
    assert model.get_weights()[0][0, 0] == 3 and list(tmp_path.iterdir()) == [path]


def test_a_group_that_holds_a_model_keeps_it(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "several.h5", "w") as file:
        file["notes"] = [1, 2]
        first = file.create_group("first")
        model_of(1).save(first)
        model_of(2).save(file.create_group("second"))
        model_of(3).save_weights(file.create_group("third"))
        for name in ("first", "third"):
            for store in (model_of(4).save, model_of(4).save_weights):
                with pytest.raises(ValueError, match=f"{name} holds .* already"):
                    store(file[name])
        model_of(5).save(file)
    with h5py.File(tmp_path / "several.h5", "r") as file:
        found = [load_model(group).get_weights()[0][0, 0] for group in (file["first"], file["second"], file)]
        assert found == [1, 2, 5] and list(file["notes"]) == [1, 2]


class Slow(io.RawIOBase):
    """Takes a few bytes at a time, as unbuffered files may."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.taken, self.room = bytearray(), room

    def write(self, content: Any) -> int:
        piece = bytes(content[: min(100, self.room - len(self.taken))])
        self.taken += piece
        return len(piece)


def test_file_objects_that_take_little_at_a_time() -> None:
    target = Slow()
    model_of(7).save(target)
    assert load_model(io.BytesIO(target.taken)).get_weights()[0][0, 0] == 7
    with pytest.raises(OSError, match="takes no more: .* bytes"):
        model_of(7).save(Slow(1000))


@pytest.mark.parametrize("target", [None, 3, [1]])
def test_what_is_no_target_is_named(target: Any) -> None:
    with pytest.raises(TypeError, match=f"received {type(target).__name__}"):
        model_of(1).save(target)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="what is open cannot be listed here")
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_file_that_this_process_has_open_is_filled(tmp_path: Path, ending: str) -> None:
    """The usual way to pickle a Keras 2 model: save to the name of a temporary file, and read from what is held."""
    with tempfile.NamedTemporaryFile(suffix=f".{ending}", dir=tmp_path) as file:
        for value in (1, 2):
            save(model_of(value), Path(file.name))
            file.seek(0)
            copy = tmp_path / f"copy{value}.{ending}"
            copy.write_bytes(file.read())
            model = model_of(0)
            model.load_weights(copy)
            assert model.get_weights()[0][0, 0] == value
        assert {each.name for each in tmp_path.iterdir()} == {copy.name, f"copy1.{ending}", Path(file.name).name}


@pytest.mark.parametrize("mode", ["rb", "rb+"])
def test_a_file_with_content_is_replaced_whoever_has_it_open(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "m.h5"
    model_of(1).save(path)
    before = path.read_bytes()
    with open(path, mode) as file:
        model_of(2).save(path)
        assert file.read() == before
    assert load_model(path).get_weights()[0][0, 0] == 2


@pytest.mark.parametrize("name", ["..", "../x", "/absolute", "a/../b", ".", "/", "a\0b", "a/" * 60 + "b"])
@pytest.mark.parametrize("what", ["save", "save_weights"])
def test_names_that_lead_elsewhere_leave_the_old_file(tmp_path: Path, what: str, name: str) -> None:
    path = tmp_path / "m.h5"
    getattr(model_of(1), what)(path)
    before = path.read_bytes()
    model = Sequential([Dense(2, input_shape=(3,), name=name)])
    with pytest.raises(ValueError, match="cannot be the name of a group or array of HDF5"):
        getattr(model, what)(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("names", [("a/b", "a"), ("a", "a/b"), ("a/b/c", "a/b")])
@pytest.mark.parametrize("ending", ENDINGS)
def test_names_may_be_paths(tmp_path: Path, ending: str, names: tuple[str, str]) -> None:
    def model() -> Any:
        return Sequential([Dense(2, input_shape=(3,), name=names[0]), Dense(3, name=names[1])])

    saved, other = model(), model()
    save(saved, tmp_path / f"m.{ending}")
    other.load_weights(tmp_path / f"m.{ending}")
    for given, got in zip(saved.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(given, got)


def test_what_else_keras_3_writes_is_named(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for name in ("config.json", "metadata.json", "model.weights.h5"):
        (tmp_path / "m" / name).write_bytes(b"{}")
    (tmp_path / "m.weights.json").write_text('{"metadata": {}, "weight_map": {}}')
    for read in (load_model, model_of(1).load_weights):
        with pytest.raises(ValueError, match="zipped=False"):
            read(tmp_path / "m")
        with pytest.raises(ValueError, match="max_shard_size"):
            read(str(tmp_path / "m.weights.json"))
