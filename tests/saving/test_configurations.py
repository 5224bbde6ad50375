"""Configurations that ask for more than a model needs, or for what no configuration may have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from multikeras import backend as K
from multikeras.layers import Dense, Input
from multikeras.models import Model, Sequential, load_model, model_from_config, model_from_json
from multikeras.saving import UnsafeFileError
from multikeras.saving.reading.limits import LIMITS
from tests.conftest import ROOT


def sequential(*layers: dict[str, Any], shape: tuple[int, ...] = (3,)) -> dict[str, Any]:
    begin = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, *shape], "name": "i"}}
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [begin, *layers]}}


def layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": config}


def nested(depth: int, wrapper: str) -> dict[str, Any]:
    made = layer("SimpleRNN", units=1, return_sequences=True)
    for _ in range(depth):
        made = layer(wrapper, layer=made)
    return made


CONFIGURATIONS: dict[str, tuple[Callable[[], Any], str]] = {
    "too many axes": (lambda: sequential(shape=(1,) * 20_000), "20,001 axes"),
    "many axes of a reshape": (lambda: sequential(layer("Reshape", target_shape=[1] * 100)), "100 axes"),
    "too many layers": (lambda: sequential(*[layer("ReLU")] * (LIMITS.layers + 1)), "describes 100,00. objects"),
    "deep models": (
        lambda: '{"class_name": "Sequential", "config": {"layers": [' * 1000 + "]}}" * 1000,
        "nested too deep|is no JSON|cannot be read",
    ),
    "deep wrappers": (
        lambda: '{"class_name": "TimeDistributed", "config": {"layer": ' * 400 + "{}" + "}}" * 400,
        "nested too deep|cannot be read",
    ),
    "wrappers that double": (lambda: sequential(nested(30, "Bidirectional")), "go_backwards"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations_have_a_size(name: str) -> None:
    make, words = CONFIGURATIONS[name]
    with pytest.raises(ValueError, match=words):
        made = make()
        model_from_json(made if isinstance(made, str) else json.dumps(made))


HUGE: dict[str, dict[str, Any]] = {
    "Dense": sequential(layer("Dense", units=10**9)),
    "Dense after Dense": sequential(layer("Dense", units=10**5), layer("Dense", units=10**5)),
    "Identity": sequential(layer("Dense", units=10**5, kernel_initializer=layer("Identity")), shape=(10**5,)),
    "Orthogonal": sequential(layer("Dense", units=10**5, kernel_initializer="orthogonal"), shape=(10**5,)),
    "Embedding": sequential(layer("Embedding", input_dim=10**9, output_dim=10**3)),
    "Conv2D": sequential(layer("Conv2D", filters=10**4, kernel_size=[10**4] * 2, padding="same"), shape=(30, 30, 3)),
    "LSTM": sequential(layer("LSTM", units=10**6, unroll=True), shape=(10**5, 3)),
    "RepeatVector": sequential(layer("RepeatVector", n=10**12)),
    "UpSampling2D": sequential(layer("UpSampling2D", size=[10**6] * 2), shape=(3, 3, 1)),
    "ZeroPadding1D": sequential(layer("ZeroPadding1D", padding=10**15), shape=(3, 3)),
    "LocallyConnected1D": sequential(layer("LocallyConnected1D", filters=2, kernel_size=1), shape=(10**6, 3)),
    "TimeDistributed": sequential(layer("TimeDistributed", layer=layer("Dense", units=2)), shape=(10**9, 3)),
}

#: Makes models of configurations in little memory, and of files with such a configuration and the weights of others.
MAKING = """
import json, resource, sys
from multikeras.models import model_from_json
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for name, content in json.load(sys.stdin).items():
    try:
        model_from_json(json.dumps(content))
        print(name)
    except ValueError as error:
        print(name, "refused", str(error)[:100])
# That of this program alone: what getrusage says begins with the memory of the process that started it.
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print("done", int(peak.split()[1]) >> 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory cannot be limited here")
def test_large_numbers_take_no_memory_before_they_are_needed() -> None:
    roots = os.pathsep.join([str(ROOT), str(ROOT / "backends")])
    done = subprocess.run(
        [sys.executable, "-c", MAKING],
        input=json.dumps(HUGE),
        env={**os.environ, "PYTHONPATH": roots, "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *made, last = done.stdout.splitlines()
    assert [line.split(" refused")[0] for line in made] == list(HUGE)
    assert int(last.split()[1]) < 300, "megabytes"


def test_a_file_cannot_ask_for_more_thresholds_than_anybody_needs(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    model = Sequential([Dense(2, input_shape=(3,), name="dense")])
    model.compile("sgd", "mse")
    model.save(path)
    with h5py.File(path, "a") as file:
        training = json.loads(file.attrs["multikeras_training_config"])
        training["metrics"] = [layer("AUC", num_thresholds=10**8)]
        file.attrs["multikeras_training_config"] = json.dumps(training).encode()
    with pytest.raises(UnsafeFileError, match="100,000,000 thresholds"):
        load_model(path)


def _settings() -> list[Any]:
    return [K.backend(), K.floatx(), K.epsilon(), K.image_data_format(), K.matmul_precision(), repr(K.learning_phase())]


def test_a_lambda_names_functions_of_tensors_alone() -> None:
    """Whatever of K a configuration names, with whatever arguments: no setting changes, and nothing is printed."""
    before = _settings()
    made = []
    of_backend = [f"backend>{name}" for name in dir(K)]
    for name in [*of_backend, *K.__all__, *dir(K), "__class__", "__import__", "os.system", ["relu"], {"a": 1}, None]:
        for arguments in ({}, {"message": "x"}, {"value": "float16"}, {"name": "torch"}, {"axis": 0}):
            config = sequential(layer("Lambda", name="a", function=name, arguments=arguments))
            try:
                model_from_json(json.dumps(config))
                made.append(name)
            except (ValueError, NotImplementedError):
                continue
    assert _settings() == before
    assert {"backend>relu", "backend>square", "backend>sum"} <= set(made)
    # A name alone may be that of somebody's own function.
    assert all(str(name).startswith("backend>") for name in made)
    of_process = ("print_tensor", "set_floatx", "eval", "get_value", "function", "registry", "__class__")
    for name in ("relu", *of_process, *(f"backend>{name}" for name in of_process)):
        config = sequential(layer("Lambda", name="a", function=name))
        with pytest.raises(ValueError, match="is not known here"):
            model_from_json(json.dumps(config))
        with pytest.raises(ValueError, match="is not known here"):
            model_from_config(config)


def test_two_layers_of_one_name() -> None:
    """The last one won, and the model was another one than the file showed."""
    x = Input((3,), name="x")
    content = json.loads(Model(x, Dense(2, name="b")(Dense(3, name="a")(x))).to_json())
    entries = content["config"]["layers"]
    entries.append({**entries[1], "config": {**entries[1]["config"], "activation": "relu"}})
    with pytest.raises(ValueError, match="has several layers called 'a'"):
        model_from_json(json.dumps(content))
