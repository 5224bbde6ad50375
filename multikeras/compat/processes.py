"""`import keras` in the processes that a program starts: there too it means multikeras.

A process that is not forked begins without anything of its parent; what `multiprocessing` sends it first tells it.
"""

from __future__ import annotations

import importlib
from multiprocessing import spawn
from typing import Any

from multikeras import backend as K

#: Key in what a new process is sent; `multiprocessing` does not look at it.
_KEY = "multikeras_compat"

_plain: Any = None


class _Installed:
    """Installs the finder where it is read from a pickle."""

    def __reduce__(self) -> Any:
        return _installed, (told(),)


def told() -> str | None:
    """What K answers when programs ask for its backend; None if that is the truth."""
    return K.__dict__.get("_BACKEND")


def _installed(backend: str | None) -> None:
    from multikeras import compat

    compat.install(backend)


def module(name: str, backend: str | None) -> Any:
    """A module under its name in Keras, in a process that may not know it yet."""
    _installed(backend)
    return importlib.import_module(name)


def install() -> None:
    """From now on processes that are started are told."""
    global _plain
    if _plain is not None:
        return
    plain = _plain = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        # Before the main module of the program, which a new process runs again, imports Keras.
        return {_KEY: _Installed(), **plain(name)}

    spawn.get_preparation_data = get_preparation_data


def uninstall() -> None:
    """Takes it back."""
    global _plain
    if _plain is not None:
        spawn.get_preparation_data, _plain = _plain, None
