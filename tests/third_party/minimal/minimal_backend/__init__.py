"""The smallest backend of multikeras that passes its conformance suite, over plain NumPy."""

from minimal_backend.backend import MinimalBackend

__all__ = ["MinimalBackend"]
