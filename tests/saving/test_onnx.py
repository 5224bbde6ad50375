"""Every layer as an ONNX file, run by onnxruntime beside `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import GRU, LSTM, Bidirectional, Dense, Dropout, Embedding, GaussianNoise, Input, Lambda
from multikeras.models import Model, Sequential
from tests.layers.layer_table import CASES
from tests.layers.test_layer_table import call, inputs_of, set_random_weights

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

RNG = np.random.RandomState(6)


def run(path: Path, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """What onnxruntime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(int64)": "int64"}
    feeds = {i.name: a.astype(kinds[i.type]) for i, a in zip(session.get_inputs(), arrays, strict=True)}
    found: list[np.ndarray] = session.run(None, feeds)
    return found


def check(model: Model, path: Path, arrays: list[np.ndarray]) -> None:
    model.export(path)
    found = run(path, arrays)
    expected = model.predict(arrays if len(arrays) > 1 else arrays[0])
    for one, other in zip(found, expected if isinstance(expected, list) else [expected], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_layer(case: Any, tmp_path: Path) -> None:
    arrays = inputs_of(case)
    layer = case.make()
    inputs, outputs = call(case, layer, arrays)
    set_random_weights(layer)
    if getattr(layer, "stateful", False):
        pytest.skip("an ONNX file keeps no state")
    check(Model(inputs, outputs), tmp_path / "layer.onnx", arrays)


def test_lengths_stay_open(tmp_path: Path) -> None:
    model = Sequential([Embedding(9, 4, mask_zero=True), LSTM(3, return_sequences=True), Bidirectional(GRU(2))])
    check(model, tmp_path / "open.onnx", [RNG.randint(0, 9, (3, 5))])
    for shape in ((1, 2), (4, 7)):
        words = RNG.randint(0, 9, shape)
        np.testing.assert_allclose(run(tmp_path / "open.onnx", [words])[0], model.predict(words), rtol=1e-4, atol=1e-6)


def test_operations_branches_and_several_outputs(each_backend: str, tmp_path: Path) -> None:
    x, y = Input((4, 3)), Input((3,))
    h = Dense(3)(x) * K.expand_dims(y, 1)
    sum_ = K.sum(h[:, 1:, ::2], axis=[1, 2])
    branch = K.switch(K.greater(K.sum(y), 0.0), lambda: K.exp(h), lambda: h)
    ranked = K.cast(K.argmax(h, -1), "float32")
    model = Model([x, y], [sum_, branch, ranked, Lambda(lambda t: K.cumsum(t, 1))(h)])
    check(model, tmp_path / "operations.onnx", [RNG.rand(2, 4, 3), RNG.rand(2, 3) - 0.5])


def test_noise_is_left_out(tmp_path: Path) -> None:
    check(
        Sequential([GaussianNoise(1.0, input_shape=(3,)), Dropout(0.9), Dense(2)]),
        tmp_path / "n.onnx",
        [RNG.rand(2, 3)],
    )


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ValueError, match="not built yet"):
        Sequential([Dense(2)]).export(path)
    with pytest.raises(NotImplementedError, match="stateful layers"):
        Sequential([LSTM(2, stateful=True, batch_input_shape=(1, 2, 3))]).export(path)
    x = Input((3,))
    with pytest.raises(NotImplementedError, match=r"uses 'host_call' \(.*test_onnx\.py line"):
        Model(x, K.numpy_function(np.sort, [x * 2], (None, 3), "float32")).export(path)
    with pytest.raises(NotImplementedError, match="draws random numbers|uses 'random"):
        Model(x, x + K.random_uniform(K.shape(x))).export(path)
    assert not path.exists()
