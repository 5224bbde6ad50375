"""Optimizer steps of many parameters in one call.

PyTorch's fused Adam makes one pass over the memory where separate functions make six (a third of the
time, 235,000 parameters on a CPU). It corrects the bias of its averages itself, while here the rate
arrives corrected; after `_ENDLESS` steps its corrections are exactly 1. RMSprop is the same
computation with a first average that forgets everything. `torch.optim`, whose import takes 0.8 s, is
not involved.

On a GPU the fused function wants Python numbers, for which the GPU would have to be waited for; there
the steps are made of multi-tensor functions that take the scalars as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from multikeras.contract import Array, Kernel

Arrays = list[Array]

#: A number of steps after which `beta ** steps` is 0 for every beta below 1 that a float can hold.
_ENDLESS = torch.tensor(1e30, dtype=torch.float32, device="cpu")


def _number(scalar: Any) -> float:
    return scalar.item() if isinstance(scalar, torch.Tensor) else scalar


def _parts(arrays: Sequence[Array], count: int, in_place: bool, written: Sequence[int]) -> list[Arrays]:
    """`arrays` in `count` equal parts, straight in memory; copies of those in `written` unless `in_place`."""
    size = len(arrays) // count
    parts = []
    for number in range(count):
        part = arrays[number * size : (number + 1) * size]
        if number in written and not in_place:
            parts.append([array.clone(memory_format=torch.contiguous_format) for array in part])
        else:
            parts.append([array.contiguous() for array in part])
    return parts


def _subtract(arrays: Arrays, factor: Any, others: Arrays) -> None:
    """`arrays -= factor * others`, in one pass where the factor is a number."""
    if isinstance(factor, torch.Tensor):
        torch._foreach_sub_(arrays, torch._foreach_mul(others, factor))
    else:
        torch._foreach_add_(arrays, others, alpha=-factor)


def _fused(
    params: Arrays, grads: Arrays, ms: Arrays, vs: Arrays, lr: float, beta_1: float, beta_2: float, epsilon: float
) -> None:
    torch._fused_adam_(
        params,
        grads,
        ms,
        vs,
        [],
        [_ENDLESS] * len(params),
        lr=lr,
        beta1=beta_1,
        beta2=beta_2,
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )


def _separate(params: Arrays, grads: Arrays, ms: Arrays, vs: Arrays, lr: Any, beta_2: Any, epsilon: Any) -> None:
    """The second average and the step, from a first average already made; scalars may be arrays."""
    squares = torch._foreach_mul(grads, grads)
    torch._foreach_mul_(squares, 1 - beta_2)
    torch._foreach_mul_(vs, beta_2)
    torch._foreach_add_(vs, squares)
    divisors = torch._foreach_sqrt(vs)
    torch._foreach_add_(divisors, epsilon)
    steps = torch._foreach_div(ms, divisors)
    _subtract(params, lr, steps)


def update_kernels(device: torch.device) -> dict[str, Kernel]:
    """Kernels of the optimizer steps on `device`; off the CPU no scalar's value is looked at."""
    on_host = device.type == "cpu"

    def sgd_update(lr: Array, momentum: Array, *arrays: Array, nesterov: bool, in_place: bool) -> tuple[Array, ...]:
        params, grads, velocities = _parts(arrays, 3, in_place, (0, 2))
        if not params:
            return ()
        if on_host:
            lr, momentum = _number(lr), _number(momentum)
        torch._foreach_mul_(velocities, momentum)
        _subtract(velocities, lr, grads)
        if nesterov:
            _subtract(params, -momentum, velocities)
            _subtract(params, lr, grads)
        else:
            torch._foreach_add_(params, velocities)
        return (*params, *velocities)

    def rmsprop_update(lr: Array, rho: Array, epsilon: Array, *arrays: Array, in_place: bool) -> tuple[Array, ...]:
        params, grads, accumulators = _parts(arrays, 3, in_place, (0, 2))
        if not params:
            return ()
        if on_host and _number(rho) < 1:
            # Zeros and not the gradients themselves, since PyTorch writes to them.
            averages = [torch.zeros_like(grad) for grad in grads]
            _fused(params, grads, averages, accumulators, _number(lr), 0.0, _number(rho), _number(epsilon))
        else:
            _separate(params, grads, grads, accumulators, lr, rho, epsilon)
        return (*params, *accumulators)

    def adam_update(
        lr: Array, beta_1: Array, beta_2: Array, epsilon: Array, *arrays: Array, in_place: bool
    ) -> tuple[Array, ...]:
        params, grads, ms, vs = _parts(arrays, 4, in_place, (0, 2, 3))
        if not params:
            return ()
        if on_host and _number(beta_1) < 1 and _number(beta_2) < 1:
            _fused(params, grads, ms, vs, _number(lr), _number(beta_1), _number(beta_2), _number(epsilon))
        else:
            torch._foreach_mul_(ms, beta_1)
            torch._foreach_add_(ms, torch._foreach_mul(grads, 1 - beta_1))
            _separate(params, grads, ms, vs, lr, beta_2, epsilon)
        return (*params, *ms, *vs)

    return {"sgd_update": sgd_update, "rmsprop_update": rmsprop_update, "adam_update": adam_update}
