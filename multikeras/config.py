"""Settings: keras.json, the environment, and the few values that programs change while they run.

The file is shared with other people's Keras. It is created once, on the first import; after that
only `write`, behind `multikeras config set`, changes it. Nothing here is read before `load` is
called, so that the command line starts when the file is broken.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import stat
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multikeras.contract import DeviceSettings

FLOAT_NAMES = ("float16", "float32", "float64", "bfloat16")
DATA_FORMATS = {"channels_last": "tf", "channels_first": "th"}
DIM_ORDERINGS = {ordering: data_format for data_format, ordering in DATA_FORMATS.items()}
MATMUL_PRECISIONS = ("float32", "tf32")
DEFAULT_BACKEND = "numpy"

#: Holds `.keras` where the home directory cannot be written.
TEMPORARY = Path("/tmp") if os.name == "posix" else Path(os.environ.get("TEMP") or os.curdir)

#: Words with which other Keras distributions name their backends in the shared file.
FOREIGN_BACKENDS = frozenset({"tensorflow", "theano", "cntk", "mxnet", "openvino", "plaidml.keras.backend"})


class ConfigurationError(ValueError):
    """A setting that cannot be used; the message says where it stands and what would work."""


@dataclass(frozen=True)
class BackendChoice:
    """Which backend, and who says so.

    Attributes:
        name: The word, not yet looked up.
        source: Where the word comes from, such as `'KERAS_BACKEND'`.
        trusted: Whether the source may name a module to import. A file may not.
    """

    name: str
    source: str
    trusted: bool = True


_DEFAULT_CHOICE = BackendChoice(DEFAULT_BACKEND, "the default")


@dataclass(frozen=True)
class Settings:
    """What a keras.json says, checked; defaults where it says nothing."""

    epsilon: float = 1e-7
    floatx: str = "float32"
    image_data_format: str = "channels_last"
    matmul_precision: str = "float32"
    backend: BackendChoice | None = None
    device: DeviceSettings | None = None
    warnings: tuple[str, ...] = field(default=())


_epsilon = Settings.epsilon
_floatx = Settings.floatx
_image_data_format = Settings.image_data_format
_matmul_precision = Settings.matmul_precision
_file_backend: BackendChoice | None = None
_file_device: DeviceSettings | None = None
_chosen_backend: BackendChoice | None = None
_chosen_device: DeviceSettings | None = None
_home: Path | None = None


# Values in use --------------------------------------------------------------------------------


def epsilon() -> float:
    """The small constant that guards divisions and logarithms."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Replaces the constant that `epsilon` gives.

    Args:
        value: A finite number, not negative.
    """
    global _epsilon
    _epsilon = _check_epsilon(value, "set_epsilon")


def floatx() -> str:
    """The default float type, such as `'float32'`."""
    return _floatx


def set_floatx(name: str) -> None:
    """Sets the type of variables and placeholders for which none is named.

    Args:
        name: `'float16'`, `'float32'`, `'float64'` or `'bfloat16'`.
    """
    global _floatx
    _floatx = _check_word(name, FLOAT_NAMES, "set_floatx")


def image_data_format() -> str:
    """The default order of dimensions: `'channels_last'` or `'channels_first'`."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets the order of dimensions for functions and layers that name none.

    Args:
        data_format: `'channels_last'` or `'channels_first'`.
    """
    global _image_data_format
    _image_data_format = _check_word(data_format, DATA_FORMATS, "set_image_data_format")


def image_dim_ordering() -> str:
    """The default order of dimensions in the words of Keras 1: `'tf'` or `'th'`."""
    return DATA_FORMATS[_image_data_format]


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Sets the order of dimensions in the words of Keras 1.

    Args:
        dim_ordering: `'tf'` (channels last) or `'th'` (channels first).
    """
    set_image_data_format(DIM_ORDERINGS[_check_word(dim_ordering, DIM_ORDERINGS, "set_image_dim_ordering")])


def matmul_precision() -> str:
    """How float32 is multiplied in products of matrices and convolutions: `'float32'` or `'tf32'`."""
    return _matmul_precision


def set_matmul_precision(precision: str) -> None:
    """Replaces that. `multikeras.registry.set_matmul_precision` is what programs call: it tells the backends.

    Args:
        precision: `'float32'` or `'tf32'`.
    """
    global _matmul_precision
    _matmul_precision = _check_word(precision, MATMUL_PRECISIONS, "set_matmul_precision")


