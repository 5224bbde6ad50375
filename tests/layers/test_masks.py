"""Masks through every layer: passed on, joined, used up, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from multikeras import backend as K  # noqa: E402
from multikeras import layers  # noqa: E402
from multikeras.graph.ops.elementwise import identity  # noqa: E402
from tests.layers.layer_table import CASES, Case  # noqa: E402

#: The mask of the input is the mask of the output.
PASSES = {
    "Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dense", "Dropout", "ELU",
    "GaussianDropout", "GaussianNoise", "GroupNormalization", "LayerNormalization", "LeakyReLU", "PReLU", "ReLU",
    "Softmax", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "ThresholdedReLU",
}  # fmt: skip

#: What all inputs keep is what the output keeps.
JOINS = {"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"}

#: With rules of their own, tested below by name.
OWN = {"Concatenate", "Dot", "Embedding", "GlobalAveragePooling1D", "Lambda", "Masking", "MultiHeadAttention"}

#: A step of the output is made of several steps of the input, or of none: Keras 2 has no mask for it.
REFUSES = {
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D",
    "Conv3DTranspose", "Cropping1D", "Cropping2D", "Cropping3D", "DepthwiseConv2D", "Flatten",
    "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "GlobalMaxPooling3D", "LocallyConnected1D", "LocallyConnected2D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "Permute", "RepeatVector", "Reshape", "SeparableConv1D", "SeparableConv2D", "UpSampling1D", "UpSampling2D",
    "UpSampling3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
}  # fmt: skip

#: These have tests beside their own.
ELSEWHERE = ("multikeras.layers.recurrent", "multikeras.layers.convolutional_recurrent", "multikeras.layers.wrappers")

HERE = [case for case in CASES if not type(case.make()).__module__.startswith(ELSEWHERE)]


def masked(tensor: Any, mask: Any) -> Any:
    """The tensor as a layer would give it, with a mask."""
    made = identity(tensor)
    made.__dict__["_keras_mask"] = mask
    return made


def inputs(case: Case) -> tuple[list[Any], list[Any]]:
    tensors, masks = [], []
    for shape in case.shapes:
        # Beside sequences, what has no steps has no mask.
        mask = K.placeholder((None, shape[1]), dtype="bool") if shape[1] == case.shapes[0][1] else None
        dtype = "int32" if case.integers else "float32"
        tensors.append(masked(layers.Input(batch_shape=(None, *shape[1:]), dtype=dtype), mask))
        masks.append(mask)
    return tensors, masks


def test_every_layer_is_in_the_table() -> None:
    found = {each.__name__ for each in layers._LAYERS if not each.__module__.startswith(ELSEWHERE)}
    assert PASSES | JOINS | OWN | REFUSES | {"InputLayer"} == found


@pytest.mark.parametrize("case", HERE, ids=lambda case: case.name)
def test_masks(case: Case) -> None:
    layer = case.make()
    kind = type(layer).__name__
    if kind in OWN or kind == "Scaled":
        return
    tensors, masks = inputs(case)
    given = tensors if len(tensors) > 1 else tensors[0]
    if kind in REFUSES:
        with pytest.raises(TypeError, match=f"Layer '{layer.name}' does not support masking, and its input has a mask"):
            layer(given, **case.arguments)
        return
    output = layer(given, **case.arguments)
    found = output._keras_mask
    if kind in PASSES:
        assert found is masks[0]
        return
    masks = [mask for mask in masks if mask is not None]
    values = [np.array([[i >> n & 1 for i in range(case.shapes[0][1])]] * 2, "bool") for n in range(len(masks))]
    np.testing.assert_array_equal(K.function(masks, [found])(values)[0], np.logical_and.reduce(values))


def test_one_mask_of_two_is_enough() -> None:
    mask = K.placeholder((None, 3), dtype="bool")
    x, y = masked(layers.Input((3, 2)), mask), layers.Input((3, 2))
    assert layers.add([x, y])._keras_mask is mask
    assert layers.add([y, y])._keras_mask is None
    assert layers.dot([x, y], axes=2)._keras_mask is None


def test_masks_of_joined_sequences(each_backend: str) -> None:
    first, second = K.placeholder((None, 2), dtype="bool"), K.placeholder((None, 2), dtype="bool")
    x, y = masked(layers.Input((2, 3)), first), masked(layers.Input((2, 3)), second)
    z = layers.Input((2, 3))
    a, b = np.array([[True, False], [True, True]]), np.array([[True, True], [False, False]])
    arrays = [np.zeros((2, 2, 3), "float32")] * 3
    joined = [layers.concatenate([x, y], axis=1), layers.concatenate([x, y]), layers.concatenate([x, z], axis=1)]
    found = K.function([x, y, z, first, second], [t._keras_mask for t in joined])([*arrays, a, b])
    np.testing.assert_array_equal(found[0], np.concatenate([a, b], 1))
    np.testing.assert_array_equal(found[1], a & b)
    np.testing.assert_array_equal(found[2], np.concatenate([a, np.ones_like(b)], 1))


def test_masks_that_layers_make_and_use_up(each_backend: str) -> None:
    ids = layers.Input((3,), dtype="int32")
    embedded = layers.Embedding(5, 2, mask_zero=True)(ids)
    x = layers.Input((3, 2))
    marked = layers.Masking(mask_value=7.0)(x)
    mean = layers.GlobalAveragePooling1D()(marked)
    assert mean._keras_mask is None
    flipped = layers.GlobalAveragePooling1D(data_format="channels_first")(masked(x, K.ones((1, 2))))
    data = np.array([[[1, 2], [7, 7], [3, 7]], [[7, 7]] * 3], "float32")
    function = K.function([ids, x], [embedded._keras_mask, marked._keras_mask, marked, mean, flipped])
    found = function([[[1, 0, 2], [0, 0, 4]], data])
    np.testing.assert_array_equal(found[0], [[True, False, True], [False, False, True]])
    np.testing.assert_array_equal(found[1], [[True, False, True], [False] * 3])
    np.testing.assert_array_equal(found[2], data * found[1][..., None])
    # A sequence without any step has mean 0.
    np.testing.assert_allclose(found[3], [[2, 4.5], [0, 0]])
    np.testing.assert_allclose(found[4], data.mean(2), rtol=1e-6)


def test_what_a_mask_leaves_out_may_be_no_number() -> None:
    x, mask = layers.Input((2, 1)), K.placeholder((None, 2), dtype="bool")
    mean = layers.GlobalAveragePooling1D()(masked(x, mask))
    data = np.array([[[3.0], [np.nan]]])
    value, slope = K.function([x, mask], [mean, K.gradients(K.sum(mean), [x])[0]])([data, [[True, False]]])
    np.testing.assert_array_equal(value, [[3.0]])
    np.testing.assert_array_equal(slope, [[[1.0], [0.0]]])


# -- attention ------------------------------------------------------------------------------------


def attended(layer: Any, query: np.ndarray, value: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The formula, query by query over the keys that it sees; where there are none, the mean of all without dropout."""
    wq, bq, wk, bk, wv, bv, wo, bo = (w.astype("float64") for w in layer.get_weights())
    q, k, v = (np.einsum("bti,inh->btnh", x, w) + b for x, w, b in ((query, wq, bq), (value, wk, bk), (value, wv, bv)))
    made = np.zeros((*query.shape[:2], *wo.shape[:2]))
    for b, t, n in np.ndindex(*query.shape[:2], wo.shape[0]):
        keys = np.flatnonzero(seen[b, t])
        if len(keys):
            scores = np.exp(k[b, keys, n] @ q[b, t, n] / np.sqrt(q.shape[-1]))
            made[b, t, n] = scores / scores.sum() @ v[b, keys, n]
        elif not layer.dropout:
            made[b, t, n] = v[b, :, n].mean(0)
    return np.einsum("btnh,nho->bto", made, wo) + bo


