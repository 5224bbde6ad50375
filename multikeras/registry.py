"""Finds, loads, switches and describes backends.

A backend is known by a word: one of the four of this distribution, an entry point of the group
`multikeras.backends` of another, or a dotted module name. Looking a word up imports nothing; the
library is imported when the first array or program needs it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from multikeras import config
from multikeras.config import BackendChoice
from multikeras.contract import Backend, DeviceError, DeviceSettings

ENTRY_POINT_GROUP = "multikeras.backends"
HOST = "numpy"


@dataclass(frozen=True)
class Description:
    """What is known of a backend without importing it.

    Attributes:
        name: The word that chooses it.
        title: The name people know it by.
        target: Where its class is, `module:Class`, or a module alone.
        libraries: Modules that have to be there, the backend's own among them.
        distributions: Distributions that bring the libraries, in order of preference.
        install: What installs them.
        extras: Optional dependencies of this distribution that install them as well, by name.
        origin: How it came to be known.
    """

    name: str
    title: str
    target: str
    libraries: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    install: str = ""
    extras: tuple[str, ...] = ()
    origin: str = "one of the four that multikeras brings"

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that are not there."""
        modules = (self.target.partition(":")[0], *self.libraries)
        return tuple(module for module in modules if not _module_exists(module))

    @property
    def installed(self) -> bool:
        """Whether all that it needs is there."""
        return not self.missing

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the distributions that are installed, by name."""
        # importlib.metadata takes longer to import than looking a backend up may take.
        from importlib.metadata import PackageNotFoundError, version

        found = {}
        for distribution in self.distributions:
            try:
                found[distribution] = version(distribution)
            except PackageNotFoundError:
                continue
        return found

    @property
    def chosen(self) -> str:
        """Who chose it; empty if it is not the current backend."""
        choice = _current_choice()
        return choice.source if choice.name == self.name else ""


#: The four of this distribution. They are its entry points as well (a test compares the two); this
#: table spares every import the search through the metadata of all that is installed, and a source
#: checkout has no metadata.
BUILT_IN = {
    described.name: described
    for described in (
        Description("numpy", "NumPy", "multikeras_numpy:NumpyBackend", ("numpy",), ("numpy",), "pip install numpy"),
        Description(
            "jax", "JAX", "multikeras_jax:JaxBackend", ("jax",), ("jax", "jaxlib"), "pip install jax", ("jax",)
        ),
        Description(
            "torch", "PyTorch", "multikeras_torch:TorchBackend", ("torch",), ("torch",), "pip install torch", ("torch",)
        ),
        Description(
            "cupy",
            "CuPy",
            "multikeras_cupy:CupyBackend",
            ("cupy",),
            ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
            "pip install cupy-cuda13x (or cupy-cuda12x, as nvidia-smi tells the CUDA version)",
            ("cupy-cuda13x", "cupy-cuda12x"),
        ),
    )
}


@dataclass
class _State:
    """All that changes while a program runs; one for the process."""

    choice: BackendChoice | None = None
    current: Backend | None = None
    loaded: dict[str, Backend] = field(default_factory=dict)
    poisoned: frozenset[str] = frozenset()
    lock: threading.RLock = field(default_factory=threading.RLock)


_state = _State()

#: Called with the old and the new name before the backend is switched; raising refuses the switch.
on_switch: list[Callable[[str, str], None]] = []


def start() -> Description:
    """Looks up the backend that the environment or the file names, and settles on it.

    Raises:
        ValueError: If there is no such backend.
        ImportError: If what it needs is not installed.
    """
    choice = config.backend_choice()
    described = resolve(choice)
    # From here on a change of the environment is no switch.
    _state.choice = choice
    return described


# Asking and loading ---------------------------------------------------------------------------


def current() -> Backend:
    """The backend in use; loads it at first need.

    Raises:
        ImportError: If its library cannot be imported.
        RuntimeError: In a forked child of a process that had loaded it.
    """
    # One attribute look-up once it is loaded: this is asked for every array and run.
    return _state.current or _load_current()


def current_name() -> str:
    """The word of the backend in use, without loading it."""
    return _current_choice().name


def host() -> Backend:
    """The NumPy backend, on which shapes, constants and initial values are computed whatever runs."""
    return _state.loaded.get(HOST) or load(HOST)


def load(name: str) -> Backend:
    """The backend of that name, loaded beside the current one if it is another.

    Args:
        name: A word as in KERAS_BACKEND, or a dotted module name.

    Raises:
        ValueError: If there is no such backend.
        ImportError: If what it needs is not installed.
    """
    instance = _state.loaded.get(name)
    if instance is not None:
        return instance
    with _state.lock:
        if name in _state.loaded:
            return _state.loaded[name]
        if name in _state.poisoned:
            raise RuntimeError(_POISONED)
        described = resolve(BackendChoice(name, "load"))
        # The host computes on the CPU whatever device the program asks for.
        settings = DeviceSettings("cpu") if name == HOST else config.device_settings()
        # Importing JAX draws from NumPy's generator, which the program may have seeded.
        numbers = sys.modules.get("numpy.random")
        drawn = None if numbers is None else numbers.get_state()
        try:
            instance = _backend_class(described)(settings)
            # A module named with dots goes by that word, whatever its class says: variables remember
            # by it where they are.
            instance.name = name
            instance.matmul_precision = config.matmul_precision()
            _state.loaded[name] = instance
        finally:
            if numbers is not None:
                numbers.set_state(drawn)
        return _state.loaded[name]


def loaded() -> dict[str, Backend]:
    """The backends loaded so far, by name."""
    return dict(_state.loaded)


def resolve(choice: BackendChoice) -> Description:
    """Looks a word up, importing nothing.

    Args:
        choice: The word and where it comes from.

    Raises:
        ValueError: If there is no such backend; the message lists those there are.
        ImportError: If there is one and what it needs is not installed; the message tells what to
            install.
    """
    name = choice.name
    described = BUILT_IN.get(name) or _entry_points().get(name)
    if described is None and "." in name and choice.trusted:
        described = Description(name, name, name, origin="a module named by the program or the environment")
    if described is None:
        reason = "a file may not name a module to import; " if "." in name else ""
        raise ValueError(f"Unknown backend {name!r} ({reason}set by {choice.source}). {_there_are()}")
    if described.missing:
        raise ImportError(
            f"The backend {name!r} (set by {choice.source}) needs {' and '.join(map(repr, described.missing))}, "
            f"which is not installed. {_mend(described)}"
        )
    return described


def installed() -> dict[str, Description]:
    """Every backend that is known, whether or not what it needs is installed, by name."""
    known = _entry_points() | BUILT_IN
    name = current_name()
    if name not in known and "." in name:
        known[name] = resolve(_current_choice())
    return known


def backend_info() -> dict[str, Any]:
    """What runs, and why: loads the backend if need be.

    Returns:
        `name`, `title`, `chosen_by`, `device`, `device_reason`, `device_setting`, `matmul_precision`,
        `devices`, `versions` and `loaded` (the names of all backends loaded in this process).
    """
    backend = current()
    choice = _current_choice()
    settings = config.device_settings()
    return {
        "name": choice.name,
        "title": backend.title,
        "chosen_by": choice.source,
        "device": backend.device,
        "device_reason": backend.device_reason,
        "device_setting": f"{settings.device} ({settings.source})",
        "matmul_precision": backend.matmul_precision,
        "devices": backend.devices(),
        "versions": backend.versions(),
        "loaded": sorted(_state.loaded),
    }


# Choosing -------------------------------------------------------------------------------------


def set_backend(name: str) -> None:
    """Makes another backend the current one; its library is imported at first need.

    Args:
        name: A word as in KERAS_BACKEND, or a dotted module name.

    Raises:
        ValueError: If there is no such backend.
        ImportError: If what it needs is not installed.
        RuntimeError: While a program runs on the present one.
    """
    _switch(BackendChoice(name, "set_backend"))


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Makes another backend the current one for a block.

    Args:
        name: A word as in KERAS_BACKEND, or a dotted module name.
    """
    before = _current_choice()
    _switch(BackendChoice(name, "use_backend"))
    try:
        yield
    finally:
        with _state.lock:
            try:
                _ask_hooks(before)
            finally:
                # Whatever a hook says, what was set for a block ends with it.
                _settle(before)


