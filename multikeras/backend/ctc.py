"""Connectionist temporal classification: the cost of labels whose places in time are unknown, and decoding.

The blank is the last class. Everything is computed with logarithms of probabilities.

Source: A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, "Connectionist temporal classification",
Proceedings of the 23rd International Conference on Machine Learning, 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras.backend import common, ctc_search
from multikeras.backend.nn import _made_by
from multikeras.contract import primitive
from multikeras.graph import operands
from multikeras.graph.ops import algebra, control, elementwise, reductions, shapes, sorting
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor

#: The logarithm of 0: low beside any cost, and finite, so that differences of two are no NaN.
_IMPOSSIBLE = -1e30


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Tensor:
    """Minus the logarithm of the probability of a sequence of labels, for each sample.

    It is the sum over all ways to place the labels in time, with blanks and repetitions between
    them. Where `y_pred` is made by `K.softmax`, its argument is used, so that cost and gradient stay
    accurate where a probability rounds to 0. Otherwise the probabilities of a time step are scaled
    to sum 1, and one of 0 counts as the smallest normal number of its type.

    Args:
        y_true: Labels (samples, longest), of any integer or float type; what follows a sample's own
            length is not looked at.
        y_pred: Probabilities (samples, time, classes), a softmax; the last class is the blank.
        input_length: Time steps of each sample, (samples, 1) or (samples,).
        label_length: Labels of each sample, (samples, 1) or (samples,).

    Returns:
        Tensor (samples, 1). A sample with too few time steps for its labels, which needs one for each
        and one between equal neighbours, costs inf and has a gradient of 0.

    Raises:
        ValueError: If the shapes do not fit.
    """
    predicted, labels = common.float_tensor(y_pred), common.tensor(y_true)
    if predicted.ndim != 3 or labels.ndim != 2:
        raise ValueError(
            "K.ctc_batch_cost takes labels (samples, longest) and probabilities (samples, time, classes), received "
            f"shapes {labels.shape} and {predicted.shape}."
        )
    steps = _column(input_length, "ctc_batch_cost")
    count = _column(label_length, "ctc_batch_cost")
    logarithms = shapes.transpose(_logarithms(predicted), permutation=(1, 0, 2))
    blank = operands.cast(operands.convert(common.length_of(predicted, 2)), "int32") - 1
    states = _states(labels, count, blank)
    places = _numbers(states)
    time = common.length_of(predicted, 1)
    wide = shapes.broadcast_to(common.expand(states, 0), shape=operands.pack([time, *common.lengths(states)]))
    emitted = sorting.take_along_axis(logarithms, wide, axis=2)
    _, before_last = _earlier(states, -1)
    skips = elementwise.logical_and(elementwise.not_equal(states, blank), elementwise.not_equal(states, before_last))

    def step(iteration: Tensor, emission: Tensor, held: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        before, before_that = _earlier(held, _IMPOSSIBLE)
        new = _log_sum([held, before, select(skips, before_that, _IMPOSSIBLE)]) + emission
        return [select(elementwise.less(iteration, steps), new, held)], []

    # Before the first step everybody is in the first blank, from which the first label can be reached.
    start = select(operands.binary("equal", places, 0), operands.scalar(0, logarithms.dtype), _IMPOSSIBLE)
    start = shapes.broadcast_to(start, shape=operands.pack(common.lengths(states)))
    (final,), _ = control.scan(step, [emitted], [start], label="time step of K.ctc_batch_cost")
    last = count * 2
    ends = elementwise.logical_or(elementwise.equal(places, last), elementwise.equal(places, last - 1))
    held = select(ends, final, _IMPOSSIBLE)
    largest = elementwise.stop_gradient(reductions.reduce_max(held, axis=(1,), keepdims=True))
    total = elementwise.log(common.total(elementwise.exp(held - largest), (1,), True)) + largest
    possible = operands.binary("greater", total, _IMPOSSIBLE / 2)
    return operands.cast(select(possible, -total, float("inf")), predicted.dtype)


def _column(lengths: Any, function: str) -> Tensor:
    """Lengths as int32 of shape (samples, 1)."""
    given = common.tensor(lengths)
    if given.ndim > 2 or (given.ndim == 2 and given.shape[1] not in (1, None)):
        raise ValueError(f"K.{function}: lengths have shape (samples, 1) or (samples,), received {given.shape}.")
    return common.reshape(operands.cast(given, "int32"), [-1, 1])


def _logarithms(output: Tensor) -> Tensor:
    """Logarithms of probabilities over the last axis."""
    logits = _made_by(output, "softmax")
    if logits is not None:
        made: Tensor = algebra.log_softmax(common.wide(logits))
        return made
    held = common.wide(output)
    held = operands.binary("maximum", held, float(np.finfo(held.dtype).tiny))
    return elementwise.log(held) - elementwise.log(common.total(held, (2,), True))


def _numbers(x: Tensor) -> Tensor:
    """The numbers of the entries along axis 1, in shape (1, length)."""
    return common.expand(shapes.iota(length=common.length_of(x, 1), dtype="int32"), 0)


def _states(labels: Tensor, count: Tensor, blank: Tensor) -> Tensor:
    """Labels with a blank before, between and behind them, (samples, 2 · longest + 1); blanks after the last."""
    named = operands.cast(labels, "int32")
    named = select(elementwise.less(_numbers(named), count), named, blank)
    samples, longest = common.lengths(named)
    blanks = shapes.broadcast_to(blank, shape=operands.pack([samples, longest, 1]))
    pairs = shapes.concatenate(blanks, common.expand(named, 2), axis=2)
    last = shapes.broadcast_to(blank, shape=operands.pack([samples, 1]))
    made: Tensor = shapes.concatenate(common.reshape(pairs, [samples, longest * 2]), last, axis=1)
    return made


def _earlier(x: Tensor, filling: float) -> tuple[Tensor, Tensor]:
    """For each entry along axis 1 the one before it, and the one before that."""
    wide = shapes.pad(x, padding=((0, 0), (2, 0)), value=filling)
    one = shapes.slice_(wide, starts=(0, 1), stops=(None, -1), steps=(1, 1))
    return one, shapes.slice_(wide, starts=(0, 0), stops=(None, -2), steps=(1, 1))


def _log_sum(terms: Sequence[Tensor]) -> Tensor:
    """Logarithm of a sum of exponentials, entry by entry."""
    largest = terms[0]
    for term in terms[1:]:
        largest = elementwise.maximum(largest, term)
    # Nothing of the result depends on it, so no gradient goes through it.
    largest = elementwise.stop_gradient(largest)
    total = elementwise.exp(terms[0] - largest)
    for term in terms[1:]:
        total = total + elementwise.exp(term - largest)
    made: Tensor = elementwise.log(total) + largest
    return made


# -- decoding -----------------------------------------------------------------------------------


def ctc_decode(
    y_pred: Any,
    input_length: Any,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
    dict_seq_lens: Any = None,
    dict_values: Any = None,
    merge_repeated: bool = False,
) -> tuple[list[Tensor], Tensor]:
    """The labels that a softmax over time stands for.

    Greedy decoding takes the likeliest class of each time step, merges repetitions and drops blanks.
    Otherwise a beam search over prefixes adds up all placements of the same labels, or the entries
    of a dictionary are compared by their exact probabilities; both run on the host and have no
    gradient.

    Args:
        y_pred: Probabilities (samples, time, classes); the last class is the blank.
        input_length: Time steps of each sample, (samples,) or (samples, 1).
        greedy: Whether the best class of each step decides; a dictionary is not used then.
        beam_width: How many prefixes are kept after each time step.
        top_paths: How many results a sample has; 1 if `greedy`.
        dict_seq_lens: Length of each entry of the dictionary; None for that of its list.
        dict_values: Dictionary: a list of lists of labels. Only its entries are results then.
        merge_repeated: Whether equal neighbours in the results of a beam search become one.

    Returns:
        A list of `top_paths` int64 tensors (samples, time), the likeliest first, with -1 behind the
        labels; `K.eval`, `K.get_value` and `K.function` give their values without the columns that
        are -1 throughout. And scores (samples, top_paths). The score of a greedy result is minus the logarithm
        of the probability of its one path, as in Keras; of the others it is the logarithm of the
        probability of the labels, -inf where there are fewer than `top_paths` results.

    Raises:
        ValueError: If the shapes do not fit, or `top_paths` is above `beam_width`.
    """
    predicted = common.float_tensor(y_pred)
    if predicted.ndim != 3:
        raise ValueError(f"K.ctc_decode takes probabilities (samples, time, classes), received {predicted!r}.")
    steps = _column(input_length, "ctc_decode")
    logarithms = _logarithms(predicted)
    if greedy:
        labels, scores = _best_path(logarithms, steps)
        return _trimmed([labels]), operands.cast(scores, predicted.dtype)
    width, paths = 100 if beam_width is None else int(beam_width), int(top_paths)
    dictionary = ctc_search.dictionary(dict_values, dict_seq_lens)
    if paths < 1 or (dictionary is None and paths > width):
        raise ValueError(
            f"K.ctc_decode: top_paths is at least 1 and at most beam_width, received {top_paths} and {beam_width}."
        )
    *found, scores = _SEARCH(
        logarithms, steps, beam_width=width, top_paths=paths, dictionary=dictionary, merged=bool(merge_repeated)
    )
    return _trimmed(found), operands.cast(scores, predicted.dtype)


def _trimmed(paths: list[Tensor]) -> list[Tensor]:
    """Results whose values, where K hands them out, are as wide as the longest sequence of labels."""
    for labels in paths:
        labels.finish = ctc_search.trimmed  # type: ignore[attr-defined]
    return paths


def _best_path(logarithms: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and scores of the likeliest class of each time step."""
    best = reductions.argmax(logarithms, axis=2)
    numbers = _numbers(best)
    valid = elementwise.less(numbers, steps)
    blank = operands.cast(operands.convert(common.length_of(logarithms, 2)), "int64") - 1
    kept = elementwise.logical_and(
        elementwise.not_equal(best, blank), elementwise.not_equal(best, _earlier(best, -1)[0])
    )
    kept = elementwise.logical_and(kept, valid)
    # Sorted by whether they are dropped, what is kept comes first, in its order.
    order = sorting.argsort(operands.cast(elementwise.logical_not(kept), "int32"), axis=1)
    front = sorting.take_along_axis(best, order, axis=1)
    count = common.total(operands.cast(kept, "int32"), (1,), True)
    labels = select(elementwise.less(numbers, count), front, -1)
    largest = reductions.reduce_max(logarithms, axis=(2,), keepdims=False)
    return labels, -common.total(select(valid, largest, 0), (1,), True)


