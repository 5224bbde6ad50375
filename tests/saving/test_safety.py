"""One malicious file for every known attack, for every way in: each is refused by name, and nothing runs.

The list begins with the advisories on Keras: CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906,
CVE-2025-12060 (tests/utils/test_downloads.py), CVE-2026-0897, CVE-2026-1462, CVE-2026-1669.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Dense
from multikeras.models import Sequential, load_model, model_from_json
from multikeras.saving import CorruptFileError, UnsafeFileError, load_savedmodel

MARK = "multikeras-was-attacked"


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """After every attack: no code of the file has run."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / MARK).exists(), "code from a file has run"


def model_of() -> Sequential:
    model = Sequential([Dense(2, input_shape=(3,), name="dense")])
    model.compile("sgd", "mse")
    return model


def attack() -> Any:
    """The code that must not run."""
    return (lambda x: open("multikeras-was-attacked", "w") and x).__code__


CODE = base64.b64encode(marshal.dumps(attack())).decode()


# -- ways in ------------------------------------------------------------------------------------


def whole(path: Path) -> Any:
    return load_model(path)


def weights(path: Path) -> Any:
    return model_of().load_weights(path)


def weights_by_name(path: Path) -> Any:
    return model_of().load_weights(path, by_name=True)


def stream(path: Path) -> Any:
    return load_model(io.BytesIO(path.read_bytes()))


def opened(path: Path) -> Any:
    with h5py.File(path) as file:
        return load_model(file)


WAYS = {f.__name__: f for f in (whole, weights, weights_by_name, stream, opened)}


# -- HDF5: where values come from ---------------------------------------------------------------

SECRET = b"the content of a file that the model must not see"


def _replace(file: Any, change: Callable[[Any, Any], None]) -> None:
    group = file["model_weights/dense/dense"]
    value = group["kernel:0"][()]
    del group["kernel:0"]
    change(group, value)


