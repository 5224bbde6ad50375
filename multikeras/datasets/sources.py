"""Where the data sets come from, and reading their files without running code from them."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.lib import format as npy

from multikeras import config
from multikeras.saving.reading.archives import members
from multikeras.utils.downloads import get_file

Pair = tuple[np.ndarray, np.ndarray]

#: Directory of the files that Google keeps for Keras.
KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
CIFAR_FILES = "https://www.cs.toronto.edu/~kriz/"


def fetched(
    path: str, origin: str, file_hash: str | None = None, untar: bool = False, directory: str = "datasets"
) -> str:
    """A file of a data set; one that is there is used as it is, whatever its hash.

    Args:
        path: Its name in the cache, or an absolute path.
        origin: The URL.
        file_hash: Its hash, checked when it is fetched.
        untar: Whether it is an archive, and `path` the directory in it.
        directory: Directory in the cache.
    """
    place = Path(config.home()) / directory / Path(path).expanduser()
    if place.exists():
        return str(place)
    return get_file(path, origin, untar=untar, file_hash=file_hash, cache_subdir=directory)


class _Type:
    """What a pickle says of a data type. NumPy's own reader of it takes flags and offsets as they come."""

    def __init__(self, name: Any, *_: Any) -> None:
        text = name.decode("ascii") if isinstance(name, bytes) else str(name)
        self.dtype = np.dtype(text)
        if self.dtype.kind not in "biufSUO":
            raise pickle.UnpicklingError(f"it holds values of type {text!r}")

    def __setstate__(self, state: Any) -> None:
        order: Any
        _, order, inner, names, fields, *_ = state
        if inner is not None or names is not None or fields is not None:
            raise pickle.UnpicklingError("it holds records")
        order = order.decode("ascii") if isinstance(order, bytes) else order
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """What a pickle says of an array: of numbers from their bytes, of objects from a list of them."""

    value: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, is_fortran, content = state
        if kind.dtype.hasobject:
            if not isinstance(content, list):
                raise pickle.UnpicklingError("it holds objects as bytes")
            self.value = np.empty(len(content), dtype=object)
            for i, entry in enumerate(content):
                self.value[i] = entry
        else:
            raw = content.encode("latin1") if isinstance(content, str) else content
            self.value = np.frombuffer(raw, kind.dtype).copy()
        self.value = self.value.reshape(shape, order="F" if is_fortran else "C")


class _Function:
    """A function that a pickle may call, and not change: `BUILD` would write into its defaults."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")


@_Function
def _reconstruct(*_: Any) -> _Array:
    return _Array()


@_Function
def _scalar(kind: _Type, content: Any = b"") -> Any:
    if kind.dtype.hasobject:
        raise pickle.UnpicklingError("it holds a number that is none")
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, kind.dtype)[0]


@_Function
def _encoded(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


class _Numbers(pickle.Unpickler):
    """Reads pickles of lists, dictionaries and arrays; anything else could run code.

    NumPy's classes could as well: given other bytes than they wrote, they make pointers of them.
    """

    _NAMES: ClassVar[dict[str, Any]] = {
        "_reconstruct": _reconstruct,
        "dtype": _Type,
        "ndarray": _Array,
        "scalar": _scalar,
    }
    _MODULES = frozenset({"numpy", "numpy.core.multiarray", "numpy._core.multiarray"})

    def find_class(self, module: str, name: str) -> Any:
        if module in self._MODULES and name in self._NAMES:
            return self._NAMES[name]
        if (module, name) == ("_codecs", "encode"):
            # Bytes of Python 2, as NumPy pickles them.
            return _encoded
        raise pickle.UnpicklingError(f"it names {module}.{name}, which a data set has no use for")


def _plain(value: Any, known: dict[int, tuple[Any, Any]]) -> Any:
    """What was read, with arrays in the place of their descriptions.

    Args:
        value: What was read.
        known: What was met before, by its identity, beside what it became: a few objects that hold each other twice
            stand for more than any memory.
    """
    if not isinstance(value, (_Array, list, tuple, dict)):
        return value
    if id(value) in known:
        return known[id(value)][1]
    made: Any
    if isinstance(value, _Array):
        made = value.value
        known[id(value)] = value, made
        if made.dtype.hasobject:
            made[...] = _filled(made, [_plain(entry, known) for entry in made.copy().ravel()])
    elif isinstance(value, list):
        made = []
        known[id(value)] = value, made
        made.extend(_plain(entry, known) for entry in value)
    elif isinstance(value, tuple):
        made = tuple(_plain(entry, known) for entry in value)
        known[id(value)] = value, made
    else:
        made = {}
        known[id(value)] = value, made
        made.update((key, _plain(entry, known)) for key, entry in value.items())
    return made


def _filled(like: np.ndarray, entries: Sequence[Any]) -> np.ndarray:
    made = np.empty(len(entries), dtype=object)
    for i, entry in enumerate(entries):
        made[i] = entry
    return made.reshape(like.shape)


def unpickled(content: bytes, where: str, encoding: str = "ASCII") -> Any:
    """What a pickle of numbers holds.

    Raises:
        ValueError: If it holds anything else.
    """
    try:
        return _plain(_Numbers(io.BytesIO(content), encoding=encoding).load(), {})
    except (
        *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError),
        *(pickle.UnpicklingError, RecursionError, TypeError, ValueError),
    ) as error:
        raise ValueError(f"{where} cannot be read: {error}. Delete the file to fetch it again.") from error


def arrays(path: str, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays of an npz file, also arrays of lists.

    Raises:
        ValueError: If it is no npz file, lacks one of them, or holds what could run code.
    """
    try:
        found = members(path, {f"{name}.npy": True for name in names})
    except ValueError as error:
        raise ValueError(f"{path} is not the data set's file: {error} Delete it to fetch it again.") from error
    return [_array(io.BytesIO(found[f"{name}.npy"]), f"{name!r} in {path}") for name in names]