def _searched(x: Tensor, steps: Tensor, beam_width: int, top_paths: int, dictionary: Any, merged: bool) -> list[Tensor]:
    """The search as a call of the host; here all lengths are known."""
    samples, time, _ = x.shape
    made: list[Tensor] = control.host_call(
        x,
        steps,
        function=ctc_search.Search(beam_width, top_paths, dictionary, merged),
        outputs=(*[((samples, time), "int64")] * top_paths, ((samples, top_paths), x.dtype)),
        gradient=None,
    )
    return made


def _search_shapes(x: Tensor, steps: Tensor, top_paths: int, **attributes: Any) -> list[Any]:
    samples = x.shape[0] if x.shape[0] is not None else steps.shape[0]
    return [*[(samples, x.shape[1])] * top_paths, (samples, top_paths)]


_SEARCH = primitive(
    "ctc.search",
    shape=_search_shapes,
    dtype=lambda x, steps, top_paths, **attributes: [*["int64"] * top_paths, x.dtype],
    gradient=None,
    multiple=True,
    composition=_searched,
    doc="The likeliest sequences of labels of a softmax over time, and the logarithms of their probabilities.",
)


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> Tensor:
    """Labels with zeros behind each sample's own, marked as sparse.

    Args:
        labels: Labels (samples, longest).
        label_lengths: Labels of each sample, (samples,) or (samples, 1).

    Returns:
        Tensor of the shape and type of `labels`: there are no sparse tensors, and `K.is_sparse` holds
        for this one. It is what `K.to_dense` would make of one.
    """
    given = common.tensor(labels)
    if given.ndim != 2:
        raise ValueError(f"K.ctc_label_dense_to_sparse takes labels (samples, longest), received {given!r}.")
    count = _column(label_lengths, "ctc_label_dense_to_sparse")
    made = select(elementwise.less(_numbers(given), count), given, 0)
    made.is_sparse = True  # type: ignore[attr-defined]
    return made


__all__ = ["ctc_batch_cost", "ctc_decode", "ctc_label_dense_to_sparse"]
