"""How cuBLAS multiplies while programs run: CuPy's own settings, put back afterwards."""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np

#: CuPy's words by ours, for float32. Its default for float16 adds up in float32.
_WORDS = {"float32": "COMPUTE_TYPE_DEFAULT", "tf32": "COMPUTE_TYPE_TF32"}
_TYPES = (np.dtype("float32"), np.dtype("float16"))


class Products:
    """The compute types of products, which CuPy has once for the whole process.

    The first run to enter sets them, and the last to leave puts back what the user had: by
    `CUPY_TF32`, say.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._saved: tuple[Any, ...] = ()

    def enter(self, precision: str) -> None:
        """Float32 is multiplied so from here on, and 16-bit products are added up in float32.

        Args:
            precision: `'float32'` or `'tf32'`.
        """
        # Not public, but CuPy has no other way than an environment variable.
        from cupy._core import _routines_linalg as settings

        with self._lock:
            if not self._inside:
                self._saved = tuple(settings.get_compute_type(dtype) for dtype in _TYPES)
                words = _WORDS[precision], "COMPUTE_TYPE_DEFAULT"
                for dtype, word in zip(_TYPES, words, strict=True):
                    settings.set_compute_type(dtype, getattr(settings, word))
            self._inside += 1

    def leave(self) -> None:
        """Undoes `enter`."""
        from cupy._core import _routines_linalg as settings

        with self._lock:
            self._inside -= 1
            if not self._inside:
                for dtype, compute_type in zip(_TYPES, self._saved, strict=True):
                    settings.set_compute_type(dtype, compute_type)


_products = Products()


class ProductScope:
    """A device, and how products are computed."""

    __slots__ = ("_device", "_precision")

    def __init__(self, device: AbstractContextManager[Any], precision: str) -> None:
        self._device = device
        self._precision = precision

    def __enter__(self) -> None:
        self._device.__enter__()
        _products.enter(self._precision)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _products.leave()
        self._device.__exit__(kind, error, trace)
