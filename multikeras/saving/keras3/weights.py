"""Keras 3's layout of weights: a path for every layer, from the names of classes and attributes.

`layers/dense_1/vars/0` is the first weight of the second Dense layer of a model; inside layers the path
goes on with the attributes that hold other layers (`cell`, `forward_layer`, `layer`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from multikeras.programs import storage
from multikeras.saving import states
from multikeras.saving.hdf5.objects import write_array, write_text
from multikeras.saving.reading.reader import CorruptFileError, Group
from multikeras.saving.weights import in_shape

#: By path of a layer: its arrays, in order.
Paths = dict[str, list[np.ndarray]]

#: Parts of a file that hold no weights of layers.
_NOT_LAYERS = frozenset({"optimizer", "metrics", "loss", "seed_generator", "multikeras_optimizer", states.GROUP})

#: By class: attributes under which weights of the layer itself are kept there, and how many each has with a bias.
_INNER: dict[str, tuple[str, ...]] = {
    "MultiHeadAttention": ("query_dense", "key_dense", "_gate_dense", "value_dense", "output_dense"),
}

#: Layers in attributes that are not walked there.
_SKIPPED = frozenset({"_inbound_nodes", "_layers", "_added", "_input_layers"})


@dataclass
class Place:
    """Where a layer's own weights are kept.

    Attributes:
        path: The path, without `vars`.
        name: Name of the layer.
        variables: The weights.
    """

    path: str
    name: str
    variables: list[Any]


def places(model: Any) -> list[Place]:
    """The places of all weights of a model.

    A layer that stands in a configuration several times has as many places, since Keras 3 makes copies of it.
    """
    return list(_walk(model, "", set(), frozenset()))


def _walk(layer: Any, path: str, seen: set[int], around: frozenset[int]) -> Iterator[Place]:
    seen.add(id(layer))
    around |= {id(layer)}
    # What the code of a class of one's own keeps twice is one thing there as well.
    by_configuration = type(layer).__module__.startswith("multikeras.")
    own = [*layer._trainable_weights, *layer._non_trainable_weights]
    inner = [each for each in _INNER.get(type(layer).__name__, ()) if each != "_gate_dense" or layer.use_gate]
    if inner and own:
        yield Place(path, layer.name, [])
        count = len(own) // len(inner)
        for i, attribute in enumerate(inner):
            yield Place(f"{path}/{attribute}", attribute, own[i * count : (i + 1) * count])
        return
    yield Place(path, layer.name, own)
    here = set(around)
    for attribute, children in _children(layer):
        listed = children if isinstance(children, list) else [children]
        skipped = here.copy() if by_configuration else here | seen
        here.update(map(id, listed))
        taken: dict[str, int] = {}
        for child in listed:
            place = f"{path}/{attribute}"
            if isinstance(children, list):
                name = _container_name(child)
                number = taken.get(name, 0)
                taken[name] = number + 1
                place += f"/{name}_{number}" if number else f"/{name}"
            if id(child) not in skipped:
                yield from _walk(child, place, seen, around)


def _container_name(layer: Any) -> str:
    from multikeras.models import Model, Sequential

    if isinstance(layer, Model) and type(layer) in (Model, Sequential):
        return "sequential" if isinstance(layer, Sequential) else "functional"
    # ConvLSTM2D is conv_lstm2d there, and conv_lst_m2d by the names that Keras 2 gives.
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _children(layer: Any) -> Iterator[tuple[str, Any]]:
    """Attributes that hold layers, and the layers; those of a model first."""
    from multikeras.layers import Layer
    from multikeras.models import Model, Sequential

    if isinstance(layer, Model):
        yield "layers", list(layer.layers)
        if type(layer) in (Model, Sequential):
            return
    for name in sorted(vars(layer), key=lambda name: ("~" if name.startswith("_") else "") + name):
        value = vars(layer)[name]
        if name in _SKIPPED:
            continue
        if isinstance(value, Layer):
            yield name, value
        elif isinstance(value, (list, tuple)) and any(isinstance(entry, Layer) for entry in value):
            yield name, [entry for entry in value if isinstance(entry, Layer)]


# -- writing ------------------------------------------------------------------------------------


def write(group: Any, model: Any) -> None:
    """Writes the weights of a model into an open group of h5py."""
    with storage.held():
        for place in places(model):
            made = group.require_group(f"{place.path}/vars".lstrip("/"))
            write_text(made, "name", place.name)
            for i, variable in enumerate(place.variables):
                write_array(made, str(i), storage.seen(variable))


# -- reading ------------------------------------------------------------------------------------


def is_keras3(root: Group) -> bool:
    """Whether a file of weights has this layout."""
    return root.texts("layer_names") is None and ("layers" in root or "vars" in root) and "model_weights" not in root


def read(root: Group) -> Paths:
    """All arrays of a file, by the path of their layer."""
    found: Paths = {}
    stack = [(root, "")]
    while stack:
        group, path = stack.pop()
        for name in group.names():
            if not path and name in _NOT_LAYERS:
                continue
            if group.is_array(name):
                raise CorruptFileError(f"{group.where}: the array {name!r} stands outside of any 'vars'.")
            child = group.group(name)
            if name == "vars":
                found[path] = _numbered(child)
            else:
                stack.append((child, f"{path}/{name}"))
    return found


def _numbered(group: Group) -> list[np.ndarray]:
    names = group.names()
    if sorted(names) != sorted(str(i) for i in range(len(names))):
        raise CorruptFileError(f"{group.where}: weights are numbered from 0 on, received {', '.join(sorted(names))}.")
    return [group.array(str(i)) for i in range(len(names))]


def set_weights(model: Any, found: Paths, where: str, skip_mismatch: bool = False, reshape: bool = False) -> None:
    """Gives a model the weights of a file.

    Args:
        model: The model.
        found: What `read` gave.
        where: Name of the file.
        skip_mismatch: Leave layers whose weights differ as they are, with a warning.
        reshape: Bring arrays of as many numbers into the shapes of the weights.

    Raises:
        ValueError: If a layer has no weights in the file, or other ones, or the file has more. The model is then as
            it was.
    """
    _set(model, places(model), found, where, skip_mismatch, reshape)


def names_of_layers(root: Group) -> dict[str, str]:
    """Names of the layers of a model in a file of weights, and the paths under which they stand.

    Raises:
        CorruptFileError: If the file does not say them, or one twice.
    """
    found: dict[str, str] = {}
    if "layers" not in root:
        return found
    layers = root.group("layers")
    for each in layers.names():
        layer = layers.group(each)
        name = layer.group("vars").text("name") if "vars" in layer else None
        if name is None or name in found:
            raise CorruptFileError(f"{root.where} does not say under which name {each!r} stands, to be found by it.")
        found[name] = f"/layers/{each}"
    return found


def set_by_name(
    model: Any, found: Paths, names: Mapping[str, str], where: str, skip_mismatch: bool = False, reshape: bool = False
) -> None:
    """Gives the layers of a model whose names are in a file the weights of that name, and leaves the others.

    Args:
        model: The model.
        found: What `read` gave.
        names: What `names_of_layers` gave.
        where: Name of the file.
        skip_mismatch: Leave layers whose weights differ as they are, with a warning.
        reshape: Bring arrays of as many numbers into the shapes of the weights.

    Raises:
        ValueError: If weights of a layer of this name do not fit. The model is then as it was.
    """
    stored: dict[str, Paths] = {}
    for path, arrays in found.items():
        outer = _outer(path)
        stored.setdefault(outer, {})[path[len(outer) :]] = arrays
    named: dict[str, bool] = {}
    moved: Paths = {}
    chosen = []
    for place in places(model):
        outer = _outer(place.path)
        if outer not in named:
            # A layer comes before those inside it.
            named[outer] = place.name in names and outer.startswith("/layers/")
            if named[outer]:
                moved.update({outer + rest: arrays for rest, arrays in stored.get(names[place.name], {}).items()})
        if named[outer]:
            chosen.append(place)
    _set(model, chosen, moved, where, skip_mismatch, reshape)


def _outer(path: str) -> str:
    """The path of the layer of the model itself that another one is, or is inside of."""
    return "/".join(path.split("/", 3)[:3])


def _set(
    model: Any, wanted: Sequence[Place], found: Paths, where: str, skip_mismatch: bool = False, reshape: bool = False
) -> None:
    left = {path: arrays for path, arrays in found.items() if arrays}
    pairs: list[tuple[Any, np.ndarray]] = []
    given = {id(variable) for place in wanted if place.path in left for variable in place.variables}
    for place in wanted:
        arrays = left.pop(place.path, [])
        if not arrays and all(id(variable) in given for variable in place.variables):
            # Keras 3 writes a layer that stands in several places once.
            continue
        if reshape and len(arrays) == len(place.variables):
            arrays = [in_shape(array, variable) for array, variable in zip(arrays, place.variables, strict=True)]
        problem = _problem(place, arrays)
        if problem is None:
            pairs += zip(place.variables, arrays, strict=True)
            continue
        message = f"Layer {place.name!r}: {problem} in {where} (under {place.path + '/vars'!r})."
        if not skip_mismatch:
            raise ValueError(message)
        warnings.warn(f"{message} It keeps its weights.", stacklevel=5)
    others = [path for path in left if path.rpartition("/")[2] not in _NOT_LAYERS]
    if others and not skip_mismatch:
        raise ValueError(f"{where} holds weights for layers that model {model.name!r} does not have: {others[:5]}.")
    storage.write_all(pairs)


def _problem(place: Place, arrays: Sequence[np.ndarray]) -> str | None:
    if len(arrays) != len(place.variables):
        return f"it has {len(place.variables)} weights, and there are {len(arrays)}"
    for variable, array in zip(place.variables, arrays, strict=True):
        if variable.shape != array.shape:
            return f"weight {variable.name!r} has shape {variable.shape}, and there is shape {array.shape}"
    return None