def external_link(file: Any) -> None:
    with h5py.File("other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2))
    _replace(file, lambda group, value: group.__setitem__("kernel:0", h5py.ExternalLink("other.h5", "/kernel")))


def soft_link(file: Any) -> None:
    _replace(file, lambda group, value: group.__setitem__("kernel:0", h5py.SoftLink("/model_weights")))


def external_storage(file: Any) -> None:
    Path("secret").write_bytes(SECRET)
    _replace(
        file,
        lambda group, value: group.create_dataset("kernel:0", (3, 2), "f4", external=[("secret", 0, 24)]),
    )


def virtual(file: Any) -> None:
    with h5py.File("other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2), "f4")

    def change(group: Any, value: Any) -> None:
        layout = h5py.VirtualLayout((3, 2), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "kernel", (3, 2))
        group.create_virtual_dataset("kernel:0", layout)

    _replace(file, change)


def references(file: Any) -> None:
    def change(group: Any, value: Any) -> None:
        made = group.create_dataset("kernel:0", (3, 2), h5py.ref_dtype)
        made[0, 0] = file.ref

    _replace(file, change)


def strings(file: Any) -> None:
    _replace(file, lambda group, value: group.create_dataset("kernel:0", data=[["a", "b"]] * 3))


def compound(file: Any) -> None:
    kind = np.dtype([("a", "f4"), ("b", "i4")])
    _replace(file, lambda group, value: group.create_dataset("kernel:0", (3, 2), kind))


def huge(file: Any) -> None:
    # CVE-2026-0897: petabytes declared, nothing stored.
    _replace(file, lambda group, value: group.create_dataset("kernel:0", (1 << 30, 1 << 20), "f4", chunks=(64, 64)))


def large(file: Any) -> None:
    _replace(file, lambda group, value: group.create_dataset("kernel:0", (30_000, 20_000), "f4", chunks=(64, 64)))


def bomb(file: Any) -> None:
    def change(group: Any, value: Any) -> None:
        zeros = np.zeros((4000, 4000), "f4")
        group.create_dataset("kernel:0", data=zeros, compression="gzip", compression_opts=9, chunks=(4000, 4000))

    _replace(file, change)


def link_of_a_layer(file: Any) -> None:
    with h5py.File("other.h5", "w") as other:
        other.create_group("dense").attrs["weight_names"] = np.array([], dtype="S1")
    del file["model_weights/dense"]
    file["model_weights/dense"] = h5py.ExternalLink("other.h5", "/dense")


def upwards(file: Any) -> None:
    file["model_weights/dense"].attrs["weight_names"] = [b"../../model_weights/dense/dense/kernel:0", b"dense/bias:0"]


def absolute(file: Any) -> None:
    file["model_weights"].attrs["layer_names"] = [b"/model_weights/dense"]


def attribute_of_references(file: Any) -> None:
    file["model_weights"].attrs.create(
        "layer_names", np.array([file.ref, file.ref], dtype=object), dtype=h5py.ref_dtype
    )


LINKS: dict[str, tuple[Callable[[Any], None], str]] = {
    "external link": (external_link, "link to another file"),
    "soft link": (soft_link, "soft link"),
    "external storage": (external_storage, "stored outside the file"),
    "virtual": (virtual, "is virtual"),
    "references": (references, "only numbers are read"),
    "strings": (strings, "only numbers are read"),
    "compound": (compound, "only numbers are read"),
    "huge": (huge, "declares .* bytes"),
    "large": (large, "declares 2,400,000,000 bytes"),
    "link of a layer": (link_of_a_layer, "link to another file"),
    "upwards": (upwards, "is no name of a member"),
    "absolute": (absolute, "is no name of a member"),
    "attribute of references": (attribute_of_references, "holds references"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LINKS)
def test_hdf5_reads_numbers_from_the_file_itself_alone(tmp_path: Path, name: str, way: str) -> None:
    path = tmp_path / "model.h5"
    model_of().save(path)
    change, words = LINKS[name]
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UnsafeFileError, match=words):
        WAYS[way](path)


def test_a_compressed_array_may_not_expand_without_measure(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    model_of().save(path)
    with h5py.File(path, "a") as file:
        bomb(file)
    # 64 MB out of some 60 KB.
    with pytest.raises(UnsafeFileError, match="declares 64,000,000 bytes"):
        load_model(path)


# -- configurations that want to run code -------------------------------------------------------


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
    "training": lambda content: load_model(_with_training(content)),
}


def _with_training(content: dict[str, Any]) -> Path:
    """The attack where the loss and the optimizer stand."""
    path = Path("evil.h5")
    model_of().save(path)
    evil = content["config"]["layers"][1]
    with h5py.File(path, "a") as file:
        training = json.loads(file.attrs["training_config"])
        training["loss"] = evil
        file.attrs["training_config"] = json.dumps(training).encode()
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda f: f.__name__)
def test_configurations_run_no_code(config: Callable[[], dict[str, Any]], form: str) -> None:
    with pytest.raises((UnsafeFileError, ValueError, TypeError, NotImplementedError)) as caught:
        FORMS[form](architecture(config()))
    if "lambda" in config.__name__ and form != "training":
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
        del file["model_weights/dense"], file.attrs["training_config"]
        file["model_weights"].attrs["layer_names"] = np.array([], dtype="S1")
    with pytest.raises(UnsafeFileError, match="safe_mode=False"):
        load_model(path)
    model = load_model(path, safe_mode=False)
    np.testing.assert_array_equal(model.predict(np.full((1, 3), 2.0)), [[5, 5, 5]])


# -- archives -----------------------------------------------------------------------------------


def rewritten(change: Callable[[dict[str, bytes]], None]) -> Path:
    path = Path("evil.keras")
    model_of().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    return path


def test_members_of_archives_are_checked() -> None:
    path = rewritten(lambda members: members.__setitem__("config.json", b" " * (1 << 26)))
    with pytest.raises(UnsafeFileError, match=r"'config\.json' declares 67,108,864 bytes"):
        load_model(path)
    path = rewritten(lambda members: members.pop("model.weights.h5") and None)
    with pytest.raises(CorruptFileError, match=r"0 members called 'model\.weights\.h5'"):
        load_model(path)
    path = rewritten(lambda members: members.__setitem__("model.weights.h5", pickle.dumps("not hdf5")))
    with pytest.raises(CorruptFileError, match="cannot be read as an HDF5 file"):
        load_model(path)
    path = rewritten(lambda members: members.__setitem__("../outside", b"x"))
    load_model(path)
    assert not Path("../outside").exists()
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(UnsafeFileError, match=r"2 members called 'config\.json'"):
        load_model(path)


def test_an_archive_cannot_lead_weights_out_of_itself() -> None:
    with h5py.File("other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2), "f4")

    def change(members: dict[str, bytes]) -> None:
        memory = io.BytesIO(members["model.weights.h5"])
        with h5py.File(memory, "a") as file:
            del file["layers/dense/vars/0"]
            file["layers/dense/vars/0"] = h5py.ExternalLink("other.h5", "/kernel")
        members["model.weights.h5"] = memory.getvalue()

    with pytest.raises(UnsafeFileError, match="link to another file"):
        load_model(rewritten(change))


def test_an_exported_directory_cannot_lead_out_of_itself(tmp_path: Path) -> None:
    from multikeras.saving import export_savedmodel

    export_savedmodel(model_of(), tmp_path / "out")
    with h5py.File("other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2), "f4")
    with h5py.File(tmp_path / "out" / "weights.h5", "a") as file:
        del file["0"]
        file["0"] = h5py.ExternalLink("other.h5", "/kernel")
    with pytest.raises(UnsafeFileError, match="link to another file"):
        load_savedmodel(tmp_path / "out")


# -- damage -------------------------------------------------------------------------------------

DAMAGE: dict[str, tuple[Callable[[Any], None], str]] = {
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
        lambda f: _replace(f, lambda group, value: group.__setitem__("kernel:0", value[:1])),
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