def backend_choice() -> BackendChoice:
    """The backend asked for: by `set_backend`, KERAS_BACKEND, the file, or else the default."""
    word = environment("KERAS_BACKEND")
    from_environment = BackendChoice(word, "the environment variable KERAS_BACKEND") if word else None
    return _chosen_backend or from_environment or _file_backend or _DEFAULT_CHOICE


def choose_backend(choice: BackendChoice | None) -> BackendChoice | None:
    """Puts a choice made in code before all others; gives the one that it replaces.

    `multikeras.registry.set_backend` is what programs call: it also looks the word up.
    """
    global _chosen_backend
    replaced, _chosen_backend = _chosen_backend, choice
    return replaced


def device_settings() -> DeviceSettings:
    """The device asked for: by `set_device`, KERAS_DEVICE, the file's `multikeras_device`, or `auto`."""
    if _chosen_device is not None:
        return _chosen_device
    text = environment("KERAS_DEVICE")
    if text:
        return DeviceSettings.parse(text, "The environment variable KERAS_DEVICE")
    return _file_device or DeviceSettings()


def environment(variable: str) -> str:
    """The value of an environment variable; one that is empty counts as unset."""
    return os.environ.get(variable, "").strip()


def choose_device(settings: DeviceSettings) -> None:
    """Puts a device named in code before the environment and the file."""
    global _chosen_device
    _chosen_device = settings


# The file -------------------------------------------------------------------------------------


def home() -> Path:
    """The `.keras` directory in use, for the configuration file and the caches.

    It is `KERAS_HOME`, or `.keras` in the home directory, or `/tmp/.keras` where the home directory
    cannot be written.

    Raises:
        ConfigurationError: If `KERAS_HOME` names something that cannot be a directory.
    """
    global _home
    if _home is None:
        _home = _find_home()
    return _home


def configuration_file() -> Path:
    """The keras.json in use; it need not exist."""
    return home() / "keras.json"


def load() -> None:
    """Reads keras.json and makes its values those in use; creates the file where there is none.

    Raises:
        ConfigurationError: If the file, or a value in it, cannot be used.
    """
    global _epsilon, _floatx, _image_data_format, _matmul_precision, _file_backend, _file_device
    path = configuration_file()
    try:
        if not path.exists():
            _create(path)
    except OSError as error:
        warnings.warn(f"{path} could not be written ({error}); the defaults count.", UserWarning, stacklevel=4)
    settings = read(path)
    _epsilon = settings.epsilon
    _floatx = settings.floatx
    _image_data_format = settings.image_data_format
    _matmul_precision = settings.matmul_precision
    _file_backend = settings.backend
    _file_device = settings.device
    for message in settings.warnings:
        # Shown beside the line of the program that imports multikeras.
        warnings.warn(message, UserWarning, stacklevel=4)


def read(path: Path) -> Settings:
    """The settings that a keras.json holds.

    Args:
        path: The file; where it does not exist the defaults are given.

    Raises:
        ConfigurationError: Naming the file, the key, the value and what would work.
    """
    distrust = _reason_to_distrust(path)
    if distrust:
        return Settings(warnings=(f"{path} is not used: {distrust}. Defaults are used in its place.",))
    return _settings(contents(path), path)


