"""What ONNX graphs consist of: operators, bodies of loops and branches, constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(eq=False)
class Node:
    """One operator.

    Attributes:
        kind: The operator's name.
        inputs: Names of its operands, empty where an optional one is left out.
        outputs: Names of its results.
        attributes: Numbers, strings, lists of them, and bodies.
        layer: The layer that it was made for, or None.
    """

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    layer: str | None = None


@dataclass(eq=False)
class Body:
    """The body of a loop or a branch.

    Attributes:
        name: Its name.
        nodes: Its operators.
        inputs: Names, types and numbers of axes of what is passed in.
        outputs: The same of its results.
    """

    name: str
    nodes: list[Node]
    inputs: list[tuple[str, str, int]]
    outputs: list[tuple[str, str, int]]


@dataclass(eq=False)
class Stored:
    """A constant or a weight.

    Attributes:
        array: Its entries; those of bfloat16 as float32.
        dtype: Its type in the file.
    """

    array: np.ndarray
    dtype: str
