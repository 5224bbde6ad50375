"""What users give to `fit`, checked early against what the model takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from multikeras.training.places import Place, Shape
from multikeras.training.tables import NoTable, Table, table


class Data:
    """Columns of equal length: inputs, targets, sample weights, in the order in which they are fed.

    Attributes:
        columns: The tables.
        size: Number of samples.
    """

    def __init__(self, columns: Sequence[Table], size: int) -> None:
        self.columns = list(columns)
        self.size = size

    def reader(self) -> Callable[[np.ndarray], list[Any]]:
        """A function from row numbers to the values to feed."""
        pickers = [column.picker() for column in self.columns]
        return lambda rows: [pick(rows) for pick in pickers]

    def range(self, start: int, stop: int) -> list[Any]:
        """The values of a range of samples."""
        return [column.range(start, stop) for column in self.columns]

    def arrays(self) -> list[np.ndarray] | None:
        """All columns as arrays, ones in place of weights that nobody gave; None where files would have to be read."""
        if any(type(column) not in (Table, NoTable) for column in self.columns):
            return None
        ones = np.ones(self.size, "float32")
        return [ones if isinstance(column, NoTable) else column.array for column in self.columns]

    def part(self, start: int, stop: int) -> Data:
        """Some of the samples."""
        return Data([column.part(start, stop) for column in self.columns], stop - start)


def columns(values: Any, places: Sequence[Place], what: str) -> list[Table]:
    """Tables for inputs or targets, one for each place.

    Args:
        values: An array, a list of arrays, or a dictionary by name; None where there are no places.
        places: What is expected.
        what: `'input'` or `'target'`.

    Raises:
        ValueError: If number, names or shapes are not those expected.
    """
    if not places:
        if values is None or (isinstance(values, (list, tuple, Mapping)) and not len(values)):
            return []
        if what == "input":
            raise ValueError("The model takes no inputs, and received some: it computes its inputs itself. Pass None.")
        raise ValueError(
            "Targets were given, and the model takes none: its losses are those of add_loss, or of `target_tensors`. "
            "Pass y=None, or compile with a loss and without target_tensors."
        )
    if values is None:
        names = ", ".join(repr(place.name) for place in places)
        raise ValueError(f"The model expects {len(places)} {what}(s) ({names}), received None.")
    found = _by_place(values, places, what)
    return [_checked(value, place, what) for value, place in zip(found, places, strict=True)]


def _by_place(values: Any, places: Sequence[Place], what: str) -> list[Any]:
    names = [place.name for place in places]
    if isinstance(values, Mapping):
        missing = [name for name in names if name not in values]
        if missing:
            raise ValueError(
                f"No {what} was given for {', '.join(map(repr, missing))}: the dictionary has the names "
                f"{', '.join(map(repr, values))}, the model has {', '.join(map(repr, names))}."
            )
        return [values[name] for name in names]
    if len(places) == 1:
        one = isinstance(values, (list, tuple)) and len(values) == 1 and hasattr(values[0], "shape")
        if one:
            return [values[0]]
        arrays = isinstance(values, (list, tuple)) and len(values) > 0 and all(hasattr(v, "shape") for v in values)
        wanted = places[0].shape
        if arrays and wanted is not None and np.ndim(values[0]) >= len(wanted):
            raise ValueError(
                f"The model has one {what}, {names[0]!r}, and received a list of {len(values)} arrays. Pass the array "
                "itself."
            )
        return [values]
    if not isinstance(values, (list, tuple)) or len(values) != len(places):
        count = f"{len(values)} in a {type(values).__name__}" if isinstance(values, (list, tuple)) else "one array"
        raise ValueError(
            f"The model has {len(places)} {what}s ({', '.join(map(repr, names))}), received {count}. Pass a list of "
            "arrays in this order, or a dictionary by name."
        )
    return list(values)


def _checked(value: Any, place: Place, what: str) -> Table:
    if value is None:
        raise ValueError(f"The {what} {place.name!r} received None instead of an array.")
    given = made = table(value, f"{what} {place.name!r}")
    expected = place.shape if place.shape is not None else place.output_shape
    short = expected is not None and len(made.shape) == len(expected) - 1
    if expected is not None and short and (expected[-1] == 1 or len(made.shape) == 1):
        made = made.with_axis()
    if place.shape is not None and not _fits(made.shape, place.shape):
        raise ValueError(_mismatch(made.shape, given.shape, place, what))
    return made


def _fits(shape: Shape, expected: Shape) -> bool:
    return len(shape) == len(expected) and all(
        e is None or e == n for n, e in zip(shape[1:], expected[1:], strict=True)
    )


def _mismatch(shape: Shape, given: Shape, place: Place, what: str) -> str:
    expected = place.shape
    assert expected is not None
    if what == "target" and place.loss == "categorical_crossentropy" and shape[-1] == 1 and expected[-1] != 1:
        return (
            f"You are passing a target array of shape {tuple(shape)} while using as loss `categorical_crossentropy`, "
            f"for the output {place.name!r} of shape {_text(expected)}. That loss expects targets to be binary "
            "matrices (1s and 0s) of shape (samples, classes). If the targets are integers that name classes, convert "
            "them:\n\n"
            "    from multikeras.utils.np_utils import to_categorical\n"
            "    y_binary = to_categorical(y_int)\n\n"
            "or use the loss `sparse_categorical_crossentropy`, which takes integers."
        )
    loss = f" with the loss `{place.loss}`" if place.loss else ""
    return (
        f"The {what} of {place.name!r} is expected to have shape {_text(expected)}{loss}, received an array of shape "
        f"{tuple(given)}.{_hint(shape, given, place, what)}"
    )


def _hint(shape: Shape, given: Shape, place: Place, what: str) -> str:
    """What to do about data of another shape, where that can be guessed."""
    expected = place.shape
    assert expected is not None
    classes = None if place.output_shape is None else place.output_shape[-1]
    if what == "target" and place.loss == "sparse_categorical_crossentropy" and shape[-1] == classes:
        return " That loss takes class numbers; rows of 0 and 1 belong to `categorical_crossentropy`."
    if len(given) == len(expected) - 1:
        for axis in range(1, len(expected)):
            if expected[axis] == 1 and _fits((*given[:axis], 1, *given[axis:]), expected):
                index = ", ".join([":"] * axis + ["None"]) if axis < len(given) else "..., None"
                return f" An axis of length 1 is missing: array[{index}] has it."
    return ""


def _text(shape: Shape) -> str:
    inner = ", ".join("None" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def size_of(inputs: Sequence[Table], targets: Sequence[Table], weight_tables: Sequence[Table] = ()) -> int:
    """The number of samples, equal for all.

    Raises:
        ValueError: If it is not.
    """
    groups = (("x", inputs), ("y", targets), ("w", [t for t in weight_tables if not isinstance(t, NoTable)]))
    sizes = {what: [len(t) for t in group] for what, group in groups}
    distinct = {size for group in sizes.values() for size in group}
    if len(distinct) > 1:
        words = {"x": "inputs", "y": "targets", "w": "sample weights"}
        parts = [f"{words[what]} {', '.join(map(str, group))}" for what, group in sizes.items() if group]
        raise ValueError(f"All arrays need the same number of samples; there are: {'; '.join(parts)}.")
    size = distinct.pop() if distinct else 0
    if not size and (inputs or targets):
        raise ValueError("The data has no samples: the first axis of the arrays has length 0.")
    return size


def split(data: Data, share: float) -> tuple[Data, Data]:
    """The first samples, and the last `share` of them.

    Raises:
        ValueError: If one of the two would be empty.
    """
    if not 0 < share < 1:
        raise ValueError(f"`validation_split` is a share between 0 and 1, received {share!r}.")
    at = int(data.size * (1.0 - share))
    if at == 0 or at == data.size:
        raise ValueError(
            f"validation_split={share} of {data.size} samples leaves {at} for training and {data.size - at} for "
            "validation."
        )
    return data.part(0, at), data.part(at, data.size)
