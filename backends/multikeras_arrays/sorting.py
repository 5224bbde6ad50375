"""Kernels that order entries, and that pick and put entries by their places along an axis."""

from __future__ import annotations

from typing import Any

from multikeras.contract import Array, Kernel, outside


def sorting_kernels(xp: Any) -> dict[str, Kernel]:
    """Kernels over the array module `xp`."""

    def sort(x: Array, *, axis: int) -> Array:
        return xp.sort(x, axis)

    def argsort(x: Array, *, axis: int) -> Array:
        return xp.argsort(x, axis, kind="stable").astype("int64", copy=False)

    def top_k(x: Array, *, k: int) -> tuple[Array, Array]:
        # Turned round, sorted and turned back, equal entries are in their order again.
        turned = xp.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1][..., :k]
        places = (x.shape[-1] - 1 - turned).astype("int64", copy=False)
        return xp.take_along_axis(x, places, -1), places

    def take_along_axis(x: Array, indices: Array, *, axis: int) -> Array:
        try:
            return xp.take_along_axis(x, indices, axis)
        except IndexError:
            raise outside(int(indices.min()), int(indices.max()), x.shape[axis]) from None

    # scatter_along_axis is left to its composition, which adds by scatter_add.
    return {"sort": sort, "argsort": argsort, "top_k": top_k, "take_along_axis": take_along_axis}
