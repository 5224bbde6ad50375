"""Cases: activations, losses, normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.testing.functions import oracle
from multikeras.testing.functions.case import COLUMNS, Drawn, case, spelled

_drawn = Drawn(3)
apart, normal, unit = _drawn.apart, _drawn.normal, _drawn.unit

# -- network pieces -----------------------------------------------------------------------------

case("relu", apart(4, 3), build=K.relu, expect=lambda x: np.maximum(x, 0))
case(
    "relu",
    apart(4, 3),
    build=lambda x: K.relu(x, 0.1, 1.3),
    expect=lambda x: np.minimum(np.where(x > 0, x, 0.1 * x), 1.3),
    note="slope",
    columns=COLUMNS[:-1],
)
case(
    "relu",
    apart(4, 3),
    build=lambda x: K.relu(x, alpha=0.2, threshold=0.4),
    expect=lambda x: np.where(x >= 0.4, x, 0.2 * (x - 0.4)),
    note="threshold",
    columns=COLUMNS[:-1],
)
case(
    "elu",
    apart(4, 3),
    build=lambda x: K.elu(x, 1.5),
    expect=lambda x: np.where(x > 0, x, 1.5 * np.expm1(np.minimum(x, 0))),
)
case("softmax", normal(3, 4), build=K.softmax, expect=oracle.softmax)
case(
    "softmax", normal(3, 4, 2), build=lambda x: K.softmax(x, axis=1), expect=lambda x: oracle.softmax(x, 1), note="axis"
)
case("log_softmax", normal(3, 4), build=K.log_softmax, expect=lambda x: np.log(oracle.softmax(x)))
case("bias_add", normal(2, 3, 4), normal(4), build=K.bias_add, expect=np.add)
case(
    "bias_add",
    normal(2, 3, 4, 2),
    normal(3),
    build=lambda x, b: K.bias_add(x, b, "channels_first"),
    expect=lambda x, b: x + b[:, None, None],
    note="first",
)
case(
    "bias_add",
    normal(2, 3, 4),
    normal(4, 3),
    build=lambda x, b: K.bias_add(x, b, "channels_first"),
    expect=lambda x, b: x + b.T,
    format="channels_first",
    note="full",
)
case(
    "l2_normalize",
    normal(3, 4),
    build=lambda x: K.l2_normalize(x, 1),
    expect=lambda x: x / np.sqrt((x * x).sum(1, keepdims=True)),
)
case("l2_normalize", normal(3, 4), build=K.l2_normalize, expect=lambda x: x / np.sqrt((x * x).sum()), note="all")

_share = oracle.softmax(normal(3, 4))
_hot = np.eye(4)[[1, 0, 3]]
case(
    "categorical_crossentropy",
    _hot,
    unit(3, 4),
    build=K.categorical_crossentropy,
    expect=lambda t, y: -(t * np.log(y / y.sum(-1, keepdims=True))).sum(-1),
    whole=False,
)
case(
    "categorical_crossentropy",
    _share,
    normal(3, 4),
    build=lambda t, y: K.categorical_crossentropy(t, K.softmax(y)),
    expect=lambda t, y: -(t * np.log(oracle.softmax(y))).sum(-1),
    note="softmax",
)
case(
    "categorical_crossentropy",
    _share,
    normal(3, 4),
    build=lambda t, y: K.categorical_crossentropy(output=y, target=t, from_logits=True),
    expect=lambda t, y: -(t * np.log(oracle.softmax(y))).sum(-1),
    note="logits",
)
case(
    "sparse_categorical_crossentropy",
    np.array([1, 0, 3]),
    unit(3, 4),
    build=K.sparse_categorical_crossentropy,
    expect=lambda t, y: -np.log((y / y.sum(-1, keepdims=True))[range(3), t]),
    whole=False,
)
case(
    "sparse_categorical_crossentropy",
    np.array([[1.0], [0.0], [3.0]]),
    normal(3, 4),
    build=lambda t, y: K.sparse_categorical_crossentropy(K.stop_gradient(t), y, from_logits=True),
    expect=lambda t, y: -np.log(oracle.softmax(y)[range(3), t[:, 0].astype(int)]),
    note="column",
    whole=False,
)
case(
    "sparse_categorical_crossentropy",
    np.array([[1, 0], [3, 2]]),
    normal(2, 2, 4),
    build=lambda t, y: K.sparse_categorical_crossentropy(t, K.softmax(y)),
    expect=lambda t, y: -np.take_along_axis(np.log(oracle.softmax(y)), t[..., None], -1)[..., 0],
    note="time",
)
case(
    "binary_crossentropy",
    unit(3, 2),
    unit(3, 2),
    build=K.binary_crossentropy,
    expect=lambda t, y: -(t * np.log(y) + (1 - t) * np.log(1 - y)),
    whole=False,
)
case(
    "binary_crossentropy",
    unit(3, 2),
    normal(3, 2),
    build=lambda t, y: K.binary_crossentropy(t, K.sigmoid(y)),
    expect=lambda t, y: np.logaddexp(0, y) - t * y,
    note="sigmoid",
)
case(
    "binary_crossentropy",
    unit(3, 2),
    normal(3, 2),
    build=lambda t, y: K.binary_crossentropy(t, y, from_logits=True),
    expect=lambda t, y: np.logaddexp(0, y) - t * y,
    note="logits",
)
case(
    "in_top_k",
    np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3]]),
    np.array([2, 1]),
    build=lambda y, t: K.in_top_k(y, t, 2),
    expect=lambda y, t: np.array([True, False]),
    dtype="bool",
)


def _batch_norm(x: Any, g: Any, b: Any, axes: Any, epsilon: float = 1e-3) -> Any:
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(var + epsilon) * g + b


case(
    "normalize_batch_in_training",
    normal(5, 3),
    normal(3),
    normal(3),
    build=lambda x, g, b: K.normalize_batch_in_training(x, g, b, [0], 1e-3)[0],
    expect=lambda x, g, b: _batch_norm(x, g, b, (0,)),
)
case(
    "normalize_batch_in_training",
    normal(2, 3, 4, 2),
    normal(3),
    normal(3),
    build=lambda x, g, b: K.normalize_batch_in_training(x, g, b, [0, 2, 3], 1e-3)[0],
    expect=lambda x, g, b: _batch_norm(x, g[:, None, None], b[:, None, None], (0, 2, 3)),
    note="first",
)
case(
    "normalize_batch_in_training",
    normal(5, 3),
    build=lambda x: K.normalize_batch_in_training(x, None, None, [0])[2],
    expect=lambda x: x.var(0),
    note="variance",
)
case(
    "batch_normalization",
    normal(5, 3),
    normal(3),
    unit(3),
    normal(3),
    normal(3),
    build=lambda x, m, v, b, g: K.batch_normalization(x, m, v, b, g, epsilon=1e-3),
    expect=lambda x, m, v, b, g: (x - m) / np.sqrt(v + 1e-3) * g + b,
)
case(
    "batch_normalization",
    normal(2, 3, 4),
    normal(3),
    unit(3),
    build=lambda x, m, v: K.batch_normalization(x, m, v, None, None, axis=1),
    expect=lambda x, m, v: (x - m[:, None]) / np.sqrt(v[:, None] + 1e-4),
    note="axis",
)
case(
    "normalize_batch",
    normal(5, 3),
    normal(3),
    unit(3),
    normal(3),
    normal(3),
    build=lambda x, m, v, b, g: spelled("normalize_batch", x, m, v, b, g, epsilon=1e-3),
    expect=lambda x, m, v, b, g: (x - m) / np.sqrt(v + 1e-3) * g + b,
)
case(
    "layer_normalization",
    normal(4, 3),
    normal(3),
    normal(3),
    build=K.layer_normalization,
    expect=lambda x, g, b: _batch_norm(x, g, b, (1,)),
)
