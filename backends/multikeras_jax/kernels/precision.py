"""How exactly matrices are multiplied and convolved: the one place that says so."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax


def precision_of(x: Any) -> lax.Precision | None:
    """The precision of a product of arrays like `x`.

    Float32 is float32: JAX's own default lets a GPU round the factors to 19 bits (TF32) first, so that
    the same program would learn differently there. Whoever wants that asks JAX for it
    (`jax_default_matmul_precision`), and then JAX decides. Other types have one precision anyway.
    """
    if x.dtype != np.float32 or jax.config.jax_default_matmul_precision is not None:
        return None
    return lax.Precision.HIGHEST