def contents(path: Path) -> dict[str, Any]:
    """What stands in a keras.json, unchecked; nothing where there is no file.

    Raises:
        ConfigurationError: If the file cannot be read, or holds no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}. Mend it, remove it (it is then made anew), or name another directory "
            "by the environment variable KERAS_HOME."
        ) from error
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path} is not valid JSON: {error}. Mend that place, or remove the file; it is then made anew."
        ) from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f'{path} holds a JSON {type(content).__name__} and no object. Write {{"backend": "numpy"}}, say, or '
            "remove the file; it is then made anew."
        )
    return content


def write(key: str, value: Any) -> tuple[Path, str]:
    """Sets one key of keras.json, leaving all others as they are.

    Setting `backend` writes `multikeras_backend` where that key is there already, since it goes
    before `backend`, and where another Keras is installed, since `backend` is then its setting too.

    Args:
        key: A key that multikeras reads.
        value: The new value.

    Returns:
        The file and the key written.

    Raises:
        ConfigurationError: If the key or the value is none that works; the file is then unchanged.
    """
    if key not in KEYS:
        raise ConfigurationError(f"multikeras reads no key {key!r}. Keys: {', '.join(KEYS)}.")
    path = configuration_file()
    distrust = _reason_to_distrust(path)
    if distrust:
        raise ConfigurationError(f"{path} is not changed: {distrust}. Name another directory by KERAS_HOME.")
    content = contents(path)
    if key == "backend" and ("multikeras_backend" in content or other_keras_installed()):
        key = "multikeras_backend"
    if key == "image_dim_ordering" and "image_data_format" in content:
        key, value = "image_data_format", DIM_ORDERINGS[_check_word(value, DIM_ORDERINGS, key)]
    _settings({key: value}, path)
    content[key] = value
    if key == "image_data_format" and "image_dim_ordering" in content:
        content["image_dim_ordering"] = DATA_FORMATS[value]
    path.parent.mkdir(parents=True, exist_ok=True)
    # A link to a file kept elsewhere stays a link.
    target = path.resolve()
    os.replace(_write_beside(target, content), target)
    return path, key


def other_keras_installed() -> bool:
    """Whether `import keras` would find a Keras that is not multikeras."""
    specification = importlib.util.find_spec("keras")
    # A directory that happens to be called keras has no file of its own.
    if specification is None or not specification.has_location or not specification.origin:
        return False
    return Path(__file__).parent not in Path(specification.origin).parents


def _find_home() -> Path:
    named = environment("KERAS_HOME")
    if named:
        path = Path(named).expanduser().absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The environment variable KERAS_HOME holds {named!r}, which is no directory and cannot be made "
                f"one ({error.strerror}). Name a directory that can be written, or unset it for .keras in the home "
                "directory."
            ) from error
        return path
    in_home = Path(os.path.expanduser("~")) / ".keras"
    if in_home.is_absolute() and _make_writable_directory(in_home):
        return in_home
    return _temporary_home()


def _make_writable_directory(path: Path, mode: int = 0o777) -> bool:
    """Makes a directory, not its parents; gives whether it is there and can be written."""
    try:
        path.mkdir(mode=mode, exist_ok=True)
    except OSError:
        return False
    return os.access(path, os.W_OK)


def _temporary_home() -> Path:
    """`/tmp/.keras`; or one of this user's own where another user made that."""
    shared = TEMPORARY / ".keras"
    if (_make_writable_directory(shared, 0o700) and _owned(shared)) or os.name != "posix":
        return shared
    own = TEMPORARY / f".keras-{os.getuid()}"
    warnings.warn(
        f"The home directory cannot be written, and {shared} belongs to another user or can be written by one; "
        f"{own} is used instead. KERAS_HOME can name a better place.",
        UserWarning,
        stacklevel=2,
    )
    if _make_writable_directory(own, 0o700) and not _owned(own):
        raise ConfigurationError(
            f"The home directory cannot be written, and {own} belongs to another user or can be written by one. "
            "Set the environment variable KERAS_HOME to a directory of your own."
        )
    return own


def _owned(path: Path) -> bool:
    """Whether this user owns `path` and nobody else can write it."""
    if os.name != "posix":
        return True
    status = path.lstat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _reason_to_distrust(path: Path) -> str:
    """Why a file in a temporary directory is not to be believed; empty where it is."""
    if environment("KERAS_HOME") or not path.exists():
        return ""
    if path.parent == Path(os.path.expanduser("~")) / ".keras":
        return ""
    if _owned(path) and _owned(path.parent):
        return ""
    return "it stands outside the home directory and belongs to another user, or can be written by one"


def _create(path: Path) -> None:
    """Writes a first keras.json, unless another process is quicker."""
    if not os.access(path.parent, os.W_OK):
        # A directory that is only read (an image, a shared installation) needs no file: the defaults count.
        return
    content: dict[str, Any] = {
        "image_data_format": Settings.image_data_format,
        "epsilon": Settings.epsilon,
        "floatx": Settings.floatx,
    }
    if not other_keras_installed():
        # The word "numpy" would put another Keras on a backend that cannot train.
        content["backend"] = DEFAULT_BACKEND
    temporary = _write_beside(path, content)
    try:
        # A link appears whole or not at all, and never replaces a file.
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:
        # Some file systems have no links.
        if not path.exists():
            os.replace(temporary, path)
            return
    os.unlink(temporary)


