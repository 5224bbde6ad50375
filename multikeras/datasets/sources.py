"""Where the data sets come from, and reading their files without running code from them."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from multikeras import config
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


class _Numbers(pickle.Unpickler):
    """Reads pickles of lists, dictionaries and arrays; anything else could run code."""

    _ALLOWED = frozenset({"_reconstruct", "ndarray", "dtype", "scalar"})
    _MODULES = frozenset({"numpy", "numpy.core.multiarray", "numpy._core.multiarray"})

    def find_class(self, module: str, name: str) -> Any:
        if module in self._MODULES and name in self._ALLOWED:
            if name in ("ndarray", "dtype"):
                return getattr(np, name)
            return getattr(np._core.multiarray, name)  # type: ignore[attr-defined]
        if (module, name) == ("_codecs", "encode"):
            # Bytes of Python 2, as NumPy pickles them.
            return _encoded
        raise pickle.UnpicklingError(f"it names {module}.{name}, which a data set has no use for")


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


def unpickled(content: bytes, where: str, encoding: str = "ASCII") -> Any:
    """What a pickle of numbers holds.

    Raises:
        ValueError: If it holds anything else.
    """
    try:
        return _Numbers(io.BytesIO(content), encoding=encoding).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{where} cannot be read: {error}. Delete the file to fetch it again.") from error


def arrays(path: str, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays of an npz file, also arrays of lists.

    Raises:
        ValueError: If it is no npz file, lacks one of them, or holds what could run code.
    """
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                with archive.open(f"{name}.npy") as member:
                    found.append(_array(io.BytesIO(member.read()), f"{name!r} in {path}"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{path} is not the data set's file: {error}. Delete it to fetch it again.") from error
    return found


def _array(file: io.BytesIO, where: str) -> np.ndarray:
    try:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject:
            content = np.asarray(unpickled(file.read(), where, encoding="latin1"), dtype=object)
            return content.reshape(shape)
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{where} cannot be read: {error}") from error


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


def shuffled(generator: np.random.RandomState, *columns: np.ndarray) -> list[np.ndarray]:
    """Columns in one random order."""
    order = np.arange(len(columns[0]))
    generator.shuffle(order)
    return [column[order] for column in columns]
