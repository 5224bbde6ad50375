"""Configuration: numbers and words that hold for the process, and the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn

import numpy as np

from multikeras import config, registry
from multikeras.backend.session import NAMES
from multikeras.contract import FLOATS
from multikeras.graph import context as graph_context
from multikeras.graph import naming, operands
from multikeras.graph.ops import elementwise
from multikeras.graph.tensor import Tensor
from multikeras.programs import function as functions
from multikeras.programs import settings

_FORMATS = {"tf": "channels_last", "th": "channels_first"}
_manual_initialization = False


def backend() -> str:
    """The word of the running backend: `'numpy'`, `'jax'`, `'torch'` or `'cupy'`."""
    return registry.current_name()


def epsilon() -> float:
    """The small constant that guards divisions and logarithms."""
    return config.epsilon()


def set_epsilon(value: float) -> None:
    """Replaces that constant in everything evaluated from now on, graph that exists included.

    Args:
        value: A finite number, not negative.
    """
    config.set_epsilon(value)


def floatx() -> str:
    """The default float type, such as `'float32'`."""
    return config.floatx()


def set_floatx(name: str) -> None:
    """Sets the default float type.

    Args:
        name: `'float16'`, `'bfloat16'`, `'float32'` or `'float64'`.

    Raises:
        ValueError: If it is another word, or the backend is known to lack the type.
    """
    # A backend is not loaded for this: what it lacks shows when it is first used.
    current = registry.current_name()
    backend = registry.host() if current == registry.HOST else registry.loaded().get(current)
    if backend is not None and name in FLOATS - backend.dtypes:
        raise ValueError(f"K.set_floatx: {backend.lacks(name)}")
    config.set_floatx(name)


def cast_to_floatx(x: Any) -> Any:
    """A NumPy array of type floatx; a tensor becomes a tensor of type floatx.

    Args:
        x: Array, number, nested list or tensor.
    """
    if isinstance(x, Tensor):
        return elementwise.cast(x, dtype=config.floatx())
    # NumPy has no bfloat16: float32 holds its values.
    dtype = config.floatx()
    return np.asarray(operands.numbers(x), "float32" if dtype == "bfloat16" else dtype)


def image_data_format() -> str:
    """The default order of dimensions: `'channels_last'` or `'channels_first'`."""
    return config.image_data_format()


def set_image_data_format(data_format: str) -> None:
    """Sets the default order of dimensions.

    Args:
        data_format: `'channels_last'` or `'channels_first'`.

    Raises:
        ValueError: If it is another word.
    """
    config.set_image_data_format(data_format)


def image_dim_ordering() -> str:
    """The default order of dimensions in the words of Keras 1: `'tf'` or `'th'`."""
    return config.image_dim_ordering()


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Sets the default order of dimensions in the words of Keras 1.

    Args:
        dim_ordering: `'tf'` or `'th'`.

    Raises:
        ValueError: If it is another word.
    """
    config.set_image_dim_ordering(dim_ordering)


def normalize_data_format(value: Any) -> str:
    """The order of dimensions that a `data_format` argument means.

    Args:
        value: `'channels_last'`, `'channels_first'`, `'tf'`, `'th'`, or None for the global setting.

    Raises:
        ValueError: If it is none of these.
    """
    if value is None:
        return config.image_data_format()
    word = _FORMATS.get(value, value) if isinstance(value, str) else value
    if word not in _FORMATS.values():
        raise ValueError(
            f"{naming.calling()}data_format is 'channels_last' ('tf') or 'channels_first' ('th'), or None for the "
            f"setting of keras.json; received {value!r}."
        )
    return str(word)


def learning_phase() -> Tensor:
    """The phase as an integer scalar tensor, 0 test and 1 train.

    It has no value outside a program. `K.in_train_phase` chooses by it; listed among the inputs of
    `K.function` it takes the 0 or 1 given there.
    """
    return settings.learning_phase()


def set_learning_phase(value: int) -> None:
    """Fixes the phase of graph built from now on, and of functions that do not list it.

    Args:
        value: 0 (test) or 1 (train).

    Raises:
        ValueError: If it is neither.
    """
    settings.set_learning_phase(value)


