"""Models of pip-installed Keras 3 whose calls, inputs, outputs and classes are out of the ordinary: a script.

python keras3_graphs.py make DIRECTORY     writes models and what they predict
python keras3_graphs.py read DIRECTORY     loads NAME_ours.keras and NAME_ours.h5, prints how far predictions are apart
"""

from __future__ import annotations

import json
import logging
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers as L

GRAPHS = range(8)


@keras.saving.register_keras_serializable("mine")
class Scale(L.Layer):
    def __init__(self, factor: float = 2.0, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.factor = factor

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1],), initializer="ones", name="w")

    def call(self, x: Any) -> Any:
        return x * self.w * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class Plain(L.Layer):
    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1],), initializer="ones", name="w")

    def call(self, x: Any) -> Any:
        return x * self.w


@keras.saving.register_keras_serializable("mine")
def swoosh(x: Any) -> Any:
    return x * 2.0 + 1.0


def dictionaries() -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    h = L.Concatenate()([L.Dense(3)(b), L.Dense(2)(a)])
    return keras.Model({"b": b, "a": a}, {"second": L.Dense(1, name="o1")(h), "first": L.Dense(2, name="o2")(h)})


def dictionaries_of_other_names() -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    h = L.Concatenate()([L.Dense(3)(b), L.Dense(2)(a)])
    return keras.Model({"alpha": b, "beta": a}, {"b": L.Dense(2)(h)})


def nested_lists() -> Any:
    a, b, c = keras.Input((4,)), keras.Input((3,)), keras.Input((2,))
    return keras.Model([a, [b, c]], [L.Dense(2)(a), [L.Dense(2)(b), L.Dense(1)(c)]])


def inner_dictionary() -> Any:
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    inner = keras.Model({"x": x, "y": y}, {"s": L.Subtract()([x, y]), "d": L.Dense(4)(x)}, name="inner")
    p, q = keras.Input((4,)), keras.Input((4,))
    outputs = inner({"x": p, "y": q})
    return keras.Model([p, q], L.Dense(2)(L.Concatenate()([outputs["s"], outputs["d"]])))


def inside_and_outside() -> Any:
    x, z = keras.Input((4,)), keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, activation="tanh")], name="inner")
    middle = keras.Model(x, L.Dense(4)(inner(x)), name="middle")
    return keras.Model(z, L.Add()([middle(z), inner(z)]))


def layer_in_two_models() -> Any:
    x, y, z = keras.Input((4,)), keras.Input((4,)), keras.Input((4,))
    shared = L.Dense(4, activation="tanh")
    first, second = keras.Model(x, shared(x)), keras.Model(y, shared(L.Dense(4)(y)))
    return keras.Model(z, L.Add()([first(z), second(z), shared(z)]))


def layer_in_a_wrapper() -> Any:
    x, shared = keras.Input((5, 4)), L.Dense(3)
    return keras.Model(x, [L.TimeDistributed(shared)(x), shared(x)])


def deep_sequential() -> Any:
    return keras.Sequential([keras.Input((4,)), keras.Sequential([L.Dense(3), keras.Sequential([L.Dense(2)])])])


def built_later() -> Any:
    model = keras.Sequential([L.Dense(3), L.Dense(2)])
    model.build((None, 4))
    return model


def attention_by_names() -> Any:
    q, v = keras.Input((5, 4)), keras.Input((5, 4))
    return keras.Model([q, v], L.MultiHeadAttention(2, 3)(query=q, value=v, key=v, use_causal_mask=True))


def states() -> Any:
    x = keras.Input((5, 4))
    y, h, c = L.LSTM(3, return_state=True)(x)
    return keras.Model(x, [L.LSTM(3)(x, initial_state=[h, c]), L.GRU(3)(x, initial_state=h), y])


def two_ways() -> Any:
    x = keras.Input((5, 4))
    return keras.Model(x, L.Bidirectional(L.LSTM(3), backward_layer=L.GRU(2, go_backwards=True))(x))


def cells() -> Any:
    x = keras.Input((5, 4))
    return keras.Model(x, L.RNN([L.LSTMCell(3), L.GRUCell(2)])(x))


def frozen_calls() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, L.Dense(2)(L.BatchNormalization()(L.Dropout(0.5)(x, training=False), training=False)))


def own_classes() -> Any:
    return keras.Sequential([keras.Input((4,)), L.Dense(3, activation=swoosh), Scale(3.0), Plain()])


def policies() -> Any:
    return keras.Sequential([keras.Input((4,)), L.Dense(8, dtype="mixed_float16"), L.Dense(2, dtype="float32")])


def operations() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, L.Dense(2)(keras.ops.exp(x)))


def sums() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, L.Dense(2)(x) - L.Dense(2)(x) * L.Dense(2)(x))


