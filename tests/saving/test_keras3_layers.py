"""Every layer, to Keras 3 and back: what both have predicts the same, and what one has not is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras3_scripts import keras3

from multikeras import backend as K
from multikeras import layers
from multikeras.models import Model, load_model
from tests.layers.layer_case import Case
from tests.layers.layer_table import CASES

ENDINGS = ("keras", "h5")

#: What Keras 3 has not, or reads not: part of the case's name, the formats, and what it says.
REFUSED_THERE = {
    "own layer": (ENDINGS, "Scaled"),
    "cudnn": (ENDINGS, "CuDNN"),
    "locally connected": (ENDINGS, "LocallyConnected"),
    "conv rnn 2d": (ENDINGS, "ConvRNN2D"),
    "thresholded relu": (ENDINGS, "ThresholdedReLU"),
    "separable conv1d, causal": (ENDINGS, "SeparableConv1D"),
    # Its pixels lie elsewhere, so that it is given another name there.
    "up-sampling 2d, bilinear": (ENDINGS, "multikeras>UpSampling2D"),
    # A function of one's own, and a fault in Keras 3's reader, which looks it up twice.
    "lambda": (ENDINGS, ""),
    # A fault in Keras 3's reader, which forgets axes in a list.
    "layer normalization, two axes": (("h5",), "Shape mismatch"),
}


def double(x: Any) -> Any:
    return 2.0 * x


MORE = [
    Case("function by name", lambda: layers.Lambda(double), [(3, 4)], None),
    Case("other hard sigmoid", lambda: layers.GRU(3, recurrent_activation="hard_sigmoid_6"), [(2, 5, 3)], None),
]


def is_refused(name: str, ending: str) -> str | None:
    if name == "function by name" and ending == "h5":
        return "Could not parse config"
    return next((says for part, (formats, says) in REFUSED_THERE.items() if part in name and ending in formats), None)


def write(case: Case, directory: Path, number: int) -> None:
    random = np.random.RandomState(number)
    inputs = [layers.Input(shape[1:]) for shape in case.shapes]
    arguments = {key: value for key, value in case.arguments.items() if key != "training"}
    model = Model(inputs, case.make()(inputs if len(inputs) > 1 else inputs[0], **arguments))
    model.set_weights([random.rand(*w.shape) * 0.5 + 0.1 for w in model.get_weights()])
    x = [random.randint(0, case.integers, s) if case.integers else random.randn(*s) * 2 for s in case.shapes]
    x = [each.astype("float32") for each in x]
    found = model.predict(x if len(x) > 1 else x[0])
    outputs = found if isinstance(found, list) else [found]
    arrays = {f"input_{i}": v for i, v in enumerate(x)} | {f"output_{i}": v for i, v in enumerate(outputs)}
    np.savez(directory / f"{number}.npz", **arrays)
    for ending in ENDINGS:
        model.save(directory / f"{number}.{ending}")


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A directory with files of both, and what Keras 3 found in ours."""
    directory = tmp_path_factory.mktemp("keras3_layers")
    with K.use_backend("numpy"):
        for number, case in enumerate([*CASES, *MORE]):
            write(case, directory, number)
    printed = keras3(Path(__file__).with_name("keras3_layers.py"), str(directory))
    return directory, json.loads(printed.splitlines()[-1])


def test_every_layer_predicts_the_same_there_or_is_refused(exchanged: tuple[Path, dict[str, Any]]) -> None:
    _, found = exchanged
    for number, case in enumerate([*CASES, *MORE]):
        for ending in ENDINGS:
            answer, says = found[f"{number} {ending}"], is_refused(case.name, ending)
            if says is None:
                assert isinstance(answer, float), f"{case.name}, {ending}: {answer}"
                assert answer < 3e-6, f"{case.name}, {ending}"
            else:
                assert isinstance(answer, str), f"{case.name}, {ending} is read by now"
                assert says in answer, f"{case.name}, {ending}: {answer}"


def check(path: Path, data: Path, name: str) -> None:
    with np.load(data) as file:
        inputs = [file[key] for key in sorted(file.files) if key.startswith("input")]
        outputs = [file[key] for key in sorted(file.files) if key.startswith("output")]
    model = load_model(path, {"double": double}, compile=False)
    found = model.predict(inputs if len(inputs) > 1 else inputs[0])
    for one, other in zip(found if isinstance(found, list) else [found], outputs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=3e-6, err_msg=name)


def test_what_they_saved_anew_predicts_the_same_here(exchanged: tuple[Path, dict[str, Any]]) -> None:
    directory, _ = exchanged
    read = 0
    for number, case in enumerate([*CASES, *MORE]):
        for ending in ENDINGS:
            theirs = directory / f"{number}_theirs.{ending}"
            if is_refused(case.name, ending) is None:
                check(theirs, directory / f"{number}.npz", f"{case.name}, {ending}")
                read += 1
            # Ours come back as they were.
            if case.name in ("up-sampling 2d, bilinear", "activation hard_sigmoid", "function by name", "lstm"):
                check(directory / f"{number}.{ending}", directory / f"{number}.npz", case.name)
    assert read > 200


@pytest.mark.parametrize(
    "name",
    [
        "other hard sigmoid",
        "other hard sigmoid, gates",
        "other hard sigmoid, layer",
        "activation layer inside",
        "padding",
    ],
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_they_made_predicts_the_same_here(
    each_backend: str, exchanged: tuple[Path, dict[str, Any]], name: str, ending: str
) -> None:
    directory, _ = exchanged
    check(directory / f"{name}_native.{ending}", directory / f"{name}_native.npz", name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bilinear", r"UpSampling2D 'up_sampling2d.*' has interpolation='bilinear'.*Save the model with"),
        ("relu6", r"'relu6'.*Known:.*custom_objects"),
    ],
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_does_not_exist_here_is_refused_by_name(
    exchanged: tuple[Path, dict[str, Any]], name: str, message: str, ending: str
) -> None:
    directory, _ = exchanged
    with pytest.raises(ValueError, match=message):
        load_model(directory / f"{name}_native.{ending}")
