"""Configurations that want to run code: each known attack, for everything that reads a configuration.

The list begins with the advisories on Keras: CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906,
CVE-2026-1462.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras import (
    activations,
    constraints,
    initializers,
    layers,
    lookup,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from multikeras import backend as K
from multikeras.contract import PRIMITIVES
from multikeras.graph.build import apply
from multikeras.layers import Dense
from multikeras.models import (
    Model,
    Sequential,
    load_model,
    model_from_config,
    model_from_json,
    model_from_yaml,
    unserialize_model,
)
from multikeras.saving import CorruptFileError, UnsafeFileError, export_savedmodel, load_savedmodel
from tests.saving.conftest import MARK

pytestmark = pytest.mark.usefixtures("nothing_ran")


def model_of() -> Sequential:
    model = Sequential([Dense(2, input_shape=(3,), name="dense")])
    model.compile("sgd", "mse")
    return model


def attack() -> Any:
    """The code that must not run."""
    return (lambda x: open("multikeras-was-attacked", "w") and x).__code__


CODE = base64.b64encode(marshal.dumps(attack())).decode()


def lambda_keras2() -> dict[str, Any]:
    # CVE-2024-3660 and CVE-2025-9905.
    config = {"name": "evil", "function": [CODE, None, None], "function_type": "lambda", "arguments": {}}
    return {"class_name": "Lambda", "config": config}


def lambda_output_shape() -> dict[str, Any]:
    config = {"name": "evil", "function": "relu", "output_shape": [CODE, None, None], "output_shape_type": "lambda"}
    return {"class_name": "Lambda", "config": config}


def lambda_keras3() -> dict[str, Any]:
    inner = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
    return {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "evil", "function": inner}}


def any_class() -> dict[str, Any]:
    # CVE-2025-1550: a module and a name, called with arguments.
    return {"module": "os", "class_name": "system", "config": f"touch {MARK}", "registered_name": "system"}


def any_function() -> dict[str, Any]:
    function = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    config = {"name": "evil", "function": function, "arguments": {"command": f"touch {MARK}"}}
    return {"module": "keras.layers", "class_name": "Lambda", "config": config}


def utility_function() -> dict[str, Any]:
    # CVE-2025-8747: a harmful function of Keras itself.
    function = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    arguments = {"origin": "http://127.0.0.1:9/evil", "cache_dir": ".", "extract": True}
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "evil", "function": function, "arguments": arguments},
    }


def switch_safety_off() -> dict[str, Any]:
    # CVE-2025-9906.
    function = {
        "module": "keras.config",
        "class_name": "function",
        "config": "enable_unsafe_deserialization",
        "registered_name": "enable_unsafe_deserialization",
    }
    return {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "evil", "function": function}}


def saved_model_layer() -> dict[str, Any]:
    # CVE-2026-1462: a layer that loads a graph of another program.
    return {
        "module": "keras.layers",
        "class_name": "TFSMLayer",
        "config": {"name": "evil", "filepath": "/tmp/evil", "call_endpoint": "serve"},
    }


def initializer_by_path() -> dict[str, Any]:
    initializer = {"module": "builtins", "class_name": "exec", "config": {"source": f"open('{MARK}', 'w')"}}
    return {"class_name": "Dense", "config": {"name": "evil", "units": 2, "kernel_initializer": initializer}}


def activation_by_path() -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": "evil", "units": 2, "activation": "os.system"}}


def dunder() -> dict[str, Any]:
    return {"class_name": "__import__", "config": {"name": "os"}}


def wrapped() -> dict[str, Any]:
    return {"class_name": "TimeDistributed", "config": {"name": "outer", "layer": lambda_keras2()}}


CONFIGS = (
    lambda_keras2,
    lambda_output_shape,
    lambda_keras3,
    any_class,
    any_function,
    utility_function,
    switch_safety_off,
    saved_model_layer,
    initializer_by_path,
    activation_by_path,
    dunder,
    wrapped,
)


def architecture(evil: dict[str, Any]) -> dict[str, Any]:
    begin = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "name": "i", "dtype": "float32"}}
    made: dict[str, Any] = {"class_name": "Sequential", "config": {"name": "m", "layers": [begin, evil]}}
    if "module" in evil:
        made["module"] = "keras"
    return made


def as_hdf5(content: dict[str, Any]) -> Path:
    path = Path("evil.h5")
    model_of().save(path)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps(content).encode()
    return path


def as_archive(content: dict[str, Any]) -> Path:
    path = Path("evil.keras")
    model_of().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(content).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    return path


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "hdf5": lambda content: load_model(as_hdf5(content)),
    "archive": lambda content: load_model(as_archive(content)),
    "bytes": lambda content: load_model(io.BytesIO(as_hdf5(content).read_bytes())),
    "json": lambda content: model_from_json(json.dumps(content)),
    "yaml": lambda content: model_from_yaml(json.dumps(content)),
    "model_from_config": model_from_config,
    "from_config": lambda content: Sequential.from_config(content["config"]),
    "layer": lambda content: layers.deserialize(content["config"]["layers"][1]),
    "serialized": lambda content: unserialize_model(as_hdf5(content).read_bytes()),
    "loss": lambda content: load_model(_with_training(content, "loss")),
    "metrics": lambda content: load_model(_with_training(content, "metrics")),
    "weighted_metrics": lambda content: load_model(_with_training(content, "weighted_metrics")),
    "optimizer": lambda content: load_model(_with_training(content, "optimizer_config")),
    "losses.get": lambda content: losses.get(content["config"]["layers"][1]),
    "metrics.get": lambda content: metrics.get(content["config"]["layers"][1]),
    "optimizers.get": lambda content: optimizers.get(content["config"]["layers"][1]),
    "initializers.get": lambda content: initializers.get(content["config"]["layers"][1]),
    "regularizers.get": lambda content: regularizers.get(content["config"]["layers"][1]),
    "constraints.get": lambda content: constraints.get(content["config"]["layers"][1]),
    "activations.get": lambda content: activations.get(content["config"]["layers"][1]),
}


def _with_training(content: dict[str, Any], key: str) -> Path:
    """The attack where the loss, the metrics and the optimizer stand."""
    path = Path("evil.h5")
    model_of().save(path)
    evil = content["config"]["layers"][1]
    with h5py.File(path, "a") as file:
        training = json.loads(file.attrs["multikeras_training_config"])
        training[key] = [evil] if "metrics" in key else evil
        file.attrs["multikeras_training_config"] = json.dumps(training).encode()
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda f: f.__name__)
def test_configurations_run_no_code(config: Callable[[], dict[str, Any]], form: str) -> None:
    with pytest.raises((UnsafeFileError, ValueError, TypeError, NotImplementedError)) as caught:
        FORMS[form](architecture(config()))
    if "lambda" in config.__name__ and form in ("hdf5", "archive", "bytes", "json", "yaml", "serialized"):
        assert "byte code" in str(caught.value) and "safe_mode=False" in str(caught.value)


def test_byte_code_runs_where_the_caller_allows_it(tmp_path: Path) -> None:
    code = base64.b64encode(marshal.dumps((lambda x: K.square(x) + 1).__code__)).decode()
    content = architecture(
        {
            "class_name": "Lambda",
            "config": {"name": "squared", "function": [code, None, None], "function_type": "lambda", "arguments": {}},
        }
    )
    path = as_hdf5(content)
    with h5py.File(path, "a") as file:
        del file["model_weights/dense"], file.attrs["multikeras_training_config"]
        file["model_weights"].attrs["layer_names"] = np.array([], dtype="S1")
    with pytest.raises(UnsafeFileError, match="safe_mode=False"):
        load_model(path)
    model = load_model(path, safe_mode=False)
    np.testing.assert_array_equal(model.predict(np.full((1, 3), 2.0)), [[5, 5, 5]])


# -- graphs -------------------------------------------------------------------------------------

#: Programs are written as Python, with the names of attributes in it.
NAMES = [
    f"a=open('{MARK}', 'w'), b",
    f"a=__import__('os').system('touch {MARK}')) #",
    "a\n",
    "",
    "lambda",
    "__class__",
    "ａ",
    "a" * 100,
]


def operations(name: str) -> dict[str, Any]:
    """A model with an operation of K between its layers, whose entry has another attribute."""
    x = layers.Input((3,), name="i")
    content = json.loads(Model(x, Dense(2, name="dense")(-x)).to_json())
    (found,) = [each for each in content["config"]["layers"] if each["class_name"] == "Operations"]
    (entry,) = [each for each in found["config"]["graph"]["entries"] if "op" in each]
    entry["attributes"] = {name: 1}
    return content


def exported(name: str) -> Any:
    x = layers.Input((3,), name="i")
    export_savedmodel(Model(x, -x), "out")
    content = json.loads(Path("out/graph.json").read_text())
    (entry,) = [each for each in content["graph"]["entries"] if "op" in each]
    entry["attributes"] = {name: 1}
    Path("out/graph.json").write_text(json.dumps(content))
    return load_savedmodel("out")


GRAPHS: dict[str, Callable[[str], Any]] = {
    "exported": exported,
    "json": lambda name: model_from_json(json.dumps(operations(name))),
    "yaml": lambda name: model_from_yaml(json.dumps(operations(name))),
    "config": lambda name: model_from_config(operations(name)),
    "hdf5": lambda name: load_model(as_hdf5(operations(name))),
    "archive": lambda name: load_model(as_archive(operations(name))),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", GRAPHS)
def test_names_in_graphs_are_names(form: str, name: str) -> None:
    with pytest.raises(UnsafeFileError, match="is no name of an attribute"):
        GRAPHS[form](name).predict(np.ones((2, 3)))


@pytest.mark.parametrize("name", ["out", "where", "casting", "in_place", "residuals", "axes"])
@pytest.mark.parametrize("form", GRAPHS)
def test_attributes_in_graphs_are_those_of_the_primitive(form: str, name: str) -> None:
    """A kernel may be NumPy's own function, which would write where `out` says."""
    with pytest.raises(CorruptFileError, match=rf"'negative' has no attributes \['{name}'\]"):
        GRAPHS[form](name)


