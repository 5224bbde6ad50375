"""Saving and loading models."""

from multikeras.saving.files import (
    load_model,
    load_weights,
    save_model,
    save_weights,
    serialize_model,
    unserialize_model,
)
from multikeras.saving.graphs.exported import export_savedmodel, load_savedmodel
from multikeras.saving.reading.reader import CorruptFileError, UnsafeFileError
from multikeras.saving.texts import model_from_json, model_from_yaml, to_json, to_yaml

__all__ = [
    "CorruptFileError",
    "UnsafeFileError",
    "export_savedmodel",
    "load_model",
    "load_savedmodel",
    "load_weights",
    "model_from_json",
    "model_from_yaml",
    "save_model",
    "save_weights",
    "serialize_model",
    "to_json",
    "to_yaml",
    "unserialize_model",
]
