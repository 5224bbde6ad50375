"""What is said of an index outside its axis, by whichever backend sees it."""

from __future__ import annotations


def outside(least: int, greatest: int, size: int) -> IndexError:
    """The error for indices from `least` to `greatest`, of which one lies outside an axis of length `size`.

    It names the one that is farthest outside. The framework adds the place of the user's code.
    """
    worst = greatest if greatest - (size - 1) >= -size - least else least
    if not size:
        return IndexError(f"Index {worst} was looked up along an axis of length 0, which has no entries.")
    return IndexError(
        f"Index {worst} is outside an axis of length {size}: indices go from 0 to {size - 1}, or from -{size} to -1 "
        "where they count from the end. Check the indices, or make the axis longer (input_dim of an Embedding)."
    )
