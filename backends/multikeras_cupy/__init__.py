"""The CuPy backend; importing it does not import CuPy, making a `CupyBackend` does."""

from multikeras_cupy.cupy_backend import CupyBackend

__all__ = ["CupyBackend"]
