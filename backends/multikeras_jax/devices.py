"""Which of JAX's devices is used, chosen before JAX makes its clients and without changing its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import jax
from jax._src.xla_bridge import backends_are_initialized

from multikeras.contract import DeviceError, DeviceSettings

_PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"


@dataclass(frozen=True)
class Choice:
    """The device in use.

    Attributes:
        device: JAX's device.
        name: Its name in multikeras, such as `'gpu:0'`.
        reason: One sentence: why this device.
        is_default: Whether JAX would put an array there by itself.
    """

    device: jax.Device
    name: str
    reason: str
    is_default: bool


def choose(settings: DeviceSettings) -> Choice:
    """The device that `settings` ask for.

    Raises:
        DeviceError: If there is no such device, or memory can no longer be preallocated or not.
    """
    if settings.kind != "cpu" and settings.preallocate is not None:
        _set_preallocation(settings)
    device, reason = {"cpu": _cpu, "gpu": _gpu, "auto": _auto}[settings.kind](settings)
    return Choice(device, name_of(device), reason, device == jax.local_devices()[0])


def name_of(device: jax.Device) -> str:
    """The name of a device of this process: `'cpu'`, or the platform and a number counted from 0."""
    if device.platform == "cpu":
        return "cpu"
    return f"{device.platform}:{jax.local_devices(backend=device.platform).index(device)}"


def names() -> list[str]:
    """The devices that JAX has clients for."""
    accelerators = [device for device in jax.local_devices() if device.platform != "cpu"]
    return ["cpu", *map(name_of, accelerators)]


def _set_preallocation(settings: DeviceSettings) -> None:
    wanted = "true" if settings.preallocate else "false"
    if not backends_are_initialized():
        os.environ[_PREALLOCATE] = wanted
        return
    on_gpu = any(device.platform == "gpu" for device in jax.local_devices())
    has = os.environ.get(_PREALLOCATE) not in ("false", "False", "0")
    if on_gpu and has != settings.preallocate:
        word = "preallocate" if settings.preallocate else "no_preallocate"
        raise DeviceError(
            f"{settings.source} says {word!r}, but JAX has already started in this process and decides on "
            f"its GPU memory only then. Choose the backend before JAX is first used, or set "
            f"{_PREALLOCATE}={wanted} in the environment."
        )


def _platforms() -> str:
    return jax.config.jax_platforms or ""


def _cpu(settings: DeviceSettings) -> tuple[jax.Device, str]:
    reason = f"JAX computes on the CPU because {settings.source} says 'cpu'."
    if not backends_are_initialized() and not _platforms():
        # JAX starts every platform at once, a GPU's too, which would take memory there. So it is told
        # of the CPU alone while it starts; the setting itself is put back.
        before = jax.config.jax_platforms
        jax.config.update("jax_platforms", "cpu")
        try:
            return jax.local_devices(backend="cpu")[0], reason
        finally:
            jax.config.update("jax_platforms", before)
    try:
        return jax.local_devices(backend="cpu")[0], reason
    except RuntimeError as error:
        raise DeviceError(
            f"{settings.source} asks for 'cpu', but JAX is restricted to the platforms {_platforms()!r}. "
            f"Add the CPU, as in JAX_PLATFORMS={_platforms()},cpu, or unset JAX_PLATFORMS."
        ) from error


def _gpu(settings: DeviceSettings) -> tuple[jax.Device, str]:
    try:
        found = jax.local_devices(backend="gpu")
    except RuntimeError as error:
        limit = f" JAX_PLATFORMS restricts JAX to {_platforms()!r}." if _platforms() else ""
        raise DeviceError(
            f"{settings.source} asks for {settings.device!r}, but JAX finds no GPU.{limit} With an NVIDIA GPU "
            "install JAX for it, `pip install 'jax[cuda13]'` (or cuda12), or ask for 'cpu' or 'auto'. "
            f"JAX says: {error}"
        ) from error
    if settings.index >= len(found):
        raise DeviceError(
            f"{settings.source} asks for {settings.device!r}, but JAX finds {len(found)} GPU(s): "
            f"{', '.join(map(name_of, found))}. Ask for one of these."
        )
    device = found[settings.index]
    return device, (
        f"JAX computes on {name_of(device)} ({device.device_kind}) because {settings.source} says {settings.device!r}."
    )


def _auto(settings: DeviceSettings) -> tuple[jax.Device, str]:
    try:
        device = jax.local_devices()[0]
    except RuntimeError as error:
        raise DeviceError(
            f"JAX finds no device (JAX_PLATFORMS is {_platforms()!r}): {error} Unset JAX_PLATFORMS, or ask for 'cpu'."
        ) from error
    if device.platform != "cpu":
        return device, f"JAX computes on {name_of(device)} ({device.device_kind}), the first accelerator it finds."
    if _platforms():
        return device, f"JAX computes on the CPU: JAX_PLATFORMS restricts it to {_platforms()!r}."
    if Path("/dev/nvidia0").exists():
        return device, (
            "JAX computes on the CPU although there is an NVIDIA GPU, which it cannot use as installed; "
            "`pip install 'jax[cuda13]'` (or cuda12) brings what it needs."
        )
    return device, "JAX computes on the CPU: it finds no accelerator."
