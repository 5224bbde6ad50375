"""A model as a directory for prediction: its graph and its weights, without classes or functions."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from multikeras import backend as K
from multikeras.saving.atomic import draft_of, remove_abandoned, replacing
from multikeras.saving.graphs.graph_format import from_data
from multikeras.saving.graphs.prediction import PredictionWriter
from multikeras.saving.hdf5.objects import new_file
from multikeras.saving.reading import reader
from multikeras.saving.reading.limits import LIMITS

_GRAPH = "graph.json"
_FORMAT = 1

#: Names that a file of weights may have: a new one where an export is replaced.
_WEIGHTS = re.compile(r"weights(\.[0-9a-f]{8})?\.h5")


def export_savedmodel(model: Any, directory: Any, overwrite: bool = True) -> None:
    """Writes a directory that is enough for prediction.

    It holds the graph of the model itself, so that nothing else is needed to run it: no class of one's own, no
    function behind a Lambda. The learning phase is that of testing; what only training computes is left out. Where an
    export is replaced, the old one counts until the new one is whole.

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
    graph = PredictionWriter(model.inputs, variables, f"Model {model.name!r}").graph(model.outputs)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = not target.exists()
    place = draft_of(target) if fresh else target
    weights = "weights.h5" if fresh else f"weights.{os.urandom(4).hex()}.h5"
    content = {
        "format": _FORMAT,
        "name": model.name,
        "input_names": list(model.input_names),
        "output_names": list(model.output_names),
        "single_input": model._single_input,
        "single_output": model._single_output,
        "weights": weights,
        "variables": [{"name": v.name, "shape": list(v.shape), "dtype": v.dtype} for v in variables],
        "graph": graph,
    }
    text = json.dumps(content)
    if fresh:
        place.mkdir()
    try:
        with replacing(place / weights) as draft, new_file(draft) as file:
            for i, value in enumerate(K.batch_get_value(variables)):
                file.create_dataset(str(i), data=value)
        before = None if fresh else _weights_of(place)
        # From here on the new weights count, and not before.
        with replacing(place / _GRAPH) as draft:
            draft.write_text(text, encoding="utf-8")
        if fresh:
            os.rename(place, target)
    except BaseException as error:
        if fresh:
            shutil.rmtree(place, ignore_errors=True)
        elif weights not in (place / _GRAPH).read_text(encoding="utf-8"):
            # An interrupt may come when the new export counts already.
            (place / weights).unlink(missing_ok=True)
        if isinstance(error, RuntimeError):
            # What h5py raises where a file cannot be closed, as on a full disk.
            raise OSError(f"{target} cannot be written: {error}. What was there is as it was.") from error
        raise
    for each in target.glob("weights*.h5"):
        if _WEIGHTS.fullmatch(each.name) and each.name != weights and (each.name == before or _is_old(each)):
            each.unlink(missing_ok=True)
    for each in target.glob(".weights*.part"):
        if _is_old(each):
            each.unlink(missing_ok=True)
    remove_abandoned(target)


def _weights_of(place: Path) -> str | None:
    """The file of weights that counts in an export; None if that cannot be told."""
    try:
        found = json.loads((place / _GRAPH).read_text(encoding="utf-8"))["weights"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _is_old(path: Path) -> bool:
    """Whether a file was left by a process that was killed, and is not that of another one that exports right now."""
    try:
        return time.time() - path.stat().st_mtime > 3600
    except FileNotFoundError:
        return False


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
        TypeError: If it is no path.
        ValueError: If it is damaged, or asks for what no file may.
    """
    from multikeras.layers import Input
    from multikeras.models import Model

    if not isinstance(directory, (str, os.PathLike)):
        raise TypeError(f"load_savedmodel takes the path of a directory, received {type(directory).__name__}.")
    place = Path(directory)
    if not (place / _GRAPH).is_file():
        raise FileNotFoundError(_missing(place))
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
        weights = content.get("weights", "weights.h5")
        if not isinstance(weights, str) or not _WEIGHTS.fullmatch(weights):
            raise reader.UnsafeFileError(f"{where} names the weights {weights!r}, which is no file of an export.")
        if not (place / weights).is_file():
            raise reader.CorruptFileError(f"{where} names the weights {weights!r}, which are not there.")
        with reader.opened(place / weights) as root:
            values = [root.array(str(i)) for i in range(len(content["variables"]))]
        variables = [_variable(entry, value, where) for entry, value in zip(content["variables"], values, strict=True)]
        specs = [entry for entry in content["graph"]["entries"] if "input" in entry]
        _check_counts(content, specs, where)
        inputs = [
            Input(batch_shape=tuple(entry["shape"]), dtype=str(entry["dtype"]), name=str(name))
            for entry, name in zip(specs, content["input_names"], strict=True)
        ]
        _, outputs = from_data(content["graph"], inputs, variables, where)
        outputs = _named(outputs, [str(name) for name in content["output_names"]], [t.name for t in inputs])
        single = bool(content["single_input"]), bool(content["single_output"])
        begin, end = (inputs[0] if single[0] else inputs), (outputs[0] if single[1] else outputs)
        return Model(begin, end, name=str(content.get("name", "model")))


def _missing(place: Path) -> str:
    """What to say of a path that is no export."""
    if not place.exists():
        return f"{place} does not exist."
    if not place.is_dir():
        return f"{place} is a file and no export of a model, which is a directory. load_model reads files."
    if (place / "saved_model.pb").exists():
        return f"{place} is a SavedModel of TensorFlow, which only TensorFlow can run. Save the model there as .h5."
    return f"{place} is no export of a model: there is no {_GRAPH} in it."


def _check_counts(content: Mapping[str, Any], specs: Sequence[Any], where: str) -> None:
    names, outputs = content["input_names"], content["graph"]["outputs"]
    for what, found in (("inputs", specs), ("outputs", outputs)):
        listed = names if what == "inputs" else content["output_names"]
        if len(found) != len(listed):
            raise reader.CorruptFileError(
                f"{where}: the graph has {len(found)} {what} and {len(listed)} names of them."
            )


def _named(outputs: Sequence[Any], names: Sequence[str], taken: Sequence[str]) -> list[Any]:
    """The outputs as those of layers that have the names of the layers that made them."""
    from multikeras.layers import Activation

    free = [names.count(name) == 1 and name not in taken for name in names]
    pairs = zip(outputs, names, free, strict=True)
    return [Activation("linear", name=name)(output) if fits else output for output, name, fits in pairs]


def _variable(entry: Mapping[str, Any], value: Any, where: str) -> Any:
    if list(value.shape) != list(entry["shape"]):
        raise reader.CorruptFileError(f"{where}: {entry['name']!r} has shape {value.shape}, expected {entry['shape']}.")
    return K.variable(value, dtype=str(entry["dtype"]), name=str(entry["name"]))
