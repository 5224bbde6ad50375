"""How exact every function of K is: one table for all functions, types and backends.

A result is compared with what NumPy makes of the same arguments in float64: of those that the type can
hold, so that rounding the arguments is no error of the function. The error is counted in *units*: the
distance of two neighbouring numbers of the result's type. 0.5 is the error of rounding alone; a result
that is the rounded reference counts as 0, and so does NaN for NaN.

The unit is taken at each entry of the result. For functions that add, an entry near 0 may be what is left
of large terms, and no digit of it needs to be right: there the unit is taken at the largest entry, which
`largest` says.

Tolerances of float64 and float32 are twice the worst error seen on three backends, and no less than 4,
or 8 of functions that add: other processors and libraries are a little off elsewhere. 16-bit results are
computed in float32 and rounded once, or twice where a function is composed of others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multikeras.testing.case import held_by

#: Binary digits behind the leading one, and exponent of the smallest normal number.
_FORMATS = {"float64": (52, -1022), "float32": (23, -126), "bfloat16": (7, -126), "float16": (10, -14)}


@dataclass(frozen=True)
class Tolerance:
    """Most units by which a result may differ from the reference.

    Attributes:
        float64: In float64; likewise the others.
        float32: In float32, and for whole numbers, which become floatx.
        bfloat16: In bfloat16.
        float16: In float16.
        largest: Whether the unit is that of the largest entry of the result.
        note: Arguments for which much more is lost, by the nature of the function.
    """

    float64: float
    float32: float
    bfloat16: float
    float16: float
    largest: bool = False
    note: str = ""

    def of(self, dtype: str) -> float:
        """Units allowed in a type."""
        return float(getattr(self, dtype))


EXACT = Tolerance(0, 0, 0, 0)


def units(actual: np.ndarray, expected: np.ndarray, dtype: str, largest: bool, scale: float = 0.0) -> float:
    """The largest error of a result, in units of its type.

    Args:
        actual: What came out.
        expected: What should have, in float64.
        dtype: Type of the result.
        largest: Whether the unit is that of the largest entry.
        scale: A size whose unit counts where entries are smaller.
    """
    found, rounded = np.asarray(actual, "float64"), held_by(expected, dtype)
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    if same.all():
        return 0.0
    sizes = np.maximum(np.abs(expected), scale)
    if largest:
        sizes = np.full_like(sizes, np.max(sizes[np.isfinite(sizes)], initial=0.0))
    digits, smallest = _FORMATS[dtype]
    with np.errstate(all="ignore"):
        unit = 2.0 ** (np.floor(np.log2(np.maximum(sizes, 2.0**smallest))) - digits)
        errors = np.where(same, 0.0, np.abs(found - expected) / unit)
    return float(np.max(np.where(np.isnan(errors), np.inf, errors)))


#: By function of K; those that give no floats are not here, and have to be right.
#: By function of K; those that give no floats are not here, and have to be right.
#: By function of K; those that give no floats are not here, and have to be right.
#: By function of K; those that give no floats are not here, and have to be right.
#: By function of K; those that give no floats are not here, and have to be right.
#: By function of K; those that give no floats are not here, and have to be right.
#: By function of K; those that give no floats are not here, and have to be right.
TOLERANCES: dict[str, Tolerance] = {
    "abs": EXACT,
    "arange": EXACT,
    "arccos": Tolerance(4, 4, 1, 1, note="near 1"),
    "arccosh": Tolerance(4, 4, 1, 1, note="near 1"),
    "arcsin": Tolerance(4, 4, 1, 1),
    "arcsinh": Tolerance(4, 4, 1, 1),
    "arctan": Tolerance(4, 4, 1, 1),
    "arctan2": Tolerance(4, 4, 1, 1),
    "arctanh": Tolerance(4, 5, 1, 1),
    "batch_dot": Tolerance(8, 8, 1, 1, largest=True),
    "batch_flatten": EXACT,
    "batch_normalization": Tolerance(8, 8, 1, 1, largest=True, note="variances far below epsilon times the mean"),
    "bias_add": EXACT,
    "binary_crossentropy": Tolerance(4, 16, 1, 1),
    "cast": EXACT,
    "cast_to_floatx": EXACT,
    "categorical_crossentropy": Tolerance(4, 4, 1, 1),
    "ceil": EXACT,
    "cholesky": Tolerance(8, 8, 1, 1, largest=True, note="loses the digits of the condition number"),
    "clip": EXACT,
    "concatenate": EXACT,
    "constant": EXACT,
    "conv1d": Tolerance(8, 8, 1, 1, largest=True),
    "conv2d": Tolerance(8, 8, 1, 1, largest=True),
    "conv2d_transpose": Tolerance(8, 8, 1, 1, largest=True),
    "conv3d": Tolerance(8, 8, 1, 1, largest=True),
    "conv3d_transpose": Tolerance(8, 8, 1, 2, largest=True),
    "cos": Tolerance(4, 4, 1, 1, note="beyond 1e5 the argument itself has few digits behind the point"),
    "cosh": Tolerance(4, 4, 1, 1),
    "ctc_batch_cost": Tolerance(4, 4, 1, 1, note="a result near 0"),
    "ctc_decode": Tolerance(4, 12, 1, 1),
    "ctc_label_dense_to_sparse": EXACT,
    "cumprod": Tolerance(4, 4, 1, 1, note="each factor adds half a unit"),
    "cumsum": Tolerance(4, 4, 1, 1, note="terms that cancel"),
    "custom_gradient": EXACT,
    "deconv2d": Tolerance(8, 8, 1, 3, largest=True),
    "depthwise_conv2d": Tolerance(8, 8, 1, 1, largest=True),
    "det": Tolerance(8, 20, 1, 1, largest=True, note="loses the digits of the condition number"),
    "dot": Tolerance(8, 8, 1, 1, largest=True, note="terms that cancel"),
    "dropout": EXACT,
    "einsum": Tolerance(8, 8, 2, 2, largest=True),
    "elu": Tolerance(6, 7, 1, 1),
    "erf": Tolerance(4, 6, 1, 1),
    "exp": Tolerance(4, 4, 1, 1, note="of a large x: half a unit of x is |x| / 2 units of the result"),
    "expand_dims": EXACT,
    "expm1": Tolerance(6, 8, 1, 1),
    "eye": EXACT,
    "flatten": EXACT,
    "floor": EXACT,
    "foldl": Tolerance(8, 8, 1, 1, largest=True),
    "foldr": Tolerance(8, 8, 1, 1, largest=True),
    "gather": EXACT,
    "gelu": Tolerance(8, 8, 1, 1, largest=True, note="below -3 the result is a small difference"),
    "gradients": Tolerance(8, 8, 2, 1, largest=True),
    "hard_sigmoid": Tolerance(8, 8, 1, 1, largest=True, note="near -2.5 the result is a small difference"),
    "identity": EXACT,
    "in_test_phase": EXACT,
    "in_train_phase": EXACT,
    "inv": Tolerance(8, 8, 1, 1, largest=True, note="loses the digits of the condition number"),
    "l2_normalize": Tolerance(4, 4, 1, 1),
    "layer_normalization": Tolerance(8, 8, 1, 1, largest=True, note="variances far below epsilon"),
    "local_conv1d": Tolerance(8, 8, 1, 1, largest=True),
    "local_conv2d": Tolerance(8, 8, 1, 1, largest=True),
    "log": Tolerance(4, 4, 1, 1, note="near 1 the result is as small as the rounding of the argument"),
    "log1p": Tolerance(4, 4, 1, 1),
    "log_softmax": Tolerance(4, 12, 2, 2, note="a result near 0"),
    "logsumexp": Tolerance(4, 4, 1, 1, note="a result near 0"),
    "map_fn": Tolerance(8, 8, 1, 1, largest=True),
    "matmul": Tolerance(8, 8, 1, 1, largest=True),
    "max": EXACT,
    "maximum": EXACT,
    "mean": Tolerance(8, 8, 1, 1, largest=True, note="terms that cancel: relative to the largest term"),
    "min": EXACT,
    "minimum": EXACT,
    "moving_average_update": Tolerance(4, 4, 1, 1),
    "norm": Tolerance(4, 4, 1, 1),
    "normalize_batch": Tolerance(8, 8, 1, 1, largest=True, note="variances far below epsilon times the mean"),
    "normalize_batch_in_training": Tolerance(8, 8, 1, 1, largest=True, note="a mean far above the standard deviation"),
    "numpy_function": EXACT,
    "one_hot": EXACT,
    "ones": EXACT,
    "permute_dimensions": EXACT,
    "pool2d": Tolerance(8, 8, 1, 1, largest=True),
    "pool3d": Tolerance(8, 8, 1, 1, largest=True),
    "pow": Tolerance(4, 4, 1, 1, note="exponents above 100: the logarithm's error is multiplied by them"),
    "primitive": Tolerance(4, 4, 2, 2),
    "print_tensor": EXACT,
    "prod": Tolerance(4, 6, 1, 1, note="each factor adds half a unit"),
    "random_binomial": EXACT,
    "random_normal": Tolerance(4, 4, 1, 1),
    "random_normal_variable": EXACT,
    "random_uniform": EXACT,
    "random_uniform_variable": EXACT,
    "relu": Tolerance(4, 4, 1, 3),
    "repeat": EXACT,
    "repeat_elements": EXACT,
    "reshape": EXACT,
    "resize_images": Tolerance(8, 8, 1, 1, largest=True),
    "resize_volumes": EXACT,
    "reverse": EXACT,
    "rnn": Tolerance(8, 8, 2, 2, largest=True, note="each step adds its own error: the tolerance is that of five"),
    "round": EXACT,
    "scaled_dot_product_attention": Tolerance(8, 16, 2, 1, largest=True),
    "scatter_add": Tolerance(4, 4, 1, 1),
    "separable_conv1d": Tolerance(8, 8, 1, 1, largest=True),
    "separable_conv2d": Tolerance(8, 8, 2, 2, largest=True),
    "sigmoid": Tolerance(4, 4, 1, 1),
    "sign": EXACT,
    "silu": Tolerance(4, 6, 2, 11, note="in float16 below -10, where the sigmoid is no normal number"),
    "sin": Tolerance(4, 4, 1, 1, note="beyond 1e5 the argument itself has few digits behind the point"),
    "sinh": Tolerance(6, 8, 1, 1),
    "slice": EXACT,
    "slogdet": Tolerance(4, 4, 1, 1, note="as log: near a determinant of 1"),
    "softmax": Tolerance(4, 8, 1, 1),
    "softplus": Tolerance(4, 5, 2, 2),
    "softsign": Tolerance(4, 4, 2, 2),
    "solve": Tolerance(8, 8, 1, 1, largest=True, note="loses the digits of the condition number"),
    "solve_triangular": Tolerance(8, 8, 1, 1, largest=True, note="loses the digits of the condition number"),
    "sort": EXACT,
    "sparse_categorical_crossentropy": Tolerance(4, 7, 1, 1),
    "spatial_2d_padding": EXACT,
    "spatial_3d_padding": EXACT,
    "sqrt": Tolerance(4, 4, 1, 1),
    "square": EXACT,
    "squeeze": EXACT,
    "stack": EXACT,
    "std": Tolerance(4, 4, 1, 1, note="a mean far above the standard deviation"),
    "stop_gradient": Tolerance(4, 4, 1, 1),
    "sum": Tolerance(8, 8, 1, 1, largest=True, note="terms that cancel: relative to the largest term"),
    "switch": EXACT,
    "take_along_axis": EXACT,
    "tan": Tolerance(4, 4, 1, 1, note="near odd multiples of pi / 2"),
    "tanh": Tolerance(7, 8, 1, 1),
    "temporal_padding": EXACT,
    "tile": EXACT,
    "to_dense": EXACT,
    "top_k": EXACT,
    "transpose": EXACT,
    "truncated_normal": Tolerance(6, 4, 1, 1),
    "update": EXACT,
    "update_add": EXACT,
    "update_sub": EXACT,
    "var": Tolerance(4, 4, 1, 1, note="a mean far above the standard deviation"),
    "variable": EXACT,
    "where": EXACT,
    "while_loop": EXACT,
    "zeros": EXACT,
    "zeros_like": EXACT,
}
