"""Models as ONNX files, run by onnxruntime beside `predict`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from multikeras import activations
from multikeras import backend as K
from multikeras.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    AveragePooling1D,
    AveragePooling2D,
    BatchNormalization,
    Bidirectional,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAveragePooling2D,
    Input,
    Lambda,
    Layer,
    LayerNormalization,
    MaxPooling1D,
    MaxPooling2D,
    MultiHeadAttention,
    SimpleRNN,
    TimeDistributed,
    ZeroPadding2D,
    add,
    concatenate,
)
from multikeras.models import Model, Sequential, load_model
from multikeras.saving.onnx import files
from tests.layers.layer_table import CASES
from tests.layers.test_layer_table import call, inputs_of, set_random_weights
from tests.saving.onnx_running import again, agrees, checked, fed, kinds, listed, onnx, session

RNG = np.random.RandomState(6)


def with_random_weights(model: Model) -> Model:
    model.set_weights([RNG.uniform(0.3, 1.0, w.shape) * RNG.choice([-1, 1], w.shape[-1:]) for w in model.get_weights()])
    for layer in model.layers:
        if isinstance(layer, BatchNormalization):
            layer.set_weights([np.abs(w) for w in layer.get_weights()])
    return model


# -- layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_layer(case: Any, tmp_path: Path) -> None:
    arrays = inputs_of(case)
    layer = case.make()
    inputs, outputs = call(case, layer, arrays)
    set_random_weights(layer)
    assert not getattr(layer, "stateful", False)
    agrees(Model(inputs, outputs), tmp_path / "layer.onnx", [arrays, *again(arrays, 1, 7)])


def test_every_activation(tmp_path: Path) -> None:
    x = Input((4,))
    names = ["elu", "exponential", "gelu", "hard_sigmoid", "linear", "relu", "selu", "sigmoid", "silu", "softmax"]
    names += ["softplus", "softsign", "swish", "tanh"]
    assert set(names) <= set(dir(activations))
    agrees(Model(x, [Activation(name)(x) for name in names]), tmp_path / "a.onnx", [[RNG.randn(5, 4) * 3]])


DOCS = Path(__file__).parents[2] / "docs"
PAGE, EXPORTING = DOCS / "writing_a_layer.md", DOCS / "exporting.md"


def test_every_layer_of_the_page_about_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
        exec(compile(block, str(PAGE), "exec"), space)
    capsys.readouterr()
    own = {name: kind for name, kind in space.items() if isinstance(kind, type) and kind.__module__ == "page"}
    assert {"Centred", "Scaled", "Curious", "Pairs", "Jitter", "MeanOfKept", "Sparse", "Whitened", "Attentive"} <= set(
        own
    )
    x, y = Input((6, 4)), Input((6, 4))
    for name, kind in own.items():
        if not issubclass(kind, Layer) or name == "Curious":
            continue
        made = [kind()(x)] if name != "Attentive" else [kind(3)([x, y])]
        agrees(Model([x, y], made), tmp_path / "page.onnx", [[RNG.randn(3, 6, 4), RNG.randn(3, 6, 4)]])


# -- recurrent layers -----------------------------------------------------------------------------


def test_lengths_stay_open_and_masks_hold(tmp_path: Path) -> None:
    model = Sequential(
        [
            Embedding(9, 4, mask_zero=True),
            LSTM(3, return_sequences=True),
            Bidirectional(GRU(2, return_sequences=True)),
            TimeDistributed(Dense(3)),
            Bidirectional(LSTM(2), merge_mode="sum"),
        ]
    )
    batches = [[RNG.randint(0, 9, shape)] for shape in ((3, 5), (1, 2), (4, 7))]
    content = agrees(model, tmp_path / "open.onnx", batches)
    # Nothing is computed for the sake of its shape.
    assert len(content.graph.node) < 36


@pytest.mark.parametrize("kind", [LSTM, GRU, SimpleRNN])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_recurrent_layers_become_their_operators(kind: Any, backwards: bool, bias: bool, tmp_path: Path) -> None:
    gate = {} if kind is SimpleRNN else {"recurrent_activation": "sigmoid"}
    for reset_after in (False, True) if kind is GRU else (None,):
        more = {**gate, **({} if reset_after is None else {"reset_after": reset_after})}
        x, state = Input((None, 3)), Input((2,))
        layer = kind(
            2,
            go_backwards=backwards,
            use_bias=bias,
            return_sequences=True,
            return_state=True,
            dropout=0.3,
            recurrent_dropout=0.2,
            **more,
        )
        states = [state, state * 2] if kind is LSTM else [state]
        model = with_random_weights(Model([x, state], [*layer(x), kind(2, activation="relu")(x), *layer(x, states)]))
        batches = [[RNG.randn(n, time, 3), RNG.randn(n, 2)] for n, time in ((3, 5), (1, 8))]
        found = kinds(agrees(model, tmp_path / "r.onnx", batches).graph)
        assert found["Scan"] == 0
        assert found["RNN"] + found["LSTM"] + found["GRU"] == 3


def test_other_recurrent_layers_are_loops(tmp_path: Path) -> None:
    class Cell(Layer):
        """A cell whose normalization stores in training alone."""

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

    model = Sequential([RNN(Cell(), input_shape=(None, 2)), Dense(2)])
    content = agrees(model, tmp_path / "loop.onnx", [[RNG.randn(2, 3, 2)], [RNG.randn(1, 5, 2)]])
    (loop,) = [node for node in content.graph.node if node.op_type == "Scan"]
    # The averages that only training moves are no states of the loop.
    assert len(loop.output) == 1
    swish = Sequential([LSTM(2, activation="softsign", input_shape=(None, 2))])
    assert kinds(agrees(swish, tmp_path / "loop.onnx", [[RNG.randn(2, 3, 2)]]).graph)["Scan"] == 1


def test_states_go_in_and_come_out(tmp_path: Path) -> None:
    model = Sequential(
        [
            LSTM(3, stateful=True, return_sequences=True, batch_input_shape=(2, 4, 3), name="a"),
            GRU(2, stateful=True, name="b"),
        ]
    )
    x = [RNG.randn(2, 4, 3).astype("float32") for _ in range(4)]
    model.predict(x[0], batch_size=2)
    model.export(tmp_path / "states.onnx")
    checked(onnx.load(tmp_path / "states.onnx"))
    running = session(str(tmp_path / "states.onnx"))
    assert [place.name for place in running.get_overridable_initializers()] == ["a/state_0", "a/state_1", "b/state_0"]
    names = [place.name for place in running.get_outputs()]
    assert names == ["b", "a/state_0_next", "a/state_1_next", "b/state_0_next"]
    states: dict[str, np.ndarray] = {}
    for batch in x[1:]:
        # First the states are what they were when the model was exported.
        found = running.run(None, {"a_input": batch, **states})
        np.testing.assert_allclose(found[0], model.predict(batch, batch_size=2), rtol=1e-4, atol=1e-6)
        states = {name.removesuffix("_next"): value for name, value in zip(names[1:], found[1:], strict=True)}


# -- models ---------------------------------------------------------------------------------------


def test_operations_branches_and_loops(each_backend: str, tmp_path: Path) -> None:
    x, y = Input((4, 3)), Input((3,))
    h = Dense(3)(x) * K.expand_dims(y, 1)
    sum_ = K.sum(h[:, 1:, ::2], axis=[1, 2])
    branch = K.switch(K.greater(K.sum(y), 0.0), lambda: K.exp(h), lambda: h)
    ranked = K.cast(K.argmax(h, -1), "float32")
    folded = K.map_fn(lambda row: K.foldl(lambda a, b: a * 0.5 + b + K.sum(x), row), h)
    halved = K.while_loop(
        lambda i, v: K.greater(K.max(K.abs(v)), 0.5), lambda i, v: [i + 1, v / 2], [K.constant(0, "int32"), y]
    )
    many = K.switch(K.greater(K.shape(y)[0], 2), lambda: y, lambda: y * 3)
    outputs = [sum_, branch, ranked, folded, halved[1], many, Lambda(lambda t: K.cumsum(t, 1))(h), K.cumprod(h, 1)]
    batches = [[RNG.rand(n, 4, 3), RNG.rand(n, 3) - shift] for n, shift in ((2, 0.9), (3, 0.1))]
    agrees(Model([x, y], outputs), tmp_path / "operations.onnx", batches)


def test_slopes_can_be_outputs(tmp_path: Path) -> None:
    x = Input((3,))
    slope = K.gradients(K.sum(Dense(1)(Dense(4, activation="relu")(x)[:, ::2])), [x])[0]
    content = agrees(Model(x, slope), tmp_path / "slope.onnx", [[RNG.randn(n, 3)] for n in (1, 4)])
    # Sums over repeated axes are none where nothing was repeated.
    assert kinds(content.graph)["NonZero"] == 0
    y = Input((None,))
    moved = K.gradients(K.sum(K.square(x[:, :1] * y)), [x, y])
    batches = [[RNG.randn(n, 3), RNG.randn(n, m)] for n, m in ((2, 1), (3, 4))]
    agrees(Model([x, y], moved), tmp_path / "slope.onnx", batches)


def test_slopes_through_recurrent_layers_can_be_outputs(tmp_path: Path) -> None:
    x = Input((None, 3))
    y = GRU(2)(LSTM(3, return_sequences=True)(x))
    model = Model(x, [y, K.gradients(K.sum(y), [x])[0]])
    batches = [[RNG.randn(n, time, 3)] for n, time in ((2, 4), (1, 6))]
    found = kinds(agrees(model, tmp_path / "slope.onnx", batches).graph)
    assert found["LSTM"] == found["GRU"] == 0


def test_whole_numbers_and_booleans(tmp_path: Path) -> None:
    words, flags, small = Input((3,), dtype="int64"), Input((3,), dtype="bool"), Input((3,), dtype="uint8")
    chosen = K.where(flags, small, small * 2)
    outputs = [words // 2 - 7, K.any(flags, -1), small + small, chosen, K.sort(flags), K.cast(words, "bool")]
    arrays = [RNG.randint(-5, 5, (2, 3)), RNG.rand(2, 3) > 0.5, RNG.randint(0, 256, (2, 3)).astype("uint8")]
    agrees(Model([words, flags, small], outputs), tmp_path / "whole.onnx", [arrays])


def test_attention_with_masks(tmp_path: Path) -> None:
    x, words = Input((None, 6)), Input((None,), dtype="int32")
    known = Embedding(9, 6, mask_zero=True)(words)
    made = LayerNormalization()(MultiHeadAttention(2, 3, dropout=0.5)(known, known))
    model = Model([x, words], [made, MultiHeadAttention(1, 4)(x, known)])
    batches = [[RNG.randn(n, a, 6), RNG.randint(0, 9, (n, b))] for n, a, b in ((2, 5, 4), (1, 3, 7))]
    agrees(model, tmp_path / "attention.onnx", batches)


@pytest.mark.parametrize("format", ["channels_last", "channels_first"])
def test_convolutions_take_in_what_follows_them(format: str, tmp_path: Path) -> None:
    last = format == "channels_last"

    def block(x: Any) -> Any:
        y = Conv2D(4, 3, padding="same", data_format=format, use_bias=False)(x)
        y = Activation("relu")(BatchNormalization(axis=-1 if last else 1)(y))
        y = BatchNormalization(axis=-1 if last else 1)(Conv2D(4, 3, padding="same", data_format=format)(y))
        return Activation("relu")(add([x, y]))

    x = Input((8, 6, 4) if last else (4, 8, 6))
    y = ZeroPadding2D(1, data_format=format)(block(block(x)))
    y = GlobalAveragePooling2D(data_format=format)(DepthwiseConv2D(3, data_format=format)(y))
    model = with_random_weights(Model(x, Dense(3)(y)))
    content = agrees(model, tmp_path / "c.onnx", [[RNG.randn(n, *x.shape[1:])] for n in (1, 3)], atol=1e-3)
    names = ["Conv", "Relu", "Conv", "Add", "Relu"] * 2 + ["Pad", "Conv", "ReduceMean", "Gemm"]
    assert [node.op_type for node in content.graph.node] == ["Transpose"] * last + names


@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("open_", [False, True])
def test_windows_of_the_same_length(window: int, strides: int, open_: bool, tmp_path: Path) -> None:
    for lengths in ((7, 6), (8, 4)):
        x = Input((*((None, None) if open_ else lengths), 2))
        outputs = [pool(window, strides, padding="same")(x) for pool in (MaxPooling2D, AveragePooling2D)]
        outputs.append(Conv2D(3, window, strides=strides, padding="same")(x))
        if strides == 1:
            outputs.append(Conv2D(3, window, dilation_rate=2, padding="same")(x))
        agrees(Model(x, outputs), tmp_path / "w.onnx", [[RNG.randn(2, *lengths, 2)]])


def test_transposed_convolutions_of_any_length(tmp_path: Path) -> None:
    x = Input((None, None, 3))
    y = Conv2D(4, 3, strides=2, padding="same")(x)
    y = Conv2DTranspose(5, 3, strides=2, padding="same", activation="relu")(y)
    y = Conv2DTranspose(2, 4, strides=3)(y)
    y = Conv2DTranspose(2, 3, strides=2, padding="same", output_padding=1)(y)
    found = kinds(agrees(Model(x, y), tmp_path / "t.onnx", [[RNG.randn(2, 8, 8, 3)], [RNG.randn(1, 5, 7, 3)]]).graph)
    assert found["Shape"] == 0
    assert found["Transpose"] == 2
    # A shape that comes from elsewhere is seen when the graph runs.
    other = Input((None, None, 2))
    kernel = K.variable(RNG.randn(3, 3, 2, 4))
    z = K.conv2d_transpose(x[..., :1] * K.ones((1, 1, 1, 4)), kernel, K.shape(other), (2, 2), "same")
    batches = [[RNG.randn(1, 3, 4, 3), RNG.randn(1, *size, 2)] for size in ((6, 8), (5, 7))]
    agrees(Model([x, other], z), tmp_path / "t.onnx", batches)


def nested() -> tuple[Model, list[np.ndarray]]:
    a, b = Input((4,), name="left"), Input((4,), name="right")
    inner = Sequential([Dense(3, input_shape=(4,), activation="tanh"), BatchNormalization(), Dropout(0.5)])
    outer = Model(inner.inputs, Dense(2)(inner.outputs[0]))
    twice = Dense(2, name="twice")
    rows = LSTM(2, name="rows")
    x = concatenate([K.expand_dims(a, 1), K.expand_dims(b, 1)], axis=1)
    outputs = [twice(inner(a)), twice(inner(b)), outer(b), rows(x), rows(K.reverse(x, 1)), a]
    return Model([a, b], outputs), [RNG.randn(3, 4), RNG.randn(3, 4)]


def test_shared_weights_are_written_once_and_names_are_kept(tmp_path: Path) -> None:
    model, arrays = nested()
    content = agrees(model, tmp_path / "nested.onnx", [arrays, *again(arrays, 1, 5)])
    assert [value.name for value in content.graph.input] == ["left", "right"]
    assert [value.name for value in content.graph.output] == [
        "twice",
        "twice_1",
        *model.output_names[2:5],
        "left_output",
    ]
    stored = sum(np.prod(entry.dims) for entry in content.graph.initializer if len(entry.dims) > 1)
    kernels = sum(np.prod(w.shape) for w in model.get_weights() if w.ndim > 1)
    # The bias of the LSTM has two parts there.
    assert stored == kernels + 2 * 4 * 2
    assert "twice/kernel" in {entry.name for entry in content.graph.initializer}
    assert content.producer_name == "multikeras"
    assert content.graph.name == model.name
    assert model.name in content.doc_string


def test_noise_is_left_out(tmp_path: Path) -> None:
    model = Sequential([GaussianNoise(1.0, input_shape=(3,)), Dropout(0.9), Dense(2)])
    content = agrees(model, tmp_path / "n.onnx", [[RNG.rand(2, 3)]])
    assert [node.op_type for node in content.graph.node] == ["Gemm"]


def test_graphs_are_as_small_as_those_written_by_hand(tmp_path: Path) -> None:
    dense = Sequential(
        [Dense(8, activation="relu", input_shape=(6,)), Dense(5, activation="relu"), Dense(3, activation="softmax")]
    )
    content = agrees(dense, tmp_path / "m.onnx", [[RNG.randn(2, 6)]])
    assert [node.op_type for node in content.graph.node] == ["Gemm", "Relu", "Gemm", "Relu", "Gemm", "Softmax"]
    pictures = Sequential(
        [
            Conv2D(3, 3, activation="relu", input_shape=(10, 10, 1)),
            MaxPooling2D(),
            Conv2D(4, 3, use_bias=False),
            BatchNormalization(),
            Activation("relu"),
            Flatten(),
            Dense(2),
        ]
    )
    content = agrees(with_random_weights(pictures), tmp_path / "c.onnx", [[RNG.randn(2, 10, 10, 1)]], atol=1e-3)
    names = ["Transpose", "Conv", "Relu", "MaxPool", "Conv", "Relu", "Reshape", "Gemm"]
    assert [node.op_type for node in content.graph.node] == names
    rows = Input((None, 3))
    made = AveragePooling1D(2, padding="same")(Conv1D(4, 3)(MaxPooling1D(2)(Conv1D(2, 3, padding="causal")(rows))))
    content = agrees(Model(rows, made), tmp_path / "r.onnx", [[RNG.randn(2, n, 3)] for n in (9, 12)])
    names = ["Transpose", "Conv", "Unsqueeze", "MaxPool", "Squeeze", "Conv", "Unsqueeze", "AveragePool"]
    assert [node.op_type for node in content.graph.node] == [*names, "Squeeze", "Transpose"]
    words = Sequential([Embedding(9, 4), LSTM(3), Dense(1, activation="sigmoid")])
    content = agrees(words, tmp_path / "w.onnx", [[RNG.randint(0, 9, (2, 5))]])
    names = ["Gather", "Transpose", "LSTM", "Squeeze", "Gemm", "Sigmoid"]
    assert [node.op_type for node in content.graph.node] == names


# -- types, backends, versions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "outside", "tolerance"),
    [("float16", "float16", 2e-2), ("bfloat16", "float32", 5e-2), ("float64", "float64", 1e-5)],
)
def test_other_types(dtype: str, outside: str, tolerance: float, tmp_path: Path) -> None:
    before = K.floatx()
    K.set_floatx(dtype)
    try:
        x = Input((8, 8, 2))
        y = MaxPooling2D()(BatchNormalization()(Conv2D(3, 3, activation="relu")(x)))
        model = Model(x, Dense(2, activation="softmax")(LSTM(3)(TimeDistributed(Flatten())(y))))
        arrays = [RNG.rand(2, 8, 8, 2).astype(outside)]
        content = agrees(model, tmp_path / "t.onnx", [arrays], rtol=tolerance, atol=tolerance)
    finally:
        K.set_floatx(before)
    types = {entry.data_type for entry in content.graph.initializer if len(entry.dims) > 1}
    held = {"float16": onnx.TensorProto.FLOAT16, "bfloat16": onnx.TensorProto.BFLOAT16}
    assert types == {held.get(dtype, onnx.TensorProto.FLOAT)}


def test_double_precision_is_kept_if_asked(tmp_path: Path) -> None:
    x = Input((3,), dtype="float64")
    model = Model(x, Dense(2, activation="tanh", dtype="float64")(x))
    agrees(model, tmp_path / "d.onnx", [[RNG.randn(2, 3)]], rtol=1e-13, atol=1e-13, float64=True)


def test_every_backend_writes_the_same(each_backend: str, tmp_path: Path) -> None:
    model, arrays = nested()
    agrees(model, tmp_path / "one.onnx", [arrays])
    with K.use_backend("numpy"):
        model.export(tmp_path / "other.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "other.onnx").read_bytes()


def test_versions(tmp_path: Path) -> None:
    model, arrays = nested()
    content = agrees(model, tmp_path / "m.onnx", [arrays])
    assert (content.opset_import[0].version, content.ir_version) == (18, 8)
    content = agrees(model, tmp_path / "m.onnx", [arrays], opset=21)
    assert content.opset_import[0].version == 21
    for opset in (17, 999, "18", True):
        with pytest.raises(ValueError, match=r"with an opset from 18 to \d+, received"):
            model.export(tmp_path / "m.onnx", opset=opset)


def test_the_page_about_exporting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", EXPORTING.read_text(encoding="utf-8"), re.S):
        exec(compile(block, str(EXPORTING), "exec"), space)
    assert capsys.readouterr().out.splitlines() == ["True", "True", "['memory/state_0', 'memory/state_1'] True"]


# -- files ----------------------------------------------------------------------------------------


def test_weights_beyond_what_a_file_holds_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 3000)
    small = Sequential([Dense(2, input_shape=(3,))])
    models = [Sequential([Dense(40, input_shape=(30,)), Dense(30), Dense(2)]) for _ in range(2)]
    path = tmp_path / "large.onnx"
    beside = []
    for model in models:
        agrees(model, path, [[RNG.randn(2, 30)]])
        names = sorted(os.listdir(tmp_path))
        assert len(names) == 2
        assert re.fullmatch(r"large\.onnx\.[0-9a-f]{8}\.data", names[1])
        beside.append(names[1])
        assert path.stat().st_size < 3000
    assert beside[0] != beside[1]
    agrees(small, path, [[RNG.randn(2, 3)]])
    assert os.listdir(tmp_path) == ["large.onnx"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    first, second = (Sequential([Dense(n, input_shape=(30,))]) for n in (2, 50))
    first.export(str(path))
    before = path.read_bytes()
    monkeypatch.setattr(files, "LARGEST", 3000)
    monkeypatch.setattr(files, "_write_weights", lambda *_: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        second.export(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.onnx"]
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        first.export(tmp_path / "nowhere" / "model.onnx")


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ValueError, match="not built yet"):
        Sequential([Dense(2)]).export(path)
    x = Input((3,))

    class Drawing(Layer):
        def call(self, x: Any) -> Any:
            return x + K.random_uniform(K.shape(x))

    class Counting(Layer):
        def build(self, input_shape: Any) -> None:
            self.count = self.add_weight("count", (), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:
            with K.control_dependencies([K.update_add(self.count, 1.0)]):
                return x + self.count

    cases = {
        r"uses 'host_call' \(.*test_onnx\.py line": K.numpy_function(np.sort, [x * 2], (None, 3), "float32"),
        r"uses 'print_value' \(.*test_onnx\.py line": K.print_tensor(x),
        r"draws random numbers when it predicts \(layer 'drawing_\d+', test_onnx\.py line": Drawing()(x),
        r"uses 'inv' \(": K.inv(K.reshape(x, (-1, 1, 1))),
        r"stores into 'counting_\d+/count' when it predicts \(layer 'counting_\d+'": Counting()(x),
    }
    for words, output in cases.items():
        with pytest.raises(NotImplementedError, match=words):
            Model(x, output).export(path)
    assert not path.exists()


def test_a_model_from_a_file_is_exported_as_the_one_that_was_saved(tmp_path: Path) -> None:
    model, arrays = nested()
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5")
    agrees(loaded, tmp_path / "m.onnx", [arrays])
    np.testing.assert_allclose(
        fed(session(str(tmp_path / "m.onnx")), arrays)[0], listed(model.predict(arrays))[0], rtol=1e-5, atol=1e-6
    )