def set_device(text: str) -> None:
    """Says which device the backends use, before one has been loaded.

    Args:
        text: `'cpu'`, `'gpu'`, `'gpu:1'` or `'auto'`, with `'no_preallocate'` beside it if wanted.

    Raises:
        ValueError: If the text is none of these.
        RuntimeError: If a backend has chosen its device already.
    """
    settings = DeviceSettings.parse(text, "set_device")
    with _state.lock:
        bound = sorted(name for name, backend in _state.loaded.items() if name != HOST or backend is _state.current)
        if bound:
            raise RuntimeError(
                f"set_device({text!r}) comes too late: {', '.join(bound)} is loaded and has chosen its device. Call "
                "it before the first variable is made or the first program runs, or set KERAS_DEVICE."
            )
        config.choose_device(settings)


def set_matmul_precision(precision: str) -> None:
    """Says how all backends multiply float32 in products of matrices and convolutions, from now on.

    Args:
        precision: `'float32'`, in full, or `'tf32'`, where a GPU may round the factors to 11 bits first.

    Raises:
        ValueError: If it is another word.
    """
    with _state.lock:
        config.set_matmul_precision(precision)
        for backend in _state.loaded.values():
            backend.matmul_precision = precision


def _switch(choice: BackendChoice) -> None:
    resolve(choice)
    with _state.lock:
        _ask_hooks(choice)
        _settle(choice)


