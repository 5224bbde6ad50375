"""Names of Keras's backend modules (`keras.backend.tensorflow_backend`) that K does not have."""

from __future__ import annotations

from builtins import all as py_all
from builtins import any as py_any
from builtins import slice as py_slice
from builtins import sum as py_sum
from typing import Any

from multikeras import backend as K

__all__ = ["py_all", "py_any", "py_slice", "py_sum"]


def _to_tensor(x: Any, dtype: str) -> Any:
    """A tensor of this type from a tensor, a number or an array."""
    return K.cast(x, dtype) if K.is_tensor(x) else K.constant(x, dtype=dtype)
