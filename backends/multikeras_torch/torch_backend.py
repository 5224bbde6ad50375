"""The PyTorch backend: its kernels put together, and the hooks of the contract.

Arrays are ordinary tensors. Neither autograd nor `torch.optim` nor `torch.compile` is used: gradients
are graph before they arrive here, and compiled eager steps were slower than these (1.4 times, with
seconds of compilation).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from multikeras.contract import DTYPES, Array, Backend, DeviceSettings
from multikeras_torch.algebra import algebra_kernels
from multikeras_torch.control import control_kernels
from multikeras_torch.convolution import CONVOLUTION
from multikeras_torch.devices import choose_device, device_names
from multikeras_torch.elementwise import ELEMENTWISE
from multikeras_torch.host import to_array, to_numpy
from multikeras_torch.indexing import INDEXING
from multikeras_torch.linear_algebra import LINEAR_ALGEBRA
from multikeras_torch.loops import LOOPS
from multikeras_torch.pooling import POOLING
from multikeras_torch.random_numbers import HOST_RANDOM, device_random_kernels
from multikeras_torch.reductions import REDUCTIONS
from multikeras_torch.scopes import NoGradients, NoGradientsWith, is_full_on_cpu
from multikeras_torch.shapes import shape_kernels
from multikeras_torch.sorting import SORTING
from multikeras_torch.special import SPECIAL
from multikeras_torch.updates import update_kernels


class TorchBackend(Backend):
    """Computes with PyTorch, on the CPU or on one GPU."""

    name = "torch"
    title = "PyTorch"
    dtypes = DTYPES
    in_place = True

    def __init__(self, settings: DeviceSettings = DeviceSettings()) -> None:
        super().__init__(settings)
        self._device, self._reason = choose_device(settings)
        self.asynchronous = self._device.type != "cpu"
        self.kernels = {
            **ELEMENTWISE,
            **REDUCTIONS,
            **shape_kernels(self._device),
            **INDEXING,
            **SPECIAL,
            **SORTING,
            **LINEAR_ALGEBRA,
            **LOOPS,
            **algebra_kernels(self._device),
            **CONVOLUTION,
            **POOLING,
            **(device_random_kernels(self._device) if self.asynchronous else HOST_RANDOM),
            **control_kernels(self._device),
            **update_kernels(self._device),
        }

    def feed(self, value: Any, dtype: str) -> Array:
        return to_array(value, dtype, self._device, copy=False)

    def own(self, value: Any, dtype: str) -> Array:
        return to_array(value, dtype, self._device, copy=True)

    def adopt(self, value: np.ndarray, dtype: str) -> Array:
        flags = value.flags
        return to_array(value, dtype, self._device, copy=not (flags.writeable and flags.c_contiguous))

    def copy(self, array: Array) -> Array:
        return array.clone(memory_format=torch.contiguous_format)

    def to_numpy(self, array: Array) -> np.ndarray:
        return to_numpy(array)

    def is_array(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor)

    def scope(self) -> AbstractContextManager[Any]:
        # On a processor products are in full anyway, unless the user told PyTorch otherwise.
        if self.asynchronous or self.matmul_precision != "float32" or not is_full_on_cpu():
            return NoGradientsWith(self.matmul_precision)
        return NoGradients()

    def synchronize(self) -> None:
        if self.asynchronous:
            torch.cuda.synchronize(self._device)

    def devices(self) -> list[str]:
        return device_names()

    @property
    def device(self) -> str:
        return "cpu" if self._device.type == "cpu" else f"gpu:{self._device.index}"

    @property
    def device_reason(self) -> str:
        return self._reason

    def versions(self) -> dict[str, str]:
        return {"torch": str(torch.__version__)}
