"""A directory for prediction needs no class and no function."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    Input,
    Lambda,
    Layer,
    MaxPooling2D,
    concatenate,
)
from multikeras.models import Model, Sequential, export_savedmodel, load_model, load_savedmodel
from multikeras.saving import CorruptFileError, UnsafeFileError
from multikeras.saving.atomic import replacing
from multikeras.saving.graphs import exported

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


@pytest.mark.parametrize("reading", ["numpy", "jax", "torch"])
@pytest.mark.parametrize("writing", ["numpy", "jax", "torch"])
def test_exports_move_between_backends(tmp_path: Path, writing: str, reading: str) -> None:
    for name in (writing, reading):
        pytest.importorskip(name)
    make, data = MODELS["several"]
    with K.use_backend(writing):
        model = make()
        expected = model.predict(data)
        export_savedmodel(model, tmp_path / "out")
    with K.use_backend(reading):
        found = load_savedmodel(tmp_path / "out").predict(data)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_it_needs_no_class_and_no_function(tmp_path: Path) -> None:
    export_savedmodel(several(), tmp_path / "out")
    program = (
        "import numpy as np, multikeras.models as m; "
        f"print([r.shape for r in m.load_savedmodel({str(tmp_path / 'out')!r}).predict([np.ones((2, 4))] * 2)])"
    )
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert found.stdout.strip() == "[(2, 6), (2, 4)]"


class NormalizedCell(Layer):
    """A cell that stores in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.state_size = 3
        self.inner, self.normal = Dense(3), BatchNormalization()

    def build(self, input_shape: Any) -> None:
        self.inner.build(input_shape)
        self.normal.build((None, 3))

    def call(self, inputs: Any, states: Any) -> Any:
        made = self.normal(self.inner(inputs)) + states[0] * 0.5
        return made, [made]


def test_what_only_training_computes_is_left_out(tmp_path: Path) -> None:
    layers = [RNN(NormalizedCell(), return_sequences=True, input_shape=(None, 2)), GaussianNoise(1.0)]
    layers += [LSTM(3, dropout=0.5, recurrent_dropout=0.5), Dropout(0.5), BatchNormalization(), Dense(2, name="last")]
    model = Sequential(layers)
    export_savedmodel(model, tmp_path / "out")
    text = (tmp_path / "out" / "graph.json").read_text()
    assert "learning_phase" not in text
    assert not re.search(r'"op": "(random|dropout|fold_in|host_select|assign|after)', text)
    loaded = load_savedmodel(tmp_path / "out")
    x = RNG.randn(2, 4, 2)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.input_names == model.input_names
    assert loaded.output_names == ["last"]
    # What was loaded is a model as any other.
    export_savedmodel(loaded, tmp_path / "again")
    np.testing.assert_array_equal(load_savedmodel(tmp_path / "again").predict(x), model.predict(x))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_types(tmp_path: Path, dtype: str) -> None:
    before = K.floatx()
    K.set_floatx(dtype)
    try:
        model = Sequential([Dense(3, input_shape=(4,), activation="relu"), BatchNormalization(), Dense(2)])
        export_savedmodel(model, tmp_path / "out")
        loaded = load_savedmodel(tmp_path / "out")
        x = RNG.randn(2, 4)
        np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
        assert {w.dtype for w in loaded.weights} == {dtype}
    finally:
        K.set_floatx(before)


def test_a_replacement_that_fails_leaves_the_old_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Sequential([Dense(n, input_shape=(2,))]) for n in (1, 3))
    export_savedmodel(first, tmp_path / "out")
    before = sorted(os.listdir(tmp_path / "out"))

    def fails(path: Any) -> Any:
        if Path(path).name == "graph.json":
            raise OSError("No space left on device")
        return replacing(path)

    monkeypatch.setattr(exported, "replacing", fails)
    for name in ("out", "new"):
        with pytest.raises(OSError, match="No space left"):
            export_savedmodel(second, tmp_path / name)
    assert os.listdir(tmp_path) == ["out"]
    assert sorted(os.listdir(tmp_path / "out")) == before
    assert load_savedmodel(tmp_path / "out").output_shape == (None, 1)