def test_programs_are_written_of_names_alone() -> None:
    x = K.placeholder((3,))
    made = apply(PRIMITIVES["negative"], (x,), {f"a=open('{MARK}', 'w'), b": 1})
    with pytest.raises(ValueError, match="is no name of an attribute"):
        K.function([x], [made])([np.ones(3)])


# -- functions ----------------------------------------------------------------------------------


def marking(mark: str = MARK, **kwargs: Any) -> Any:
    """A function of the program that does something."""
    Path(mark).write_text("called")
    return initializers.Zeros()


FUNCTION = {"class_name": "tests>marking", "config": {"mark": MARK}}


@pytest.mark.parametrize("form", FORMS)
def test_registered_functions_are_not_called(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somewhere in a program there is a function that a file must not call with arguments of its own."""
    monkeypatch.setitem(lookup.get_custom_objects(), "tests>marking", marking)
    with pytest.raises(ValueError, match="'tests>marking' is a function, which a configuration names"):
        FORMS[form](architecture(FUNCTION))


def test_functions_that_are_passed_make_what_they_are_for(tmp_path: Path) -> None:
    """As Keras 2 allows it: a function of the caller instead of a class."""
    config = {"name": "d", "units": 2, "kernel_initializer": {"class_name": "Made", "config": {}}}
    model = model_from_config(
        architecture({"class_name": "Dense", "config": config}), {"Made": lambda **kwargs: initializers.Ones()}
    )
    np.testing.assert_array_equal(model.get_weights()[0], np.ones((3, 2)))
