"""Texts and sequences made ready for a model."""

from multikeras.preprocessing import sequence, text

__all__ = ["sequence", "text"]
