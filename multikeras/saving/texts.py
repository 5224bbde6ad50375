"""Architectures as texts: JSON and YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from multikeras import backend as K
from multikeras.saving.byte_code import without_code
from multikeras.saving.hdf5.older import present_configuration
from multikeras.saving.libraries import yaml as _yaml
from multikeras.saving.reading import reader, yaml_data
from multikeras.saving.snapshot import KERAS_VERSION, architecture_of


def _content(model: Any) -> dict[str, Any]:
    from multikeras import __version__

    made = architecture_of(model)
    return {**made, "keras_version": KERAS_VERSION, "multikeras_version": __version__, "backend": K.backend()}


def to_json(model: Any, **kwargs: Any) -> str:
    """The architecture of a model as JSON; keywords go to `json.dumps`."""
    return json.dumps(_content(model), **kwargs)


def to_yaml(model: Any, **kwargs: Any) -> str:
    """The architecture of a model as YAML; keywords go to `yaml.safe_dump`.

    Raises:
        ImportError: If PyYAML is not installed.
    """
    text: str = _yaml().safe_dump(_content(model), **kwargs)
    return text


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a JSON architecture, with new weights.

    Args:
        json_string: What `to_json` gave.
        custom_objects: Classes and functions of one's own, by name.

    Raises:
        ValueError: If it is no architecture.
    """
    return _model(reader.parsed(json_string, "The JSON of a model"), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a YAML architecture, with new weights; tags that make Python objects are refused.

    Args:
        yaml_string: What `to_yaml` gave.
        custom_objects: Classes and functions of one's own, by name.

    Raises:
        ImportError: If PyYAML is not installed.
        ValueError: If it is no architecture.
    """
    return _model(yaml_data.parsed(yaml_string, "The YAML of a model"), custom_objects)


def present(content: Any) -> Any:
    """The configuration of a model, as any version of Keras or a file has it, in the form of today."""
    from multikeras.saving.keras3 import config as keras3_config

    if keras3_config.is_keras3(content):
        return keras3_config.from_keras3(content)
    return present_configuration(keras3_config.with_listed_inputs(content))


def _model(content: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    from multikeras.layers import deserialize, sharing
    from multikeras.models import configuration

    with reader.understanding("The text of a model"), sharing.apart():
        content, _ = without_code(present(content), True, "The text of a model")
        model = deserialize(content, custom_objects)
        if isinstance(content, Mapping):
            configuration.build(model, content)
        return model