def _array(file: io.BytesIO, where: str) -> np.ndarray:
    try:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        content = file.read()
        if dtype.hasobject:
            return _texts(unpickled(content, where, encoding="latin1"), len(content)).reshape(shape)
        if prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"it declares shape {shape} of type {dtype}, and holds {len(content):,} bytes")
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{where} cannot be read: {error}") from error


def _texts(content: Any, size: int) -> np.ndarray:
    """An array of lists, none of which stands in a pickle of that many bytes for more than it holds."""
    if not isinstance(content, np.ndarray):
        raise ValueError(f"it holds {type(content).__name__}, and no array")
    if sum(len(entry) for entry in content.ravel() if isinstance(entry, list)) > size:
        raise ValueError(f"its lists have more entries than it has bytes, {size:,}")
    return content


def word_sequences(
    xs: Any,
    name: str,
    num_words: int | None,
    skip_top: int,
    maxlen: int | None,
    start_char: int | None,
    oov_char: int | None,
    index_from: int,
) -> np.ndarray:
    """Texts as lists of word numbers, as `load_data` of the text sets describes.

    Returns:
        An object array of lists.
    """
    if maxlen is not None and maxlen < 1:
        raise ValueError(f"{name}.load_data: maxlen is at least 1, or None; received {maxlen}.")
    result = np.empty(len(xs), dtype=object)
    for i, x in enumerate(xs):
        words = [int(word) + index_from for word in x]
        if start_char is not None:
            words.insert(0, start_char)
        if maxlen is not None:
            words = words[:maxlen]
        used = ((word, skip_top <= word and (num_words is None or word < num_words)) for word in words)
        if oov_char is None:
            result[i] = [word for word, is_used in used if is_used]
        else:
            result[i] = [word if is_used else oov_char for word, is_used in used]
    return result


def number_of_words(name: str, num_words: int | None, kwargs: dict[str, Any]) -> int | None:
    """`num_words`, which Keras 1 called `nb_words`."""
    if "nb_words" in kwargs:
        if num_words is not None:
            raise TypeError(f"{name}.load_data: 'nb_words' is the old name of 'num_words'; both were given.")
        num_words = kwargs.pop("nb_words")
    if kwargs:
        raise TypeError(f"{name}.load_data takes no argument {', '.join(map(repr, sorted(kwargs)))}.")
    return num_words


def numbers_of_words(path: str) -> dict[str, int]:
    """The table of a file that numbers words.

    Raises:
        ValueError: If it is another file.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or {*map(type, found.values())} - {int}:
            raise ValueError("it is no table of numbers")
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not the data set's file: {error}. Delete it to fetch it again.") from error
    return found


def shuffled(generator: np.random.RandomState, *columns: np.ndarray) -> list[np.ndarray]:
    """Columns in one random order."""
    order = np.arange(len(columns[0]))
    generator.shuffle(order)
    return [column[order] for column in columns]
