"""The JAX backend: arrays in and out, the scope of a run, and compilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from multikeras.contract import DTYPES, Array, Backend, DeviceSettings
from multikeras_jax import devices
from multikeras_jax.kernels import KERNELS
from multikeras_jax.kernels.common import NUMPY_DTYPES
from multikeras_jax.kernels.precision import JAX_WORDS

#: XLA uses NumPy memory that begins on such a boundary in place; other memory it copies.
_ALIGNMENT = 64

#: From so many bytes on it pays to give XLA memory that it need not copy.
_LARGE = 65536


def _private(value: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """A contiguous copy of `value` that nobody else can write to.

    JAX may read NumPy memory after the call that was given it has returned: where it uses it in place,
    and also where it copies, which it does on a thread of its own. `jax.numpy.array(x, copy=True)` is no
    exception. So the copy is made here, of large arrays on a boundary that saves JAX the second one.
    """
    array = np.asarray(value, dtype)
    if array.nbytes < _LARGE:
        return np.array(array, order="C")
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    copy = memory[start : start + array.nbytes].view(dtype).reshape(array.shape)
    copy[...] = array
    return copy


class _Scopes:
    """Several of JAX's settings for this thread."""

    __slots__ = ("_scopes",)

    def __init__(self, *scopes: AbstractContextManager[Any]) -> None:
        self._scopes = scopes

    def __enter__(self) -> None:
        for scope in self._scopes:
            scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for scope in reversed(self._scopes):
            scope.__exit__(kind, error, trace)


class JaxBackend(Backend):
    """Kernels of JAX, programs jitted whole.

    JAX's own settings stay as the user has them: 64-bit types and the device hold inside `scope`, in the
    thread that entered it.
    """

    name = "jax"
    title = "JAX"
    kernels = KERNELS
    dtypes = DTYPES
    compiles = True
    donates = True
    asynchronous = True
    # XLA takes time that grows with the square of the length: 6 s for 5,000 sines in a row, 85 s for 20,000.
    longest_program = 5000

    def __init__(self, settings: DeviceSettings = DeviceSettings()) -> None:
        super().__init__(settings)
        self._choice = devices.choose(settings)
        self._device = self._choice.device
        if self._device.platform == "cpu":
            # XLA fuses what it computes again, and memory that leaves the caches is slower: an LSTM of 64 units
            # over batches of 32 gains by stacking up to 200 steps (8 MB) and loses from 350 on.
            self.stacked_bytes = 10 << 20
        self._pinned = not self._choice.is_default

    def feed(self, value: Any, dtype: str) -> Array:
        """An array for one run; a NumPy array stays one, since a jitted program takes it fastest.

        It is copied, since a run may still be reading when the caller writes to it (see `_private`);
        except one that owns its memory and is read-only.
        """
        wanted = NUMPY_DTYPES[dtype]
        if isinstance(value, jax.Array):
            return self._placed(value, wanted)
        if type(value) is np.ndarray and value.dtype == wanted:
            flags = value.flags
            if flags.owndata and not flags.writeable:
                return value
        return _private(value, wanted)

    def _placed(self, value: jax.Array, dtype: np.dtype[Any]) -> jax.Array:
        """`value` on this backend's device and of the given type, itself if it is so already."""
        if value.devices() != {self._device}:
            value = jax.device_put(value, self._device)
        if value.dtype != dtype:
            with self.scope():
                value = value.astype(dtype)
        return value

    def own(self, value: Any, dtype: str) -> Array:
        """A copy on the device."""
        wanted = NUMPY_DTYPES[dtype]
        with self.scope():
            if isinstance(value, jax.Array):
                return jnp.array(self._placed(value, wanted), copy=True)
            private = _private(value, wanted)
            # Large memory becomes the array's own; for small arrays JAX is quicker to copy.
            return jnp.asarray(private) if private.nbytes < _LARGE else jax.device_put(private)

    def constant(self, value: np.ndarray, dtype: str) -> Any:
        """A NumPy array: JAX writes it into the program as a literal, without a look at the device."""
        return np.array(value, NUMPY_DTYPES[dtype])

    def copy(self, array: Array) -> Array:
        """A copy on the device."""
        with self.scope():
            return jnp.array(array, copy=True)

    def to_numpy(self, array: Array) -> np.ndarray:
        """The value; on the CPU a read-only view of the array's memory. NumPy has no bfloat16: it becomes float32."""
        value = np.asarray(array)
        return value.astype(np.float32) if value.dtype == NUMPY_DTYPES["bfloat16"] else value

    def is_array(self, value: Any) -> bool:
        """Whether `value` is a JAX array with a value (and no tracer)."""
        return isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)

    def scope(self) -> AbstractContextManager[Any]:
        """64-bit types, the chosen device and the precision of products, in this thread."""
        wide = jax.enable_x64(True)
        pinned = self._pinned or jax.config.jax_default_device is not None
        precision = JAX_WORDS[self.matmul_precision]
        asked = precision is not None or jax.config.jax_default_matmul_precision is not None
        if not pinned and not asked:
            return wide
        scopes: list[AbstractContextManager[Any]] = [wide]
        if pinned:
            scopes.append(jax.default_device(self._device))
        if asked:
            scopes.append(jax.default_matmul_precision(precision))
        return _Scopes(*scopes)

    def compile(
        self, function: Callable[..., tuple[Array, ...]], donated: Sequence[int]
    ) -> Callable[..., tuple[Array, ...]]:
        """The jitted function itself: a call costs what it costs in JAX."""
        return jax.jit(function, donate_argnums=tuple(donated))

    def synchronize(self) -> None:
        """Waits for all arrays that exist, and for what programs print."""
        for array in jax.live_arrays():
            try:
                array.block_until_ready()
            except RuntimeError:
                # Another thread may have donated it meanwhile.
                if not array.is_deleted():
                    raise
        jax.effects_barrier()

    def devices(self) -> list[str]:
        """The devices that JAX has started."""
        return devices.names()

    @property
    def device(self) -> str:
        """The device in use."""
        return self._choice.name

    @property
    def device_reason(self) -> str:
        """Why this device is used."""
        return self._choice.reason

    def versions(self) -> dict[str, str]:
        """Versions of JAX and of its compiled half."""
        return {name: version(name) for name in ("jax", "jaxlib")}
