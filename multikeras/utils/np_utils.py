"""Small things done to NumPy arrays before training."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["normalize", "to_categorical"]


def to_categorical(y: Any, num_classes: int | None = None, dtype: str = "float32") -> np.ndarray:
    """Class numbers as rows of 0 and 1.

    Args:
        y: Integers of shape `(n,)` or `(n, 1)`, or of any shape `(n, …)`.
        num_classes: Number of classes; the largest number plus 1 if None.
        dtype: Data type of the result.

    Returns:
        An array of the shape of `y`, without a last axis of length 1, and with one more axis of length
        `num_classes`.

    Raises:
        ValueError: If a number is negative, not whole, or not below `num_classes`.
    """
    given = np.asarray(y)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"to_categorical takes class numbers, received values of type {given.dtype}.")
    classes = given.astype("int64")
    if given.dtype.kind == "f" and not np.array_equal(classes, given):
        raise ValueError("to_categorical takes whole numbers, received fractions among them.")
    shape = classes.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    classes = classes.reshape(-1)
    largest = int(classes.max()) if classes.size else -1
    if classes.size and int(classes.min()) < 0:
        raise ValueError(f"to_categorical: class numbers start at 0, received {int(classes.min())}.")
    count = largest + 1 if num_classes is None else int(num_classes)
    if largest >= count:
        raise ValueError(
            f"to_categorical: the class number {largest} needs num_classes of at least {largest + 1}, received "
            f"num_classes={num_classes}."
        )
    result = np.zeros((classes.size, count), dtype=dtype)
    result[np.arange(classes.size), classes] = 1
    return result.reshape((*shape, count))


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """Divides by the norm along an axis; rows of zeros stay zero.

    Args:
        x: An array.
        axis: The axis along which the norm is taken.
        order: Order of the norm, 2 for the Euclidean one.
    """
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return np.asarray(x / np.expand_dims(norm, axis))
