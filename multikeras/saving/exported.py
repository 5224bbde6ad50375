"""A model as a directory for prediction: its graph and its weights, without classes or functions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multikeras import backend as K
from multikeras.saving import reader
from multikeras.saving.graph_format import from_data, to_data
from multikeras.saving.libraries import h5py as _h5py
from multikeras.saving.limits import LIMITS

_GRAPH, _WEIGHTS = "graph.json", "weights.h5"
_FORMAT = 1


def export_savedmodel(model: Any, directory: Any, overwrite: bool = True) -> None:
    """Writes a directory that is enough for prediction.

    It holds the graph of the model itself, so that nothing else is needed to run it: no class of one's own, no
    function behind a Lambda. The learning phase is that of testing.

    Args:
        model: A built model.
        directory: Where; an export that is there is replaced as a whole.
        overwrite: Whether it may be replaced.

    Raises:
        FileExistsError: If the directory is there and is no export, or `overwrite` is False.
        NotImplementedError: If the model is stateful, or its graph stores, prints or calls Python.
        ValueError: If the model is not built yet.
    """
    if not model.inputs:
        raise ValueError(f"Model {model.name!r} is not built yet: it is exported once it has met data.")
    if model.stateful:
        raise NotImplementedError(
            f"Model {model.name!r} has stateful layers, and an export keeps no state. Make a copy of it with "
            "stateful=False."
        )
    target = Path(os.path.abspath(directory))
    if target.exists() and (not overwrite or not (target / _GRAPH).exists()):
        raise FileExistsError(f"{target} exists" + ("." if not overwrite else " and is no export of a model."))
    variables = model.weights
    content = {
        "format": _FORMAT,
        "name": model.name,
        "input_names": list(model.input_names),
        "output_names": list(model.output_names),
        "single_input": model._single_input,
        "single_output": model._single_output,
        "variables": [{"name": v.name, "shape": list(v.shape), "dtype": v.dtype} for v in variables],
        "graph": to_data(model.inputs, model.outputs, variables, f"Model {model.name!r}"),
    }
    text = json.dumps(content)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    draft.mkdir()
    import shutil

    try:
        (draft / _GRAPH).write_text(text, encoding="utf-8")
        with _h5py().File(draft / _WEIGHTS, "w") as file:
            for i, value in enumerate(K.batch_get_value(variables)):
                file.create_dataset(str(i), data=value)
        _replace(draft, target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _replace(draft: Path, target: Path) -> None:
    """Puts a directory in the place of another; one of the two is whole at any moment."""
    if not target.exists():
        os.rename(draft, target)
        return
    import shutil

    before = target.with_name(f".{target.name}.{os.urandom(4).hex()}.old")
    os.rename(target, before)
    os.rename(draft, target)
    shutil.rmtree(before)


def is_export(source: Any) -> bool:
    """Whether a path is a directory that `export_savedmodel` wrote."""
    return isinstance(source, (str, os.PathLike)) and (Path(source) / _GRAPH).is_file()


def load_savedmodel(directory: Any) -> Any:
    """The model of a directory that `export_savedmodel` wrote: for prediction, on any backend.

    Args:
        directory: The directory.

    Returns:
        A model of inputs and outputs; all between them are operations of K.

    Raises:
        FileNotFoundError: If it is no such directory.
        ValueError: If it is damaged, or asks for what no file may.
    """
    from multikeras.layers import Input
    from multikeras.models import Model

    place = Path(directory)
    if not (place / _GRAPH).is_file():
        raise FileNotFoundError(f"{place} is no export of a model: there is no {_GRAPH} in it.")
    where = str(place / _GRAPH)
    if (place / _GRAPH).stat().st_size > LIMITS.text_bytes:
        raise reader.UnsafeFileError(f"{where} is larger than {LIMITS.text_bytes:,} bytes.")
    try:
        content = reader.parsed((place / _GRAPH).read_text(encoding="utf-8"), where)
    except UnicodeDecodeError as error:
        raise reader.CorruptFileError(f"{where} is no text: {error}") from error
    if not isinstance(content, Mapping) or content.get("format") != _FORMAT:
        raise reader.CorruptFileError(f"{where} is no graph of format {_FORMAT}.")
    with reader.understanding(str(place)):
        with reader.opened(place / _WEIGHTS) as root:
            values = [root.array(str(i)) for i in range(len(content["variables"]))]
        variables = [_variable(entry, value, where) for entry, value in zip(content["variables"], values, strict=True)]
        specs = [entry for entry in content["graph"]["entries"] if "input" in entry]
        inputs = [
            Input(batch_shape=tuple(entry["shape"]), dtype=str(entry["dtype"]), name=str(name))
            for entry, name in zip(specs, content["input_names"], strict=True)
        ]
        _, outputs = from_data(content["graph"], inputs, variables, where)
        single = bool(content["single_input"]), bool(content["single_output"])
        begin, end = (inputs[0] if single[0] else inputs), (outputs[0] if single[1] else outputs)
        return Model(begin, end, name=str(content.get("name", "model")))


def _variable(entry: Mapping[str, Any], value: Any, where: str) -> Any:
    if list(value.shape) != list(entry["shape"]):
        raise reader.CorruptFileError(f"{where}: {entry['name']!r} has shape {value.shape}, expected {entry['shape']}.")
    return K.variable(value, dtype=str(entry["dtype"]), name=str(entry["name"]))