def _write_beside(path: Path, content: Mapping[str, Any]) -> str:
    """Writes `content` to a new file in the directory of `path`; gives its name."""
    # It imports half a dozen modules, which an import of multikeras needs only once in its life.
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix=".keras.json.", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=4)
        file.write("\n")
    if os.name == "posix":
        # As a file made by open() would have it, or as the file that is replaced had it.
        os.chmod(name, stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
    return name


def _settings(content: Mapping[str, Any], path: Path) -> Settings:
    """Checks the keys that multikeras reads; those of other programs are left alone."""
    notes: list[str] = []
    values: dict[str, Any] = {}
    for key, check in (("epsilon", _check_epsilon), ("floatx", _check_floatx), ("image_data_format", _check_format)):
        if key in content:
            values[key] = check(content[key], _place(path, key))
    if "image_dim_ordering" in content:
        place = _place(path, "image_dim_ordering")
        older = DIM_ORDERINGS[_check_word(content["image_dim_ordering"], DIM_ORDERINGS, place)]
        if values.setdefault("image_data_format", older) != older:
            notes.append(
                f"{path} says image_data_format {values['image_data_format']!r} and image_dim_ordering "
                f"{content['image_dim_ordering']!r}, which differ; image_data_format is used."
            )
    if "multikeras_matmul_precision" in content:
        place = _place(path, "multikeras_matmul_precision")
        values["matmul_precision"] = _check_word(content["multikeras_matmul_precision"], MATMUL_PRECISIONS, place)
    if "multikeras_device" in content:
        values["device"] = _file_device_settings(content, path)
    for key in ("multikeras_backend", "backend"):
        if key in content and "backend" not in values:
            values["backend"] = _file_choice(_check_text(content, path, key), path, key, notes)
    return Settings(warnings=tuple(notes), **values)


def _file_choice(word: str, path: Path, key: str, notes: list[str]) -> BackendChoice:
    if word in FOREIGN_BACKENDS:
        if _chosen_backend is None and not environment("KERAS_BACKEND"):
            notes.append(
                f'{path} says "{key}": "{word}", a backend of another Keras; multikeras uses {DEFAULT_BACKEND!r}. '
                "To choose one here, set KERAS_BACKEND, or run: multikeras config set multikeras_backend jax"
            )
        return BackendChoice(DEFAULT_BACKEND, f"the default, since {path} names another Keras's backend {word!r}")
    return BackendChoice(word, _place(path, key), trusted=False)


def _file_device_settings(content: Mapping[str, Any], path: Path) -> DeviceSettings:
    key = "multikeras_device"
    return DeviceSettings.parse(_check_text(content, path, key), _place(path, key))


def _place(path: Path, key: str) -> str:
    return f'{path}, key "{key}"'


def _check_text(content: Mapping[str, Any], path: Path, key: str) -> str:
    value = content[key]
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{_place(path, key)}: {value!r} is no word.")
    return value.strip()


def _check_word(value: Any, words: Any, place: str) -> str:
    if not isinstance(value, str) or value not in words:
        raise ConfigurationError(f"{place}: {value!r} is none of the values known: {', '.join(map(repr, words))}.")
    return value


def _check_floatx(value: Any, place: str) -> str:
    return _check_word(value, FLOAT_NAMES, place)


def _check_format(value: Any, place: str) -> str:
    return _check_word(value, DATA_FORMATS, place)


def _check_epsilon(value: Any, place: str) -> float:
    try:
        number = float(value) if not isinstance(value, (bool, str)) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ConfigurationError(f"{place}: {value!r} is no small number. Write one such as 1e-07.")
    return number


#: What each key of keras.json is for.
KEYS = {
    "backend": "the backend, shared with other Keras distributions",
    "multikeras_backend": "the backend of multikeras alone; goes before 'backend'",
    "multikeras_device": "'auto', 'cpu', 'gpu' or 'gpu:1', with 'no_preallocate' beside it if wanted",
    "multikeras_matmul_precision": "how GPUs multiply float32: 'float32', in full, or 'tf32', rounded to 11 bits first",
    "floatx": "the default float type: " + ", ".join(FLOAT_NAMES),
    "epsilon": "the small constant that guards divisions and logarithms",
    "image_data_format": "the order of dimensions: " + ", ".join(DATA_FORMATS),
    "image_dim_ordering": "the same in the words of Keras 1: " + ", ".join(DIM_ORDERINGS),
}
