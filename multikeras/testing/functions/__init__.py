"""The table of K functions, a file a theme: values, types, shapes and derivatives against NumPy."""

from multikeras.testing.functions import arrays, linear_algebra, network, products, ranges, special, values, windows
from multikeras.testing.functions.case import CASES, COLUMNS, FunctionCase

__all__ = [
    "CASES",
    "COLUMNS",
    "FunctionCase",
    "arrays",
    "linear_algebra",
    "network",
    "products",
    "ranges",
    "special",
    "values",
    "windows",
]
