"""Weights of samples and of classes, as `fit` and its kin take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multikeras.training.places import Place
from multikeras.training.tables import DerivedTable, FileTable, NoTable, Table, table

#: Where there are no weights, by whether they would be those of time steps.
_NO_WEIGHTS = {False: NoTable(1), True: NoTable(2)}


def weights(
    sample_weight: Any,
    class_weight: Any,
    targets: Sequence[Table | None],
    places: Sequence[Place],
    temporal: Sequence[bool],
) -> list[Table]:
    """Tables of sample weights, one for each output with a loss.

    Args:
        sample_weight: None, weights for the only output, or a list or dictionary for several.
        class_weight: None, a dictionary from class number to weight, or a list or dictionary of these.
        targets: The targets; None where they are tensors that nobody feeds.
        places: The outputs.
        temporal: Whether an output has a weight for every time step.

    Raises:
        TypeError: If class weights are no dictionary.
        ValueError: If the weights do not fit the targets.
    """
    if sample_weight is None and class_weight is None:
        return [_NO_WEIGHTS[steps] for steps in temporal]
    by_sample = _spread(sample_weight, places, "sample_weight")
    by_class = _spread_classes(class_weight, places)
    result: list[Table] = []
    for given, classes, target, place, steps in zip(by_sample, by_class, targets, places, temporal, strict=True):
        made = None if given is None else _by_sample(given, target, place, steps)
        if classes is not None:
            made = _by_class(classes, target, place, made)
        result.append(_NO_WEIGHTS[steps] if made is None else made)
    return result


def _spread(value: Any, places: Sequence[Place], what: str) -> list[Any]:
    names = [place.name for place in places]
    if value is None:
        return [None] * len(places)
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in names]
        if unknown:
            raise ValueError(f"`{what}` names {unknown}, which are no outputs with a loss; there are {names}.")
        return [value.get(name) for name in names]
    if not places:
        raise ValueError(f"`{what}` was given, and no output of the model has a loss that it could weight.")
    if len(places) == 1:
        single = isinstance(value, (list, tuple)) and len(value) == 1 and hasattr(value[0], "shape")
        return [value[0] if single else value]
    if not isinstance(value, (list, tuple)) or len(value) != len(places):
        raise ValueError(
            f"The model has {len(places)} outputs with a loss: `{what}` takes a list with one entry each, in the order "
            f"{names}, or a dictionary by name."
        )
    return list(value)


def _spread_classes(value: Any, places: Sequence[Place]) -> list[Any]:
    names = {place.name for place in places}
    if isinstance(value, Mapping) and not (value and all(name in names for name in value)):
        if len(places) > 1:
            raise ValueError(
                f"The model has {len(places)} outputs with a loss: `class_weight` takes a dictionary for each, in a "
                "list or by the name of the output."
            )
        return [value] if places else []
    return _spread(value, places, "class_weight")


def _by_sample(given: Any, target: Table | None, place: Place, temporal: bool) -> Table:
    made = table(given, f"sample_weight of {place.name!r}")
    shape = made.shape
    if len(shape) == 2 and shape[1] == 1 and not temporal:
        made = made.without_axis()
        shape = made.shape
    targets = None if target is None else target.shape
    if temporal:
        if len(shape) != 2 or (targets is not None and len(targets) < 3):
            raise ValueError(
                f"sample_weight_mode='temporal' takes weights of shape (samples, steps) for targets with at least 3 "
                f"axes; {place.name!r} received weights of shape {shape} for targets of shape {targets}."
            )
        if targets is not None and shape[1] != targets[1]:
            raise ValueError(
                f"The sample weights of {place.name!r} have shape {shape}, the targets {targets}: the first two axes "
                "have to be equal."
            )
    elif len(shape) != 1:
        raise ValueError(
            f"The sample weights of {place.name!r} have shape {shape}, expected one weight a sample. For weights of "
            "time steps compile with sample_weight_mode='temporal'."
        )
    return made


def _by_class(classes: Any, target: Table | None, place: Place, by_sample: Table | None) -> Table:
    """The weight of the class of each sample, times that of the sample."""
    if not isinstance(classes, Mapping):
        raise TypeError(f"`class_weight` is a dictionary from class number to weight, received {classes!r}.")
    if target is None:
        raise ValueError(
            f"`class_weight` needs targets that are fed; those of {place.name!r} are a tensor. Use sample_weight."
        )
    if len(target.shape) > 2:
        raise ValueError(
            f"`class_weight` needs targets of one class a sample; those of {place.name!r} have shape {target.shape}. "
            "Use sample_weight."
        )

    def weigh(values: Any, factors: Any = None) -> np.ndarray:
        made = class_weights(classes, np.asarray(values))
        if factors is None:
            return made
        factors = np.asarray(factors, dtype="float32")
        return factors * (made[:, None] if factors.ndim == 2 else made)

    sources = [target] if by_sample is None else [target, by_sample]
    shape = (len(target),) if by_sample is None else (len(target), *by_sample.shape[1:])
    if any(isinstance(source, FileTable) for source in sources):
        return DerivedTable(sources, weigh, shape)
    if by_sample is not None and len(by_sample) != len(target):
        raise ValueError(
            f"The output {place.name!r} has {len(target)} targets and {len(by_sample)} sample weights: their number "
            "has to be equal."
        )
    return Table(weigh(*[source.range(0, len(target)) for source in sources]))


def class_weights(classes: Mapping[Any, float], targets: np.ndarray) -> np.ndarray:
    """The weight of the class of each sample.

    Args:
        classes: Weights by class number.
        targets: Class numbers `(samples,)` or `(samples, 1)`, or rows of 0 and 1 `(samples, classes)`.

    Returns:
        An array `(samples,)`.

    Raises:
        ValueError: If a class has no weight.
    """
    numbers = targets.argmax(axis=1) if targets.ndim == 2 and targets.shape[1] > 1 else targets.reshape(-1)
    found, places = np.unique(numbers, return_inverse=True)
    missing = [number for number in found.tolist() if number not in classes]
    if missing:
        raise ValueError(
            f"`class_weight` needs a weight for every class among the targets; missing: {missing}, given: "
            f"{sorted(classes)}."
        )
    return np.array([classes[number] for number in found.tolist()], dtype="float32")[places]
