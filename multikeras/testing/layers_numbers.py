"""Rules of `check_layer` about what a layer computes: slopes, masks, formats, samples, backends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.contract import is_float
from multikeras.graph.ops.elementwise import identity
from multikeras.graph.tensor import Tensor
from multikeras.layers import Layer, signatures
from multikeras.programs import Function
from multikeras.testing import comparing
from multikeras.testing.layers_subject import (
    Broken,
    Evaluation,
    LeftOut,
    Placed,
    Subject,
    difference,
    randomize,
    settings_kept,
)

#: How far an argument moves for a difference quotient, and how far the quotient may be from the slope.
_STEP, _SLOPE_TOLERANCE = 1e-5, 1e-5
#: How often other directions are tried where the function has a corner.
_DIRECTIONS = 4


def gradients(subject: Subject) -> None:
    """In float64 the gradients by inputs and trainable weights equal difference quotients, in both phases."""
    with settings_kept():
        K.set_floatx("float64")
        placed = subject.placed()
        if not placed.floats:
            raise LeftOut("no output is of a floating type")
        randomize(placed.layer)
        targets = [t for t in placed.tensors if is_float(t.dtype)] + list(placed.layer.trainable_weights)
        if not targets:
            raise LeftOut("there is nothing to differentiate by")
        for phase in (0, 1):
            _slopes(subject, placed, targets, phase)


def _slopes(subject: Subject, placed: Placed, targets: list[Any], phase: int) -> None:
    generator = np.random.default_rng(5)
    feeds = subject.feeds(placed)
    shapes = [v.shape for v in Evaluation(placed.floats, feeds, phase).run()]
    factors = [generator.normal(size=shape) for shape in shapes]
    total: Any = 0
    for output, factor in zip(placed.floats, factors, strict=True):
        total = total + K.sum(output * K.constant(factor, dtype="float64"))
    found = K.gradients(total, targets)
    given = [g for g in found if g is not None]
    scalar = Evaluation([total], feeds, phase)
    slopes = iter(Evaluation(given, feeds, phase).run() if given else [])
    for target, gradient in zip(targets, found, strict=True):
        slope = next(slopes) if gradient is not None else None
        what = "the input" if target in placed.tensors else f"weight {target.name!r}"
        _compare_slope(scalar, target, slope, what, phase, generator)


def _compare_slope(
    scalar: Evaluation, target: Tensor, slope: Any, what: str, phase: int, generator: np.random.Generator
) -> None:
    word = "training" if phase else "test"
    if target not in scalar:
        if what == "the input":
            return
        raise Broken(f"In the {word} phase the output does not depend on {what}: use it in call, or do not make it.")
    base = scalar.value_of(target)
    quotient = expected = 0.0
    for _ in range(_DIRECTIONS):
        direction = generator.normal(size=base.shape)
        quotient, halved = (_quotient(scalar, target, base, direction, step) for step in (_STEP, _STEP / 2))
        expected = 0.0 if slope is None else float(np.sum(slope * direction))
        scale = max(1.0, abs(quotient), 0.0 if slope is None else float(np.abs(slope).max(initial=0.0)))
        if abs(quotient - expected) <= _SLOPE_TOLERANCE * scale:
            return
        # Two quotients that differ show a corner between them; a fault of the gradient leaves them equal.
        if abs(quotient - halved) <= _SLOPE_TOLERANCE * scale:
            break
    if slope is None:
        raise Broken(
            f"In the {word} phase no gradient reaches {what}, though the output depends on it (slope {quotient:.6g}). "
            "Something between is a constant: np.asarray or K.get_value of a tensor, K.stop_gradient, a rounding."
        )
    raise Broken(
        f"In the {word} phase the gradient by {what} is {expected:.6g} along a direction, and the difference quotient "
        f"{quotient:.6g}."
    )


def _quotient(scalar: Evaluation, target: Tensor, base: np.ndarray, direction: np.ndarray, step: float) -> float:
    ahead, behind = (float(scalar.run({target: base + sign * step * direction})[0]) for sign in (1, -1))
    return (ahead - behind) / (2 * step)


# -- masks ------------------------------------------------------------------------------------------


def masks(subject: Subject) -> None:
    """Masks fit the outputs, and what a mask leaves out does not count in a layer whose call takes it."""
    layer = subject.made()
    if not layer.supports_masking and type(layer).compute_mask is Layer.compute_mask:
        raise LeftOut("it does not support masking")
    if any(a.ndim < (3 if is_float(str(a.dtype)) else 2) for a in subject.arrays):
        raise LeftOut("an input has no steps")
    plain = subject.placed(layer)
    randomize(layer)
    given = [K.placeholder((t.shape[0], t.shape[1]), dtype="bool") for t in plain.tensors]
    placed = subject.called(layer, [_masked(t, m) for t, m in zip(plain.tensors, given, strict=True)])
    found = [t.__dict__.get("_keras_mask") for t in placed.outputs]
    feeds = {t: np.asarray(a, t.dtype) for t, a in zip(plain.tensors, subject.arrays, strict=True)}
    kept = [_steps(a.shape[:2]) for a in subject.arrays]
    feeds.update(zip(given, kept, strict=True))
    known = [m for m in found if m is not None]
    values = Evaluation([*placed.outputs, *known], feeds).run()
    outputs, made = values[: len(placed.outputs)], iter(values[len(placed.outputs) :])
    of_outputs = [None if m is None else next(made) for m in found]
    for value, mask in zip(outputs, of_outputs, strict=True):
        if mask is not None and mask.shape != value.shape[: mask.ndim]:
            raise Broken(
                f"The mask of the output has shape {mask.shape} and the output {value.shape}: return from compute_mask "
                "a mask with the steps of the output, or None."
            )
    if not signatures.of(layer).takes("mask"):
        return
    generator = np.random.default_rng(8)
    changed = dict(feeds)
    for tensor, array, mask in zip(plain.tensors, subject.arrays, kept, strict=True):
        if is_float(tensor.dtype):
            other = generator.normal(size=array.shape).astype(tensor.dtype)
            changed[tensor] = np.where(mask.reshape(*mask.shape, *(1,) * (array.ndim - 2)), feeds[tensor], other)
    again = Evaluation(placed.outputs, changed).run()
    for a, b, mask in zip(outputs, again, of_outputs, strict=True):
        where: Any = slice(None) if mask is None else mask.astype(bool)
        if difference(b[where], a[where]) > 1e-5:
            raise Broken(
                "What stands at the steps that the mask leaves out changes the output, though call takes the mask: "
                "choose with K.where or K.switch, and count only the steps that are kept."
            )


def _masked(tensor: Any, mask: Any) -> Any:
    made: Any = identity(tensor)
    made.__dict__["_keras_mask"] = mask
    return made


def _steps(shape: Sequence[int]) -> np.ndarray:
    """A mask that leaves out the last steps, more of them from sample to sample, and keeps the first."""
    batch, steps = shape
    kept = np.array([max(steps - 1 - i, 1) for i in range(batch)])
    made: np.ndarray = np.arange(steps)[None] < kept[:, None]
    return made


# -- formats, samples, backends ---------------------------------------------------------------------


def formats(subject: Subject) -> None:
    """With channels first it computes the same on the same entries; None is the global setting."""
    if "data_format" not in subject.parameters:
        raise LeftOut("it has no data_format")
    last, first = subject.made(data_format="channels_last"), subject.made(data_format="channels_first")
    turned = Subject(subject.cls, subject.arguments, [_first(a) for a in subject.arrays], subject.call_arguments)
    turned.fixed_batch = subject.fixed_batch
    here, there = subject.placed(last), turned.placed(first)
    randomize(last)
    equal_weights = [w.shape for w in last.weights] == [w.shape for w in first.weights]
    if not equal_weights:
        raise Broken(
            f"Its weights have the shapes {[w.shape for w in first.weights]} with channels first and "
            f"{[w.shape for w in last.weights]} with channels last: files hold one for both."
        )
    first.set_weights(last.get_weights())
    expected = Evaluation(here.outputs, subject.feeds(here)).run()
    found = Evaluation(there.outputs, turned.feeds(there)).run()
    for a, b in zip(found, expected, strict=True):
        wanted = _first(b)
        if a.shape != wanted.shape or (subject.formats == "equal" and difference(a, wanted) > 1e-5):
            raise Broken(
                f"With channels first it gives something else on the same entries (shape {a.shape}, expected "
                f"{wanted.shape})."
            )
    with settings_kept():
        K.set_image_data_format("channels_first")
        made = subject.made(data_format=None)
        if getattr(made, "data_format", "channels_first") != "channels_first":
            raise Broken("data_format=None is not the global setting: use K.normalize_data_format.")


def _first(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array


def samples(subject: Subject) -> None:
    """In the test phase each sample is computed by itself."""
    placed = subject.placed()
    if subject.fixed_batch or placed.layer.stateful:
        raise LeftOut("the length of its batch is fixed")
    randomize(placed.layer)
    whole = Evaluation(placed.outputs, subject.feeds(placed)).run()
    alone = Evaluation(placed.outputs, subject.feeds(placed, [a[1:2] for a in subject.arrays])).run()
    for a, b in zip(alone, whole, strict=True):
        if difference(a, b[1:2]) > 1e-5:
            raise Broken(
                "In the test phase the result for a sample depends on the other samples of its batch: leave the batch "
                "axis out of reductions and reshapes."
            )


def backends(subject: Subject) -> None:
    """Made and run on each backend it gives the same values, gradients and updates, in both phases."""
    names = comparing._names(None) if subject.backends is None else list(subject.backends)
    if len(names) < 2:
        raise LeftOut("there are fewer than two backends to compare")
    found = {name: _on(name, subject) for name in names}
    for name in names[1:]:
        worst = max(difference(b, a) for a, b in zip(found[names[0]], found[name], strict=True))
        if worst > 1e-3:
            raise Broken(
                f"The backends {names[0]} and {name} differ by {worst:.1e}: compute with K alone, and never "
                "ask which backend runs."
            )


def _on(name: str, subject: Subject) -> list[np.ndarray]:
    """Values, slopes and weights after a run in either phase, of a layer made on a backend."""
    made: list[np.ndarray] = []
    with K.use_backend(name):
        # Equal seeds for all that the layer draws.
        np.random.seed(6)
        placed = subject.placed()
        randomize(placed.layer)
        targets = [t for t in placed.tensors if is_float(t.dtype)] + list(placed.layer.trainable_weights)
        total = sum((K.sum(K.square(t)) for t in placed.floats), start=K.constant(0.0))
        slopes = [g for g in K.gradients(total, targets) if g is not None] if placed.floats and targets else []
        for phase in (0, 1):
            updates = placed.updates if phase else []
            made += Function(placed.tensors, [*placed.outputs, *slopes], updates, phase=phase)(subject.arrays)
            made += placed.layer.get_weights()
    return made
