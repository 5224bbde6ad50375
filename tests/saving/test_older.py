"""Files of Keras 1 and 2, built here after their documented layouts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    ConvLSTM2D,
    CuDNNGRU,
    CuDNNLSTM,
    Dense,
    Embedding,
    Flatten,
    InputLayer,
    Layer,
    TimeDistributed,
)
from multikeras.models import Sequential, load_model, model_from_config, model_from_json, model_from_yaml

RNG = np.random.RandomState(8)


def write(path: Path, layers: dict[str, Sequence[np.ndarray]], version: str, backend: str) -> None:
    """A file of weights in the layout of Keras 1.2 to 2.3."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = backend.encode()
        file.attrs["layer_names"] = np.array([name.encode() for name in layers])
        for name, arrays in layers.items():
            group = file.create_group(name)
            names = [f"{name}/w_{i}:0" for i in range(len(arrays))]
            group.attrs["weight_names"] = np.array([n.encode() for n in names], dtype="S40")
            for each, array in zip(names, arrays, strict=True):
                group[each] = array


def split(matrix: np.ndarray, count: int) -> list[np.ndarray]:
    return np.split(matrix, count, axis=-1)


def lstm_1(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """W, U and b of the gates i, c, f, o, one after the other, from matrices in the order i, f, c, o."""
    i, f, c, o = zip(*(split(m, 4) for m in (kernel, recurrent, bias)), strict=True)
    return [*i, *c, *f, *o]


def gru_1(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """W, U and b of z, r and h, one after the other."""
    z, r, h = zip(*(split(m, 3) for m in (kernel, recurrent, bias)), strict=True)
    return [*z, *r, *h]


def theano_order(kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """(out, in, *window), as Keras 1 kept kernels under dim_ordering='th'."""
    axes = (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
    return [kernel.transpose(axes), bias]


def flipped(kernel: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    return [kernel[tuple(slice(None, None, -1) for _ in range(kernel.ndim - 2))], *others]


def cudnn_lstm_2(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """What cuDNN holds: gate by gate the transposed matrix, whose memory is read as (in, units) and (units, units)."""
    kernels = [np.ascontiguousarray(part.T).reshape(-1).reshape(part.shape) for part in split(kernel, 4)]
    return [np.concatenate(kernels, 1), np.concatenate([part.T for part in split(recurrent, 4)], 1), bias]


def halves(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    first = RNG.rand(*bias.shape)
    made = cudnn_lstm_2(kernel, recurrent, bias)
    return [made[0], made[1], np.concatenate([first, bias - first])]


def twice(old: Callable[..., list[np.ndarray]]) -> Callable[..., list[np.ndarray]]:
    return lambda *arrays: [*old(*arrays[:3]), *old(*arrays[3:])]


#: A layer, the shape of its input, how an older Keras kept its weights, the version and the backend.
CASES: dict[str, tuple[Callable[[], Layer], tuple[int, ...], Callable[..., list[np.ndarray]], str, str]] = {
    "dense": (lambda: Dense(3), (4,), lambda *w: list(w), "1.2.2", "theano"),
    "lstm": (lambda: LSTM(3), (5, 2), lstm_1, "1.2.2", "tensorflow"),
    "gru": (lambda: GRU(3), (5, 2), gru_1, "1.2.2", "tensorflow"),
    "both ways": (lambda: Bidirectional(LSTM(3)), (5, 2), twice(lstm_1), "1.2.2", "tensorflow"),
    "distributed": (
        lambda: TimeDistributed(Conv2D(3, 2, data_format="channels_first")),
        (5, 2, 6, 6),
        theano_order,
        "1.2.2",
        "tensorflow",
    ),
    "conv1d": (lambda: Conv1D(3, 2), (6, 2), lambda k, b: [k[:, None], b], "1.2.2", "tensorflow"),
    "conv1d of theano's order": (
        lambda: Conv1D(3, 2),
        (6, 5),
        lambda k, b: [k[:, None].transpose(3, 2, 0, 1), b],
        "1.0.0",
        "tensorflow",
    ),
    "conv2d": (lambda: Conv2D(3, 2), (6, 6, 2), lambda *w: list(w), "1.2.2", "tensorflow"),
    "conv2d channels first": (
        lambda: Conv2D(3, (2, 3), data_format="channels_first"),
        (2, 6, 6),
        theano_order,
        "1.2.2",
        "tensorflow",
    ),
    "conv2d of theano": (
        lambda: Conv2D(3, (2, 3), data_format="channels_first"),
        (2, 6, 6),
        lambda k, b: theano_order(*flipped(k, b)),
        "1.2.2",
        "theano",
    ),
    "conv2d of theano's axes, now channels last": (
        lambda: Conv2D(3, (2, 3)),
        (6, 6, 2),
        lambda k, b: theano_order(*flipped(k, b)),
        "1.2.2",
        "theano",
    ),
    "conv3d channels first": (
        lambda: Conv3D(3, 2, data_format="channels_first"),
        (2, 4, 4, 4),
        theano_order,
        "1.2.2",
        "tensorflow",
    ),
    "transposed": (
        lambda: Conv2DTranspose(3, (2, 3)),
        (6, 6, 2),
        lambda k, b: [k.transpose(0, 1, 3, 2), b],
        "1.2.2",
        "tensorflow",
    ),
    "transposed channels first": (
        lambda: Conv2DTranspose(3, (2, 3), data_format="channels_first"),
        (2, 6, 6),
        lambda k, b: [k.transpose(2, 3, 0, 1), b],
        "1.2.2",
        "tensorflow",
    ),
    "conv lstm": (lambda: ConvLSTM2D(2, 2), (3, 5, 5, 2), lstm_1, "1.2.2", "tensorflow"),
    "conv2d of keras 2 on theano": (lambda: Conv2D(3, (2, 3)), (6, 6, 2), flipped, "2.3.1", "theano"),
    "conv2d of keras 2": (lambda: Conv2D(3, (2, 3)), (6, 6, 2), lambda *w: list(w), "2.3.1", "tensorflow"),
    "cudnn": (lambda: CuDNNLSTM(3), (5, 2), cudnn_lstm_2, "2.3.1", "tensorflow"),
    "lstm from cudnn": (lambda: LSTM(3), (5, 2), halves, "2.3.1", "tensorflow"),
    "gru from cudnn, ours": (
        lambda: GRU(3, reset_after=True),
        (5, 2),
        lambda k, r, b: [k, r, b.reshape(-1)],
        "2.3.1",
        "numpy",
    ),
    "cudnn gru from gru": (lambda: CuDNNGRU(3), (5, 2), lambda k, r, b: [k, r, b.reshape(2, -1)], "2.3.1", "numpy"),
}


@pytest.mark.parametrize("name", CASES)
def test_weights_of_older_files(tmp_path: Path, name: str) -> None:
    make, shape, old, version, backend = CASES[name]
    layer = make()
    model = Sequential([layer])
    model.build((None, *shape))
    today = [RNG.rand(*w.shape) for w in model.weights]
    write(tmp_path / "old.h5", {"layer": old(*today)}, version, backend)
    model.load_weights(tmp_path / "old.h5")
    for one, other in zip(model.get_weights(), today, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_weights_by_name_of_an_older_file(tmp_path: Path) -> None:
    model = Sequential([LSTM(3, input_shape=(5, 2), name="memory"), Dense(1, name="end")])
    before = model.layers[1].get_weights()
    today = [RNG.rand(*w.shape) for w in model.layers[0].weights]
    write(tmp_path / "old.h5", {"memory": lstm_1(*today), "other": [np.zeros(3)]}, "1.2.2", "tensorflow")
    model.load_weights(tmp_path / "old.h5", by_name=True)
    np.testing.assert_allclose(model.layers[0].get_weights()[0], today[0], rtol=1e-6)
    np.testing.assert_array_equal(model.layers[1].get_weights()[0], before[0])


def test_mismatches_by_name_are_skipped_or_brought_into_shape_when_asked(tmp_path: Path) -> None:
    model = Sequential([Dense(4, input_shape=(3,), name="a"), Dense(2, name="b")])
    first = RNG.rand(12)
    write(tmp_path / "w.h5", {"a": [first, np.ones(4)], "b": [np.ones((9, 9)), np.ones(2)]}, "2.3.1", "tensorflow")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"Layer 'a': weight .* has shape \(3, 4\), and .* holds shape \(12,\)"):
        model.load_weights(tmp_path / "w.h5", by_name=True)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    with pytest.warns(UserWarning, match="Layer 'b' keeps its weights"):
        model.load_weights(tmp_path / "w.h5", by_name=True, skip_mismatch=True, reshape=True)
    np.testing.assert_allclose(model.get_weights()[0], first.reshape(3, 4), rtol=1e-6)
    np.testing.assert_array_equal(model.get_weights()[2], before[2])


OLD_MODEL = {
    "class_name": "Sequential",
    "config": [
        {
            "class_name": "Convolution2D",
            "config": {
                "name": "convolution2d_1",
                "trainable": True,
                "batch_input_shape": [None, 1, 8, 8],
                "input_dtype": "float32",
                "nb_filter": 4,
                "nb_row": 3,
                "nb_col": 3,
                "init": "glorot_uniform",
                "activation": "relu",
                "border_mode": "valid",
                "subsample": [1, 1],
                "dim_ordering": "th",
                "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01},
                "b_regularizer": None,
                "activity_regularizer": None,
                "W_constraint": None,
                "b_constraint": None,
                "bias": True,
            },
        },
        {
            "class_name": "MaxPooling2D",
            "config": {
                "name": "maxpooling2d_1",
                "trainable": True,
                "pool_size": [2, 2],
                "strides": [2, 2],
                "border_mode": "valid",
                "dim_ordering": "th",
            },
        },
        {"class_name": "Dropout", "config": {"name": "dropout_1", "trainable": True, "p": 0.25}},
        {"class_name": "Flatten", "config": {"name": "flatten_1", "trainable": True}},
        {
            "class_name": "Dense",
            "config": {
                "name": "dense_1",
                "trainable": True,
                "output_dim": 2,
                "init": "glorot_uniform",
                "activation": "softmax",
                "W_regularizer": None,
                "b_regularizer": None,
                "activity_regularizer": None,
                "W_constraint": None,
                "b_constraint": None,
                "bias": True,
                "input_dim": 36,
            },
        },
    ],
}


def test_a_whole_model_of_keras_1(tmp_path: Path) -> None:
    kernel, bias = RNG.rand(3, 3, 1, 4).astype("f4"), RNG.rand(4).astype("f4")
    dense = [RNG.rand(36, 2).astype("f4"), RNG.rand(2).astype("f4")]
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["keras_version"] = b"1.2.2"
        file.attrs["model_config"] = json.dumps(OLD_MODEL).encode()
    layers: dict[str, Sequence[np.ndarray]] = {
        "convolution2d_1": theano_order(kernel, bias),
        "maxpooling2d_1": [],
        "dropout_1": [],
        "flatten_1": [],
        "dense_1": dense,
    }
    write(tmp_path / "weights.h5", layers, "1.2.2", "tensorflow")
    with h5py.File(tmp_path / "old.h5", "a") as file, h5py.File(tmp_path / "weights.h5") as other:
        other.copy("/", file, "model_weights")
        for key, value in other.attrs.items():
            file["model_weights"].attrs[key] = value
    model = load_model(tmp_path / "old.h5")
    x = RNG.rand(3, 1, 8, 8).astype("f4")
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        h = torch.relu(torch.conv2d(torch.tensor(x), torch.tensor(kernel.transpose(3, 2, 0, 1)), torch.tensor(bias)))
        h = torch.nn.functional.max_pool2d(h, 2).flatten(1)
        expected = torch.softmax(h @ torch.tensor(dense[0]) + torch.tensor(dense[1]), 1).numpy()
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-4, atol=1e-6)
    assert len(model.losses) == 1


@pytest.mark.parametrize("version", ["1.2.2", "2.3.1"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 2, 2, 2, 2)])
def test_arrays_of_no_version_are_named(tmp_path: Path, version: str, shape: tuple[int, ...]) -> None:
    layers: list[Callable[[], Layer]] = [
        lambda: Bidirectional(LSTM(2), input_shape=(4, 3), name="here"),
        lambda: GRU(2, input_shape=(4, 3), name="here"),
        lambda: Conv2D(2, 3, input_shape=(6, 6, 1), name="here"),
        lambda: ConvLSTM2D(2, 3, input_shape=(2, 6, 6, 1), name="here"),
    ]
    for make in layers:
        model = Sequential([make()])
        before = model.get_weights()
        for count in (1, len(model.weights), 12):
            path = tmp_path / "weights.h5"
            with h5py.File(path, "w") as file:
                file.attrs["keras_version"], file.attrs["backend"] = version.encode(), b"theano"
                file.attrs["layer_names"] = np.array([b"here"])
                names = [f"w{i}" for i in range(count)]
                group = file.create_group("here")
                group.attrs["weight_names"] = np.array(names, "S")
                for name in names:
                    group[name] = np.ones(shape, "f4")
            for by_name in (False, True):
                with pytest.raises(ValueError, match=r"'here'.*weights\.h5"):
                    model.load_weights(path, by_name=by_name)
            with pytest.warns(UserWarning, match="'here' keeps its weights"):
                model.load_weights(path, by_name=True, skip_mismatch=True)
            for one, other in zip(model.get_weights(), before, strict=True):
                np.testing.assert_array_equal(one, other)


def old_dense(name: str, **more: Any) -> dict[str, Any]:
    """A Dense layer in a configuration of Keras 1."""
    rest = dict.fromkeys(["W_regularizer", "b_regularizer", "activity_regularizer", "W_constraint", "b_constraint"])
    config = {"name": name, "trainable": True, "output_dim": 3, "init": "glorot_uniform", "activation": "linear"}
    return {"class_name": "Dense", "config": {**config, **rest, "bias": True, "input_dim": None, **more}}


def old_join(mode: str, dot_axes: Any = -1) -> dict[str, Any]:
    """A model of Keras 1 of two Dense layers and what joins them."""
    begin = {"batch_input_shape": [None, 4], "input_dtype": "float32", "sparse": False, "name": "input_1"}
    merge = {"name": "merge_1", "mode": mode, "mode_type": "raw", "concat_axis": -1, "dot_axes": dot_axes}
    merge |= {"output_shape": None, "output_shape_type": "raw", "output_mask": None, "output_mask_type": "raw"}
    layers = [
        {"name": "input_1", "class_name": "InputLayer", "config": begin, "inbound_nodes": []},
        {**old_dense("a"), "name": "a", "inbound_nodes": [[["input_1", 0, 0]]]},
        {**old_dense("b"), "name": "b", "inbound_nodes": [[["input_1", 0, 0]]]},
        {
            "name": "merge_1",
            "class_name": "Merge",
            "config": {**merge, "arguments": {}},
            "inbound_nodes": [[["a", 0, 0], ["b", 0, 0]]],
        },
    ]
    ends = {"input_layers": [["input_1", 0, 0]], "output_layers": [["merge_1", 0, 0]]}
    return {"class_name": "Model", "config": {"name": "model_1", "layers": layers, **ends}}


JOINS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: np.concatenate([a, b], 1),
    "cos": lambda a, b: (a * b).sum(1, keepdims=True) / np.sqrt((a**2).sum(1) * (b**2).sum(1))[:, None],
    "dot": lambda a, b: (a * b).sum(1, keepdims=True),
    "max": np.maximum,
    "mul": np.multiply,
    "sum": np.add,
}


@pytest.mark.parametrize("mode", JOINS)
def test_layers_that_merged_in_keras_1(mode: str) -> None:
    model = model_from_json(json.dumps(old_join(mode, [[1], [1]])))
    model.set_weights([RNG.rand(*w.shape) for w in model.weights])
    x = RNG.rand(5, 4)
    a, b, c, d = model.get_weights()
    np.testing.assert_allclose(model.predict(x), JOINS[mode](x @ a + b, x @ c + d), rtol=1e-4)


def test_a_merge_of_models_and_an_unknown_mode_are_named() -> None:
    with pytest.raises(ValueError, match="Merge 'merge_1': mode 'other' is none of ave, concat"):
        model_from_json(json.dumps(old_join("other")))
    begin = {
        "class_name": "Merge",
        "config": {"name": "m", "mode": "sum", "concat_axis": -1, "layers": [old_dense("a")]},
    }
    with pytest.raises(ValueError, match="begins with the layer Merge 'm', which joins several models"):
        model_from_json(json.dumps({"class_name": "Sequential", "config": [begin]}))


@pytest.mark.parametrize("form", ["json", "yaml", "config"])
def test_texts_of_keras_1_with_their_regularizers(form: str) -> None:
    parts = {
        "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.5},
        "W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0},
    }
    first = old_dense("a", batch_input_shape=[None, 4], input_dtype="float32", **parts)
    content = {"class_name": "Sequential", "config": [first]}
    if form == "yaml":
        yaml = pytest.importorskip("yaml")
        model = model_from_yaml(yaml.safe_dump(content))
    else:
        model = model_from_json(json.dumps(content)) if form == "json" else model_from_config(content)
    kernel = model.get_weights()[0]
    np.testing.assert_allclose(K.eval(model.losses[0]), 0.5 * (kernel**2).sum(), rtol=1e-5)
    assert model.layers[0].kernel_constraint.max_value == 2


OLD_RECURRENT: dict[str, Any] = {
    "name": "r",
    "output_dim": 3,
    "init": "glorot_uniform",
    "inner_init": "orthogonal",
    "activation": "tanh",
    **dict.fromkeys(["W_regularizer", "U_regularizer", "b_regularizer"]),
    "dropout_W": 0.0,
    "dropout_U": 0.0,
    "return_sequences": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "consume_less": "cpu",
    "input_dim": 4,
    "input_length": None,
}


def test_words_into_a_recurrent_layer_of_keras_1(tmp_path: Path) -> None:
    table, parts = RNG.rand(7, 4), [RNG.rand(4, 3), RNG.rand(3, 3), RNG.rand(3)]
    words = {"name": "e", "input_dim": 7, "output_dim": 4, "init": "uniform", "input_length": 5, "dropout": 0.0}
    # The numbers of words are integers, the table is none.
    words |= {"batch_input_shape": [None, 5], "input_dtype": "int32", "mask_zero": True}
    layers = [{"class_name": "Embedding", "config": words}, {"class_name": "SimpleRNN", "config": OLD_RECURRENT}]
    model = model_from_json(json.dumps({"class_name": "Sequential", "config": layers}))
    write(tmp_path / "w.h5", {"e": [table], "r": parts}, "1.2.2", "tensorflow")
    model.load_weights(tmp_path / "w.h5")
    ids = RNG.randint(1, 7, (2, 5))
    state = np.zeros((2, 3))
    for t in range(5):
        state = np.tanh(table[ids[:, t]] @ parts[0] + state @ parts[1] + parts[2])
    np.testing.assert_allclose(model.predict(ids), state, rtol=1e-4)


def test_every_layer_understands_what_keras_1_called_dtype() -> None:
    layers: list[Layer] = [
        Bidirectional(LSTM(2), input_shape=(4, 3), input_dtype="float32"),
        TimeDistributed(Dense(2), input_shape=(4, 3), input_dtype="float32"),
        Flatten(input_shape=(4, 3), input_dtype="int32"),
        InputLayer((4,), input_dtype="int32"),
        Embedding(3, 2, input_dtype="int32"),
        Dense(2, input_dim=3, input_dtype="float64"),
        ConvLSTM2D(2, 3, consume_less="gpu"),
    ]
    assert [layer.dtype for layer in layers] == [
        "float32",
        "float32",
        "int32",
        "int32",
        "float32",
        "float64",
        "float32",
    ]


def test_numbers_with_fractions_do_not_become_integers_in_silence(tmp_path: Path) -> None:
    model = Sequential([Embedding(3, 2, dtype="int32", input_length=4, name="e")])
    write(tmp_path / "w.h5", {"e": [np.full((3, 2), 0.5)]}, "2.0.8", "tensorflow")
    for by_name in (False, True):
        with pytest.raises(ValueError, match="Layer 'e': weight .* is of type int32, .* numbers with fractions"):
            model.load_weights(tmp_path / "w.h5", by_name=by_name)
    write(tmp_path / "whole.h5", {"e": [np.full((3, 2), 5.0)]}, "2.0.8", "tensorflow")
    model.load_weights(tmp_path / "whole.h5")
    assert model.get_weights()[0].dtype == "int32" and (model.get_weights()[0] == 5).all()


@pytest.mark.parametrize(("kind", "key"), [("LeakyReLU", "alpha"), ("ELU", "alpha"), ("ReLU", "max_value")])
def test_numbers_that_keras_2_wrote_as_arrays(kind: str, key: str) -> None:
    config = {"name": "x", "batch_input_shape": [None, 4], key: {"type": "ndarray", "value": 0.25}}
    model = model_from_json(
        json.dumps({"class_name": "Sequential", "config": [{"class_name": kind, "config": config}]})
    )
    assert model.layers[0].get_config()[key] == 0.25
