"""The data types of multikeras, and the one rule by which they combine.

The rule is ours and not a library's, so that an expression has one type on every backend: the
lattice of JAX and Keras 3, in which an integer meets a float and becomes that float. docs/dtypes.md
shows it as tables.
"""

from __future__ import annotations

from functools import cache, reduce

#: Storage size in bytes of every data type, by name.
SIZES: dict[str, int] = {
    "bool": 1,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "float64": 8,
}

DTYPES = frozenset(SIZES)
UNSIGNED = frozenset({"uint8", "uint16", "uint32"})
SIGNED = frozenset({"int8", "int16", "int32", "int64"})
INTEGERS = UNSIGNED | SIGNED
FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})

_SIGNED_BY_SIZE = {1: "int8", 2: "int16", 4: "int32", 8: "int64"}


def is_float(dtype: str) -> bool:
    """Whether `dtype` names a floating-point type."""
    return dtype in FLOATS


def is_integer(dtype: str) -> bool:
    """Whether `dtype` names a signed or unsigned integer type (bool is neither)."""
    return dtype in INTEGERS


def check_dtype(name: object) -> str:
    """The canonical name of a data type.

    Args:
        name: A name such as `'float32'`, a NumPy dtype or scalar type, or a Python type.

    Raises:
        ValueError: If multikeras has no such type; the message lists those that exist.
    """
    if isinstance(name, str) and name in SIZES:
        return name
    text = _name_of(name)
    if text not in SIZES:
        raise ValueError(f"Unknown dtype {name!r}. Known: {', '.join(sorted(SIZES))}.")
    return text


def _name_of(dtype: object) -> str:
    if dtype is bool:
        return "bool"
    if dtype is int:
        return "int32"
    if dtype is float:
        return "float32"
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    return name.removeprefix("torch.").removesuffix("_ref")


@cache
def _promote_pair(x: str, y: str) -> str:
    if x == y or y == "bool":
        return x
    if x == "bool":
        return y
    if (x in FLOATS) != (y in FLOATS):
        return x if x in FLOATS else y
    if x in FLOATS:
        if {x, y} == {"float16", "bfloat16"}:
            return "float32"
        return max(x, y, key=SIZES.__getitem__)
    if (x in UNSIGNED) == (y in UNSIGNED):
        return max(x, y, key=SIZES.__getitem__)
    unsigned, signed = (x, y) if x in UNSIGNED else (y, x)
    if SIZES[signed] > SIZES[unsigned]:
        return signed
    return _SIGNED_BY_SIZE[min(8, 2 * SIZES[unsigned])]


def promote(*dtypes: str) -> str:
    """The type in which values of the given types meet, e.g. int32 and float16 in float16."""
    return reduce(_promote_pair, dtypes)


#: What a number, array or list is beside a tensor: all that counts of its type.
KINDS = ("bool", "int", "float")


def weak(kind: str, beside: str, floatx: str) -> str:
    """The type that a number or array takes beside a tensor.

    Only tensors have types of their own. A number takes that of the tensor, unless the tensor could not
    hold it at all: floating numbers beside whole ones become floatx, and whole ones beside booleans int32.
    The tensor is then promoted to meet it.

    Args:
        kind: `'bool'`, `'int'` or `'float'`.
        beside: The tensor's type.
        floatx: The default float type.
    """
    if beside in FLOATS or kind == "bool":
        return beside
    if kind == "float":
        return floatx
    return "int32" if beside == "bool" else beside