def _ask_hooks(choice: BackendChoice) -> None:
    old = current_name()
    if choice.name != old:
        for hook in on_switch:
            hook(old, choice.name)


def _settle(choice: BackendChoice) -> None:
    if choice.name != current_name():
        _state.current = None
    _state.choice = choice
    config.choose_backend(choice)


def _current_choice() -> BackendChoice:
    """The choice in force."""
    if _state.choice is None:
        _state.choice = config.backend_choice()
    return _state.choice


def _load_current() -> Backend:
    with _state.lock:
        choice = _current_choice()
        if choice.name in _state.poisoned:
            raise RuntimeError(_POISONED)
        # The word was looked up with its source when multikeras was imported; here it counts again
        # where a broken configuration kept that from happening.
        described = resolve(choice)
        settings = config.device_settings()
        if choice.name == HOST and settings.kind == "gpu":
            raise DeviceError(
                f"{settings.source} asks for the device {settings.device!r}, and {described.title} computes on the "
                "CPU alone. Choose another backend (KERAS_BACKEND=jax), or the device 'cpu' or 'auto'."
            )
        _state.current = load(choice.name)
        return _state.current


# Finding --------------------------------------------------------------------------------------


def _module_exists(name: str) -> bool:
    """Whether a module can be found, without importing it or its parents."""
    if name in sys.modules:
        return True
    if "." not in name:
        return importlib.util.find_spec(name) is not None
    path: Any = None
    specification = None
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        part = ".".join(parts[:count])
        specification = importlib.util.find_spec(part) if count == 1 else PathFinder.find_spec(part, path)
        if specification is None:
            return False
        path = specification.submodule_search_locations
        if path is None:
            return count == len(parts)
    return True