def manual_variable_initialization(value: bool) -> None:
    """Stores the flag, which changes nothing: variables hold their first value from the start.

    Args:
        value: Whether the user initializes variables.
    """
    global _manual_initialization
    _manual_initialization = bool(value)


# -- backends and devices -----------------------------------------------------------------------


def set_backend(name: str) -> None:
    """Makes another backend the current one; variables follow when they are next used.

    Args:
        name: A word as in KERAS_BACKEND, or a dotted module name.

    Raises:
        ValueError: If there is no such backend.
        ImportError: If what it needs is not installed.
    """
    registry.set_backend(name)


def use_backend(name: str) -> AbstractContextManager[None]:
    """Makes another backend the current one for a `with` block.

    Args:
        name: A word as in KERAS_BACKEND, or a dotted module name.
    """
    return registry.use_backend(name)


def set_device(text: str) -> None:
    """Says which device the backends use, before one has been loaded.

    Args:
        text: `'auto'`, `'cpu'`, `'gpu'` or `'gpu:1'`, with `'no_preallocate'` beside it if wanted.
    """
    registry.set_device(text)


def matmul_precision() -> str:
    """How float32 is multiplied in products of matrices and convolutions: `'float32'` or `'tf32'`."""
    return config.matmul_precision()


def set_matmul_precision(precision: str) -> None:
    """Says how float32 is multiplied in products of matrices and convolutions, on every backend, from now on.

    The libraries' own settings neither count in a run nor change.

    Args:
        precision: `'float32'`, in full, as it is unless asked otherwise; or `'tf32'`, where a GPU may round
            the factors to 11 bits first, several times faster. Processors multiply in full all the same.

    Raises:
        ValueError: If it is another word.
    """
    registry.set_matmul_precision(precision)


def backend_info() -> dict[str, Any]:
    """What runs and why: name, device, versions, and how many programs were made and called."""
    return {**registry.backend_info(), "programs": dict(functions.counts)}


# -- session ------------------------------------------------------------------------------------


def get_uid(prefix: str = "") -> int:
    """A running number for the prefix: 1 at first, then 2, then 3.

    Args:
        prefix: What is counted, such as a layer's class in snake case.
    """
    return NAMES.number(prefix)


def reset_uids() -> None:
    """Starts the running numbers of `get_uid` at 1 again."""
    NAMES.reset_numbers()


def clear_session() -> None:
    """Drops compiled programs, names in use, running numbers and the learning phase.

    Models and functions that are still alive keep working.
    """
    NAMES.clear()
    settings.clear_learning_phase()
    functions.clear()


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Puts `name/` before the names of variables made in a `with` block.

    Args:
        name: The prefix; blocks nest.
    """
    with graph_context.name_scope(name) as full:
        yield full


def get_session() -> NoReturn:
    """Raises: there are no sessions here.

    Raises:
        RuntimeError: Always; it says what takes the place of a session.
    """
    raise RuntimeError(
        "multikeras has no TensorFlow session. K.eval(tensor) computes a value, K.function(inputs, outputs, updates) "
        "makes a callable, K.get_value and K.set_value read and write variables."
    )


def set_session(session: Any) -> NoReturn:
    """Raises: there are no sessions here.

    Args:
        session: Not used.

    Raises:
        RuntimeError: Always; it says what takes the place of a session.
    """
    raise RuntimeError(
        f"multikeras has no TensorFlow session and cannot use {type(session).__name__}. Which device is used says "
        "K.set_device('cpu'), K.set_device('gpu:1') or KERAS_DEVICE."
    )


def symbolic(func: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: K is always symbolic.

    Args:
        func: Any function.
    """
    return func


def eager(func: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself.

    Args:
        func: Any function.
    """
    return func


def guard(dtype: str) -> Tensor:
    """Epsilon as an operand of a type, at least that type's smallest normal number."""
    # A denormal 1e-7 in float16 would be flushed to 0 where it is meant to keep something off 0.
    smallest = float(np.finfo("float32" if dtype == "bfloat16" else dtype).tiny)
    held = elementwise.maximum(settings.epsilon(), operands.scalar(smallest, "float64"))
    return operands.cast(held, dtype)
