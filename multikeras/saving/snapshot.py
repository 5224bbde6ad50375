"""What a model file holds, apart from any format: configuration, weights, training, optimizer.

Formats turn a `Snapshot` into a file and back; only this module and `weights` touch models. The values of
a model are not copied for that: they are read one by one, while they are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multikeras import backend as K
from multikeras.lookup import get_registered_name
from multikeras.saving import flags
from multikeras.saving.hdf5 import order as layer_order
from multikeras.saving.plain import plain
from multikeras.saving.states import States, states_of
from multikeras.saving.streams import Streams, streams_of

_LONG_NAMES = {
    "acc": "accuracy",
    "cosine": "cosine_proximity",
    "kld": "kullback_leibler_divergence",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
}

#: The version of Keras whose file format is written.
KERAS_VERSION = "2.3.1"


@dataclass
class LayerWeights:
    """The weights of one layer.

    Attributes:
        name: Name of the layer.
        weights: Names and values, in the order of the file; of a model, the variables that have the values.
        places: Where each belongs among the weights of the layer; None if the file does not say. See `hdf5.order`.
    """

    name: str
    weights: list[tuple[str, Any]]
    places: list[int] | None = None


@dataclass
class Snapshot:
    """A model at one moment.

    Attributes:
        architecture: `{'class_name': …, 'config': …}`; None in a file of weights alone.
        layers: Weights by layer, in the model's order.
        training: What compile was told, as plain data; None if the model was not compiled.
        optimizer: Names and values of the optimizer's state, as of `LayerWeights`; None if it was left out.
        streams: Where the random nodes of the model stand; None if it was left out.
        states: What the stateful layers of the model keep; None if it was left out.
        keras_version: Version of the Keras that wrote it.
        backend: Backend that it was written under.
    """

    architecture: dict[str, Any] | None
    layers: list[LayerWeights]
    training: dict[str, Any] | None = None
    optimizer: list[tuple[str, Any]] | None = None
    streams: Streams | None = None
    states: States | None = None
    keras_version: str = KERAS_VERSION
    backend: str = field(default_factory=K.backend)


def architecture_of(model: Any) -> dict[str, Any]:
    """Class and configuration of a model as plain data; of one that is code, also what it was built for."""
    from multikeras.models import configuration

    content = {"class_name": get_registered_name(type(model)), "config": model.get_config()}
    return plain({**content, **configuration.built_for(model)}, f"model {model.name!r}")


def take(model: Any, include_optimizer: bool = True) -> Snapshot:
    """A model as it is now.

    Raises:
        NotImplementedError: If it has no configuration (a subclass with a `call` of its own).
        ValueError: If it has no weights yet.
    """
    training = training_of(model) if include_optimizer else None
    return Snapshot(
        architecture=architecture_of(model),
        layers=weights_of(model),
        training=training,
        optimizer=optimizer_of(model) if training is not None else None,
        streams=streams_of(model) if training is not None and model.inputs else None,
        states=states_of(model) if include_optimizer else None,
    )


def weights_of(model: Any) -> list[LayerWeights]:
    """The weights of every layer of a model."""
    return [_weights_of_layer(layer) for layer in model.layers]


def _weights_of_layer(layer: Any) -> LayerWeights:
    variables = layer_order.variables(layer)
    named = list(zip(names_in(layer.name, variables), variables, strict=True))
    places = layer_order.places(layer)
    return LayerWeights(layer.name, named if places is None else [named[place] for place in places], places)


def names_in(layer: str, variables: Sequence[Any]) -> list[str]:
    """Names for the weights of a layer, unique among them, and the same in every session."""
    taken: set[str] = set()
    names = []
    for variable in variables:
        first = name = variable.__dict__.get("plain_name") or variable.name or f"{layer}/weight"
        number = 0
        while name in taken:
            number += 1
            name = f"{first}_{number}"
        taken.add(name)
        names.append(f"{name}:0")
    return names


def training_of(model: Any) -> dict[str, Any] | None:
    """What compile was told, as plain data; None if the model was not compiled."""
    compiled = getattr(model, "_compiled", None)
    if compiled is None:
        return None
    from multikeras import losses, metrics, optimizers

    loss, given_metrics, loss_weights, mode, weighted = compiled.arguments[:5]
    trainable = flags.at_compile(model)
    return plain(
        {
            "optimizer_config": optimizers.serialize(compiled.optimizer),
            "loss": _each(loss, losses.serialize),
            "metrics": _each(given_metrics, metrics.serialize),
            "weighted_metrics": _each(weighted, metrics.serialize),
            "sample_weight_mode": mode,
            "loss_weights": loss_weights,
            **_ours_alone(trainable, compiled.arguments),
        },
        f"the training configuration of model {model.name!r}",
    )


def _ours_alone(trainable: list[bool] | None, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """What training needs besides, to go on as it was: flags, and names as they were given, which history shows."""
    from multikeras import losses, metrics

    found: dict[str, Any] = {} if trainable is None else {"multikeras_trainable": trainable}
    serialize = {"loss": losses.serialize, "metrics": metrics.serialize, "weighted_metrics": metrics.serialize}
    values = {"loss": arguments[0], "metrics": arguments[1], "weighted_metrics": arguments[4]}
    given = {key: _each(value, serialize[key], as_given=True) for key, value in values.items()}
    short = {key: value for key, value in given.items() if value != _each(values[key], serialize[key])}
    return {**found, "multikeras_given": short} if short else found


def as_given(training: Mapping[str, Any]) -> dict[str, Any]:
    """What compile was told, with names of losses and metrics as they were given, where the long ones still stand."""
    given = training.get("multikeras_given")
    found = given.items() if isinstance(given, Mapping) else ()
    same = {key: value for key, value in found if _each(value, dict) == training.get(key)}
    return {**training, **same}


def _each(value: Any, serialize: Any, as_given: bool = False) -> Any:
    """Losses or metrics in any nesting of lists and dictionaries, each as plain data."""
    if isinstance(value, str):
        # Keras 3 does not find short names in a file of this layout.
        return value if as_given else _LONG_NAMES.get(value.lower(), value)
    if value is None:
        return value
    if isinstance(value, Mapping) and {"class_name", "config"} <= set(value):
        # What a file gave for an object, which compile takes as well.
        return value
    if isinstance(value, Mapping):
        return {name: _each(entry, serialize, as_given) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each(entry, serialize, as_given) for entry in value]
    return serialize(value)


def optimizer_of(model: Any) -> list[tuple[str, Any]]:
    """Names and variables of the state of a model's optimizer; empty before its first step."""
    weights = list(getattr(model.optimizer, "weights", []))
    return list(zip(names_in("optimizer", weights), weights, strict=True))


def to_json(content: Any) -> str:
    """Plain data as JSON."""
    return json.dumps(content)
