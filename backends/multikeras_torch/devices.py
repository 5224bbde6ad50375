"""Which device PyTorch computes on, and why."""

from __future__ import annotations

import torch

from multikeras.contract import DeviceError, DeviceSettings


def device_names() -> list[str]:
    """The devices there are."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ["cpu", *[f"gpu:{index}" for index in range(count)]]


def _why_no_gpu() -> str:
    if not torch.backends.cuda.is_built():
        return f"PyTorch {torch.__version__} is built for the CPU alone"
    return f"PyTorch {torch.__version__} finds no GPU"


def choose_device(settings: DeviceSettings) -> tuple[torch.device, str]:
    """The device that the user asked for, and a sentence that says why it is this one.

    Raises:
        DeviceError: If a GPU was asked for and is not there.
    """
    names = device_names()
    asked = f"{settings.source} asks for {settings.device!r}"
    if settings.kind == "cpu":
        return torch.device("cpu"), f"PyTorch computes on the CPU: {asked}."
    if settings.kind == "auto":
        if len(names) == 1:
            return torch.device("cpu"), f"PyTorch computes on the CPU: {_why_no_gpu()}."
        name = torch.cuda.get_device_name(0)
        return torch.device("cuda", 0), f"PyTorch computes on GPU 0, {name}: the first there is."
    if len(names) == 1:
        mend = (
            "Install a build for GPUs as https://pytorch.org/get-started says"
            if not torch.backends.cuda.is_built()
            else "Look at the output of nvidia-smi, and at CUDA_VISIBLE_DEVICES"
        )
        raise DeviceError(f"{asked}, but {_why_no_gpu()}. {mend}, or ask for 'cpu' or 'auto'.")
    if f"gpu:{settings.index}" not in names:
        raise DeviceError(f"{asked}, but PyTorch finds these devices alone: {', '.join(names)}. Ask for one of them.")
    name = torch.cuda.get_device_name(settings.index)
    return torch.device("cuda", settings.index), f"PyTorch computes on GPU {settings.index}, {name}: {asked}."
