"""The contract between the framework and its backends.

It imports nothing of the framework; a backend imports nothing of the framework but it.
"""

from multikeras.contract.backend import Array, Backend, Kernel
from multikeras.contract.device import DeviceError, DeviceSettings
from multikeras.contract.dtypes import (
    DTYPES,
    FLOATS,
    INTEGERS,
    SIZES,
    check_dtype,
    is_float,
    is_integer,
    promote,
    weak,
)
from multikeras.contract.indices import outside
from multikeras.contract.primitive import PRIMITIVES, Primitive, primitive, set_builder

__all__ = [
    "DTYPES",
    "FLOATS",
    "INTEGERS",
    "PRIMITIVES",
    "SIZES",
    "Array",
    "Backend",
    "DeviceError",
    "DeviceSettings",
    "Kernel",
    "Primitive",
    "check_dtype",
    "is_float",
    "is_integer",
    "outside",
    "primitive",
    "promote",
    "set_builder",
    "weak",
]
