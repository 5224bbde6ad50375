"""Where data goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Shape = Sequence[int | None]


@dataclass(frozen=True)
class Place:
    """Where a column of data goes.

    Attributes:
        name: Name of the input or output.
        shape: The shape it takes, the batch axis included; None where anything goes.
        loss: For a target: name of the loss.
        output_shape: For a target: shape of the output.
    """

    name: str
    shape: Shape | None
    loss: str | None = None
    output_shape: Shape | None = None
