"""Layers around other layers."""

from multikeras.layers.wrappers.bidirectional import Bidirectional
from multikeras.layers.wrappers.time_distributed import TimeDistributed
from multikeras.layers.wrappers.wrapper import Wrapper

__all__ = ["Bidirectional", "TimeDistributed", "Wrapper"]
