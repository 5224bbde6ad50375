"""Libraries that saving needs and that are loaded when they are used."""

from __future__ import annotations

from typing import Any


def h5py() -> Any:
    """The module `h5py`.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import h5py as module
    except ImportError as error:
        raise ImportError(
            "Model files are HDF5 files, for which the package h5py is needed: pip install h5py"
        ) from error
    return module


def yaml() -> Any:
    """The module `yaml`.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import yaml as module
    except ImportError as error:
        raise ImportError("YAML needs the package PyYAML: pip install pyyaml") from error
    return module


def onnx() -> Any:
    """The module `onnx`.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import onnx as module
    except ImportError as error:
        raise ImportError("Exporting needs the package onnx: pip install onnx") from error
    return module
