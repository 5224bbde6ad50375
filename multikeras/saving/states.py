"""The states of stateful layers: what the next batch begins with.

They are kept with the training of a model, so that it goes on within a sequence; `reset_states` begins a new one.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.programs import storage
from multikeras.saving.hdf5.objects import write_array
from multikeras.saving.reading.reader import CorruptFileError, Group

#: By stateful layer: its states.
States = list[list[Any]]

#: The group in a file; other Keras does not look at it.
GROUP = "multikeras_states"


def states_of(model: Any) -> States:
    """The variables that keep the states of a model, layer by layer; of those alone that are built."""
    if not hasattr(model, "_stateful_layers"):
        return []
    found = [list(getattr(layer, "states", None) or []) for layer in model._stateful_layers()]
    return [states for states in found if states and all(map(K.is_variable, states))]


def set_states(model: Any, states: Sequence[Sequence[Any]] | None, where: str) -> None:
    """Gives the stateful layers of a model their states, or warns that they begin without."""
    if not states:
        return
    variables = states_of(model)
    shapes = [[variable.shape for variable in each] for each in variables]
    if shapes != [[value.shape for value in each] for each in states]:
        warnings.warn(
            f"The states of stateful layers in {where} are left out, since those of model {model.name!r} have other "
            "shapes: it begins a new sequence.",
            stacklevel=4,
        )
        return
    pairs = zip((v for each in variables for v in each), (value for each in states for value in each), strict=True)
    K.batch_set_value(list(pairs))


def write(group: Any, states: States | None) -> None:
    """Writes states into an open group of h5py."""
    for i, each in enumerate(states or []):
        for j, variable in enumerate(each):
            write_array(group, f"{GROUP}/{i}/{j}", storage.seen(variable))


def read(root: Group) -> States | None:
    """The states in a file; None if there are none.

    Raises:
        CorruptFileError: If they are not numbered from 0 on.
    """
    return [_numbered(each) for each in _groups(root.group(GROUP))] if GROUP in root else None


def _groups(group: Group) -> list[Group]:
    return [group.group(name) for name in _numbers(group)]


def _numbered(group: Group) -> list[Any]:
    return [group.array(name) for name in _numbers(group)]


def _numbers(group: Group) -> list[str]:
    names = group.names()
    numbers = [str(i) for i in range(len(names))]
    if sorted(names) != sorted(numbers):
        raise CorruptFileError(
            f"{group.where}: states are numbered from 0 on, received {', '.join(sorted(names)[:5])}."
        )
    return numbers
