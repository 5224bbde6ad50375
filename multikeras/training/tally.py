"""What an epoch adds up, kept apart from that of other runs.

A metric keeps its state in variables, of which there is one set for each model, while several
threads may evaluate the model, or one evaluate what another trains. Each run has the variables for
itself while it does a step; when another run takes its turn, the values of the first are laid aside
and come back with its next step.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from multikeras.graph import Variable
from multikeras.programs import storage


class Tally:
    """The sums and metric states of one run.

    Attributes:
        variables: Where they are while it is the run's turn.
        active: Whether its values are still wanted.
    """

    def __init__(self, variables: Sequence[Variable], active: bool = False) -> None:
        self.variables = list(variables)
        self.active = active
        self._aside: list[Any] | None = None

    def lay_aside(self) -> None:
        """Takes the values out of the variables."""
        self._aside = storage.exchange(self.variables, None)

    def come_back(self) -> None:
        """Puts the values back into the variables, if they were laid aside."""
        if self._aside is not None:
            storage.exchange(self.variables, self._aside)
            self._aside = None

    def forget(self) -> None:
        """Drops values laid aside."""
        self._aside = None


class Turns:
    """Whose turn it is.

    Attributes:
        lock: Held during a step.
        holder: The run whose values are in the variables; the steps of a run begin with
            `if turns.holder is not tally: turns.give(tally)`.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.holder: Tally | None = None

    def give(self, tally: Tally) -> None:
        """Makes it the turn of a run; the lock has to be held."""
        if self.holder is tally:
            return
        if self.holder is not None and self.holder.active:
            self.holder.lay_aside()
        tally.come_back()
        self.holder = tally
