"""Sums of products by labelled axes, composed of transpositions, reductions and matrix products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import prod
from typing import Any, NamedTuple

from multikeras.backend import common
from multikeras.contract import promote
from multikeras.graph import operands
from multikeras.graph.ops import algebra, elementwise, shapes
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor

#: A letter, or for an axis under an ellipsis its number counted from the last one.
Label = str | int

#: What an unknown length counts as where the order of products is chosen.
_GUESS = 32


class _Labelled(NamedTuple):
    """A tensor and the label of each of its axes."""

    tensor: Tensor
    labels: tuple[Label, ...]


def einsum(equation: str, *tensors: Any) -> Tensor:
    """Sum of products of entries, by labels of axes, as `numpy.einsum`.

    `K.einsum('bij,bjk->bik', x, y)` multiplies, entry by entry, what has equal labels, and sums over
    the labels that are not behind the arrow. A label that one tensor has twice stands for its
    diagonal. `...` stands for all axes without a label, which broadcast. Without an arrow, the
    result has the axes of the ellipsis and then, in alphabetical order, the labels that are there
    once.

    Args:
        equation: Labels (letters) of the axes of each tensor, separated by commas, an arrow, and
            the labels of the result.
        *tensors: As many as there are groups before the arrow. Booleans count as int32.

    Returns:
        Tensor of the type in which all meet.

    Raises:
        ValueError: If the equation is malformed or does not fit the shapes; the message has both.
    """
    given = _alike(tensors)
    groups, result = _parsed(equation, [t.shape for t in given])
    parts = [_with_diagonals(t, labels) for t, labels in zip(given, groups, strict=True)]
    lengths = _lengths(equation, parts, [t.shape for t in given])
    parts = [_without_ones(part, lengths) for part in parts]
    while len(parts) > 1:
        parts = [_summed(part, _needed(part, parts, result)) for part in parts]
        first, second = _cheapest(parts, lengths)
        rest = [part for part in parts if part is not first and part is not second]
        needed = {*result, *[label for part in rest for label in part.labels]}
        parts = [*rest, _product(first, second, needed, lengths)]
    last = _summed(parts[0], set(result))
    made = common.transpose(last.tensor, [last.labels.index(label) for label in result])
    return common.fresh(made) if any(made is t for t in tensors) else made


def _alike(tensors: Sequence[Any]) -> list[Tensor]:
    """Tensors of one type; numbers and arrays beside tensors are weak."""
    strong = [t.dtype for t in tensors if isinstance(t, Tensor)]
    if strong:
        beside = promote(*strong)
        made = [t if isinstance(t, Tensor) else operands.convert(t, operands.weak_dtype(t, beside)) for t in tensors]
    else:
        made = [common.tensor(t) for t in tensors]
    if not made:
        raise ValueError("K.einsum takes an equation and at least one tensor.")
    dtype = promote(*[t.dtype for t in made])
    return [operands.cast(t, "int32" if dtype == "bool" else dtype) for t in made]


# -- the equation -------------------------------------------------------------------------------


def _parsed(equation: str, given: list[Any]) -> tuple[list[tuple[Label, ...]], tuple[Label, ...]]:
    """Labels of the axes of every tensor, and of the result."""
    if not isinstance(equation, str):
        raise TypeError(f"K.einsum: the equation is a string such as 'ij,jk->ik', received {equation!r}.")
    left, arrow, right = equation.replace(" ", "").partition("->")
    words = left.split(",")
    if len(words) != len(given):
        raise ValueError(
            f"K.einsum: the equation {equation!r} is for {len(words)} tensors, received {len(given)} of shapes "
            f"{', '.join(map(str, given))}."
        )
    groups = [_labels(word, len(shape), equation, shape) for word, shape in zip(words, given, strict=True)]
    counts = Counter(label for group in groups for label in group)
    dots = tuple(sorted({label for label in counts if isinstance(label, int)}, reverse=True))
    if not arrow:
        return groups, (*dots, *sorted(a for a, n in counts.items() if isinstance(a, str) and n == 1))
    hidden = right.count("...")
    letters = right.replace("...", "", 1)
    _check_letters(letters, equation)
    if len(set(letters)) < len(letters) or any(a not in counts for a in letters):
        raise ValueError(
            f"K.einsum: behind the arrow of {equation!r} each label stands once, and is one of those before it."
        )
    if dots and not hidden:
        raise ValueError(f"K.einsum: {equation!r} needs '...' behind the arrow as well, for the axes without a label.")
    place = right.index("...") if hidden else 0
    return groups, (*letters[:place], *dots, *letters[place:]) if hidden else tuple(letters)


def _labels(word: str, ndim: int, equation: str, shape: Any) -> tuple[Label, ...]:
    """A label for each axis of a tensor."""
    before, dots, after = word.partition("...")
    _check_letters(before + after, equation)
    hidden = ndim - len(before) - len(after)
    if hidden < 0 or (hidden and not dots):
        raise ValueError(
            f"K.einsum: {word!r} in {equation!r} labels {len(before) + len(after)} axes, received a tensor of shape "
            f"{shape}."
        )
    return (*before, *range(hidden - 1, -1, -1), *after)


def _check_letters(word: str, equation: str) -> None:
    for letter in word:
        if not (letter.isascii() and letter.isalpha()):
            raise ValueError(
                f"K.einsum: {letter!r} in {equation!r} is no label. Labels are letters from a to z, A to Z."
            )


# -- single tensors -----------------------------------------------------------------------------


def _with_diagonals(x: Tensor, labels: tuple[Label, ...]) -> _Labelled:
    """Each label once: of an axis with a label that is there before, only the diagonal is kept."""
    kept: list[Label] = list(labels)
    while len(set(kept)) < len(kept):
        second = next(i for i, label in enumerate(kept) if label in kept[:i])
        first = kept.index(kept[second])
        n, m = x.shape[first], x.shape[second]
        if n != m and n is not None and m is not None:
            raise ValueError(
                f"K.einsum: the label {kept[first]!r} stands for lengths {n} and {m} of one tensor of shape {x.shape}."
            )
        # Chosen and not multiplied, so that nothing off the diagonal reaches the sum, not even NaN.
        rows = _numbers(x, first)
        made = select(elementwise.equal(rows, _numbers(x, second)), x, 0)
        x = common.total(made, (second,), False)
        del kept[second]
    return _Labelled(x, tuple(kept))


def _numbers(x: Tensor, axis: int) -> Tensor:
    """The numbers of an axis, to be compared along it."""
    numbers = shapes.iota(length=common.length_of(x, axis), dtype="int32")
    return common.expand(numbers, *[i for i in range(x.ndim) if i != axis])


def _lengths(equation: str, parts: list[_Labelled], given: list[Any]) -> dict[Label, Any]:
    """The length that each label stands for: an int, or an integer scalar where it is unknown."""
    found: dict[Label, Any] = {}
    for part in parts:
        for axis, label in enumerate(part.labels):
            length = part.tensor.shape[axis]
            held = found.get(label)
            unknown = isinstance(held, Tensor)
            if held is None or (not unknown and held == 1) or (unknown and length not in (None, 1)):
                found[label] = common.length_of(part.tensor, axis)
            elif not unknown and length not in (None, 1, held):
                name = "an axis of '...'" if isinstance(label, int) else f"the label {label!r}"
                raise ValueError(
                    f"K.einsum: in {equation!r} {name} stands for lengths {held} and {length}; received shapes "
                    f"{', '.join(map(str, given))}."
                )
    return found


def _without_ones(part: _Labelled, lengths: dict[Label, Any]) -> _Labelled:
    """Without the axes of length 1 that broadcast."""
    wide = {label for label, length in lengths.items() if isinstance(length, Tensor) or length != 1}
    ones = [i for i, label in enumerate(part.labels) if part.tensor.shape[i] == 1 and label in wide]
    if not ones:
        return part
    squeezed: Tensor = shapes.squeeze(part.tensor, axis=tuple(ones))
    return _Labelled(squeezed, tuple(label for i, label in enumerate(part.labels) if i not in ones))


def _needed(part: _Labelled, parts: list[_Labelled], result: tuple[Label, ...]) -> set[Label]:
    """The labels that the result or another tensor has."""
    return {*result, *[label for other in parts if other is not part for label in other.labels]}


def _summed(part: _Labelled, needed: set[Label]) -> _Labelled:
    """The sum over all labels that nobody needs."""
    axes = tuple(i for i, label in enumerate(part.labels) if label not in needed)
    if not axes:
        return part
    return _Labelled(common.total(part.tensor, axes, False), tuple(a for a in part.labels if a in needed))


# -- products -----------------------------------------------------------------------------------


def _cheapest(parts: list[_Labelled], lengths: dict[Label, Any]) -> tuple[_Labelled, _Labelled]:
    """The two tensors whose product takes the fewest multiplications."""

    def cost(pair: tuple[_Labelled, _Labelled]) -> int:
        sizes = [lengths[label] for label in {*pair[0].labels, *pair[1].labels}]
        return prod(n if isinstance(n, int) else _GUESS for n in sizes)

    return min(combinations(parts, 2), key=cost)


def _product(x: _Labelled, y: _Labelled, needed: set[Label], lengths: dict[Label, Any]) -> _Labelled:
    """The product of two tensors, summed over the labels that nobody needs any more."""
    shared = [label for label in x.labels if label in y.labels and label in needed]
    inner = [label for label in x.labels if label in y.labels and label not in needed]
    left = [label for label in x.labels if label not in y.labels]
    right = [label for label in y.labels if label not in x.labels]
    labels = (*shared, *left, *right)
    if not inner:
        wide = common.expand(_ordered(x, [*shared, *left]), *range(len(shared) + len(left), len(labels)))
        other = common.expand(_ordered(y, [*shared, *right]), *range(len(shared), len(shared) + len(left)))
        return _Labelled(operands.binary("multiply", wide, other), labels)
    rows = _grouped(_ordered(x, [*shared, *left, *inner]), shared, left, inner, lengths)
    columns = _grouped(_ordered(y, [*shared, *inner, *right]), shared, inner, right, lengths)
    made: Tensor = algebra.matmul(rows, columns)
    if len(left) != 1 or len(right) != 1:
        made = common.reshape(made, [lengths[label] for label in labels])
    return _Labelled(made, labels)


def _ordered(part: _Labelled, labels: list[Label]) -> Tensor:
    return common.transpose(part.tensor, [part.labels.index(label) for label in labels])


def _grouped(x: Tensor, shared: list[Label], first: list[Label], second: list[Label], lengths: Any) -> Tensor:
    """`x` with all axes of a group made one."""
    if len(first) == len(second) == 1:
        return x
    sizes = [prod((lengths[label] for label in group), start=1) for group in (first, second)]
    return common.reshape(x, [*[lengths[label] for label in shared], *sizes])
