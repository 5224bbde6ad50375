"""Cases: convolution, pooling, loops."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.testing.functions import oracle
from multikeras.testing.functions.case import CHANNELS, Drawn, case, spelled

_drawn = Drawn(6)
apart, normal = _drawn.apart, _drawn.normal

# -- convolution and pooling --------------------------------------------------------------------

for _padding in ("valid", "same"):
    for _format in CHANNELS:
        _last = _format == "channels_last"
        _note = f"{_padding}-{_format}"
        case(
            "conv1d",
            normal(2, 6, 2) if _last else normal(2, 2, 6),
            normal(3, 2, 4),
            build=lambda x, k, p=_padding, f=_format: K.conv1d(x, k, 2, p, f),
            expect=lambda x, k, p=_padding, f=_format: oracle.conv(x, k, (2,), p, (1,), f),
            note=_note,
        )
        case(
            "conv2d",
            normal(2, 5, 6, 2) if _last else normal(2, 2, 5, 6),
            normal(3, 2, 2, 4),
            build=lambda x, k, p=_padding, f=_format: K.conv2d(x, k, (2, 1), p, f),
            expect=lambda x, k, p=_padding, f=_format: oracle.conv(x, k, (2, 1), p, (1, 1), f),
            note=_note,
        )
        case(
            "conv3d",
            normal(1, 3, 4, 3, 2) if _last else normal(1, 2, 3, 4, 3),
            normal(2, 2, 2, 2, 3),
            build=lambda x, k, p=_padding, f=_format: K.conv3d(x, k, (1, 2, 1), p, f),
            expect=lambda x, k, p=_padding, f=_format: oracle.conv(x, k, (1, 2, 1), p, (1, 1, 1), f),
            note=_note,
        )
        case(
            "depthwise_conv2d",
            normal(2, 4, 4, 2) if _last else normal(2, 2, 4, 4),
            normal(3, 3, 2, 2),
            build=lambda x, k, p=_padding, f=_format: K.depthwise_conv2d(x, k, (1, 1), p, f),
            expect=lambda x, k, p=_padding, f=_format: oracle.depthwise(x, k, (1, 1), p, f),
            note=_note,
        )
        for _mode in ("max", "avg"):
            case(
                "pool2d",
                apart(2, 5, 4, 2) if _last else apart(2, 2, 5, 4),
                build=lambda x, p=_padding, f=_format, m=_mode: K.pool2d(x, (3, 2), (2, 2), p, f, m),
                expect=lambda x, p=_padding, f=_format, m=_mode: oracle.pool(x, (3, 2), (2, 2), p, m, f),
                note=f"{_note}-{_mode}",
            )
            case(
                "pool3d",
                apart(1, 3, 4, 4, 2) if _last else apart(1, 2, 3, 4, 4),
                build=lambda x, p=_padding, f=_format, m=_mode: K.pool3d(x, (2, 2, 2), (1, 2, 2), p, f, m),
                expect=lambda x, p=_padding, f=_format, m=_mode: oracle.pool(x, (2, 2, 2), (1, 2, 2), p, m, f),
                note=f"{_note}-{_mode}",
            )
    case(
        "conv2d_transpose",
        normal(2, 2, 3, 2),
        normal(3, 2, 4, 2),
        build=lambda x, k, p=_padding: K.conv2d_transpose(
            x, k, (2, *((5, 6) if p == "valid" else (4, 6)), 4), (2, 2), p, "channels_last"
        ),
        expect=lambda x, k, p=_padding: oracle.conv_transpose(x, k, (5, 6) if p == "valid" else (4, 6), (2, 2), p),
        note=_padding,
    )
case(
    "conv1d",
    normal(2, 6, 2),
    normal(3, 2, 4),
    build=lambda x, k: K.conv1d(x, k, padding="causal", dilation_rate=2),
    expect=lambda x, k: oracle.conv(x, k, (1,), [(4, 0)], (2,)),
    note="causal",
    known=True,
)
case(
    "conv2d",
    normal(2, 6, 6, 2),
    normal(2, 3, 2, 4),
    build=lambda x, k: K.conv2d(x, k, dilation_rate=(2, 2), padding="same"),
    expect=lambda x, k: oracle.conv(x, k, (1, 1), "same", (2, 2)),
    note="dilation",
)
case(
    "conv2d",
    normal(2, 2, 5, 5),
    normal(4, 2, 3, 3),
    build=lambda x, k: spelled(
        "conv2d", x, k, border_mode="same", dim_ordering="th", image_shape=None, filter_shape=None
    ),
    expect=lambda x, k: oracle.conv(x, k.transpose(2, 3, 1, 0), (1, 1), "same", (1, 1), "channels_first"),
    note="th",
)
case(
    "conv3d",
    normal(1, 2, 3, 3, 3),
    normal(4, 2, 2, 2, 2),
    build=lambda x, k: spelled("conv3d", x, k, dim_ordering="th"),
    expect=lambda x, k: oracle.conv(x, k.transpose(2, 3, 4, 1, 0), (1, 1, 1), "valid", (1, 1, 1), "channels_first"),
    note="th",
)
case(
    "deconv2d",
    normal(2, 2, 3, 3),
    normal(4, 2, 3, 3),
    build=lambda x, k: K.deconv2d(x, k, (2, 4, 5, 5), dim_ordering="th"),
    note="th",
    expect=lambda x, k: oracle.conv_transpose(x, k.transpose(2, 3, 0, 1), (5, 5), (1, 1), "valid", "channels_first"),
)
case(
    "deconv2d",
    normal(2, 3, 3, 2),
    normal(3, 3, 4, 2),
    build=lambda x, k: K.deconv2d(x, k, (None, 3, 3, 4), border_mode="same", dim_ordering="tf"),
    expect=lambda x, k: oracle.conv_transpose(x, k, (3, 3), (1, 1), "same"),
    note="tf",
)
case(
    "conv2d_transpose",
    normal(2, 2, 2, 3),
    normal(2, 2, 4, 2),
    build=lambda x, k: K.conv2d_transpose(x, k, (2, 4, 4, 6), (2, 2), "same", "channels_first"),
    expect=lambda x, k: oracle.conv_transpose(x, k, (4, 6), (2, 2), "same", "channels_first"),
    note="first",
)
case(
    "conv3d_transpose",
    normal(1, 2, 2, 2, 2),
    normal(2, 2, 2, 3, 2),
    build=lambda x, k: K.conv3d_transpose(x, k, (1, 3, 3, 3, 3)),
    expect=lambda x, k: oracle.conv_transpose(x, k, (3, 3, 3), (1, 1, 1), "valid"),
)
case(
    "conv3d_transpose",
    normal(1, 2, 1, 2, 2),
    normal(2, 2, 2, 3, 2),
    build=lambda x, k: K.conv3d_transpose(x, k, (1, 3, 2, 3, 3), (1, 1, 1), "valid", "channels_first"),
    expect=lambda x, k: oracle.conv_transpose(x, k, (2, 3, 3), (1, 1, 1), "valid", "channels_first"),
    note="first",
)
case(
    "separable_conv1d",
    normal(2, 6, 2),
    normal(3, 2, 2),
    normal(1, 4, 3),
    build=lambda x, d, p: K.separable_conv1d(x, d, p),
    expect=lambda x, d, p: oracle.depthwise(x, d, (1,), "valid") @ p[0],
)
case(
    "separable_conv1d",
    normal(2, 2, 6),
    normal(3, 2, 2),
    normal(1, 4, 3),
    build=lambda x, d, p: K.separable_conv1d(x, d, p, 2, "same", "channels_first"),
    expect=lambda x, d, p: oracle.from_last(
        oracle.depthwise(oracle.to_last(x, "channels_first"), d, (2,), "same") @ p[0], "channels_first"
    ),
    note="first",
)
case(
    "separable_conv2d",
    normal(2, 4, 4, 2),
    normal(3, 3, 2, 2),
    normal(1, 1, 4, 3),
    build=lambda x, d, p: K.separable_conv2d(x, d, p, (2, 2), "same"),
    expect=lambda x, d, p: oracle.depthwise(x, d, (2, 2), "same") @ p[0, 0],
)
case(
    "separable_conv2d",
    normal(2, 2, 4, 3),
    normal(2, 2, 2, 2),
    normal(1, 1, 4, 3),
    build=lambda x, d, p: K.separable_conv2d(x, d, p, (1, 1), "valid", "channels_first"),
    expect=lambda x, d, p: oracle.from_last(
        oracle.depthwise(oracle.to_last(x, "channels_first"), d, (1, 1), "valid") @ p[0, 0], "channels_first"
    ),
    note="first",
)
case(
    "local_conv1d",
    normal(2, 6, 2),
    normal(3, 4, 5),
    build=lambda x, k: K.local_conv1d(x, k, (2,), (2,)),
    expect=lambda x, k: oracle.local(x, k, (2,), (2,)),
    known=True,
)
case(
    "local_conv1d",
    normal(2, 2, 6),
    normal(3, 4, 5),
    build=lambda x, k: K.local_conv1d(x, k, (2,), (2,), "channels_first"),
    expect=lambda x, k: oracle.from_last(
        oracle.local(oracle.to_last(x, "channels_first"), k, (2,), (2,)), "channels_first"
    ),
    known=True,
    note="first",
)
for _format in CHANNELS:
    case(
        "local_conv2d",
        normal(2, 4, 5, 3) if _format == "channels_last" else normal(2, 3, 4, 5),
        normal(4, 18, 4),
        build=lambda x, k, f=_format: K.local_conv2d(x, k, (3, 2), (1, 2), (2, 2), f),
        expect=lambda x, k, f=_format: oracle.local(x, k, (3, 2), (1, 2), f),
        note=_format,
    )

# -- loops --------------------------------------------------------------------------------------


def _rnn(result: int, **options: Any) -> Any:
    def build(x: Any, w: Any, u: Any, h: Any, mask: Any = None) -> Any:
        def step(entry: Any, states: Any) -> Any:
            new = K.tanh(K.dot(entry, states[1]) + K.dot(states[0], states[2]))
            return new, [new]

        last, outputs, states = K.rnn(step, x, [h], mask=mask, constants=[w, u], **options)
        return (last, outputs, states[0])[result]

    return build


_weights = normal(3, 4), normal(4, 4) * 0.5, normal(2, 4)
_masks = None, np.array([[1, 0, 1, 1, 1], [0, 0, 1, 0, 1]]), np.array([[[1], [0], [1]], [[0], [1], [1]]])
for _mask in _masks:
    _feeds = (
        normal(2, 5 if _mask is None else _mask.shape[1], 3),
        *_weights,
        *(() if _mask is None else (_mask,)),
    )
    for _result, _backwards in product(range(3), (False, True)):
        case(
            "rnn",
            *_feeds,
            build=_rnn(_result, go_backwards=_backwards),
            expect=lambda x, w, u, h, m=None, r=_result, b=_backwards: oracle.rnn(x, w, u, h, m, b)[r],
            note=f"{_result}-{_backwards}-{None if _mask is None else _mask.ndim}",
        )
case(
    "map_fn",
    normal(3, 4),
    build=lambda x: K.map_fn(lambda row: K.sum(K.square(row)), x),
    expect=lambda x: (x * x).sum(1),
)
case(
    "foldl",
    normal(4, 3),
    build=lambda x: K.foldl(lambda a, row: a * 0.5 + row, x),
    expect=lambda x: ((x[0] * 0.5 + x[1]) * 0.5 + x[2]) * 0.5 + x[3],
    whole=False,
)
case(
    "foldl",
    normal(4, 3),
    build=lambda x: K.foldl(lambda a, row: K.maximum(a, row), x),
    expect=lambda x: x.max(0),
    note="largest",
)
case(
    "foldr",
    normal(4, 3),
    build=lambda x: K.foldr(lambda a, row: a * 0.5 + row, x, K.constant([1.0, 1, 1])),
    expect=lambda x: (((0.5 + x[3]) * 0.5 + x[2]) * 0.5 + x[1]) * 0.5 + x[0],
)
