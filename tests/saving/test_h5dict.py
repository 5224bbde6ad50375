"""`H5Dict`: files, groups and dictionaries alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras.layers import Dense, Dropout
from multikeras.models import Sequential, load_model
from multikeras.saving import UnsafeFileError
from multikeras.utils import io_utils
from multikeras.utils.io_utils import H5Dict

RNG = np.random.RandomState(3)
X, Y = RNG.rand(12, 4).astype("float32"), RNG.rand(12, 2).astype("float32")

#: What each kind of target is made of: a fresh one, and the same again for reading.
KINDS: dict[str, Callable[[Path], tuple[Any, Any]]] = {
    "path": lambda directory: (str(directory / "d.h5"), directory / "d.h5"),
    "dictionary": lambda directory: (made := {}, made),
}

VALUES: dict[str, Any] = {
    "array": np.arange(6, dtype="float32").reshape(2, 3),
    "empty": np.zeros((0, 4)),
    "flags": np.array([True, False]),
    "text": "größer",
    "bytes": b"abc",
    "integer": 7,
    "large": 1 << 80,
    "number": 0.25,
    "yes": True,
    "nothing": None,
    "names": [b"one", b"two"],
    "texts": ["one", "zwei"],
    "nested": {"units": [1, 2, {"a": None}]},
    "long": [b"layer_%07d" % i for i in range(20_000)],
    "none": [],
    "length0": 5,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_value_comes_back(tmp_path: Path, kind: str) -> None:
    target, again = KINDS[kind](tmp_path)
    with H5Dict(target, "w") as d:
        d.update(VALUES)
        d["group"]["inner"]["array"] = np.ones(2)
        d["group"]["text"] = "here"
    with H5Dict(again, "r") as d:
        assert sorted(d) == sorted(d.keys()) == sorted(d.iter()) == sorted([*VALUES, "group"])
        assert len(d) == len(VALUES) + 1
        for key, value in VALUES.items():
            assert key in d
            found = d[key]
            if isinstance(value, np.ndarray):
                assert found.dtype == value.dtype
                np.testing.assert_array_equal(found, value)
            elif kind == "path" and key == "bytes":
                # HDF5 keeps a single text, and not whether it was bytes.
                assert found in ("abc", b"abc")
            else:
                assert found == value and type(found) is type(value)
        np.testing.assert_array_equal(d["group"]["inner"]["array"], [1, 1])
        assert d["group"].get("text") == "here"
        assert d.get("absent", 3) == 3 and "absent" not in d


def test_no_attribute_is_longer_than_a_header_and_pieces_are_keras_ones(tmp_path: Path) -> None:
    with H5Dict(tmp_path / "d.h5") as d:
        d["weight_names"] = VALUES["long"]
    with h5py.File(tmp_path / "d.h5") as file:
        assert "weight_names" not in file.attrs
        pieces = [file.attrs[f"weight_names{i}"] for i in range(len(file.attrs))]
        assert all(piece.nbytes <= 64_512 for piece in pieces) and len(pieces) == 5
        assert np.concatenate(pieces).tolist() == VALUES["long"]
    with H5Dict(tmp_path / "d.h5") as d:
        d["weight_names"] = [b"short"]
        assert d["weight_names"] == [b"short"] and d.keys() == ["weight_names"]
        del d["weight_names"]
        assert len(d) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused(tmp_path: Path, kind: str) -> None:
    target, again = KINDS[kind](tmp_path)
    with H5Dict(target) as d:
        d["group"]["x"] = 1
        with pytest.raises(KeyError, match="is a group"):
            d["group"] = 2
        with pytest.raises(AttributeError, match="cannot be set"):
            d.units = 3
        with pytest.raises(KeyError, match="keys are texts"):
            d[3]
        if kind == "path":
            with pytest.raises(TypeError, match="cannot hold"):
                d["code"] = {"a": print}
            assert "code" not in d
    with H5Dict(again, "r") as d:
        with pytest.raises(KeyError, match="there is no 'absent'"):
            d["absent"]
        with pytest.raises(ValueError, match="for reading only"):
            d["y"] = 1
        with pytest.raises(ValueError, match="for reading only"):
            d["group"]["y"] = 1
        with pytest.raises(ValueError, match="for reading only"):
            del d["group"]
    with pytest.raises(TypeError, match="received int"):
        H5Dict(3)
    with pytest.raises(ValueError, match="mode is"):
        H5Dict(target, "rw")


def test_a_link_to_another_file_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.ones(3)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["link"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/secret")
    with H5Dict(tmp_path / "d.h5", "r") as d, pytest.raises(UnsafeFileError, match="link to another file"):
        d["link"]


def test_what_it_takes_and_closes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "d.h5", "w") as file:
        with H5Dict(file.create_group("inside")) as d:
            d["x"] = 1
        assert file["inside"].attrs["x"] == 1
    d = H5Dict(tmp_path / "d.h5")
    inner = d["inside"]
    d.close()
    assert not inner.data
    d.close()
    assert all(H5Dict.is_supported_type(each) for each in ("path", tmp_path, {}, H5Dict({})))
    assert not H5Dict.is_supported_type(3)
    assert io_utils.H5Dict is H5Dict


@pytest.mark.parametrize("kind", ["path", "group", "H5Dict of a dictionary", "plain dictionary"])
def test_a_model_goes_in_and_comes_back(tmp_path: Path, kind: str) -> None:
    model = Sequential([Dense(8, input_shape=(4,)), Dropout(0.5), Dense(2)])
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    file = h5py.File(tmp_path / "d.h5", "w") if kind != "path" else None
    target: Any = {
        "path": lambda: H5Dict(tmp_path / "e.h5"),
        "group": lambda: H5Dict(file.create_group("model") if file else None),
        "H5Dict of a dictionary": lambda: H5Dict({}),
        "plain dictionary": dict,
    }[kind]()
    model.save(target)
    loaded = load_model(target)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    losses = [m.fit(X, Y, epochs=2, verbose=0, shuffle=False).history["loss"] for m in (model, loaded)]
    assert losses[0] == losses[1]
    weights = H5Dict({})
    model.save_weights(weights)
    loaded.set_weights([0 * w for w in loaded.get_weights()])
    loaded.load_weights(weights)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    if isinstance(target, H5Dict):
        target.close()
        with pytest.raises(ValueError, match="for reading only"):
            model.save(H5Dict({}, "r"))
    if file is not None:
        file.close()
