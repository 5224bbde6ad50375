"""Call records: what belongs to which call, to which tensor, to which model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import (
    RNN,
    ActivityRegularization,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    Input,
    Lambda,
    Layer,
    Masking,
)
from multikeras.metrics import Mean
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD


def averages(layer: BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    return K.get_value(layer.moving_mean), K.get_value(layer.moving_variance)


def test_batch_normalization_called_twice_takes_two_steps_in_order(each_backend: str) -> None:
    layer = BatchNormalization(momentum=0.9)
    a, b = Input((3,)), Input((3,))
    model = Model([a, b], [layer(a), layer(b)])
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3)).astype("float32")
    K.function([a, b, K.learning_phase()], model.outputs, model.updates)([x, y, 1])

    mean, variance = np.zeros(3), np.ones(3)
    for batch in (x, y):
        mean = 0.9 * mean + 0.1 * batch.mean(0)
        variance = 0.9 * variance + 0.1 * batch.var(0) * 8 / (8 - 1.001)
    np.testing.assert_allclose(averages(layer)[0], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(averages(layer)[1], variance, rtol=1e-5)


def test_a_model_owns_only_the_calls_on_its_paths() -> None:
    layer = BatchNormalization()
    a, b = Input((3,)), Input((3,))
    y, z = layer(a), layer(b)
    first, second = Model(a, y), Model(b, z)
    assert len(first.updates) == len(second.updates) == 2
    assert not set(first.updates) & set(second.updates)
    assert set(layer.updates) == {*first.updates, *second.updates}
    assert layer.get_updates_for(a) == first.updates
    assert layer.get_updates_for(None) == []


def test_frozen_normalization_keeps_its_averages_and_normalizes_by_the_batch() -> None:
    layer = BatchNormalization(trainable=False)
    a = Input((2,))
    model = Model(a, layer(a))
    assert model.updates == []
    assert model.trainable_weights == []
    x = np.array([[0.0, 2.0], [4.0, 2.0]], "float32")
    (value,) = K.function([a, K.learning_phase()], [model.output], model.updates)([x, 1])
    np.testing.assert_allclose(value, [[-1, 0], [1, 0]], atol=1e-3)
    np.testing.assert_array_equal(averages(layer)[0], [0, 0])


def test_inference_mode_has_no_updates() -> None:
    layer = BatchNormalization()
    x = Input((3,))
    assert Model(x, layer(x, training=False)).updates == []
    assert layer.updates == []


def test_fixed_phase_builds_frozen_statistics() -> None:
    K.set_learning_phase(0)
    layer = BatchNormalization()
    x = Input((3,))
    assert Model(x, layer(x)).updates == []


def gan_parts() -> tuple[Any, Any]:
    critic = Sequential([Dense(4, input_shape=(3,)), BatchNormalization(), Dense(1, activation="sigmoid")])
    maker = Sequential([Dense(3, input_shape=(2,)), BatchNormalization()])
    return critic, maker


@pytest.mark.parametrize("critic_first", [True, False])
def test_gan_with_batch_normalization_in_both_orders_of_compile(critic_first: bool) -> None:
    critic, maker = gan_parts()
    z = Input((2,))
    both = Model(z, critic(maker(z)))

    def compile_critic() -> None:
        critic.trainable = True
        critic.compile("sgd", "binary_crossentropy")

    def compile_both() -> None:
        critic.trainable = False
        both.compile("sgd", "binary_crossentropy")

    for step in (compile_critic, compile_both) if critic_first else (compile_both, compile_critic):
        step()
    critic.trainable = False
    generator = np.random.default_rng(0)
    real, noise, labels = generator.normal(size=(8, 3)), generator.normal(size=(8, 2)), np.ones((8, 1))

    def state(model: Any) -> list[np.ndarray]:
        return model.get_weights()

    before = state(critic)
    both.train_on_batch(noise, labels)
    assert all((a == b).all() for a, b in zip(state(critic), before, strict=True)), "the frozen critic changed"
    assert not (averages(maker.layers[1])[0] == 0).all()
    before = state(maker)
    critic.train_on_batch(real, labels)
    assert all((a == b).all() for a, b in zip(state(maker), before, strict=True))
    assert not (averages(critic.layers[1])[0] == 0).all(), "the critic lost its updates"
    assert len(critic.trainable_weights) == 0


def test_nested_models_are_called_again_with_records_of_their_own() -> None:
    inner = Sequential([Dense(4, input_shape=(3,)), BatchNormalization()])
    x = Input((3,))
    outer = Model(x, inner(x))
    assert len(outer.updates) == 2
    assert not set(outer.updates) & set(inner.updates)
    # An inner layer has still one call of its own.
    assert inner.layers[1].output is inner.output
    inner.trainable = False
    assert outer.updates == []
    inner.trainable = True
    inner.layers[1].trainable = False
    assert outer.updates == []
    assert len(outer.trainable_weights) == 2


def test_updates_filed_under_a_tensor_and_for_every_model() -> None:
    class Counting(Layer):
        def build(self, input_shape: Any) -> None:
            self.builds = self.add_weight("builds", (), initializer="zeros", trainable=False)
            self.add_update(K.update_add(self.builds, 1.0))

    layer = Counting()
    a, b = Input((3,)), Input((3,))
    y, z = layer(a), layer(b)
    assert len(layer.get_updates_for(None)) == 1
    layer.add_update(0, inputs=a)
    assert layer.get_updates_for(a) == [0]
    assert layer.get_updates_for(b) == []
    late = K.update(layer.builds, K.sum(a))
    layer.add_update(late, inputs=a)
    assert late in Model(a, y).updates
    assert late not in Model(b, z).updates
    assert len(Model(b, z).updates) == 1


def test_what_needs_another_placeholder_is_left_out() -> None:
    a, b = Input((3,)), Input((3,))
    layer = Dense(2)
    y = layer(a)
    layer.add_loss(K.sum(b))
    layer.add_loss(K.sum(layer.kernel))
    assert len(Model(a, y).losses) == 1
    assert len(Model([a, b], y).losses) == 2


def test_entries_filed_under_a_tensor_do_not_keep_it() -> None:
    import gc
    import weakref

    layer = Dense(2)
    x = Input((3,))
    y = layer(x)
    loss = K.constant(1.0)
    layer.add_loss(loss, inputs=y)
    seen = weakref.ref(y)
    gc.disable()
    try:
        del y
        assert seen() is None
    finally:
        gc.enable()
    assert layer.losses == []


def test_losses_of_regularizers_are_told_apart() -> None:
    class Own(Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(K.mean(inputs), inputs=inputs)
            return inputs

    x = Input((3,))
    y = Dense(2, kernel_regularizer="l2", activity_regularizer="l1")(x)
    model = Model(x, ActivityRegularization(l2=1.0)(Own()(y)))
    terms = model.loss_terms
    assert [term.regularizer for term in terms] == [True, True, False, True]
    values = K.function([x], model.losses)([np.ones((2, 3))])
    kernel = K.get_value(model.layers[1].kernel)
    out = np.ones((2, 3)) @ kernel
    expected = [0.01 * (kernel**2).sum(), 0.01 * np.abs(out).sum(), out.mean(), (out**2).sum()]
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert len(model.layers[1].get_losses_for(None)) == 1
    assert len(model.layers[1].get_losses_for(x)) == 1


def test_model_add_loss_of_a_variational_model() -> None:
    x = Input((3,))
    h = Dense(2)(x)
    model = Model(x, h)
    model.add_loss(K.mean(K.square(h)))
    assert [term.regularizer for term in model.loss_terms] == [False]
    model.compile("sgd", None)
    before = model.get_weights()[0]
    model.train_on_batch(np.ones((4, 3)), None)
    assert not (model.get_weights()[0] == before).all()


def test_metrics_of_layers() -> None:
    class Watching(Layer):
        def call(self, inputs: Any) -> Any:
            self.add_metric(K.max(inputs), name="largest")
            return inputs

    x = Input((3,))
    model = Model(x, Watching()(x))
    (term,) = model.metric_terms
    assert (term.name, term.aggregation, term.metric) == ("largest", "mean", None)
    with pytest.raises(ValueError, match="add_metric needs a name"):
        Watching().add_metric(K.sum(x))


def test_training_reaches_inner_layers() -> None:
    inner = Sequential([Dropout(0.5, input_shape=(1000,))])

    class Block(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.drop = Dropout(0.5)

        def call(self, inputs: Any) -> Any:
            return self.drop(inputs)

    x = np.ones((1, 1000), "float32")
    for layer in (inner, Block(), Dropout(0.5)):
        assert (np.asarray(layer(x)) == 1).all()
        assert (np.asarray(layer(x, training=True)) == 0).any()
        assert (np.asarray(layer(x, training=False)) == 1).all()
        tensor = Input((1000,))
        (trained,) = K.function([tensor], [layer(tensor, training=True)])([x])
        assert set(np.unique(trained)) == {0.0, 2.0}


def test_masks_travel_with_tensors() -> None:
    x = Input((4,), dtype="int32")
    embedded = Embedding(5, 3, mask_zero=True)(x)
    assert embedded._keras_mask is not None
    dense = Dense(2)(embedded)
    assert Model(x, dense).layers[2].output_mask is embedded._keras_mask
    pooled = GlobalAveragePooling1D()(dense)
    data = np.array([[1, 2, 0, 0]])
    whole, means = K.function([x], [dense, pooled])([data])
    np.testing.assert_allclose(means, whole[:, :2].mean(1), rtol=1e-5)


def test_masks_pass_operations_entry_by_entry_and_are_missed_beyond_others() -> None:
    x = Input((4, 3))
    masked = Masking()(x)
    pooled = GlobalAveragePooling1D()(K.relu(masked) * 2)
    data = np.ones((1, 4, 3), "float32")
    data[:, 2:] = 0
    np.testing.assert_allclose(K.function([x], [pooled])([data])[0], [[2, 2, 2]])
    turned = K.reverse(masked, 1)
    Dense(2)(turned)
    with pytest.raises(ValueError, match="'global_average_pooling1d_2' would use a mask, and flip between the layers"):
        GlobalAveragePooling1D()(turned)
    with pytest.raises(ValueError, match="would use a mask"):
        GlobalAveragePooling1D()(Dropout(0.5)(turned))


def test_layer_without_masking_refuses_a_mask() -> None:
    masked = Masking()(Input((4, 3)))
    with pytest.raises(TypeError, match="'flatten_1' does not support masking"):
        Flatten()(masked)
    assert Lambda(lambda t: t)(masked)._keras_mask is None


def test_lambda_with_masks_and_arguments() -> None:
    x = Input((4, 3))
    masked = Masking()(x)
    layer = Lambda(lambda t, factor, mask: t * factor, mask=lambda t, mask: mask, arguments={"factor": 3.0})
    y = layer(masked)
    assert y._keras_mask is masked._keras_mask
    assert Lambda(lambda t: K.sum(t, axis=1), output_shape=(3,), mask=None)(x).shape == (None, 3)


class Adds(Layer):
    """Multiplies by a weight, counts its calls, and adds a loss and a metric."""

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight("w", (), initializer=lambda shape, dtype=None: np.array(0.5))
        self.count = self.add_weight("count", (), initializer="zeros", trainable=False)

    def call(self, inputs: Any) -> Any:
        self.add_loss(K.square(inputs * self.w))
        self.add_metric(K.mean(inputs), name="seen")
        self.add_update(K.update_add(self.count, 1.0))
        return inputs * self.w


class InBodies(Layer):
    """Calls `Adds` in a step function or a branch."""

    def __init__(self, run: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run = run
        self.adds = Adds()

    def call(self, inputs: Any) -> Any:
        return self.run(self.adds, inputs)


def time_first(x: Any) -> Any:
    return K.permute_dimensions(x, (1, 0, 2))


def chosen(adds: Any, entry: Any) -> Any:
    return K.switch(K.sum(entry) > 0, lambda: adds(entry), lambda: entry * 2)


def doubled(adds: Any, x: Any) -> Any:
    """Two loops, one inside the other."""
    return K.rnn(lambda entry, _: (K.map_fn(adds, entry), []), x, [])[1]


def repeated(adds: Any, x: Any) -> Any:
    start = (K.constant(0, dtype="int32"), x)
    return K.while_loop(lambda i, v: i < 2, lambda i, v: (i + 1, adds(v)), start, maximum_iterations=3)[1]


def folded(adds: Any, x: Any) -> Any:
    return x + K.expand_dims(K.foldl(lambda total, entry: total + adds(entry), time_first(x)), 1)


#: How `Adds` is called, and the arrays that it is called on, from the input and the weight.
BODIES: dict[str, Any] = {
    "rnn": (lambda adds, x: K.rnn(lambda entry, _: (adds(entry), []), x, [])[1], lambda x, w: list(x.swapaxes(0, 1))),
    "map_fn": (lambda adds, x: time_first(K.map_fn(adds, time_first(x))), lambda x, w: list(x.swapaxes(0, 1))),
    "foldl": (folded, lambda x, w: [x[:, 1], x[:, 2]]),
    "switch": (chosen, lambda x, w: [x] if x.sum() > 0 else []),
    "switch in rnn": (
        lambda adds, x: K.rnn(lambda entry, _: (chosen(adds, entry), []), x, [])[1],
        lambda x, w: [entry for entry in x.swapaxes(0, 1) if entry.sum() > 0],
    ),
    "map_fn in rnn": (doubled, lambda x, w: [row for entry in x.swapaxes(0, 1) for row in entry]),
    "while_loop": (repeated, lambda x, w: [x, x * w]),
}


@pytest.mark.parametrize("name", BODIES)
def test_losses_metrics_and_updates_of_bodies(each_backend: str, name: str) -> None:
    run, met = BODIES[name]
    data = np.random.default_rng(3).normal(0.1, 1, size=(2, 3, 4))
    assert {entry.sum() > 0 for entry in data.swapaxes(0, 1)} == {True, False}
    layer = InBodies(run)
    x = Input((3, 4))
    model = Model(x, layer(x))
    model.compile(SGD(lr=0.1))

    def loss(w: float) -> float:
        return float(sum(np.mean(np.square(entry * w)) for entry in met(data, w)))

    loss_name, metric_name = model.metrics_names
    assert (loss_name, metric_name) == ("loss", "seen")
    seen = sum(np.mean(entry) for entry in met(data, 0.5))
    np.testing.assert_allclose(model.test_on_batch(data, None), [loss(0.5), seen], rtol=1e-5, atol=1e-6)
    assert K.get_value(layer.adds.count) == 0
    np.testing.assert_allclose(model.train_on_batch(data, None), [loss(0.5), seen], rtol=1e-5, atol=1e-6)
    assert K.get_value(layer.adds.count) == len(met(data, 0.5))
    slope = (loss(0.5 + 1e-6) - loss(0.5 - 1e-6)) / 2e-6
    np.testing.assert_allclose(K.get_value(layer.adds.w), 0.5 - 0.1 * slope, rtol=1e-4)


def test_a_branch_in_a_cell(each_backend: str) -> None:
    class Cell(Layer):
        state_size = 4

        def __init__(self) -> None:
            super().__init__()
            self.adds = Adds()

        def call(self, inputs: Any, states: Any) -> Any:
            made = chosen(self.adds, inputs)
            return made, [made]

    data = np.random.default_rng(3).normal(0.1, 1, size=(2, 3, 4))
    cell = Cell()
    x = Input((3, 4))
    model = Model(x, RNN(cell)(x))
    model.compile("sgd")
    met = [entry for entry in data.swapaxes(0, 1) if entry.sum() > 0]
    expected = [sum(np.mean(np.square(entry * 0.5)) for entry in met), sum(np.mean(entry) for entry in met)]
    np.testing.assert_allclose(model.train_on_batch(data, None), expected, rtol=1e-5)
    assert K.get_value(cell.adds.count) == len(met)


def test_layers_built_in_a_step_function() -> None:
    class AddsWhenBuilt(Layer):
        def build(self, input_shape: Any) -> None:
            self.add_loss(K.constant(3.0))

    inner = Sequential([AddsWhenBuilt(), Dense(1, kernel_initializer="ones", activity_regularizer="l2")])
    layer = InBodies(lambda adds, x: K.rnn(lambda entry, _: (inner(entry), []), x, [])[1])
    layer.inner = inner
    x = Input((3, 4))
    model = Model(x, layer(x))
    model.compile("sgd", "mse")
    data = np.ones((2, 3, 4))
    # What the layer asked for when it was built counts once, what depends on the steps once for each.
    assert model.test_on_batch(data, np.zeros((2, 3, 1))) == pytest.approx(4**2 + 3)
    penalty = 0.01 * 2 * 4**2  # summed over the samples
    assert model.train_on_batch(data, np.zeros((2, 3, 1))) == pytest.approx(4**2 + 3 + 3 * penalty)


def test_a_metric_object_stays_outside_of_bodies() -> None:
    mean = Mean(name="mean")

    def call(adds: Any, x: Any) -> Any:
        def step(entry: Any) -> Any:
            adds.add_metric(mean(entry))
            return entry

        return K.map_fn(step, x)

    with pytest.raises(NotImplementedError, match="'adds_1' adds a metric object inside the function of K.map_fn"):
        InBodies(call)(Input((4, 3)))