def _entry_points() -> dict[str, Description]:
    """The backends of other distributions."""
    # Searching all metadata takes tens of milliseconds: only for words that are not built in.
    from importlib.metadata import entry_points

    found: dict[str, Description] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name in BUILT_IN:
            continue
        distribution = point.dist.name if point.dist is not None else "an unnamed distribution"
        described = Description(
            point.name,
            point.name,
            point.value,
            distributions=(distribution,),
            install=f"pip install --force-reinstall {distribution}",
            origin=f"entry point of {distribution}",
        )
        if found.setdefault(point.name, described).target != point.value:
            raise ValueError(
                f"Two distributions offer a backend {point.name!r}: {found[point.name].target} "
                f"({found[point.name].origin}) and {point.value} ({described.origin}). Uninstall one of them."
            )
    return found


def _mend(described: Description) -> str:
    """What to do about a backend that lacks something."""
    if described.name not in BUILT_IN:
        mend = f"Install it: {described.install}" if described.install else "Install what brings that module"
        return f"{mend}. {_there_are()}"
    root = Path(__file__).parent.parent
    checkout = (root / "backends").is_dir()
    if described.target.partition(":")[0] in described.missing:
        # The package is there, and what was made of the same sources is not.
        if checkout:
            return (
                f"{root} holds the sources of multikeras, of which only a part is found. Run pip install -e . there, "
                f"or add {root / 'backends'} to PYTHONPATH."
            )
        return "It belongs to multikeras, of which a part is missing: install that again."
    install = described.install
    if described.extras:
        names = [f"'.[{extra}]'" if checkout else f"'multikeras[{extra}]'" for extra in described.extras]
        where = f"-e {' or '.join(names)} in {root}" if checkout else " or ".join(names)
        install = f"pip install {where}, or {install}"
    return f"Install it: {install}. {_there_are()}"


def _there_are() -> str:
    """The backends there are, in a sentence or two."""
    known = _entry_points() | BUILT_IN
    there = [name for name, described in known.items() if described.installed]
    others = [f"{name} ({described.install})" for name, described in known.items() if not described.installed]
    text = f"Installed: {', '.join(sorted(there))}."
    return f"{text} To be had: {'; '.join(others)}." if others else text


def _backend_class(described: Description) -> type[Backend]:
    """Imports a backend and gives its class."""
    module_name, _, class_name = described.target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ImportError(f"The backend {described.name!r} is installed but fails to import: {error}") from error
    if class_name or hasattr(module, "BACKEND"):
        found = getattr(module, class_name or "BACKEND")
    else:
        classes = [value for value in vars(module).values() if _is_backend(value) and value.__module__ == module_name]
        if len(classes) != 1:
            names = ", ".join(each.__name__ for each in classes) or "none"
            raise ImportError(
                f"The module {module_name!r} should define one subclass of multikeras.contract.Backend, or name it "
                f"BACKEND; it defines {names}."
            )
        found = classes[0]
    if not _is_backend(found):
        raise TypeError(
            f"The backend {described.name!r} is given as {described.target}, which is {found!r} and no subclass of "
            "multikeras.contract.Backend."
        )
    return found


def _is_backend(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Backend) and value is not Backend


# Forked children ------------------------------------------------------------------------------

_POISONED = (
    "K cannot run in a worker process; use threads or start_method='spawn'. (This process was forked from one that "
    "had loaded the backend, whose threads and devices do not survive a fork.)"
)


def _after_fork() -> None:
    """Keeps a forked child from the backends of its parent, in which JAX and PyTorch hang.

    The host stays: NumPy survives a fork, and what a worker computes on the way (a cast, a shape)
    needs it. As the current backend it is kept away like the others, so that a program which works
    on one backend works on all.
    """
    _state.lock = threading.RLock()
    running = _state.current
    _state.current = None
    _state.poisoned |= {name for name, backend in _state.loaded.items() if name != HOST or backend is running}
    _state.loaded = {name: backend for name, backend in _state.loaded.items() if name == HOST}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
