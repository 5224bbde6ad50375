"""Weights of older files in today's order."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras.saving.snapshot import LayerWeights, Snapshot


def present_order(layer: Any, source: LayerWeights, snapshot: Snapshot) -> list[np.ndarray]:
    """The arrays of a layer of a file as the layer of today has them.

    Args:
        layer: The layer that they are for.
        source: What the file holds.
        snapshot: The file, whose version and backend say how the arrays are laid out.
    """
    return [value for _, value in source.weights]
