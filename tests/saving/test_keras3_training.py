"""Training that Keras 3 began goes on here, and the other way round, as if it had not been interrupted."""

from __future__ import annotations

import json
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras3_scripts import keras3

from multikeras import backend as K
from multikeras import losses, metrics, optimizers
from multikeras.layers import (
    LSTM,
    RNN,
    BatchNormalization,
    ConvLSTM2D,
    Dense,
    Embedding,
    LSTMCell,
    Reshape,
    TimeDistributed,
)
from multikeras.models import Sequential, load_model
from multikeras.optimizers.schedules import CosineDecay

STEPS = 5
#: Optimizers of Keras 3; see keras3_training.py.
NAMES = (
    "sgd",
    "sgd_momentum",
    "sgd_nesterov",
    "rmsprop",
    "rmsprop_whole",
    "adagrad",
    "adadelta",
    "adam",
    "adam_amsgrad",
    "adam_decay",
    "adamw",
    "adamax",
    "nadam",
    "loss_scale",
    "loss_scale_adam",
)
#: What is compiled anew by a slow compiler is tried with these alone: states with every kind of entry.
FEW = ("rmsprop_whole", "adam_amsgrad", "loss_scale_adam", "nadam")

#: Optimizers of ours whose rule Keras 3 has.
OURS = {
    "sgd_decay": lambda: optimizers.SGD(0.1, decay=0.1, momentum=0.5),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adam": lambda: optimizers.Adam(0.05, clipnorm=0.1),
    "adamw": lambda: optimizers.AdamW(CosineDecay(0.1, 20)),
    "nadam": lambda: optimizers.Nadam(0.01, schedule_decay=1.0),
}
#: And those whose rule it has not.
OURS_ALONE = {
    "nadam": lambda: optimizers.Nadam(),
    "adamw_exclude": lambda: optimizers.AdamW(exclude=["bias"]),
    "clipped_twice": lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0),
}


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(4)
    return random.rand(8, 4).astype("float32"), random.rand(8, 4).astype("float32")


def fit(model: Any, steps: int = STEPS) -> None:
    x, y = data()
    model.fit(x, y, batch_size=8, epochs=steps, shuffle=False, verbose=0)


def trained(model: Any) -> list[np.ndarray]:
    """The weights that are trained: BatchNormalization's moving variance follows another rule in Keras 3."""
    return K.batch_get_value(model.trainable_weights)


def check(found: list[np.ndarray], wanted: list[np.ndarray], name: str, atol: float = 4e-6) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=atol, err_msg=name)


def script(*arguments: str) -> str:
    return keras3(Path(__file__).with_name("keras3_training.py"), *arguments, backend="torch")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keras3_training")
    script("train", str(directory))
    return directory


@pytest.mark.parametrize("ending", [".keras", ".h5", "_before.keras"])
def test_what_they_began_goes_on_here(each_backend: str, theirs: Path, ending: str) -> None:
    begun = 0 if ending.startswith("_before") else STEPS
    for name in NAMES if each_backend != "jax" else FEW if ending == ".keras" else ():
        wanted = trained(load_model(theirs / f"{name}_after.keras", compile=False))
        model = load_model(theirs / f"{name}{ending}")
        assert int(K.get_value(model.optimizer.iterations)) == begun, name
        fit(model, 2 * STEPS - begun)
        check(trained(model), wanted, name)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_the_state_belongs_to_the_same_weights(theirs: Path, ending: str) -> None:
    wanted = trained(load_model(theirs / "many_layers_after.keras", compile=False))
    model = load_model(theirs / f"many_layers{ending}")
    fit(model)
    for variable, found, other in zip(model.trainable_weights, trained(model), wanted, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-4, atol=2e-5, err_msg=variable.name)


