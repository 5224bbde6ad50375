"""Old names of arguments of `fit` and its kin.

Keras 1 counted samples where Keras 2 counts batches; `Samples` says so to the loop. A module for old programs may add
to `OLD`, or change what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from multikeras.training.sources import Samples

#: From the old name of an argument to the new one, and to what turns the old value into the new one.
Names = dict[str, tuple[str, Callable[[Any], Any]]]

_EPOCHS: Names = {"nb_epoch": ("epochs", int)}
_WORKERS: Names = {
    "max_q_size": ("max_queue_size", int),
    "nb_worker": ("workers", int),
    "pickle_safe": ("use_multiprocessing", bool),
}

#: The old names that each method takes.
OLD: dict[str, Names] = {
    "fit": _EPOCHS,
    "fit_generator": {
        **_EPOCHS,
        **_WORKERS,
        "samples_per_epoch": ("steps_per_epoch", Samples),
        "nb_val_samples": ("validation_steps", Samples),
    },
    "evaluate_generator": {**_WORKERS, "val_samples": ("steps", Samples)},
    "predict_generator": {**_WORKERS, "val_samples": ("steps", Samples)},
}


def translated(method: str, keywords: dict[str, Any]) -> dict[str, Any]:
    """Keywords under their new names.

    Args:
        method: The method that was called.
        keywords: Keywords that it does not know.

    Raises:
        TypeError: If one of them is no old name either.
    """
    known = OLD.get(method, {})
    unknown = [name for name in keywords if name not in known]
    if unknown:
        raise TypeError(f"{method} does not take {', '.join(map(repr, unknown))}.")
    return {known[name][0]: known[name][1](value) for name, value in keywords.items() if value is not None}