def shared_at_two_depths() -> Any:
    """The call of the shared layer that is nearer to the output is the one with more layers before it."""
    x, shared = keras.Input((3,)), L.Dense(3, activation="tanh")
    far = L.Dense(3, activation="tanh")(x)
    farther = L.Dense(3, activation="tanh")(far)
    near = L.Dense(3, activation="tanh")(x)
    late, early = shared(farther), shared(near)
    long = L.Activation("tanh")(L.Activation("tanh")(early))
    return keras.Model(x, L.Add()([L.Multiply()([p, p]) for p in (x, far, farther, near, late, early, long)]))


def masks() -> Any:
    x = keras.Input((5, 4))
    m = L.Masking()(x)
    h = L.LSTM(3, return_sequences=True)(L.Dense(3, activation="tanh")(m))
    joined = L.Concatenate()([m, L.SpatialDropout1D(0.5)(m)])
    residual = L.Add()([m, L.Dense(4)(m)])
    return keras.Model(x, [L.GRU(2)(h), L.Bidirectional(L.LSTM(2))(joined), L.GlobalAveragePooling1D()(residual)])


def words() -> Any:
    x = keras.Input((6,), dtype="int32")
    e = L.Embedding(5, 4, mask_zero=True)(x)
    return keras.Model(x, [L.TimeDistributed(L.Dense(2))(e), L.LSTM(3)(L.Concatenate(axis=1)([e, e]))])


def masks_lost() -> Any:
    """Layers that take no mask, or none beside a state, or beside a tensor without one."""
    x, y = keras.Input((5, 4)), keras.Input((5, 4))
    m, state = L.Masking()(x), L.Dense(3)(L.Flatten()(y))
    inner = keras.Sequential([keras.Input((5, 4)), L.Dense(4), L.Conv1D(2, 2)])
    ends = [L.Flatten()(m), L.GRU(3)(m, initial_state=state), L.LSTM(2)(L.Add()([m, y])), L.Flatten()(inner(m))]
    return keras.Model([x, y], L.Concatenate()(ends))


def masks_lost_in_a_row() -> Any:
    return keras.Sequential([keras.Input((5, 4)), L.Masking(), L.Dense(3), L.Conv1D(2, 2), L.GlobalMaxPooling1D()])


def order_with_masks() -> Any:
    """Two equal layers, of which the first in the file is the second one if what drops a mask counts."""
    x, y = keras.Input((5, 4)), keras.Input((5, 4))
    near = L.Flatten()(L.Dense(4)(L.Masking()(x)))
    far = L.Flatten()(L.Activation("tanh")(L.Dense(4)(y)))
    return keras.Model([x, y], L.Concatenate()([near, far]))


def different_masks() -> Any:
    x, y = keras.Input((5, 4)), keras.Input((5, 4))
    return keras.Model([x, y], L.LSTM(2)(L.Add()([L.Masking()(x), L.Masking()(y)])))


def own_mask() -> Any:
    x = keras.Input((5, 4))
    return keras.Model(x, L.LSTM(2)(x, mask=keras.ops.any(keras.ops.greater(x, 0.5), axis=-1)))


def phases() -> Any:
    """What calls say of the phase, and predict does not keep; the dropout of the recurrent layer works in fit."""
    x = keras.Input((5, 4))
    h = L.GRU(8, dropout=0.5)(L.Dropout(0.5)(L.BatchNormalization()(x, training=False), training=True))
    return keras.Model(x, L.BatchNormalization()(h, training=True))


def small_things() -> Any:
    x = keras.Input((4,))
    begin = keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(1))
    return keras.Model(x, L.Softmax(axis=[-1])(L.Dense(3, kernel_initializer=begin)(L.Identity()(x))))


def mask_seen_twice() -> Any:
    x = keras.Input((5, 4))
    m = L.Masking()(x)
    return keras.Model(x, [L.MultiHeadAttention(2, 3)(m, m), L.MultiHeadAttention(2, 3)(m, m)])


def masked_queries() -> Any:
    """What a query gets that is masked itself, which is another thing with dropout."""
    x, y = keras.Input((6,), dtype="int32"), keras.Input((6,), dtype="int32")
    d, e, f = (L.Embedding(5, 4, mask_zero=True)(t) for t in (x, y, y))
    whole, causal = L.MultiHeadAttention(2, 3)(d, e), L.MultiHeadAttention(2, 3)(f, f, use_causal_mask=True)
    halved = L.MultiHeadAttention(2, 3, dropout=0.5)(L.Embedding(5, 4, mask_zero=True)(x), L.Embedding(5, 4)(y))
    return keras.Model([x, y], [L.Flatten()(each) for each in (whole, causal, halved)])


def several_axes() -> Any:
    return keras.Sequential([keras.Input((5, 4)), L.Softmax(axis=(1, 2))])


