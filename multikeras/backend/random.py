"""Random tensors, by the counter-based generator whose bits are equal on every backend.

Without a seed the key of a node is drawn from NumPy's global generator when the node is built, so
that `np.random.seed(n)` at the top of a program fixes all that follows. A run draws anew.
"""

from __future__ import annotations

from typing import Any

from multikeras.backend import common
from multikeras.backend.making import variable
from multikeras.contract import is_float
from multikeras.graph import naming, operands
from multikeras.graph.context import outside_bodies
from multikeras.graph.ops import elementwise
from multikeras.graph.ops import random as ops
from multikeras.graph.ops.normal import inverse_normal
from multikeras.graph.tensor import Tensor, Variable

#: Share of the standard normal distribution between -2 and 2.
_WITHIN_TWO = 0.9544997361036416


def key_of(seed: Any) -> Tensor:
    """The key of a random node: from a seed, a whole number, or from NumPy's generator where it is None."""
    return ops.new_key(None if seed is None else common.whole(seed, "a seed", -(2**63)))


def _lengths(shape: Any) -> Any:
    """A shape without unknown lengths."""
    entries = operands.pack(shape)
    if not isinstance(entries, Tensor) and any(n is None or n < 0 for n in entries):
        raise ValueError(
            f"{naming.calling()}a shape to be filled has whole numbers from 0 on, received {entries}. A length that "
            "is not known yet is K.shape(x)[0]."
        )
    return entries


def _unit(shape: Any, dtype: str, seed: int | None) -> Tensor:
    made: Tensor = ops.random_uniform(key_of(seed), shape=_lengths(shape), dtype=dtype)
    return made


def random_uniform(
    shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: int | None = None
) -> Tensor:
    """Numbers drawn evenly from `minval` up to and without `maxval`.

    Args:
        shape: Lengths, ints or integer scalars made of `K.shape`.
        minval: Lower bound.
        maxval: Upper bound.
        dtype: Data type; floatx where None. An integer type gives whole numbers.
        seed: Fixes the sequence of draws.
    """
    kind = common.float_type(dtype)
    minval, maxval = common.number(minval, "a bound"), common.number(maxval, "a bound")
    if not is_float(kind):
        whole = elementwise.floor(_unit(shape, "float64", seed) * (maxval - minval))
        return operands.cast(whole, kind) + minval
    u = _unit(shape, kind, seed)
    if isinstance(minval, Tensor) or isinstance(maxval, Tensor):
        low, high = operands.cast(common.tensor(minval), kind), operands.cast(common.tensor(maxval), kind)
        return (u + low / (high - low)) * (high - low)
    width = maxval - minval
    if width == 0:
        return u * 0 + minval
    # Add, then multiply: a compiler fuses a product and a sum, and then the last bit differs.
    shifted = u + minval / width if minval else u
    return shifted * width if width != 1 else common.fresh(shifted)


def _normal(shape: Any, mean: Any, stddev: Any, dtype: Any, seed: int | None, share: float) -> Tensor:
    kind = common.float_type(dtype)
    if not is_float(kind):
        raise ValueError(f"{naming.calling()}the numbers are floating-point ones, received dtype {kind!r}.")
    mean, stddev = common.number(mean, "the mean"), common.number(stddev, "the standard deviation")
    wide = "float64" if kind == "float64" else "float32"
    half = 2.0**-54 if wide == "float64" else 2.0**-25
    # The middle of the cell that u stands for, counted from 0.5: exact, symmetric, and never ±0.5.
    q = _unit(shape, wide, seed) - 0.5 + half
    if share < 1:
        q = q * share
    z = inverse_normal(q)
    if share < 1:
        z = operands.binary("minimum", operands.binary("maximum", z, -2), 2)
    z = operands.cast(z, kind)
    if isinstance(stddev, Tensor) or stddev != 1:
        z = z * stddev
    return z + mean if isinstance(mean, Tensor) or mean != 0 else common.fresh(z)


def random_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: int | None = None) -> Tensor:
    """Numbers drawn from a normal distribution.

    Args:
        shape: Lengths, ints or integer scalars made of `K.shape`.
        mean: Mean.
        stddev: Standard deviation.
        dtype: Data type; floatx where None.
        seed: Fixes the sequence of draws.
    """
    return _normal(shape, mean, stddev, dtype, seed, 1.0)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: int | None = None
) -> Tensor:
    """Numbers drawn from a normal distribution cut off two standard deviations from the mean.

    Args:
        shape: Lengths, ints or integer scalars made of `K.shape`.
        mean: Mean.
        stddev: Standard deviation before cutting off.
        dtype: Data type; floatx where None.
        seed: Fixes the sequence of draws.
    """
    return _normal(shape, mean, stddev, dtype, seed, _WITHIN_TWO)


def random_binomial(shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Tensor:
    """1 with probability `p`, else 0.

    Args:
        shape: Lengths, ints or integer scalars made of `K.shape`.
        p: Probability, from 0 to 1.
        dtype: Data type; floatx where None.
        seed: Fixes the sequence of draws.

    Raises:
        ValueError: If `p` is outside.
    """
    kind = common.float_type(dtype)
    if not 0 <= common.number(p, "p") <= 1:
        raise ValueError(f"K.random_binomial: p is a probability from 0 to 1, received {p}.")
    key, lengths = key_of(seed), _lengths(shape)
    if p in (0, 1):
        return common.filled(lengths if isinstance(lengths, tuple) else list(lengths), p, kind)
    # The mask compares integers, which are equal on every backend; it is 0 with probability p.
    mask = ops.dropout_mask(key, shape=lengths, rate=float(p), dtype="float32")
    return operands.cast(elementwise.equal(mask, operands.scalar(0, "float32")), kind)


# -- variables ----------------------------------------------------------------------------------


def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """A variable whose first value is drawn evenly from `low` to `high`.

    Args:
        shape: Lengths.
        low: Lower bound.
        high: Upper bound.
        dtype: Data type; floatx where None.
        name: A name.
        seed: Fixes the draw.
    """
    # Made in a loop's step, a variable is still drawn once.
    with outside_bodies():
        return variable(random_uniform(shape, low, high, dtype, seed), common.float_type(dtype), name)


def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """A variable whose first value is drawn from a normal distribution.

    Args:
        shape: Lengths.
        mean: Mean.
        scale: Standard deviation.
        dtype: Data type; floatx where None.
        name: A name.
        seed: Fixes the draw.
    """
    with outside_bodies():
        return variable(random_normal(shape, mean, scale, dtype, seed), common.float_type(dtype), name)