def test_what_we_began_goes_on_there(theirs: Path) -> None:
    wanted = {}
    for name in (*NAMES, "many_layers"):
        # Their own files, written by us, go on there as they would have anyway.
        load_model(theirs / f"{name}.keras").save(theirs / f"{name}_ours.keras")
        wanted[f"{name}_ours"] = trained(load_model(theirs / f"{name}_after.keras", compile=False))
    for i, (name, make) in enumerate(OURS.items()):
        with K.use_backend(("numpy", "torch")[i % 2]):
            model = Sequential([Dense(4, input_shape=(4,), activation="tanh"), Dense(4)])
            model.compile(make(), "mse")
            fit(model)
            model.save(theirs / f"own_{name}_ours.keras")
            again = load_model(theirs / f"own_{name}_ours.keras")
            for one, other in zip(again.optimizer.get_weights(), model.optimizer.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
            fit(model)
            wanted[f"own_{name}_ours"] = trained(model)
    # What is inside something frozen is frozen there as well.
    inner = Sequential([Dense(4, input_shape=(4,), activation="tanh"), Dense(4)], name="inner")
    inner.trainable = False
    cell = RNN(LSTMCell(4, recurrent_activation="sigmoid"), trainable=False)
    model = Sequential([inner, Reshape((2, 2)), cell, Dense(4)])
    model.compile(optimizers.Adam(0.05), "mse")
    fit(model)
    model.save(theirs / "own_frozen_ours.keras")
    fit(model)
    wanted["own_frozen_ours"] = trained(model)
    random = np.random.RandomState(5)
    x, y = random.rand(12, 4).astype("float32"), np.eye(4, dtype="float32")[random.randint(0, 4, 12)]
    values = {}
    for name, make in GIVEN.items():
        model = Sequential([Dense(4, input_shape=(4,), activation="softmax")])
        loss, given = make()
        model.compile("sgd", loss, metrics=given)
        value = model.evaluate(x, y, batch_size=12, verbose=0)
        for ending in ("keras", "h5"):
            model.save(theirs / f"{name}_from_us.{ending}")
            values[f"{name}_from_us.{ending}"] = value
    found = json.loads(script("go_on", str(theirs)).splitlines()[-1])
    assert set(found) == set(values)
    for name, value in values.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)
    for name, weights in wanted.items():
        model = load_model(theirs / f"{name}_after.keras")
        check(trained(model), weights, name, 2e-5 if name.startswith("many") else 4e-6)
        assert int(K.get_value(model.optimizer.iterations)) == 2 * STEPS, name


def test_losses_and_metrics_of_theirs_are_evaluated_alike_here(theirs: Path) -> None:
    random = np.random.RandomState(5)
    x, y = random.rand(12, 4).astype("float32"), np.eye(4, dtype="float32")[random.randint(0, 4, 12)]
    for name, wanted in json.loads((theirs / "compiled.json").read_text()).items():
        model = load_model(theirs / f"{name}_compiled.keras")
        np.testing.assert_allclose(model.evaluate(x, y, batch_size=12, verbose=0), wanted, rtol=1e-5, err_msg=name)


def test_another_loss_of_what_is_masked_is_named(theirs: Path) -> None:
    random = np.random.RandomState(5)
    x, y = random.rand(12, 4).astype("float32"), np.eye(4, dtype="float32")[random.randint(0, 4, 12)]
    x, y = np.repeat(x[:, None], 3, axis=1), np.repeat(y[:, None], 3, axis=1)
    x[:4, 2] = 0
    with pytest.warns(UserWarning, match="the loss of Sequential '.*' is divided by the number of steps there"):
        model = load_model(theirs / "masked.keras")
    loss, error = json.loads((theirs / "masked.json").read_text())
    np.testing.assert_allclose(model.evaluate(x, y, batch_size=12, verbose=0), [loss * 32 / 36, error], rtol=1e-5)


def test_what_is_wrapped_stays_frozen(theirs: Path) -> None:
    assert len(load_model(theirs / "frozen_inside.keras").trainable_weights) == 2


def sequence(*more: Any) -> list[Any]:
    return [Embedding(9, 4, mask_zero=True, input_length=5), *more]


def within(*layers: Any) -> list[Any]:
    return [Sequential(layers, name="inner"), Dense(4)]


#: Models that train otherwise in Keras 3, with words of the warning that says so, None for those that do not.
APART: dict[str, tuple[Any, str | None]] = {
    "masked": (lambda: sequence(Dense(2)), "the loss of Sequential 'model' is divided"),
    "masked_inside": (lambda: within(*sequence()), "the loss of Sequential 'model' is divided"),
    "mask_used": (lambda: sequence(LSTM(2, recurrent_activation="sigmoid")), None),
    "mask_used_inside": (lambda: within(*sequence(LSTM(2, recurrent_activation="sigmoid"))), None),
    "each_step": (
        lambda: [TimeDistributed(BatchNormalization(name="norm"), input_shape=(3, 4))],
        "BatchNormalization 'norm' normalizes each step by itself in training there",
    ),
    "frozen": (
        lambda: [BatchNormalization(name="norm", input_shape=(4,), trainable=False), Dense(4)],
        "BatchNormalization 'norm' is frozen and normalizes by its averages in training there",
    ),
    "frozen_anyway": (
        lambda: [ConvLSTM2D(2, 2, name="conv", input_shape=(3, 4, 4, 2), trainable=False), Dense(4)],
        "ConvLSTM2D 'conv' is frozen here, and trained there",
    ),
    "as_here": (lambda: [Dense(4, input_shape=(4,), trainable=False), BatchNormalization()], None),
}


