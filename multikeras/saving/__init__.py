"""Saving and loading models."""

from multikeras.saving.exported import export_savedmodel, load_savedmodel
from multikeras.saving.files import load_model, load_weights, save_model, save_weights
from multikeras.saving.reader import CorruptFileError, UnsafeFileError

__all__ = [
    "CorruptFileError",
    "UnsafeFileError",
    "export_savedmodel",
    "load_model",
    "load_savedmodel",
    "load_weights",
    "save_model",
    "save_weights",
]
