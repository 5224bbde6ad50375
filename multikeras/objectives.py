"""The name that `multikeras.losses` had in Keras 1."""

from typing import Any

from multikeras import losses


def __getattr__(name: str) -> Any:
    return getattr(losses, name)


def __dir__() -> list[str]:
    return dir(losses)
