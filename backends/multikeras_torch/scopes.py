"""What holds around every run, set on the way in and put back on the way out."""

from __future__ import annotations

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


class FullPrecision:
    """Makes GPUs multiply float32 in full, where they would round it to the 11 bits of TF32.

    PyTorch's switch is one for the whole process: the first run to enter turns it, and the last to
    leave puts back what the user had.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._saved: tuple[Any, ...] = ()

    def enter(self) -> None:
        """Full precision from here on."""
        with self._lock:
            if not self._inside:
                self._saved = _read_precisions()
                _write_precisions(("highest", "ieee", "ieee"))
            self._inside += 1

    def leave(self) -> None:
        """Undoes `enter`."""
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _write_precisions(self._saved)


def _by_operation() -> bool:
    """Whether this PyTorch (2.9 and later) has a setting for each kind of operation."""
    return hasattr(torch.backends.cudnn, "conv")


def _read_precisions() -> tuple[Any, ...]:
    """Settings of matrix products, of old and new kind, and of convolutions."""
    products = torch.get_float32_matmul_precision()
    if _by_operation():
        return products, torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision
    return products, None, "tf32" if torch.backends.cudnn.allow_tf32 else "ieee"


def _write_precisions(precisions: tuple[Any, ...]) -> None:
    # The old setting first: PyTorch raises where the two say different things.
    products, new_products, convolutions = precisions
    torch.set_float32_matmul_precision(products)
    if _by_operation():
        torch.backends.cuda.matmul.fp32_precision = new_products
        torch.backends.cudnn.conv.fp32_precision = convolutions
    else:
        torch.backends.cudnn.allow_tf32 = convolutions == "tf32"


_full_precision = FullPrecision()


class NoGradientsInFull(NoGradients):
    """`NoGradients`, with float32 products in full."""

    __slots__ = ()

    def __enter__(self) -> None:
        _full_precision.enter()
        super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        _full_precision.leave()