@pytest.mark.parametrize("dropout", [0.0, 0.5], ids=["whole", "with scores apart"])
def test_masks_of_attention(dropout: float, each_backend: str) -> None:
    generator = np.random.default_rng(0)
    layer = layers.MultiHeadAttention(2, 3, dropout=dropout)
    q_mask, v_mask = K.placeholder((None, 3), dtype="bool"), K.placeholder((None, 4), dtype="bool")
    pairs = K.placeholder((None, 3, 4), dtype="int32")
    query, value = masked(layers.Input((3, 5)), q_mask), masked(layers.Input((4, 5)), v_mask)
    output = layer(query, value, attention_mask=pairs, use_causal_mask=True)
    assert output._keras_mask is q_mask
    x, y = generator.normal(size=(2, 3, 5)).astype("float32"), generator.normal(size=(2, 4, 5)).astype("float32")
    a = np.array([[True, True, False], [True, True, True]])
    b = np.array([[True, True, True, True], [False, True, True, True]])
    c = generator.integers(0, 2, (2, 3, 4)) | np.eye(3, 4, dtype="int")
    seen = a[:, :, None] & b[:, None] & (c == 1) & np.tril(np.ones((3, 4), "bool"))
    (found,) = K.function([query, value, q_mask, v_mask, pairs], [output])([x, y, a, b, c])
    np.testing.assert_allclose(found, attended(layer, x, y, seen), rtol=1e-5, atol=1e-5)


