"""Lets `import keras` mean multikeras.

`install` puts a finder before all others: `keras` is then the module `multikeras`, and `keras.x` the
module `multikeras.x`, the same objects under two names.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_OURS = "multikeras"
_THEIRS = "keras"


class _Alias(Loader):
    """Gives a module of multikeras under its Keras name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._specification: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._specification = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just written the alias's specification into the module, which was
        # executed long ago under its own.
        module.__spec__ = self._specification


class _Finder(MetaPathFinder):
    """Finds `keras` and all below it in multikeras."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != _THEIRS:
            return None
        name = _OURS + fullname.removeprefix(_THEIRS)
        if importlib.util.find_spec(name) is None:
            return None
        return ModuleSpec(fullname, _Alias(name), is_package=True)


_finder = _Finder()


def install() -> None:
    """Makes `import keras` give multikeras, in this process, from now on.

    Raises:
        RuntimeError: If another Keras has been imported already.
    """
    there = sys.modules.get(_THEIRS)
    if there is not None and there is not sys.modules[_OURS]:
        raise RuntimeError(
            f"multikeras.compat.install() comes too late: keras is imported already, from {there.__file__}. Call it "
            "before the first `import keras`."
        )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Takes back what `install` did; modules imported in between stay with those who have them."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name in [name for name in sys.modules if name.partition(".")[0] == _THEIRS]:
        if sys.modules[name].__name__.partition(".")[0] == _OURS:
            del sys.modules[name]