@pytest.mark.parametrize("name", APART)
def test_what_trains_otherwise_there_is_named(tmp_path: Path, name: str) -> None:
    layers, words = APART[name]
    model = Sequential(layers(), name="model")
    # Before it is compiled there is nothing to say.
    model.save(tmp_path / "m.keras")
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match=words) if words else nullcontext():
        model.save(tmp_path / "m.keras")
    load_model(tmp_path / "m.keras")


#: Losses and metrics that Keras 3 gets from us.
GIVEN: dict[str, Any] = {
    "smoothed": lambda: (losses.CategoricalCrossentropy(label_smoothing=0.1), [metrics.AUC(), "acc"]),
    "summed": lambda: (losses.MeanSquaredError(reduction="sum"), [metrics.MeanAbsoluteError(name="apart")]),
    "divergence": lambda: ("kld", ["mae", "kld", metrics.Precision(thresholds=0.3)]),
    "cosine": lambda: ("cosine_proximity", ["mse", "logcosh"]),
    "logits": lambda: (losses.BinaryCrossentropy(from_logits=True), [metrics.BinaryAccuracy(threshold=0.4)]),
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_what_compile_was_told_survives_several_files(tmp_path: Path, name: str, ending: str) -> None:
    random = np.random.RandomState(5)
    x, y = random.rand(12, 4).astype("float32"), np.eye(4, dtype="float32")[random.randint(0, 4, 12)]
    model = Sequential([Dense(4, input_shape=(4,), activation="softmax")])
    loss, given = GIVEN[name]()
    model.compile("sgd", loss, metrics=given)
    wanted = model.evaluate(x, y, batch_size=12, verbose=0)
    for turn in range(3):
        model.save(tmp_path / f"{turn}.{ending}")
        model = load_model(tmp_path / f"{turn}.{ending}")
        np.testing.assert_allclose(model.evaluate(x, y, batch_size=12, verbose=0), wanted, rtol=1e-6)


@pytest.mark.parametrize("name", OURS_ALONE)
def test_rules_that_keras_3_has_not_are_not_given_to_it(tmp_path: Path, name: str) -> None:
    model = Sequential([Dense(4, input_shape=(4,))])
    model.compile(OURS_ALONE[name](), "mse")
    fit(model)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert "compile_config" not in json.loads(archive.read("config.json"))
    made = load_model(tmp_path / "m.keras")
    for one, other in zip(made.optimizer.get_weights(), model.optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def changed(theirs: Path, target: Path, change: Any) -> Path:
    """A file of Keras 3 with a changed configuration."""
    with zipfile.ZipFile(theirs) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["compile_config"])
                content = json.dumps(config).encode()
            archive.writestr(name, content)
    return target


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("clipnorm", 1.0, "Adam has clipnorm=1.0, which there limits each gradient by itself"),
        ("use_ema", True, "Adam has no argument use_ema=True here"),
        ("gradient_accumulation_steps", 4, "Adam has no argument gradient_accumulation_steps=4 here"),
    ],
)
def test_what_does_not_exist_here_is_named_and_the_model_not_compiled(
    theirs: Path, tmp_path: Path, key: str, value: Any, message: str
) -> None:
    def change(compiled: dict[str, Any]) -> None:
        compiled["optimizer"]["config"] |= {"global_clipnorm": None, key: value}

    path = changed(theirs / "adam.keras", tmp_path / "m.keras", change)
    with pytest.warns(UserWarning, match=f"The model is not compiled as it was in Keras 3: {message}"):
        model = load_model(path)
    with pytest.raises(RuntimeError, match="compile"):
        fit(model)
    assert np.isfinite(model.predict(data()[0])).all()


def test_an_optimizer_that_does_not_exist_here_is_named(theirs: Path, tmp_path: Path) -> None:
    def change(compiled: dict[str, Any]) -> None:
        compiled["optimizer"]["class_name"] = "Lion"

    path = changed(theirs / "adam.keras", tmp_path / "m.keras", change)
    with pytest.warns(UserWarning, match="there is no optimizer Lion here"):
        load_model(path)


def test_a_state_that_does_not_fit_is_left_out(theirs: Path, tmp_path: Path) -> None:
    def change(compiled: dict[str, Any]) -> None:
        compiled["optimizer"]["config"]["amsgrad"] = True

    path = changed(theirs / "adam.keras", tmp_path / "m.keras", change)
    with pytest.warns(UserWarning, match="The state of the optimizer is left out"):
        model = load_model(path)
    assert int(K.get_value(model.optimizer.iterations)) == 0