def model_at_the_end() -> Any:
    """A model that makes the output, of its first call and its only one."""
    x = keras.Input((4,))
    inner = keras.Model(x, L.Dense(4, activation="tanh")(x), name="inner")
    last = keras.Model(x, L.Dense(2)(x), name="last")
    z = keras.Input((4,))
    first = inner(z)
    return keras.Model(z, [first, last(inner(first))])


def graph(choose: random.Random, depth: int = 0) -> Any:
    """Layers of equal shape, shared and inside other models, so that only results tell a wrong order."""
    inputs = [keras.Input((3,)) for _ in range(choose.randint(1, 2))]
    pool: list[Any] = list(inputs)
    shared: list[Callable[[Any], Any]] = []
    for _ in range(choose.randint(2, 6)):
        kind = choose.random()
        if kind < 0.45:
            pool.append(L.Dense(3, activation="tanh")(choose.choice(pool)))
        elif kind < 0.6 and shared:
            pool.append(choose.choice(shared)(choose.choice(pool)))
        elif kind < 0.75:
            shared.append(L.Dense(3, activation="tanh"))
            pool.append(shared[-1](choose.choice(pool)))
        elif kind < 0.9 and depth < 2:
            model = graph(choose, depth + 1)
            given = [choose.choice(pool) for _ in model.inputs]
            pool.append(model(given if len(given) > 1 else given[0]))
        else:
            pool.append(L.Subtract()([choose.choice(pool), choose.choice(pool)]))
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], L.Add()([L.Multiply()([p, p]) for p in pool]))


MODELS = {
    f.__name__: f
    for f in (
        dictionaries,
        dictionaries_of_other_names,
        nested_lists,
        inner_dictionary,
        inside_and_outside,
        layer_in_two_models,
        layer_in_a_wrapper,
        deep_sequential,
        built_later,
        attention_by_names,
        states,
        two_ways,
        cells,
        frozen_calls,
        own_classes,
        policies,
        operations,
        sums,
        shared_at_two_depths,
        masks,
        words,
        masks_lost,
        masks_lost_in_a_row,
        order_with_masks,
        different_masks,
        own_mask,
        model_at_the_end,
        phases,
        small_things,
        several_axes,
        mask_seen_twice,
        masked_queries,
    )
}


def data(numbers: Any, tensor: Any) -> Any:
    """Values for an input; the first sequence ends early, with zeros."""
    shape = (2, *tensor.shape[1:])
    made = numbers.randint(1, 5, shape) if "int" in tensor.dtype else numbers.randn(*shape)
    if len(shape) == 3 or "int" in tensor.dtype:
        made[0, 3 + numbers.randint(2) :] = 0
    return made.astype(tensor.dtype)


def make(directory: Path) -> None:
    numbers = np.random.RandomState(0)
    models = {name: build() for name, build in MODELS.items()}
    models |= {f"graph_{seed}": graph(random.Random(seed)) for seed in GRAPHS}
    for name, model in models.items():
        for weight in model.weights:
            weight.assign(numbers.randn(*weight.shape) * 0.4 if len(weight.shape) > 1 else numbers.rand(*weight.shape))
        inside = model._inputs_struct if hasattr(model, "_inputs_struct") else None
        inside = model.inputs if inside is None else inside
        arrays = [data(numbers, each) for each in keras.tree.flatten(inside)]
        given = keras.tree.pack_sequence_as(inside, arrays)
        outputs = [np.asarray(each, "float32") for each in keras.tree.flatten(model(given, training=False))]
        saved = {f"input_{i}": v for i, v in enumerate(arrays)} | {f"output_{i}": v for i, v in enumerate(outputs)}
        np.savez(directory / f"{name}.npz", **saved)
        for ending in ("keras", "h5"):
            model.save(directory / f"{name}.{ending}")


def read(directory: Path) -> None:
    apart: dict[str, Any] = {}
    for path in sorted(directory.glob("*.npz")):
        with np.load(path) as file:
            inputs = [file[key] for key in sorted(file.files) if key.startswith("input")]
            outputs = [file[key] for key in sorted(file.files) if key.startswith("output")]
        for ending in ("keras", "h5"):
            ours = path.with_name(f"{path.stem}_ours.{ending}")
            if not ours.exists():
                continue
            model = keras.models.load_model(ours, {"Plain": Plain}, compile=False)
            found = keras.tree.flatten(model(inputs if len(inputs) > 1 else inputs[0]))
            apart[f"{path.stem} {ending}"] = max(
                float(np.abs(np.asarray(one) - other).max()) for one, other in zip(found, outputs, strict=True)
            )
    print(json.dumps(apart))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    {"make": make, "read": read}[sys.argv[1]](Path(sys.argv[2]))
