"""The NumPy backend, which is always there."""

from multikeras_numpy.numpy_backend import NumpyBackend

__all__ = ["NumpyBackend"]
