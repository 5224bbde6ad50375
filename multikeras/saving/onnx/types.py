"""Data types in ONNX files: how ours are held, and which of them an operator takes.

Operators of ONNX take fewer types than primitives do, and runtimes fewer than ONNX says. What an operator does not
take is computed in a wider type and brought back: whole numbers then go round as they do in their own type.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from multikeras.contract import is_float

_SIGNED = frozenset({"int32", "int64"})
_FLOATS = frozenset({"float16", "float32", "float64"})
_ARITHMETIC = _FLOATS | _SIGNED

#: By operator: the types of its operands that common runtimes compute in. Operators that are not named take all
#: types that their primitives allow.
TAKEN: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        [
            *("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Neg", "Abs", "Sign", "Mod", "CumSum", "TopK", "MatMul"),
            *("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "ArgMax", "ArgMin"),
            *("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"),
        ],
        _ARITHMETIC,
    ),
    "Equal": _ARITHMETIC | {"bool"},
    "Where": _ARITHMETIC | {"uint8"},
    "Pad": _ARITHMETIC | {"bool", "int8", "uint8"},
    "ScatterND": _ARITHMETIC - {"float16"},
    "ScatterElements": _ARITHMETIC - {"float16"},
    "Relu": _FLOATS,
    "IsInf": frozenset({"float32", "float64"}),
    "Range": _SIGNED,
    # Sums of 16-bit numbers are made in 32 bits here as well.
    "Softmax": frozenset({"float32", "float64"}),
    "LogSoftmax": frozenset({"float32", "float64"}),
}


def held(dtype: str, double: bool) -> str:
    """The type in which values of a type are in the file.

    Args:
        dtype: One of ours.
        double: Whether float64 stays float64.
    """
    return "float32" if dtype == "bfloat16" or (dtype == "float64" and not double) else dtype


def working(kind: str, dtype: str) -> str:
    """The type in which an operator computes with values of a type."""
    taken = TAKEN.get(kind)
    if taken is None or dtype in taken:
        return dtype
    if is_float(dtype):
        return "float32"
    if dtype in ("uint32", "uint64", "int64") and "int64" in taken:
        return "int64"
    return "int32" if "int32" in taken else "float32"


@cache
def number_of(dtype: str) -> int:
    """ONNX's number of a data type."""
    from multikeras.saving.libraries import onnx

    return int(onnx().TensorProto.DataType.Value("BFLOAT16" if dtype == "bfloat16" else _NAMES[dtype]))


_NAMES = {
    **{name: name.upper() for name in ("bool", "int8", "int16", "int32", "int64", "float16")},
    **{name: name.upper() for name in ("uint8", "uint16", "uint32", "uint64")},
    "float32": "FLOAT",
    "float64": "DOUBLE",
}


def stored(array: np.ndarray, dtype: str) -> bytes:
    """The entries of an array as a file holds them: one after the other, the least significant byte first."""
    if dtype == "bfloat16":
        # Values of that type, as float32 numbers whose last 16 bits are 0.
        bits = np.ascontiguousarray(array, "<f4").view("<u4")
        return (bits >> np.uint32(16)).astype("<u2").tobytes()
    return np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<")).tobytes()


def size_of(shape: Any, dtype: str) -> int:
    """How many bytes an array takes in a file."""
    width = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
    return int(np.prod(shape, dtype=np.int64)) * width


__all__ = ["TAKEN", "held", "number_of", "size_of", "stored", "working"]
