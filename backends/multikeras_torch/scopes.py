"""What holds around every run, set on the way in and put back on the way out."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from types import TracebackType
from typing import Any

import torch

_is_grad_enabled = torch.is_grad_enabled
_set_grad_enabled = torch._C._set_grad_enabled


class NoGradients:
    """Turns PyTorch's recording of gradients off; a third of the cost of `torch.no_grad()`.

    Not inference mode: what a program computes must stay usable in the user's own PyTorch code.
    """

    __slots__ = ("_enabled",)

    def __enter__(self) -> None:
        self._enabled = _is_grad_enabled()
        _set_grad_enabled(False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set_grad_enabled(self._enabled)


#: PyTorch's words by ours: for all products at once, and (2.9 and later) for each kind of operation.
_WORDS = {"float32": ("highest", "ieee"), "tf32": ("high", "tf32")}

#: The kinds of operation that our kernels have, by device.
_KINDS = (("cuda", "matmul"), ("cuda", "conv"), ("mkldnn", "matmul"), ("mkldnn", "conv"))

_precision_of: Any = getattr(torch._C, "_get_fp32_precision_getter", None)
_set_precision_of: Any = getattr(torch._C, "_set_fp32_precision_setter", None)

#: Whether cuBLAS may add up 16-bit products in 16 bits, on the way or throughout.
_REDUCTIONS = (
    "cublas_allow_fp16_reduced_precision_reduction",
    "cublas_allow_bf16_reduced_precision_reduction",
    "cublas_allow_fp16_accumulation",
)


def is_full_on_cpu() -> bool:
    """Whether PyTorch multiplies float32 in full on this processor, as it does unless told otherwise."""
    if _precision_of is None:
        return torch.get_float32_matmul_precision() == "highest"
    return _precision_of("mkldnn", "matmul") in _FULL and _precision_of("mkldnn", "conv") in _FULL


_FULL = ("none", "ieee")


class Products:
    """How products are computed while programs run.

    PyTorch's switches are for the whole process: the first run to enter turns them, and the last to
    leave puts back what the user had.
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
        with self._lock:
            if not self._inside:
                self._saved = _read()
                together, each = _WORDS[precision]
                _write(together, [each] * len(_KINDS), each == "tf32", [_not_in_16_bits(v) for v in self._saved[3]])
            self._inside += 1

    def leave(self) -> None:
        """Undoes `enter`."""
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _write(*self._saved)


def _not_in_16_bits(value: Any) -> Any:
    # Newer versions say with a second word whether a product may be split at all.
    return (False, *value[1:]) if isinstance(value, tuple) else False


def _read() -> tuple[Any, ...]:
    each = [] if _precision_of is None else [_precision_of(*kind) for kind in _KINDS]
    reductions = [
        getattr(torch._C, f"_get_{name}")() if hasattr(torch._C, f"_get_{name}") else None for name in _REDUCTIONS
    ]
    return torch._C._get_float32_matmul_precision(), each, torch._C._get_cudnn_allow_tf32(), reductions


def _write(together: str, each: Sequence[str], convolutions: bool, reductions: Sequence[Any]) -> None:
    # The old setting first: it changes the new ones, and PyTorch raises where the two say different things.
    torch._C._set_float32_matmul_precision(together)
    if _set_precision_of is None:
        torch._C._set_cudnn_allow_tf32(convolutions)
    else:
        for kind, word in zip(_KINDS, each, strict=True):
            _set_precision_of(*kind, word)
    for name, value in zip(_REDUCTIONS, reductions, strict=True):
        if value is not None:
            getattr(torch._C, f"_set_{name}")(*(value if isinstance(value, tuple) else (value,)))


_products = Products()


class NoGradientsWith(NoGradients):
    """`NoGradients`, with products as asked for."""

    __slots__ = ("_precision",)

    def __init__(self, precision: str) -> None:
        self._precision = precision

    def __enter__(self) -> None:
        _products.enter(self._precision)
        super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        _products.leave()
