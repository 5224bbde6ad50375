"""Programs: graphs specialised, lowered, cached and run. This half asks the registry for a backend."""

from multikeras.programs import evaluate, info, settings, storage
from multikeras.programs.function import Function

__all__ = ["Function", "evaluate", "info", "settings", "storage"]
