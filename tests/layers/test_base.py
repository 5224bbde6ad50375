"""What every layer has: names, weights, shapes, checks, configuration."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import (
    Activation,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Input,
    InputSpec,
    Lambda,
    Layer,
    MaxPooling2D,
    Reshape,
)
from multikeras.layers.naming import snake_case


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dense", "dense"),
        ("Conv2D", "conv2d"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("MaxPooling2D", "max_pooling2d"),
        ("UpSampling1D", "up_sampling1d"),
        ("LSTM", "lstm"),
        ("CuDNNLSTM", "cu_dnnlstm"),
        ("PReLU", "p_re_lu"),
        ("BatchNormalization", "batch_normalization"),
        ("_Hidden", "private__hidden"),
    ],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_names_are_numbered_over_the_session() -> None:
    assert [Dense(1).name, Dense(1).name, MaxPooling2D().name] == ["dense_1", "dense_2", "max_pooling2d_1"]
    assert Dense(1, name="mine").name == "mine"
    K.clear_session()
    assert Dense(1).name == "dense_1"


def test_weights_are_named_after_the_layer_and_show_shape_and_type() -> None:
    layer = Dense(2)
    layer(Input((3,)))
    assert [w.name for w in layer.weights] == ["dense_1/kernel", "dense_1/bias"]
    assert "dense_1/kernel" in repr(layer.kernel)
    assert "(3, 2)" in repr(layer.kernel)
    assert "float32" in repr(layer.kernel)


def test_two_weights_of_one_name_get_different_names() -> None:
    class Twice(Layer):
        def build(self, input_shape: Any) -> None:
            self.a = self.add_weight("w", (1,))
            self.b = self.add_weight("w", (1,))

    layer = Twice()
    layer(Input((3,)))
    assert [w.name for w in layer.weights] == ["twice_1/w", "twice_1/w_1"]


def test_trainable_moves_weights_and_keeps_their_order() -> None:
    layer = BatchNormalization()
    layer(Input((3,)))
    order = layer.weights
    assert layer.trainable_weights == order[:2]
    assert layer.non_trainable_weights == order[2:]
    layer.trainable = False
    assert layer.weights == order
    assert layer.trainable_weights == []
    assert layer.non_trainable_weights == order
    assert Dense(3, trainable=False).trainable is False


def test_weights_are_found_in_attributes() -> None:
    class Block(Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.layers_of_mine = [Dense(3), {"last": Dense(2)}]
            self.factor = K.variable(1.0)

        def call(self, inputs: Any) -> Any:
            return self.layers_of_mine[1]["last"](self.layers_of_mine[0](inputs)) * self.factor

    block = Block()
    block(Input((4,)))
    assert [w.shape for w in block.weights] == [(), (4, 3), (3,), (3, 2), (2,)]
    assert block.count_params() == 1 + 15 + 8
    block.layers_of_mine[0].trainable = False
    assert len(block.trainable_weights) == 3


def test_set_weights_checks_everything_before_it_stores() -> None:
    layer = Dense(2)
    layer(Input((3,)))
    before = layer.get_weights()
    with pytest.raises(ValueError, match=r"'dense_1/bias' has shape \(2,\), set_weights received an array of shape"):
        layer.set_weights([np.ones((3, 2)), np.ones(5)])
    with pytest.raises(ValueError, match=r"has 2 weights, set_weights received 1 arrays"):
        layer.set_weights([np.ones((3, 2))])
    for value, old in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)
    layer.set_weights([np.ones((3, 2)), np.zeros(2)])
    np.testing.assert_array_equal(layer.get_weights()[0], np.ones((3, 2)))


def test_first_weights_are_given_to_the_constructor() -> None:
    layer = Dense(2, weights=[np.full((3, 2), 2.0), np.ones(2)])
    np.testing.assert_array_equal(layer(np.ones((1, 3))).numpy(), [[7.0, 7.0]])


def test_weight_of_unknown_length() -> None:
    class Bad(Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight("w", (input_shape[-1],))

    with pytest.raises(ValueError, match=r"Weight 'w' of layer 'bad_1' cannot have shape \(None,\)"):
        Bad()(Input((None,)))


def test_initializer_of_a_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"initializer of weight 'kernel' of layer 'dense_1' gave shape \(1,\)"):
        Dense(2, kernel_initializer=lambda shape, dtype=None: np.ones(1))(Input((3,)))


def test_float64_is_float64(each_backend: str) -> None:
    layer = Dense(2, dtype="float64")
    value = layer(np.ones((1, 3)))
    assert value.dtype == "float64"
    assert [w.dtype for w in layer.get_weights()] == ["float64"] * 2
    K.set_floatx("float64")
    assert Dense(2)(np.ones((1, 3), "float32")).numpy().dtype == "float64"


def test_outputs_are_new_tensors_with_history() -> None:
    x = Input((3,))
    for layer in (Activation("linear"), Lambda(lambda t: t), Dropout(0.0)):
        y = layer(x)
        assert y is not x
        assert K.is_keras_tensor(y)
        assert layer.input is x
        assert layer.output is y
        assert layer.output_shape == (None, 3)
        assert y._keras_history == (layer, 0, 0)
        assert y._keras_shape == (None, 3)


def test_several_calls() -> None:
    layer = Dense(2)
    a, b = Input((3,)), Input((3,))
    y, z = layer(a), layer(b)
    assert layer.get_input_at(1) is b
    assert layer.get_output_at(0) is y
    assert layer.get_output_at(1) is z
    assert layer.output_shape == (None, 2)
    with pytest.raises(AttributeError, match="called 2 times .* use get_output_at"):
        _ = layer.output
    with pytest.raises(ValueError, match="called 2 times"):
        layer.get_output_at(2)
    with pytest.raises(AttributeError, match="never been called"):
        _ = Dense(2).output
    shared = Activation("relu")
    shared(a)
    shared(Input((4,)))
    with pytest.raises(AttributeError, match="different shapes"):
        _ = shared.output_shape
    assert shared.get_output_shape_at(1) == (None, 4)


def test_output_is_there_again_when_nobody_kept_it() -> None:
    layer = Dense(2)
    layer(Input((3,)))
    assert layer.output.shape == (None, 2)
    assert layer.output._keras_history == (layer, 0, 0)


@pytest.mark.parametrize(
    ("make", "shape", "text"),
    [
        (lambda: Dense(2), (), r"The input of layer 'dense_1' does not fit: expected at least 2 axes, received shape"),
        (
            lambda: Conv2D(2, 3),
            (5, 5),
            r"'conv2d_1' does not fit: expected 4 axes \(batch, rows, columns, channels\), received shape \(None, 5",
        ),
        (lambda: Reshape((4,)), (3,), r"'reshape_1': an input of shape \(None, 3\) \(3 entries each\) cannot become"),
        (lambda: Conv2D(2, 9), (5, 5, 1), r"window of \(9, 9\).*spatial shape \(5, 5\)"),
    ],
)
def test_wrong_inputs(make: Any, shape: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()(Input(shape))


def test_wrong_inputs_of_a_built_layer() -> None:
    layer = Dense(2)
    layer(Input((3,)))
    with pytest.raises(ValueError, match=r"expected length 3 on axis -1, received shape \(None, 4\)"):
        layer(Input((4,)))
    with pytest.raises(ValueError, match=r"expected length 3 on axis -1"):
        layer(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"merges a list of at least 2 inputs, received one tensor"):
        Concatenate()(Input((4,)))
    with pytest.raises(ValueError, match=r"cannot join inputs of shapes \(None, 2, 3\), \(None, 4, 5\) along axis -1"):
        Concatenate()([Input((2, 3)), Input((4, 5))])


def test_input_spec_of_a_layer_of_ones_own() -> None:
    class Pair(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.input_spec = [InputSpec(ndim=2), InputSpec(shape=(None, 4), dtype="float32")]

        def call(self, inputs: Any) -> Any:
            return inputs[0]

    Pair()([Input((3,)), Input((4,))])
    with pytest.raises(ValueError, match=r"Input 1 of layer 'pair_2' does not fit: expected shape \(None, 4\)"):
        Pair()([Input((3,)), Input((5,))])
    with pytest.raises(ValueError, match=r"expects 2 inputs, received 1"):
        Pair()([Input((3,))])


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Dense(2, unit=3), TypeError, "Dense does not take 'unit'. Every layer takes"),
        (lambda: Dense(0), ValueError, "units is a whole number above 0, received 0"),
        (lambda: Dense(2, activation="rely"), ValueError, "Unknown activation 'rely'. .*Known: elu, "),
        (lambda: Dense(2, kernel_initializer="x"), ValueError, "Unknown initializer 'x'. Known: "),
        (lambda: Dense(2, kernel_regularizer="l3"), ValueError, "Unknown regularizer 'l3'. Known: "),
        (lambda: Dense(2, kernel_constraint="c"), ValueError, "Unknown constraint 'c'. Known: "),
        (lambda: Conv2D(2, (3, 3, 3)), ValueError, r"kernel_size is a whole number above 0, or 2 of them, received"),
        (lambda: Conv2D(2, 3, padding="full"), ValueError, "padding is 'valid' or 'same', received 'full'"),
        (lambda: Conv2D(2, 3, data_format="last"), ValueError, "'channels_last' or 'channels_first', received 'last'"),
        (lambda: Conv2D(2, 3, strides=2, dilation_rate=2), ValueError, "cannot both be above 1"),
        (lambda: Dropout(1.5), ValueError, "rate is a share between 0 and 1, received 1.5"),
        (lambda: Input(), ValueError, r"Input needs a shape: Input\(shape=\(784,\)\)"),
        (lambda: Input(3), ValueError, r"write \(3,\)"),
        (lambda: Dense(2)("x"), TypeError, "Layer 'dense_1' is called on a tensor, an array"),
        (lambda: Dense(2)(None), TypeError, "Layer 'dense_1' is called on a tensor, an array"),
        (lambda: Dense(2)(Input((3,)), 1), TypeError, "call takes 0 arguments after its inputs"),
        (lambda: Dense(2)(Input((3,)), rate=1), TypeError, "call does not take 'rate'"),
    ],
)
def test_wrong_arguments(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_call_must_return_tensors() -> None:
    class Forgetful(Layer):
        def call(self, inputs: Any) -> Any:
            inputs * 2

    with pytest.raises(TypeError, match=r"call of layer 'forgetful_1' .* received None. Is a return missing\?"):
        Forgetful()(Input((3,)))


def test_forgotten_super() -> None:
    class Hasty(Layer):
        def __init__(self) -> None:
            self.rate = 1

    with pytest.raises(RuntimeError, match=r"Hasty.__init__ did not call super\(\).__init__\(\)"):
        Hasty()(Input((3,)))
    with pytest.raises(RuntimeError, match=r"Hasty.__init__ did not call super\(\).__init__\(\)"):
        Hasty()(np.ones(3))


def test_phase_in_a_python_condition_fails_loudly() -> None:
    class Naive(Layer):
        def call(self, inputs: Any, training: Any = None) -> Any:
            if training:
                return inputs * 2
            return inputs

    with pytest.raises(TypeError, match=r"K\.in_train_phase"):
        Naive()(Input((3,)))


def test_values_are_refused_inside_call() -> None:
    class Curious(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs if float(K.sum(self.weight)) > 0 else -inputs

        def build(self, input_shape: Any) -> None:
            self.weight = self.add_weight("w", (1,))

    with pytest.raises(TypeError, match=r"K\.switch"):
        Curious()(Input((3,)))


def test_numpy_functions_in_call_keep_their_gradient(each_backend: str) -> None:
    class Root(Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight("w", (2,), initializer="ones")

        def call(self, inputs: Any) -> Any:
            return np.float64(2) * np.sqrt(self.w) * inputs * np.ones(2)

    layer = Root()
    x = Input((2,))
    (slope,) = K.function([x], K.gradients(K.sum(layer(x)), layer.weights))([np.full((3, 2), 5.0)])
    np.testing.assert_allclose(slope, [15, 15], rtol=1e-6)


def test_layers_may_look_at_values_while_they_are_built() -> None:
    class Careful(Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight("w", (1,), initializer="ones")
            assert float(K.sum(self.w)) == 1.0

    Careful()(Input((3,)))


def test_stated_shape_fills_what_is_unknown_and_yields_where_it_disagrees() -> None:
    class Stated(Layer):
        def call(self, inputs: Any) -> Any:
            return K.reshape(inputs, K.concatenate([K.shape(inputs)[:1], K.constant([-1, 2], dtype="int64")]))

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (input_shape[0], 3, 2)

    assert Stated()(Input((6,))).shape == (None, 3, 2)

    class Wrong(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (input_shape[0], 7)

    layer = Wrong()
    with pytest.warns(UserWarning, match=r"compute_output_shape of layer 'wrong_1' says \(None, 7\)"):
        assert layer(Input((6,))).shape == (None, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(Input((6,)))


def test_arguments_of_the_first_layer() -> None:
    assert Dense(2, input_dim=3).batch_input_shape == (None, 3)
    assert Dense(2, input_shape=(3, 4)).batch_input_shape == (None, 3, 4)
    assert Dense(2, input_shape=(3,), batch_size=8).batch_input_shape == (8, 3)
    assert Dense(2, batch_input_shape=(8, 3)).get_config()["batch_input_shape"] == [8, 3]
    assert "batch_input_shape" not in Dense(2).get_config()


def test_input_of_a_tensor_is_computed_not_fed() -> None:
    x = K.placeholder((None, 3))
    y = Input(tensor=x)
    assert y is not x
    assert K.is_keras_tensor(y)
    assert y._keras_history[0].is_placeholder
    z = Input(tensor=x * 2)
    assert not z._keras_history[0].is_placeholder
    np.testing.assert_array_equal(K.function([x], [z])([np.ones((1, 3))])[0], [[2, 2, 2]])
