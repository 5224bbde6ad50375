"""Optimizer steps in place, over all parameters at once.

The composition makes about ten new arrays a parameter, and fresh memory costs more than arithmetic:
for Adam over 235,000 parameters 0.31 ms against 0.40 to 2.3, by how much the allocator keeps.
Operations come in the order of the composition, so that results are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from multikeras.contract import Array, Kernel

#: Entries of a parameter that are updated at a time; larger ones would leave the cache between two operations.
_BLOCK = 1 << 18


def _writable(arrays: Sequence[Array], in_place: bool) -> list[np.ndarray]:
    """The arrays themselves where they may be written, else copies."""
    return [
        array if in_place and array.flags.writeable and array.flags.c_contiguous else np.array(array, order="C")
        for array in arrays
    ]


def _blocks(*groups: Sequence[Array]) -> Iterator[list[np.ndarray]]:
    """Corresponding blocks of a parameter, its gradient and its slots, as arrays of one axis."""
    for arrays in zip(*groups, strict=True):
        flat = [array.reshape(-1) for array in arrays]
        size = flat[0].size
        if size <= _BLOCK:
            yield flat
            continue
        for start in range(0, size, _BLOCK):
            yield [array[start : start + _BLOCK] for array in flat]


def sgd_update(lr: Array, momentum: Array, *arrays: Array, nesterov: bool, in_place: bool) -> tuple[Array, ...]:
    """A step of gradient descent with momentum: new parameters, new velocities."""
    count = len(arrays) // 3
    params, velocities = _writable(arrays[:count], in_place), _writable(arrays[2 * count :], in_place)
    for p, g, v in _blocks(params, arrays[count : 2 * count], velocities):
        step = np.multiply(lr, g)
        np.multiply(momentum, v, out=v)
        np.subtract(v, step, out=v)
        if nesterov:
            np.add(p, momentum * v, out=p)
            np.subtract(p, step, out=p)
        else:
            np.add(p, v, out=p)
    return (*params, *velocities)


def rmsprop_update(lr: Array, rho: Array, epsilon: Array, *arrays: Array, in_place: bool) -> tuple[Array, ...]:
    """A step of RMSprop: new parameters, new mean squares."""
    count = len(arrays) // 3
    params, accumulators = _writable(arrays[:count], in_place), _writable(arrays[2 * count :], in_place)
    rest = np.subtract(1, rho, dtype=rho.dtype)
    for p, g, a in _blocks(params, arrays[count : 2 * count], accumulators):
        scratch = np.multiply(g, g)
        np.multiply(rest, scratch, out=scratch)
        np.multiply(rho, a, out=a)
        np.add(a, scratch, out=a)
        np.sqrt(a, out=scratch)
        np.add(scratch, epsilon, out=scratch)
        step = np.multiply(lr, g)
        np.divide(step, scratch, out=step)
        np.subtract(p, step, out=p)
    return (*params, *accumulators)


def adam_update(
    lr: Array, beta_1: Array, beta_2: Array, epsilon: Array, *arrays: Array, in_place: bool
) -> tuple[Array, ...]:
    """A step of Adam: new parameters, new means, new mean squares."""
    count = len(arrays) // 4
    params = _writable(arrays[:count], in_place)
    ms, vs = _writable(arrays[2 * count : 3 * count], in_place), _writable(arrays[3 * count :], in_place)
    rest_1, rest_2 = np.subtract(1, beta_1, dtype=beta_1.dtype), np.subtract(1, beta_2, dtype=beta_2.dtype)
    for p, g, m, v in _blocks(params, arrays[count : 2 * count], ms, vs):
        scratch = np.multiply(rest_1, g)
        np.multiply(beta_1, m, out=m)
        np.add(m, scratch, out=m)
        np.multiply(g, g, out=scratch)
        np.multiply(rest_2, scratch, out=scratch)
        np.multiply(beta_2, v, out=v)
        np.add(v, scratch, out=v)
        np.sqrt(v, out=scratch)
        np.add(scratch, epsilon, out=scratch)
        step = np.multiply(lr, m)
        np.divide(step, scratch, out=step)
        np.subtract(p, step, out=p)
    return (*params, *ms, *vs)


OPTIMIZER_KERNELS: dict[str, Kernel] = {
    "sgd_update": sgd_update,
    "rmsprop_update": rmsprop_update,
    "adam_update": adam_update,
}
