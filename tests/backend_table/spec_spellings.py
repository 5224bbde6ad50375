"""Old spellings with the calls that they stand for, and calls that know two orders of dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from spec_calls import normal, unit

Arguments = dict[str, Any]


TH = {"dim_ordering": "th"}
TF = {"dim_ordering": "tf"}
FIRST = {"data_format": "channels_first"}

#: Function, positional arguments, old keywords, and the call of today with the same meaning.
SPELLINGS: list[tuple[str, list[Any], Arguments, tuple[str, list[Any], Arguments]]] = [
    ("lesser", [[1, 2, 3], 2], {}, ("less", [[1, 2, 3], 2], {})),
    ("lesser_equal", [[1, 2, 3], 2], {}, ("less_equal", [[1, 2, 3], 2], {})),
    (
        "normalize_batch",
        [normal(4, 3), normal(3), unit(3), normal(3), unit(3)],
        {},
        ("batch_normalization", [normal(4, 3), normal(3), unit(3), normal(3), unit(3)], {}),
    ),
    ("get_variable_shape", [normal(2, 3)], {}, ("int_shape", [normal(2, 3)], {})),
    ("placeholder", [(2, 3), None, "float64", "name"], {}, ("placeholder", [(2, 3)], {"dtype": "float64"})),
    ("expand_dims", [normal(2, 3)], {"dim": 0}, ("expand_dims", [normal(2, 3), 0], {})),
    ("one_hot", [[0, 2]], {"nb_classes": 3}, ("one_hot", [[0, 2], 3], {})),
    ("batch_get_value", [], {"xs": []}, ("batch_get_value", [[]], {})),
    ("set_epsilon", [], {"e": 1e-6}, ("set_epsilon", [1e-6], {})),
    ("set_floatx", [], {"floatx": "float64"}, ("set_floatx", ["float64"], {})),
    ("temporal_padding", [normal(2, 3, 1), 2], {}, ("temporal_padding", [normal(2, 3, 1), (2, 2)], {})),
    ("temporal_padding", [normal(2, 3, 1)], {"padding": 1}, ("temporal_padding", [normal(2, 3, 1)], {})),
    (
        "spatial_2d_padding",
        [normal(1, 2, 3, 3), (2, 1), "th"],
        {},
        ("spatial_2d_padding", [normal(1, 2, 3, 3), ((2, 2), (1, 1))], FIRST),
    ),
    ("spatial_2d_padding", [normal(1, 3, 3, 2)], TF, ("spatial_2d_padding", [normal(1, 3, 3, 2)], {})),
    (
        "spatial_3d_padding",
        [normal(1, 2, 3, 3, 2), (2, 1, 0)],
        TH,
        ("spatial_3d_padding", [normal(1, 2, 3, 3, 2), ((2, 2), (1, 1), (0, 0))], FIRST),
    ),
    ("resize_images", [normal(1, 2, 3, 3), 2, 3, "th"], {}, ("resize_images", [normal(1, 2, 3, 3), 2, 3], FIRST)),
    (
        "resize_images",
        [],
        {"X": normal(1, 2, 3, 3), "height_factor": 2, "width_factor": 3, **TF},
        ("resize_images", [normal(1, 2, 3, 3), 2, 3, "channels_last"], {}),
    ),
    (
        "resize_volumes",
        [],
        {"X": normal(1, 2, 3, 3, 2), "depth_factor": 2, "height_factor": 3, "width_factor": 1, **TH},
        ("resize_volumes", [normal(1, 2, 3, 3, 2), 2, 3, 1, "channels_first"], {}),
    ),
    (
        "conv2d",
        [normal(1, 2, 5, 4), normal(4, 2, 3, 2)],
        {"strides": (2, 1), "border_mode": "same", **TH, "image_shape": (1, 2, 5, 4), "filter_shape": (4, 2, 3, 2)},
        (
            "conv2d",
            [normal(1, 2, 5, 4), normal(4, 2, 3, 2).transpose(2, 3, 1, 0), (2, 1), "same", "channels_first"],
            {},
        ),
    ),
    (
        "conv2d",
        [normal(1, 5, 4, 2)],
        {"kernel": normal(3, 2, 2, 4), "border_mode": "valid", **TF, "filter_dilation": (2, 1)},
        ("conv2d", [normal(1, 5, 4, 2), normal(3, 2, 2, 4)], {"dilation_rate": (2, 1)}),
    ),
    (
        "conv2d",
        [],
        {"x": normal(1, 2, 5, 4), "kernel": normal(4, 2, 3, 2), **TH},
        ("conv2d", [normal(1, 2, 5, 4), normal(4, 2, 3, 2).transpose(2, 3, 1, 0)], FIRST),
    ),
    (
        "conv3d",
        [normal(1, 2, 3, 4, 3), normal(4, 2, 2, 2, 2), (1, 2, 1)],
        {"border_mode": "same", **TH, "volume_shape": None, "filter_shape": None},
        (
            "conv3d",
            [normal(1, 2, 3, 4, 3), normal(4, 2, 2, 2, 2).transpose(2, 3, 4, 1, 0), (1, 2, 1), "same"],
            FIRST,
        ),
    ),
    (
        "deconv2d",
        [normal(1, 2, 3, 3), normal(4, 2, 3, 3), (1, 4, 6, 3)],
        {"strides": (2, 1), "border_mode": "same", **TH},
        (
            "conv2d_transpose",
            [normal(1, 2, 3, 3), normal(4, 2, 3, 3).transpose(2, 3, 0, 1), (1, 4, 6, 3), (2, 1), "same"],
            FIRST,
        ),
    ),
    (
        "deconv2d",
        [normal(1, 3, 3, 2), normal(3, 3, 4, 2), (1, 3, 3, 4)],
        {"border_mode": "same", **TF},
        ("conv2d_transpose", [normal(1, 3, 3, 2), normal(3, 3, 4, 2), (1, 3, 3, 4), (1, 1), "same"], {}),
    ),
    (
        "pool2d",
        [normal(1, 2, 5, 4), (2, 2), (2, 2)],
        {"border_mode": "same", **TH, "pool_mode": "avg"},
        ("pool2d", [normal(1, 2, 5, 4), (2, 2), (2, 2), "same", "channels_first", "avg"], {}),
    ),
    (
        "pool3d",
        [normal(1, 2, 3, 3, 3), (2, 2, 2)],
        {"border_mode": "same", **TH},
        ("pool3d", [normal(1, 2, 3, 3, 3), (2, 2, 2), (1, 1, 1), "same", "channels_first"], {}),
    ),
    *[
        (name, [], {"output": unit(3, 4), "target": target}, (name, [target, unit(3, 4)], {}))
        for name, target in [
            ("categorical_crossentropy", np.eye(4)[[0, 3, 1]]),
            ("sparse_categorical_crossentropy", np.array([0, 3, 1])),
            ("binary_crossentropy", unit(3, 4)),
        ]
    ],
    *[
        (
            name,
            [],
            {"output": normal(3, 4), "target": target, "from_logits": True},
            (name, [target, normal(3, 4), True], {}),
        )
        for name, target in [
            ("categorical_crossentropy", np.eye(4)[[0, 3, 1]]),
            ("sparse_categorical_crossentropy", np.array([0.0, 3.0, 1.0])),
            ("binary_crossentropy", unit(3, 4)),
        ]
    ],
]


#: Name, channels-last input, other arguments (those of `shape` are shapes that follow the format).
FORMATS: list[tuple[str, np.ndarray, Arguments]] = [
    *[("resize_images", normal(1, 3, 2, 2), {"height_factor": 2, "width_factor": 3, "interpolation": i})
      for i in ("nearest", "bilinear")],
    ("resize_volumes", normal(1, 2, 3, 2, 2), {"depth_factor": 2, "height_factor": 1, "width_factor": 3}),
    ("spatial_2d_padding", normal(1, 3, 2, 2), {"padding": ((1, 2), (0, 3))}),
    ("spatial_3d_padding", normal(1, 3, 2, 2, 2), {"padding": ((1, 2), (0, 3), (1, 0))}),
    *[("bias_add", normal(*[2, 3, 2, 4, 3][:n - 1], 5), {"bias": normal(5)}) for n in (3, 4, 5)],
    ("bias_add", normal(2, 3, 4, 5), {"bias": normal(3, 4, 5)}),
    ("local_conv1d", normal(2, 6, 3), {"kernel": normal(3, 6, 4), "kernel_size": (2,), "strides": (2,)}),
    *[
        (name, x, {**arguments, "padding": padding})
        for padding in ("valid", "same")
        for name, x, arguments in [
            ("conv1d", normal(2, 7, 2), {"kernel": normal(3, 2, 4), "strides": 2}),
            ("conv1d", normal(2, 7, 2), {"kernel": normal(3, 2, 4), "dilation_rate": 2}),
            ("conv2d", normal(2, 7, 6, 2), {"kernel": normal(3, 2, 2, 4), "strides": (2, 1)}),
            ("conv2d", normal(2, 7, 6, 2), {"kernel": normal(3, 2, 2, 4), "dilation_rate": (2, 1)}),
            ("conv3d", normal(1, 4, 3, 3, 2), {"kernel": normal(3, 2, 2, 2, 4), "strides": (2, 1, 1)}),
            ("depthwise_conv2d", normal(2, 6, 5, 2), {"depthwise_kernel": normal(3, 2, 2, 3), "strides": (2, 2)}),
            (
                "separable_conv1d",
                normal(2, 7, 2),
                {"depthwise_kernel": normal(3, 2, 2), "pointwise_kernel": normal(1, 4, 3), "strides": 2},
            ),
            (
                "separable_conv2d",
                normal(2, 6, 5, 2),
                {"depthwise_kernel": normal(3, 2, 2, 2), "pointwise_kernel": normal(1, 1, 4, 3), "strides": (1, 1)},
            ),
            *[("pool2d", normal(2, 6, 5, 2), {"pool_size": (3, 2), "strides": (2, 2), "pool_mode": mode})
              for mode in ("max", "avg")],
            *[("pool3d", normal(1, 4, 3, 5, 2), {"pool_size": (3, 2, 2), "strides": (2, 1, 2), "pool_mode": mode})
              for mode in ("max", "avg")],
        ]
    ],
    *[
        ("conv2d_transpose", normal(2, 3, 2, 2),
         {"kernel": normal(3, 2, 4, 2), "strides": (2, 1), "padding": padding, "output_shape": (2, *lengths, 4)})
        for padding, lengths in [("valid", (7, 3)), ("valid", (8, 3)), ("same", (6, 2)), ("same", (5, 2))]
    ],
    *[
        ("conv3d_transpose", normal(1, 2, 2, 2, 2),
         {"kernel": normal(3, 2, 2, 4, 2), "strides": (2, 1, 1), "padding": padding, "output_shape": (1, *lengths, 4)})
        for padding, lengths in [("valid", (5, 3, 3)), ("same", (4, 2, 2))]
    ],
]  # fmt: skip
