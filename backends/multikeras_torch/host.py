"""The way from NumPy to PyTorch and back, without a copy where there can be none."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from multikeras.contract import Array
from multikeras_torch.dtypes import NUMPY, TORCH

#: NumPy's types in native byte order that PyTorch reads as they are.
_READABLE = frozenset(NUMPY.values())


class _Writable:
    """An array's memory, said to be writable.

    PyTorch has no read-only arrays and warns on standard error about each that it is given. Nobody
    writes to a fed array, so the warning would be about nothing.
    """

    def __init__(self, array: np.ndarray) -> None:
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface
        self.array = array  # keeps the memory


def _from_numpy(array: np.ndarray, dtype: str) -> Array:
    """A tensor on the CPU, of the array's own type where PyTorch has it, else of `dtype`."""
    if array.dtype not in _READABLE:
        if array.dtype.name == "bfloat16":  # of ml_dtypes, as JAX's arrays are
            return _from_numpy(array.view(np.int16), "int16").view(torch.bfloat16)
        array = array.astype(NUMPY[dtype])
    if not array.flags.writeable:
        array = np.asarray(_Writable(array))
    try:
        return torch.from_numpy(array)
    except ValueError:  # negative strides, or strides that are no multiple of an entry's size
        return torch.from_numpy(array.copy())


def to_array(value: Any, dtype: str, device: torch.device, *, copy: bool) -> Array:
    """An array of the given type on `device`.

    Args:
        value: A NumPy array, something that `numpy.asarray` makes one of, or a tensor of PyTorch's.
        dtype: Name of the type.
        device: Where the result is.
        copy: Whether the result must have memory of its own (it is contiguous then).
    """
    wanted = TORCH[dtype]
    if isinstance(value, torch.Tensor):
        source = value.detach()
    else:
        source = _from_numpy(np.asarray(value), dtype)
    if copy:
        return source.to(device, wanted, copy=True, memory_format=torch.contiguous_format)
    if source.device == device:
        return source if source.dtype is wanted else source.to(wanted)
    if device.type == "cpu":
        return source.to(device, wanted)
    # Ordinary memory has been read when the call returns, so that the caller may go on and write to it;
    # pinned memory is read later.
    return source.to(device, wanted, non_blocking=not source.is_pinned())


def to_numpy(array: Array) -> np.ndarray:
    """The value, in memory shared where possible; bfloat16, which NumPy lacks, as float32."""
    if array.dtype == torch.bfloat16:
        array = array.float()
    return array.numpy(force=True) if array.requires_grad or array.is_cuda else array.numpy()


def read_only(array: np.ndarray) -> np.ndarray:
    """A view through which nobody writes: it may be a variable's own memory."""
    view = array.view()
    view.flags.writeable = False
    return view
