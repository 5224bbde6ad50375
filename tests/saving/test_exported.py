"""A directory for prediction needs no class and no function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Lambda,
    Layer,
    MaxPooling2D,
    concatenate,
)
from multikeras.models import Model, Sequential, export_savedmodel, load_model, load_savedmodel
from multikeras.saving import CorruptFileError, UnsafeFileError

RNG = np.random.RandomState(4)


class Own(Layer):
    """A class that nobody registers."""

    def call(self, x: Any) -> Any:
        return K.switch(K.greater(K.sum(x), 0.0), lambda: K.exp(x), lambda: x) + K.cast(K.shape(x)[0], "float32")


def several() -> Model:
    a, b = Input((4,)), Input((4,))
    inner = Sequential([Dense(3, input_shape=(4,), activation="tanh"), Dropout(0.5)])
    return Model([a, b], [concatenate([inner(a), inner(b)]), Own()(a)])


MODELS: dict[str, tuple[Any, list[np.ndarray]]] = {
    "convolution": (
        lambda: Sequential(
            [
                Conv2D(3, 3, padding="same", input_shape=(6, 6, 2)),
                BatchNormalization(),
                MaxPooling2D(),
                Lambda(lambda x: x * 2),
                Flatten(),
                Dense(2, activation="softmax"),
            ]
        ),
        [RNG.rand(5, 6, 6, 2)],
    ),
    "recurrent": (
        lambda: Sequential(
            [Embedding(9, 4, mask_zero=True, input_length=5), LSTM(3, return_sequences=True), Bidirectional(GRU(2))]
        ),
        [RNG.randint(0, 9, (5, 5))],
    ),
    "several": (several, [RNG.rand(5, 4), RNG.rand(5, 4)]),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_directory_predicts_what_the_model_does(each_backend: str, tmp_path: Path, name: str) -> None:
    make, data = MODELS[name]
    model = make()
    model.set_weights([RNG.rand(*w.shape) for w in model.weights])
    x = data if len(data) > 1 else data[0]
    expected = model.predict(x)
    export_savedmodel(model, tmp_path / "out")
    for loaded in (load_savedmodel(tmp_path / "out"), load_model(str(tmp_path / "out"))):
        found = loaded.predict(x)
        pairs = zip(found, expected, strict=True) if isinstance(expected, list) else [(found, expected)]
        for one, other in pairs:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
        assert loaded.input_shape == model.input_shape
        assert loaded.output_shape == model.output_shape
    # Of another length, too.
    shorter = [values[:2] for values in data]
    loaded.predict(shorter if len(data) > 1 else shorter[0])


def test_exports_move_between_backends(tmp_path: Path) -> None:
    make, data = MODELS["recurrent"]
    with K.use_backend("numpy"):
        model = make()
        expected = model.predict(data[0])
        export_savedmodel(model, tmp_path / "out")
    for backend in ("jax", "torch"):
        with K.use_backend(backend):
            found = load_savedmodel(tmp_path / "out").predict(data[0])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_export_is_replaced_as_a_whole(tmp_path: Path) -> None:
    first, second = (Sequential([Dense(n, input_shape=(2,))]) for n in (1, 3))
    export_savedmodel(first, tmp_path / "out")
    with pytest.raises(FileExistsError, match="exists"):
        export_savedmodel(second, tmp_path / "out", overwrite=False)
    export_savedmodel(second, tmp_path / "out")
    assert load_savedmodel(tmp_path / "out").output_shape == (None, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("keep")
    with pytest.raises(FileExistsError, match="is no export of a model"):
        export_savedmodel(first, tmp_path / "mine")
    with pytest.raises(FileNotFoundError, match=r"there is no graph\.json"):
        load_savedmodel(tmp_path / "mine")


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not built yet"):
        export_savedmodel(Sequential([Dense(2)]), tmp_path / "out")
    stateful = Sequential([LSTM(2, stateful=True, batch_input_shape=(1, 2, 3))])
    with pytest.raises(NotImplementedError, match="stateful layers"):
        export_savedmodel(stateful, tmp_path / "out")
    x = Input((3,))
    calling = Model(x, K.numpy_function(np.sort, [Dense(3)(x)], (None, 3), "float32"))
    with pytest.raises(NotImplementedError, match="uses 'host_call'"):
        export_savedmodel(calling, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def altered(tmp_path: Path, change: Any) -> Path:
    """A directory whose graph was changed by hand."""
    export_savedmodel(Sequential([Dense(2, input_shape=(3,))]), tmp_path / "out")
    path = tmp_path / "out" / "graph.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return tmp_path / "out"


def entry_of(content: dict[str, Any], key: str) -> dict[str, Any]:
    return next(entry for entry in content["graph"]["entries"] if key in entry)


CHANGES: dict[str, tuple[Any, type[Exception], str]] = {
    "python": (lambda c: entry_of(c, "op").update(op="host_call"), UnsafeFileError, "may not ask for .* 'host_call'"),
    "store": (lambda c: entry_of(c, "op").update(op="assign"), UnsafeFileError, "may not ask for .* 'assign'"),
    "unknown": (lambda c: entry_of(c, "op").update(op="shell"), UnsafeFileError, "may not ask for .* 'shell'"),
    "number": (lambda c: entry_of(c, "op").update(of=[99, 0]), CorruptFileError, "names entry 99"),
    "negative": (lambda c: entry_of(c, "op").update(of=[-1, 0]), CorruptFileError, "names entry -1"),
    "forwards": (lambda c: c["graph"].update(outputs=["x"]), CorruptFileError, "names entry 'x'"),
    "missing": (lambda c: c.pop("variables"), CorruptFileError, "cannot be read"),
    "shape": (lambda c: c["variables"][0].update(shape=[9, 9]), CorruptFileError, "expected .9, 9."),
    "format": (lambda c: c.update(format=7), CorruptFileError, "no graph of format 1"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_altered_directories_are_refused(tmp_path: Path, name: str) -> None:
    change, kind, words = CHANGES[name]
    with pytest.raises(kind, match=words):
        load_savedmodel(altered(tmp_path, change))