def test_an_export_is_replaced_as_a_whole(tmp_path: Path) -> None:
    first, second = (Sequential([Dense(n, input_shape=(2,))]) for n in (1, 3))
    export_savedmodel(first, tmp_path / "out")
    with pytest.raises(FileExistsError, match="exists"):
        export_savedmodel(second, tmp_path / "out", overwrite=False)
    export_savedmodel(second, tmp_path / "out")
    assert load_savedmodel(tmp_path / "out").output_shape == (None, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert len(os.listdir(tmp_path / "out")) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("keep")
    with pytest.raises(FileExistsError, match="is no export of a model"):
        export_savedmodel(first, tmp_path / "mine")
    with pytest.raises(FileNotFoundError, match=r"there is no graph\.json"):
        load_savedmodel(tmp_path / "mine")
    with pytest.raises(FileNotFoundError, match="is a file and no export of a model, .* load_model reads files"):
        load_savedmodel(tmp_path / "mine" / "file")
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        load_savedmodel(tmp_path / "nowhere")
    (tmp_path / "mine" / "saved_model.pb").touch()
    with pytest.raises(FileNotFoundError, match="is a SavedModel of TensorFlow"):
        load_savedmodel(tmp_path / "mine")
    with pytest.raises(TypeError, match="takes the path of a directory, received int"):
        load_savedmodel(3)


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


def grown(content: dict[str, Any], *lengths: int) -> None:
    """Lets the graph make a large array of a number."""
    entries = content["graph"]["entries"]
    shape = {"tuple": [*lengths]} if max(lengths) < 2**63 else {"tuple": [{"entry": lengths[0]}]}
    number = {"constant": "AACAPw==", "shape": [], "dtype": "float32"}
    entries += [number, {"op": "broadcast_to", "of": [len(entries)], "attributes": {"shape": shape}}]


def bodies(depth: int) -> Any:
    """Branches within branches."""
    flag = {"constant": "AQ==", "shape": [], "dtype": "bool"}
    graph: Any = {"entries": [flag], "outputs": [0]}
    for _ in range(depth):
        both = {key: {"graph": graph, "label": "x"} for key in ("then_body",)}
        empty = {"graph": {"entries": [flag], "outputs": [0]}, "label": "x"}
        graph = {
            "entries": [flag, {"op": "cond", "of": [0], "attributes": {**both, "else_body": empty}}],
            "outputs": [0],
        }
    return graph


CHANGES: dict[str, tuple[Any, type[Exception], str]] = {
    "python": (lambda c: entry_of(c, "op").update(op="host_call"), UnsafeFileError, "may not ask for .* 'host_call'"),
    "store": (lambda c: entry_of(c, "op").update(op="assign"), UnsafeFileError, "may not ask for .* 'assign'"),
    "unknown": (lambda c: entry_of(c, "op").update(op="shell"), UnsafeFileError, "may not ask for .* 'shell'"),
    "number": (lambda c: entry_of(c, "op").update(of=[99, 0]), CorruptFileError, "names entry 99"),
    "negative": (lambda c: entry_of(c, "op").update(of=[-1, 0]), CorruptFileError, "names entry -1"),
    "forwards": (lambda c: c["graph"].update(outputs=["x"]), CorruptFileError, "names entry 'x'"),
    "missing": (lambda c: c.pop("variables"), CorruptFileError, "cannot be read"),
    "shape": (lambda c: c["variables"][0].update(shape=[9, 9]), CorruptFileError, "expected .9, 9."),
    "weights": (lambda c: c.update(weights="../other.h5"), UnsafeFileError, "which is no file of an export"),
    "outside": (
        lambda c: c.update(weights="weights.0123abcd.h5"),
        CorruptFileError,
        "0123abcd.h5', which are not there",
    ),
    "names": (lambda c: c.update(output_names=["a", "b"]), CorruptFileError, "1 outputs and 2 names"),
    "type": (lambda c: entry_of(c, "input").update(dtype="object"), ValueError, "object"),
    "other type": (lambda c: c["variables"][0].update(dtype="bool"), ValueError, "bool"),
    "large": (lambda c: grown(c, 10**6, 10**6, 10**6), UnsafeFileError, "an array of shape .* bytes; at most"),
    "huge": (lambda c: grown(c, 2**70), ValueError, "names entry 1180591620717411303424"),
    "deep bodies": (
        lambda c: c["graph"]["entries"].extend(bodies(150)["entries"]),
        UnsafeFileError,
        "nested too deep|at depth",
    ),
    "format": (lambda c: c.update(format=7), CorruptFileError, "no graph of format 1"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_altered_directories_are_refused(tmp_path: Path, name: str) -> None:
    change, kind, words = CHANGES[name]
    with pytest.raises(kind, match=words):
        load_savedmodel(altered(tmp_path, change))


def test_a_graph_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    place = altered(tmp_path, lambda content: None)
    (place / "graph.json").write_text('{"format": 1, "graph": ' + "[" * 50_000 + "]" * 50_000 + "}")
    with pytest.raises(UnsafeFileError, match=r"graph\.json is nested too deep"):
        load_savedmodel(place)


def test_an_export_leaves_the_weights_that_another_process_has_just_written(tmp_path: Path) -> None:
    model = Sequential([Dense(2, input_shape=(3,))])
    export_savedmodel(model, tmp_path / "out")
    others, left = tmp_path / "out" / "weights.01234567.h5", tmp_path / "out" / "weights.89abcdef.h5"
    others.write_bytes(b"of a process that has not named it yet")
    left.write_bytes(b"of a process that was killed yesterday")
    os.utime(left, (0, 0))
    export_savedmodel(model, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert others.name in names and left.name not in names and "weights.h5" not in names and len(names) == 3
