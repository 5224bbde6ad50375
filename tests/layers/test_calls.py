"""Call records: what belongs to which call, to which tensor, to which model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import (
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
from multikeras.models import Model, Sequential


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


def test_layers_in_a_step_function_cannot_leave_losses_there() -> None:
    class Inner(Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(K.sum(inputs))
            return inputs

    class Outer(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()

        def call(self, inputs: Any) -> Any:
            return K.map_fn(self.inner, inputs)

    with pytest.raises(NotImplementedError, match="'inner_1' adds a loss inside the "):
        Outer()(Input((4, 3)))
