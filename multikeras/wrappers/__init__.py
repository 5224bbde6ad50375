"""Models as estimators of other libraries."""

from multikeras.wrappers import scikit_learn

__all__ = ["scikit_learn"]
