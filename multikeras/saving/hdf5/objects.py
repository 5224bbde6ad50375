"""Attributes and arrays of HDF5, written through h5py's lower level, which takes half the time for small ones."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np

from multikeras.saving.libraries import h5py as _h5py


def new_file(path: Any) -> Any:
    """A new file of h5py, open for writing: `h5py.File(path, "w")` with its defaults, in half the time.

    Args:
        path: Where to.
    """
    h5py = _h5py()
    access, creation = _of_files()
    return h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, creation, access))


def is_empty(group: Any) -> bool:
    """Whether a group of h5py holds nothing, neither objects nor attributes."""
    return not group.id.get_num_objs() and not _h5py().h5a.get_num_attrs(group.id)


def make_group(group: Any, name: str) -> Any:
    """A group of h5py within another; one that is there, since a name went through it, is taken.

    Args:
        group: The outer group.
        name: Name, with slashes between groups, which are made where they are not there yet.
    """
    h5py, encoded = _h5py(), name.encode("utf-8")
    if name in group:
        return h5py.Group(h5py.h5g.open(group.id, encoded))
    return h5py.Group(h5py.h5g.create(group.id, encoded, _through_groups()))


def write_text(group: Any, name: str, text: str) -> None:
    """Gives a group of h5py an attribute that is a text, of any length.

    Args:
        group: The group.
        name: Name of the attribute; one of this name is replaced.
        text: The text.
    """
    # Of variable length, since the header of a group has no room for more than 64 KiB.
    _write_attribute(group, name, np.array(text.encode("utf-8"), object), *_text())


def write_texts(group: Any, name: str, texts: np.ndarray) -> None:
    """Gives a group of h5py an attribute that is an array of bytes; arguments as of `write_text`."""
    kind = _fixed(texts.dtype)
    _write_attribute(group, name, texts, kind, kind, _h5py().h5s.create_simple(texts.shape))


def _write_attribute(group: Any, name: str, value: np.ndarray, kind: Any, given: Any, space: Any) -> None:
    attributes = _h5py().h5a
    encoded = name.encode("utf-8")
    if attributes.exists(group.id, encoded):
        attributes.delete(group.id, encoded)
    attributes.create(group.id, encoded, kind, space).write(value, mtype=given)


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
    kind = _fixed(array.dtype)
    space = h5py.h5s.create_simple(array.shape)
    made = h5py.h5d.create(group.id, name.encode("utf-8"), kind, space, _as_given(), _through_groups())
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, array, kind)


@cache
def _of_files() -> tuple[Any, Any]:
    """Properties of files: any HDF5 reads them, closing them closes all that is in them, no times are kept."""
    h5py = _h5py()
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_EARLIEST, h5py.h5f.LIBVER_LATEST)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    return access, creation


@cache
def _text() -> tuple[Any, Any, Any]:
    """One text of variable length: its type in files and in Python, and its space; they take longer than writing it."""
    h5py = _h5py()
    kind = h5py.string_dtype("ascii")
    return h5py.h5t.py_create(kind, logical=True), h5py.h5t.py_create(kind), h5py.h5s.create(h5py.h5s.SCALAR)


@cache
def _fixed(dtype: np.dtype[Any]) -> Any:
    """The type of HDF5 for numbers and bytes."""
    return _h5py().h5t.py_create(dtype, logical=True)


@cache
def _as_given() -> Any:
    """Properties of an array that is written at once, and need not be filled before."""
    h5py = _h5py()
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    properties.set_obj_track_times(False)
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