def test_masks_of_attention_as_arguments() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    x = np.random.default_rng(1).normal(size=(2, 4, 5)).astype("float32")
    kept = np.array([[True, True, False, True], [True, False, True, True]])
    every = np.ones((2, 4, 4), "bool")
    for arguments, seen in (
        ({"query_mask": kept}, every & kept[:, :, None]),
        ({"value_mask": kept}, every & kept[:, None]),
        ({"key_mask": kept}, every & kept[:, None]),
        ({"attention_mask": np.broadcast_to(kept[:, None], (2, 4, 4))}, every & kept[:, None]),
        ({"attention_mask": np.stack([np.broadcast_to(kept[:, None], (2, 4, 4))] * 2, 1)}, every & kept[:, None]),
    ):
        found = np.asarray(layer(x, x, **arguments))
        np.testing.assert_allclose(found, attended(layer, x, x, seen), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"mask of an input has 2 axes.*received shape \(None, 4, 4\).*attention_mask"):
        layer(x, x, query_mask=every)


def test_weights_of_attention_are_given_too(each_backend: str) -> None:
    layer = layers.MultiHeadAttention(2, 3)
    x = np.random.default_rng(2).normal(size=(2, 4, 5)).astype("float32")
    plain = np.asarray(layer(x, x, use_causal_mask=True))
    output, shares = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    np.testing.assert_allclose(np.asarray(output), plain, rtol=1e-5, atol=1e-6)
    shares = np.asarray(shares)
    assert shares.shape == (2, 2, 4, 4)
    np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
    assert (shares[..., *np.triu_indices(4, 1)] == 0).all()


def test_attention_in_a_model_and_back() -> None:
    from multikeras.models import Model

    x, y = layers.Input((4, 5)), layers.Input((3, 2))
    layer = layers.MultiHeadAttention(2, 3, dropout=0.1, seed=1)
    model = Model([x, y], layers.GlobalAveragePooling1D()(layer(x, y, use_causal_mask=True)))
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    data = [np.ones((2, 4, 5), "float32"), np.ones((2, 3, 2), "float32")]
    np.testing.assert_array_equal(again.predict(data), model.predict(data))
    assert again.get_config() == model.get_config()
    assert layer.compute_output_shape((None, 4, 5), (None, 3, 2)) == (None, 4, 5)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(data, np.zeros((2, 5)))
    assert all((a != b).any() for a, b in zip(before[4:], model.get_weights()[4:], strict=True))
