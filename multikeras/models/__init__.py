"""Models: `Sequential`, `Model`, and making them from configurations."""

from multikeras.layers.input_layer import Input
from multikeras.models.clone import clone_model
from multikeras.models.configuration import model_from_config
from multikeras.models.freezing import freeze_weights, unfreeze_weights
from multikeras.models.model import Model
from multikeras.models.network import Network, get_source_inputs
from multikeras.models.sequential import Sequential
from multikeras.saving import (
    export_savedmodel,
    load_model,
    load_savedmodel,
    model_from_json,
    model_from_yaml,
    save_model,
    serialize_model,
    unserialize_model,
)

__all__ = [
    "Input",
    "Model",
    "Network",
    "Sequential",
    "clone_model",
    "export_savedmodel",
    "freeze_weights",
    "get_source_inputs",
    "load_model",
    "load_savedmodel",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "save_model",
    "serialize_model",
    "unfreeze_weights",
    "unserialize_model",
]
