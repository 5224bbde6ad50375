"""Saving and loading models."""

from multikeras.saving.files import load_model, load_weights, save_model, save_weights
from multikeras.saving.reader import CorruptFileError, UnsafeFileError

__all__ = ["CorruptFileError", "UnsafeFileError", "load_model", "load_weights", "save_model", "save_weights"]
