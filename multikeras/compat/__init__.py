"""Lets `import keras` mean multikeras, old module paths included.

`install` puts a finder before all others. `keras.x` is then the module `multikeras.x`, the same object
under two names; a path that only older versions of Keras had is a module made of those that hold its
names today (`paths.PATHS`). `keras` itself answers with the version of Keras that it stands for.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from multikeras.compat.paths import PATHS

_OURS = "multikeras"
_THEIRS = "keras"

#: What `keras.__version__` says.
VERSION = "2.3.1"


class _Top(ModuleType):
    """The module `keras`: multikeras, under the version of Keras that it stands for."""

    __version__ = VERSION

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules[_OURS], name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(sys.modules[_OURS])})

    def __reduce__(self) -> Any:
        return _described(self)


def _described(module: ModuleType) -> Any:
    """A module as pickles have it that send functions of a program, with what they use, to other processes."""
    from multikeras.compat import processes

    return processes.module, (module.__name__, processes.told())


class _Old(ModuleType):
    """A module of an older Keras: its names are looked up in the modules that have them today."""

    def __init__(self, name: str, sources: Sequence[str]) -> None:
        super().__init__(name)
        self.__dict__["_sources"] = tuple(sources)

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            listed = [getattr(module, "__all__", ()) for module in self._modules()]
            return sorted({each for names in listed for each in names})
        for module in self._modules():
            found = getattr(module, name, self)
            if found is not self:
                return found
        raise AttributeError(
            f"module {self.__name__!r} has no attribute {name!r} (looked up in {', '.join(self._sources)})"
        )

    def __reduce__(self) -> Any:
        return _described(self)

    def _modules(self) -> list[ModuleType]:
        return [importlib.import_module(source) for source in self._sources]


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


class _Made(Loader):
    """Gives a module that exists only under its old name."""

    def __init__(self, make: Callable[[], ModuleType]) -> None:
        self._make = make

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._make()

    def exec_module(self, module: ModuleType) -> None:
        """Does nothing: names are looked up when they are asked for."""


class _Finder(MetaPathFinder):
    """Finds `keras` and all below it in multikeras, and old paths below either."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        if top not in (_THEIRS, _OURS):
            return None
        if fullname == _THEIRS:
            return ModuleSpec(fullname, _Made(lambda: _Top(_THEIRS)), is_package=True)
        sources = PATHS.get(rest)
        # What has the name in multikeras is that, and nothing else.
        if top == _OURS and (sources is None or _is_real(fullname)):
            return None
        if sources is not None:
            return ModuleSpec(fullname, _Made(lambda: _Old(fullname, sources)), is_package=True)
        name = f"{_OURS}.{rest}"
        if importlib.util.find_spec(name) is None:
            return None
        return ModuleSpec(fullname, _Alias(name), is_package=True)


def _is_real(name: str) -> bool:
    """Whether multikeras has a module of this name, this finder left out."""
    others = [finder for finder in sys.meta_path if finder is not _finder]
    parent = sys.modules[name.rpartition(".")[0]]
    path = getattr(parent, "__path__", None)
    return any(finder.find_spec(name, path) is not None for finder in others if hasattr(finder, "find_spec"))


_finder = _Finder()
_honest: Callable[[], str] | None = None


def install(backend: str | None = None) -> None:
    """Makes `import keras` give multikeras, in this process, from now on.

    Args:
        backend: What `K.backend()` and `K._BACKEND` answer to code outside multikeras, for packages that take
            another path for `'tensorflow'` or `'theano'`. `K.backend_info()` always tells the truth.

    Raises:
        RuntimeError: If another Keras has been imported already.
    """
    there = sys.modules.get(_THEIRS)
    if there is not None and not isinstance(there, _Top):
        raise RuntimeError(
            f"multikeras.compat.install() comes too late: keras is imported already, from {there.__file__}. Call it "
            "before the first `import keras`."
        )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    from multikeras.compat import processes, tensors

    tensors.install()
    processes.install()
    if backend is not None:
        _answer(backend)


def uninstall() -> None:
    """Takes back what `install` did; modules imported in between stay with those who have them."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        if (top == _THEIRS and module.__name__.partition(".")[0] in (_OURS, _THEIRS)) or isinstance(module, _Old):
            del sys.modules[name]
    _answer(None)
    from multikeras.compat import processes, tensors

    tensors.uninstall()
    processes.uninstall()


def _answer(word: str | None) -> None:
    """Lets K answer with the name of another backend, or with its own again."""
    global _honest
    from multikeras import backend as K

    if _honest is not None:
        K.backend, _honest = _honest, None
        K.__dict__.pop("_BACKEND", None)
    if word is None:
        return
    honest = _honest = K.backend

    def backend() -> str:
        """The name of the running backend, as `multikeras.compat.install` was told to answer."""
        asker = sys._getframe(1).f_globals.get("__name__", "")
        return honest() if asker.partition(".")[0].startswith(_OURS) else word

    K.backend = backend
    K.__dict__["_BACKEND"] = word


__all__ = ["VERSION", "install", "uninstall"]
