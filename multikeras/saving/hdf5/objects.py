"""Attributes and arrays of HDF5, written through h5py's lower level, which takes half the time for small ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from multikeras.saving.libraries import h5py as _h5py


def write_text(group: Any, name: str, text: str) -> None:
    """Gives a group of h5py an attribute that is a text, of any length.

    Args:
        group: The group.
        name: Name of the attribute; one of this name is replaced.
        text: The text.
    """
    h5py = _h5py()
    # Of variable length, since the header of a group has no room for more than 64 KiB.
    _write_attribute(group, name, np.array(text.encode("utf-8"), object), h5py.string_dtype("ascii"))


def write_texts(group: Any, name: str, texts: np.ndarray) -> None:
    """Gives a group of h5py an attribute that is an array of bytes; arguments as of `write_text`."""
    _write_attribute(group, name, texts, texts.dtype)


def _write_attribute(group: Any, name: str, value: np.ndarray, kind: np.dtype[Any]) -> None:
    h5py = _h5py()
    encoded = name.encode("utf-8")
    if h5py.h5a.exists(group.id, encoded):
        h5py.h5a.delete(group.id, encoded)
    space = h5py.h5s.create_simple(value.shape) if value.ndim else h5py.h5s.create(h5py.h5s.SCALAR)
    made = h5py.h5a.create(group.id, encoded, h5py.h5t.py_create(kind, logical=True), space)
    made.write(value, mtype=h5py.h5t.py_create(kind))


def write_array(group: Any, name: str, value: np.ndarray) -> None:
    """Adds an array of numbers to a group of h5py, with the groups that its name goes through.

    Args:
        group: The group.
        name: Name, with slashes between groups.
        value: The array.
    """
    if value.dtype.kind not in "biuf" or not value.size or not value.ndim:
        # Empty arrays are no contiguous ones, and numbers of other kinds need h5py's conversions.
        group.create_dataset(name, data=value)
        return
    h5py = _h5py()
    array = np.ascontiguousarray(value)
    kind = h5py.h5t.py_create(array.dtype, logical=True)
    space = h5py.h5s.create_simple(array.shape)
    made = h5py.h5d.create(group.id, name.encode("utf-8"), kind, space, _as_given(), _through_groups())
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, array)


@cache
def _as_given() -> Any:
    """Properties of an array that is written at once, and need not be filled before."""
    h5py = _h5py()
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return properties


@cache
def _through_groups() -> Any:
    """Properties of a link whose path may go through groups that are not there yet."""
    h5py = _h5py()
    properties = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    properties.set_create_intermediate_group(True)
    # Names beyond ASCII.
    properties.set_char_encoding(h5py.h5t.CSET_UTF8)
    return properties
