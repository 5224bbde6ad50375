"""How exactly matrices are multiplied and convolved: the one place that says so."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax

#: What JAX's own setting is while a program is traced and run, by ours; it is part of the key of JAX's caches.
JAX_WORDS: dict[str, str | None] = {"float32": None, "tf32": "tensorfloat32"}


def precision_of(x: Any) -> lax.Precision | None:
    """The precision of a product of arrays like `x`.

    JAX's own default lets a GPU round the factors of float32 to 11 bits (TF32) first, so that the same
    program would learn differently there. Other types have one precision anyway.
    """
    if x.dtype != np.float32 or jax.config.jax_default_matmul_precision is not None:
        return None
    return lax.Precision.HIGHEST
