"""Keras on NumPy, JAX, PyTorch and CuPy: one program, four backends.

Importing this package looks up which backend is chosen, says so on stderr, and imports nothing but
NumPy; sub-packages load when they are used, the backend's library when the first array needs it.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from multikeras import config, registry

if TYPE_CHECKING:
    from multikeras.layers import Input
    from multikeras.models import Model, Sequential

__version__ = "0.1.0"

__all__ = ["Input", "Model", "Sequential", "__version__"]

#: Names of sub-packages and modules, imported when they are first asked for.
_MODULES = frozenset(
    {
        "activations",
        "backend",
        "callbacks",
        "compat",
        "constraints",
        "contract",
        "datasets",
        "graph",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "models",
        "objectives",
        "optimizers",
        "preprocessing",
        "programs",
        "regularizers",
        "saving",
        "testing",
        "utils",
        "wrappers",
    }
)

#: Names at the top, and the module that has them.
_NAMES = {"Input": "multikeras.layers", "Model": "multikeras.models", "Sequential": "multikeras.models"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"multikeras.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        # Kept, so that the next look-up is an ordinary one.
        globals()[name] = value
        return value
    raise AttributeError(f"module 'multikeras' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})


def _start() -> None:
    """Reads the settings, looks the backend up and says which it is.

    Raises:
        ValueError: If a setting, or the name of the backend, is none that works.
        ImportError: If the backend chosen is not installed.
    """
    config.load()
    config.device_settings()
    described = registry.start()
    if not _in_worker_process():
        print(f"Using {described.title} backend.", file=sys.stderr)


def _in_worker_process() -> bool:
    """Whether this is a process that `multiprocessing` started."""
    # A worker has imported it before anything of the user's; nobody else pays for it.
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    # While a spawned worker imports the main module it has its name already, but no parent yet.
    return process.parent_process() is not None or process.current_process().name != "MainProcess"


def _command_line_starts() -> bool:
    """Whether this import is on the way to the command line, which mends broken configurations.

    `multikeras_command` (the console script) says so itself. Under `python -m multikeras` Python
    imports this package to look for `__main__`; until it is found, `sys.argv[0]` is `-m`.
    """
    command = sys.modules.get("multikeras_command")
    if command is not None and command.starting:
        return True
    if sys.argv[:1] != ["-m"] or len(sys.orig_argv) < len(sys.argv):
        return False
    module = sys.orig_argv[-len(sys.argv)]
    return module in {"multikeras", "-mmultikeras", "multikeras.__main__", "multikeras.cli.probe"}


if not _command_line_starts():
    _start()
