"""A call of each function of `spec_signatures` with all of its arguments, in their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras import backend as K


def normal(*shape: int) -> np.ndarray:
    return np.random.RandomState(0).randn(*shape)


def unit(*shape: int) -> np.ndarray:
    return np.random.RandomState(0).uniform(0.1, 0.9, shape)


def step(entry: Any, states: Any) -> Any:
    return entry + states[0] * 0.5, [entry + states[0]]


#: Arguments of one call, all of them, in the order of the specification. A function of no arguments makes them anew.
CALLS: dict[str, Any] = {
    "set_epsilon": [1e-6],
    "set_floatx": ["float64"],
    "cast_to_floatx": [normal(2)],
    "set_image_data_format": ["channels_first"],
    "set_image_dim_ordering": ["th"],
    "manual_variable_initialization": [False],
    "variable": [[1, 2], "float64", "w", abs],
    "placeholder": [(2, 3), 2, "int32", "name"],
    "shape": [normal(2, 3)],
    "int_shape": [normal(2, 3)],
    "ndim": [normal(2, 3)],
    "dtype": [normal(2, 3)],
    "eval": lambda: [K.constant([1.0, 2.0])],
    "zeros": [(2, 3), "int32", "z"],
    "ones": [(2, 3), "int32", "o"],
    "eye": [3, "int32", "e"],
    "zeros_like": [normal(2, 3), "int32", "z"],
    "ones_like": [normal(2, 3), "int32", "o"],
    "count_params": lambda: [K.zeros((2, 3))],
    "cast": [normal(2, 3), "int32"],
    "dot": [normal(2, 3), normal(3, 4)],
    "batch_dot": [normal(2, 3, 4), normal(2, 5, 4), (2, 2)],
    "transpose": [normal(2, 3)],
    "gather": [normal(4, 3), np.array([[3, 0]])],
    **dict.fromkeys(["max", "min", "sum", "prod", "var", "std", "mean", "norm"], [normal(2, 3, 4), [0, -1], True]),
    **dict.fromkeys(["any", "all"], [normal(2, 3, 4) > 0, 1, True]),
    "logsumexp": [normal(2, 3, 4), [0, -1], True],
    **dict.fromkeys(["argmax", "argmin", "sort", "argsort"], [normal(2, 3), 0]),
    **dict.fromkeys(["square", "abs", "exp", "round", "sign", "sin", "cos"], [normal(3)]),
    **dict.fromkeys(["sqrt", "log"], [unit(3)]),
    "pow": [unit(3), 2.5],
    "clip": [normal(9), -0.3, 0.4],
    **dict.fromkeys(
        ["equal", "not_equal", "greater", "greater_equal", "less", "less_equal", "lesser", "lesser_equal"],
        [np.array([1, 2, 3]), np.array([3, 2, 1])],
    ),
    **dict.fromkeys(["maximum", "minimum"], [normal(3), np.zeros(3)]),
    "normalize_batch_in_training": [normal(4, 3), unit(3), normal(3), [0], 1e-2],
    **dict.fromkeys(
        ["batch_normalization", "normalize_batch"], [normal(4, 3, 2), normal(3), unit(3), normal(3), unit(3), 1, 1e-2]
    ),
    "l2_normalize": [normal(2, 3), 1],
    "concatenate": [[normal(2, 3), normal(2, 3)], 0],
    "reshape": [normal(2, 3), (3, -1)],
    "permute_dimensions": [normal(2, 3, 4), (0, 2, 1)],
    "resize_images": [normal(1, 2, 3, 4), 2, 3, "channels_first", "bilinear"],
    "resize_volumes": [normal(1, 2, 2, 2, 2), 2, 3, 1, "channels_first"],
    "repeat_elements": [normal(2, 3), 2, 1],
    "repeat": [normal(2, 3), 4],
    **dict.fromkeys(["batch_flatten", "flatten"], [normal(2, 3, 4)]),
    "expand_dims": [normal(2, 3), 1],
    "squeeze": [normal(2, 1, 3), 1],
    "temporal_padding": [normal(2, 3, 1), (1, 2)],
    "spatial_2d_padding": [normal(1, 2, 3, 2), ((1, 2), (0, 1)), "channels_first"],
    "spatial_3d_padding": [normal(1, 2, 3, 2, 2), ((1, 2), (0, 1), (0, 0)), "channels_first"],
    "one_hot": [np.array([0, 2]), 3],
    "reverse": [normal(2, 3), [0, 1]],
    "get_value": lambda: [K.variable([1.0, 2.0])],
    "batch_get_value": lambda: [[K.variable([1.0, 2.0])]],
    "set_value": lambda: [K.variable([1.0, 2.0]), [3, 4]],
    "batch_set_value": lambda: [[(K.variable([1.0, 2.0]), [3, 4])]],
    "print_tensor": [normal(2), "seen "],
    "function": lambda: [[], [K.constant(3.0)], []],
    "gradients": lambda: (lambda x: [x * x, [x]])(K.variable(3.0)),
    "stop_gradient": [normal(2)],
    "rnn": lambda: [
        lambda entry, states: (entry + states[0] + states[1], [entry * 0.5 + states[0]]),
        K.constant(normal(2, 3, 4)),
        [K.zeros((2, 4))],
        True,
        K.constant([[1, 0, 1], [0, 1, 1]]),
        [K.ones((2, 4))],
        True,
        3,
    ],
    "switch": lambda: [K.constant(1) > 0, K.constant(1.0), K.constant(2.0)],
    **dict.fromkeys(["in_train_phase", "in_test_phase"], [normal(2), normal(2) + 1, 1]),
    "relu": [normal(9), 0.1, 0.5, 0.2],
    "elu": [normal(3), 0.5],
    **dict.fromkeys(["softmax", "log_softmax"], [normal(3, 4), 0]),
    **dict.fromkeys(["softplus", "softsign", "sigmoid", "hard_sigmoid", "tanh", "erf", "silu"], [normal(3)]),
    "gelu": [normal(3), True],
    "categorical_crossentropy": [unit(4, 3), normal(4, 3), True, 0],
    "sparse_categorical_crossentropy": [np.array([0, 2, 1]), normal(4, 3), True, 0],
    "binary_crossentropy": [unit(4, 3), normal(4, 3), True],
    "dropout": [np.ones((8, 9)), 0.5, (8, 1), 3],
    "conv1d": [normal(1, 2, 7), normal(3, 2, 4), 2, "same", "channels_first", 1],
    "conv2d": [normal(1, 2, 7, 6), normal(3, 2, 2, 4), (2, 1), "same", "channels_first", (1, 1)],
    "conv3d": [normal(1, 2, 4, 3, 3), normal(3, 2, 2, 2, 4), (2, 1, 1), "same", "channels_first", (1, 1, 1)],
    **dict.fromkeys(
        ["conv2d_transpose", "deconv2d"],
        [normal(1, 2, 3, 3), normal(3, 3, 4, 2), (1, 4, 6, 3), (2, 1), "same", "channels_first", (1, 1)],
    ),
    "conv3d_transpose": [
        normal(1, 2, 2, 2, 2), normal(2, 2, 2, 3, 2), (1, 3, 4, 2, 2), (2, 1, 1), "same", "channels_first",
    ],
    "separable_conv1d": [normal(1, 2, 6), normal(3, 2, 2), normal(1, 4, 3), 2, "same", "channels_first", 1],
    "separable_conv2d": [
        normal(1, 2, 6, 6), normal(3, 3, 2, 2), normal(1, 1, 4, 3), (2, 2), "same", "channels_first", (1, 1),
    ],
    "depthwise_conv2d": [normal(1, 2, 6, 6), normal(3, 3, 2, 2), (2, 2), "same", "channels_first", (1, 1)],
    "local_conv1d": [normal(2, 2, 6), normal(3, 4, 5), (2,), (2,), "channels_first"],
    "local_conv2d": [normal(2, 3, 4, 5), normal(4, 18, 4), (3, 2), (1, 2), (2, 2), "channels_first"],
    "bias_add": [normal(2, 3, 4), normal(3), "channels_first"],
    "pool2d": [normal(1, 2, 5, 5), (2, 3), (2, 2), "same", "channels_first", "avg"],
    "pool3d": [normal(1, 2, 3, 3, 3), (2, 1, 2), (2, 2, 1), "same", "channels_first", "avg"],
    "ctc_batch_cost": [np.array([[0, 1]]), unit(1, 4, 3), np.array([[4]]), np.array([[2]])],
    "ctc_decode": [unit(1, 6, 3), np.array([6]), False, 5, 2, True],
    "ctc_label_dense_to_sparse": [np.array([[3, 4]]), np.array([[1]])],
    "get_uid": ["dense"],
    "set_learning_phase": [1],
    "name_scope": ["block"],
    **dict.fromkeys(["symbolic", "eager"], [step]),
    "normalize_data_format": ["th"],
    "control_dependencies": [[]],
    **dict.fromkeys(
        ["get_variable_shape", *(f"is_{what}" for what in ("variable", "tensor", "placeholder", "keras_tensor"))],
        lambda: [K.variable([1.0])],
    ),
    "is_sparse": lambda: [K.variable([1.0])],
    "to_dense": lambda: [K.variable([1.0])],
    "constant": [[1, 2], "int32", (2, 1), "c"],
    **dict.fromkeys(["identity", "size"], [normal(2, 3), "named"]),
    "random_uniform_variable": [(2, 3), -1, 1, "float64", "w", 3],
    "random_normal_variable": [(2, 3), 0.5, 2.0, "float64", "w", 3],
    **dict.fromkeys(["update", "update_add", "update_sub"], lambda: [K.variable([1.0]), K.constant([2.0])]),
    "moving_average_update": lambda: [K.variable([1.0]), K.constant([2.0]), 0.9],
    **dict.fromkeys(["cumsum", "cumprod"], [normal(2, 3), 1]),
    "arange": [1, 7, 2, "float32"],
    "tile": [normal(2, 3), (2, 1)],
    "stack": [[normal(2), normal(2)], 1],
    "slice": [normal(3, 4), (1, 0), (2, 3)],
    "in_top_k": [unit(2, 4), np.array([0, 1]), 2],
    **dict.fromkeys(["random_normal", "random_uniform", "truncated_normal"], [(2, 3), -1.0, 2.0, "float64", 3]),
    "random_binomial": [(2, 3), 0.5, "float64", 3],
    "map_fn": lambda: [lambda row: row * 2, K.constant(normal(3, 2)), "doubled", "float64"],
    **dict.fromkeys(["foldl", "foldr"], lambda: [lambda a, x: a * 0.5 + x, K.constant(normal(3, 2)), K.zeros(2), "f"]),
    "matmul": [normal(2, 3), normal(3, 4)],
    "where": [normal(4) > 0, normal(4), np.zeros(4)],
    "take_along_axis": [normal(2, 3), np.array([[0, 1, 1]]), 0],
    "scatter_add": [np.zeros((3, 2)), np.array([[0], [2]]), np.ones((2, 2))],
    "top_k": [normal(2, 5), 2, True],
    **dict.fromkeys(["isnan", "isfinite"], [np.array([1.0, np.nan, np.inf])]),
    **dict.fromkeys(["inv", "det", "cholesky"], [np.array([[4.0, 1.0], [1.0, 3.0]])]),
    "solve": [np.array([[4.0, 1.0], [1.0, 3.0]]), normal(2, 3)],
    "layer_normalization": [normal(2, 3, 4), unit(4), normal(4), -1],
    "scaled_dot_product_attention": [normal(2, 3), normal(4, 3), normal(4, 2), normal(2, 4)],
    "while_loop": lambda: [lambda i: i < 5, lambda i: i + 2, K.constant(0.0), 2],
}  # fmt: skip
