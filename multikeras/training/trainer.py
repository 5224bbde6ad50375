"""Training: what every model can do beside being a network."""

from __future__ import annotations

from multikeras.training.evaluating import Evaluating
from multikeras.training.fitting import Fitting
from multikeras.training.predicting import Predicting


class Trainer(Fitting, Evaluating, Predicting):
    """The part of a model that trains, judges and uses it."""


__all__ = ["Trainer"]
