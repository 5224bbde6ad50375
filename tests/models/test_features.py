"""What models have besides: terms of the loss, reports, states, inputs by name, results inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import LSTM, Concatenate, Dense, Dropout, Input, Layer, concatenate
from multikeras.models import Model, Sequential


def ones(*shapes: int) -> np.ndarray:
    return np.ones((4, *shapes))


# -- losses and reports ---------------------------------------------------------------------------------


def test_reports_of_models_and_layers(each_backend: str) -> None:
    x = Input((3,))
    layer = Dense(2, kernel_initializer="ones")
    h = layer(x)
    layer.add_metric(K.max(h), name="largest")
    model = Model(x, h)
    model.add_metric(K.mean(h), name="average", aggregation="mean")
    model.compile("sgd", "mse", metrics=["mae"])
    assert sorted(model.metrics_names) == ["average", "largest", "loss", "mae"]
    found = dict(zip(model.metrics_names, model.evaluate(ones(3), ones(2), verbose=0), strict=True))
    assert found == pytest.approx({"loss": 4.0, "mae": 2.0, "average": 3.0, "largest": 3.0})
    history = model.fit(ones(3), ones(2), epochs=2, verbose=0).history
    assert sorted(history) == ["average", "largest", "loss", "mae"]
    assert history["average"][0] == pytest.approx(3.0)


def test_losses_of_models_and_layers() -> None:
    x = Input((3,))
    layer = Dense(2, kernel_initializer="ones", kernel_regularizer=lambda w: 0.5 * K.sum(w))
    h = layer(x)
    layer.add_loss(K.mean(K.square(h)), inputs=[x])
    layer.add_loss(0.1 * K.sum(layer.kernel))
    model = Model(x, h)
    model.add_loss(K.mean(h))
    model.compile("sgd", "mse")
    assert len(model.losses) == 4
    # The penalty of the regularizer counts in training alone.
    assert model.evaluate(ones(3), ones(2), verbose=0) == pytest.approx(4 + 9 + 0.6 + 3)
    assert model.train_on_batch(ones(3), ones(2)) == pytest.approx(4 + 9 + 0.6 + 3 + 3)


def test_losses_and_reports_of_a_sequential_and_of_a_call() -> None:
    model = Sequential([Dense(2, input_shape=(3,), kernel_initializer="ones")])
    model.add_loss(K.mean(model.output))
    model.add_metric(K.max(model.output), name="largest")
    model.compile("sgd", "mse")
    assert model.evaluate(ones(3), ones(2), verbose=0) == pytest.approx([4 + 3, 3])

    class Watched(Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Dense(2, kernel_initializer="ones")

        def call(self, inputs: Any) -> Any:
            y = self.inner(inputs)
            self.add_metric(K.mean(y), name="average", aggregation="mean")
            self.add_loss(K.mean(y))
            return y

    watched = Watched()
    watched.compile("sgd", "mse")
    history = watched.fit(ones(3), ones(2), verbose=0).history
    assert history == {"loss": [pytest.approx(7)], "average": [pytest.approx(3)]}


def test_losses_reach_through_models_inside_models() -> None:
    class Penalized(Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(K.mean(inputs))
            self.add_metric(K.sum(inputs), name="total")
            return inputs

    inner = Sequential([Penalized(input_shape=(3,)), Dense(1, kernel_initializer="zeros")])
    x = Input((3,))
    model = Model(x, inner(x * 2))
    model.compile("sgd", "mse")
    assert model.evaluate(ones(3), 0 * ones(1), verbose=0) == pytest.approx([2, 24])


# -- inputs and outputs by name -------------------------------------------------------------------------


def test_dictionaries_and_lists() -> None:
    a, b = Input((2,), name="a"), Input((3,), name="b")
    joined = Concatenate()([a, b])
    for inputs in ([a, b], {"b": b, "a": a}):
        model = Model(inputs, {"y": Dense(1, name="y")(joined), "z": Dense(2, name="z")(joined)})
        model.compile("sgd", {"y": "mse", "z": "mae"}, loss_weights={"y": 1.0, "z": 0.5})
        given = {"b": ones(3), "a": ones(2)}
        targets = {"z": ones(2), "y": ones(1)}
        history = model.fit(given, targets, verbose=0).history
        assert {"loss", "y_loss", "z_loss"} <= set(history)
        by_name = model.predict(given)
        listed = model.predict([given[name] for name in model.input_names])
        for found, expected in zip(by_name, listed, strict=True):
            np.testing.assert_array_equal(found, expected)
        called = model(given)
        np.testing.assert_allclose(called[1].numpy(), by_name[1], rtol=1e-6)
        with pytest.raises(ValueError, match="has the inputs .*, received values for a"):
            model({"a": ones(2)})


def test_called_on_arrays_and_tensors_together() -> None:
    a, b = Input((2,)), Input((3,))
    model = Model([a, b], Dense(1, kernel_initializer="ones")(concatenate([a, b])))
    np.testing.assert_array_equal(model([ones(2), ones(3)]).numpy(), np.full((4, 1), 5.0))
    x = Input((3,))
    mixed = model([np.ones((4, 2)), x])
    np.testing.assert_array_equal(K.function([x], [mixed])([ones(3)])[0], np.full((4, 1), 5.0))


# -- results inside -------------------------------------------------------------------------------------


def test_results_inside_by_function_and_phase() -> None:
    model = Sequential([Dense(100, input_shape=(3,), kernel_initializer="ones"), Dropout(0.5), Dense(1)])
    inside = K.function([model.layers[0].input, K.learning_phase()], [model.layers[1].output])
    (test,), (train,) = inside([ones(3), 0]), inside([ones(3), 1])
    assert (test == 3).all()
    assert set(np.unique(train)) == {0.0, 6.0}
    several = Model(model.input, [layer.output for layer in model.layers])
    assert [y.shape for y in several.predict(ones(3))] == [(4, 100), (4, 100), (4, 1)]
    np.testing.assert_array_equal(several.predict(ones(3))[2], model.predict(ones(3)))


def test_a_functional_model_of_a_sequential_stays_when_it_is_cut() -> None:
    model = Sequential([Dense(4, input_shape=(3,)), Dense(2)])
    whole = Model(model.input, model.output)
    model.pop()
    model.compile("sgd", "mse")
    model.train_on_batch(ones(3), ones(4))
    assert model.predict(ones(3)).shape == (4, 4)
    assert whole.predict(ones(3)).shape == (4, 2)


def test_a_sequential_that_waits_can_be_cut_and_compiled() -> None:
    model = Sequential([Dense(4), Dense(2)])
    assert (model.inputs, model.outputs, model.weights, model.built) == ([], [], [], False)
    model.pop()
    model.compile("sgd", "mse")
    model.fit(ones(3), ones(4), verbose=0)
    assert model.output_shape == (None, 4)


# -- states -----------------------------------------------------------------------------------------------


class Counter(Layer):
    """Counts the batches that it saw."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stateful = True

    def build(self, input_shape: Any) -> None:
        self.count = self.add_weight("count", (), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        self.add_update(K.update_add(self.count, 1.0))
        return inputs + self.count

    def reset_states(self) -> None:
        K.set_value(self.count, 0.0)


def test_states_move_with_every_run_and_are_reset(each_backend: str) -> None:
    inner = Sequential([Counter(input_shape=(2,))])
    x = Input((2,))
    model = Model(x, inner(x))
    assert model.stateful
    assert (len(model.state_updates), len(model.updates)) == (1, 0)
    model.compile("sgd", "mse")
    values = [model.predict(ones(2))[0, 0] for _ in range(2)]
    assert values == [1.0, 2.0]
    model.evaluate(ones(2), ones(2), verbose=0)
    model.trainable = False
    model.compile("sgd", "mse")
    model.train_on_batch(ones(2), ones(2))
    assert model.predict(ones(2))[0, 0] == 5.0
    model.reset_states()
    assert model.predict(ones(2))[0, 0] == 1.0


def test_recurrent_states_of_a_model_inside_another() -> None:
    inner = Sequential([LSTM(2, stateful=True, batch_input_shape=(4, 3, 5))])
    x = Input(batch_shape=(4, 3, 5))
    model = Model(x, inner(x))
    first, second = model.predict(ones(3, 5)), model.predict(ones(3, 5))
    assert (first != second).any()
    model.reset_states()
    np.testing.assert_array_equal(model.predict(ones(3, 5)), first)


# -- names, shapes, summary ------------------------------------------------------------------------------


def test_shapes_for_shapes() -> None:
    x = Input((3,))
    model = Model(x, [Dense(2)(x), Dense(1)(x)])
    assert model.compute_output_shape((5, 3)) == [(5, 2), (5, 1)]
    assert Sequential([Dense(2, input_shape=(3,))]).compute_output_shape((None, 3)) == (None, 2)


def test_summary_in_columns_of_ones_own() -> None:
    inner = Sequential([Dense(2, input_shape=(3,))], name="inner")
    model = Sequential([inner, Dense(1, name="a_name_that_is_longer_than_its_column")])
    for positions in ([0.4, 0.8, 1.0], [20, 40, 50]):
        lines: list[str] = []
        model.summary(line_length=50, positions=positions, print_fn=lines.append)
        assert max(map(len, lines)) == 50
        inside = next(line for line in lines if line.startswith("inner (Sequential)"))
        assert inside.split() == ["inner", "(Sequential)", "(None,", "2)", "8"]
        assert inside.index("(None") == 20
        assert any("a_name_that_is_long" in line and "column" not in line for line in lines)
    assert "Total params: 11" in lines


def test_numbers_start_again() -> None:
    assert [Sequential().name for _ in range(2)] == ["sequential_1", "sequential_2"]
    K.clear_session()
    assert Sequential().name == "sequential_1"
    x = Input((2,))
    assert (Model(x, Dense(1)(x)).name, x.name) == ("model_1", "input_1")


def test_frozen_models_and_constructors() -> None:
    x = Input((3,))
    model = Model(x, Dense(2)(x), trainable=False)
    assert model.trainable_weights == []
    assert len(model.non_trainable_weights) == 2
    outer = Model(x, Dense(1)(model(x)))
    assert len(outer.trainable_weights) == 2
    model.trainable = True
    assert len(outer.trainable_weights) == 4
