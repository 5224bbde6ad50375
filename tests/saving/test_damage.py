"""Damaged files are named, and change nothing of the model that they are loaded into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras.layers import Dense
from multikeras.models import Sequential, load_model
from multikeras.saving import CorruptFileError


def model_of() -> Sequential:
    model = Sequential([Dense(2, input_shape=(3,), name="dense")])
    model.compile("sgd", "mse")
    return model


def _other_shape(file: Any) -> None:
    group = file["model_weights/dense/dense"]
    value = group["kernel:0"][:1]
    del group["kernel:0"]
    group["kernel:0"] = value


DAMAGE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no configuration": (lambda f: f.attrs.__delitem__("model_config"), "no model"),
    "no json": (lambda f: f.attrs.__setitem__("model_config", b"{"), "is no JSON"),
    "no text": (lambda f: f.attrs.__setitem__("model_config", np.void(b"\xff\xfe")), "should be a text|is no text"),
    "deep": (lambda f: f.attrs.__setitem__("model_config", b"[" * 50_000), "nested too deep"),
    "missing layer": (lambda f: f["model_weights"].__delitem__("dense"), "has no member 'dense'"),
    "missing weight": (lambda f: f["model_weights/dense/dense"].__delitem__("bias:0"), "bias:0"),
    "layer is an array": (
        lambda f: (f["model_weights"].__delitem__("dense"), f["model_weights"].__setitem__("dense", 1)),
        "should be a group",
    ),
    "other shape": (
        _other_shape,
        r"has shape \(3, 2\), and .* holds shape \(1, 2\)",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_are_named_and_change_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.h5"
    model_of().save(path)
    change, words = DAMAGE[name]
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(ValueError, match=words) as caught:
        load_model(path)
    assert "model.h5" in str(caught.value)
    if "json" not in name and name not in ("no configuration", "no text", "deep"):
        model = model_of()
        before = model.get_weights()
        with pytest.raises(ValueError, match=words):
            model.load_weights(path)
        for one, other in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kept", [0, 3, 50, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("ending", ["h5", "keras", "weights.h5"])
def test_files_that_were_cut_off(tmp_path: Path, kept: float, ending: str) -> None:
    path = tmp_path / f"model.{ending}"
    model = model_of()
    (model.save_weights if ending == "weights.h5" else model.save)(path)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
    with pytest.raises(CorruptFileError, match=r"model\.|archive"):
        if ending == "weights.h5":
            model.load_weights(path)
        else:
            load_model(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for way in (load_model, model_of().load_weights):
        with pytest.raises(FileNotFoundError, match=r"There is no file .*nothing\.h5"):
            way(tmp_path / "nothing.h5")
