"""What reading a file may fail with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Most characters of a message, which may quote a whole configuration.
_LONGEST = 4000

_CODING = (UnicodeDecodeError, UnicodeEncodeError)


class UnsafeFileError(ValueError):
    """A file holds what reading a model does not allow."""


class CorruptFileError(ValueError):
    """A file is not what it should be: cut off, damaged, or no model file at all."""


@contextmanager
def understanding(where: str) -> Iterator[None]:
    """A block that makes objects of a configuration, whose entries may be of any kind.

    Args:
        where: Name of the file, which every message of the block begins with.

    Raises:
        CorruptFileError: Instead of what Python raises where an entry is of another kind than it should be.
        UnsafeFileError: Where it asks for more memory than there is.
        ValueError: Where an entry is refused by the class that it is for.
        NotImplementedError: The same.
    """
    try:
        yield
    except (UnsafeFileError, CorruptFileError) as error:
        if where in str(error):
            raise
        raise type(error)(f"{where}: {_short(error)}") from error
    except (AttributeError, ArithmeticError, LookupError, RecursionError, TypeError) as error:
        raise CorruptFileError(
            f"{where}: the configuration cannot be read: {type(error).__name__}: {_short(error)}"
        ) from error
    except MemoryError as error:
        raise UnsafeFileError(f"{where}: the configuration asks for more memory than there is: {error}") from error
    except (ValueError, NotImplementedError) as error:
        # Errors of coding are made of other arguments than a message; other subclasses are somebody's own.
        if where in str(error) or type(error) not in (ValueError, NotImplementedError, *_CODING):
            raise
        kind = NotImplementedError if isinstance(error, NotImplementedError) else ValueError
        raise kind(f"{where}: {_short(error)}") from error


def _short(error: Exception) -> str:
    words = str(error)
    return words if len(words) <= _LONGEST else words[:_LONGEST] + "…"
