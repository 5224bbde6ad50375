"""The name that `multikeras.losses` had in Keras 1."""

from multikeras.losses import *  # noqa: F403
from multikeras.losses import __all__ as __all__
