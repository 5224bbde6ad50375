"""Mistakes and what is said of them: the type, the function, what was received, and the mend where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers


def place(*shape: int | None, dtype: str | None = None, name: str | None = None) -> Any:
    return K.placeholder(shape, dtype=dtype, name=name)


x = place(None, 4, name="x")
image = place(None, 6, 6, 3, name="image")
volume = place(None, 4, 4, 4, 2)
sequence = place(None, 5, 3, name="sequence")
number = K.constant(1.0)
some, phase = K.placeholder((), dtype="bool"), K.learning_phase()
v = K.variable(np.ones((2, 3)), name="v")
Layer, Type, Value, Index = layers.Lambda, TypeError, ValueError, IndexError

#: Function, the call, the type of the error, and what its text holds beside `K.` and the function's name.
MISTAKES: list[tuple[Any, ...]] = [
    # -- configuration
    ("set_epsilon", lambda: K.set_epsilon(-1), Value, "-1", "such as 1e-07"),
    ("set_epsilon", lambda: K.set_epsilon("a"), Value, "'a'"),
    ("set_matmul_precision", lambda: K.set_matmul_precision("half"), Value, "'half' is none of"),
    ("set_floatx", lambda: K.set_floatx("int8"), Value, "'int8'", "'float32'"),
    ("cast_to_floatx", lambda: K.cast_to_floatx("abc"), Type, "expected numbers, received str: 'abc'"),
    ("set_image_data_format", lambda: K.set_image_data_format("up"), Value, "'up'", "'channels_last'"),
    ("set_image_dim_ordering", lambda: K.set_image_dim_ordering("up"), Value, "'up'", "'tf', 'th'"),
    ("normalize_data_format", lambda: K.normalize_data_format(3), Value, "received 3", "'channels_last' ('tf')"),
    ("set_learning_phase", lambda: K.set_learning_phase(2), Value, "0 (test) or 1 (train)", "received 2"),
    ("set_backend", lambda: K.set_backend("foo"), Value, "'foo'", "Installed: ", "numpy"),
    ("set_device", lambda: K.set_device("tpu"), Value, "'tpu'", "Write 'auto'"),
    # -- making
    ("variable", lambda: K.variable("abc"), Type, "received str: 'abc'"),
    ("variable", lambda: K.variable(None), Type, "expected numbers, received None"),
    ("variable", lambda: K.variable([[1, 2], [3]]), Value, "rows of equal length, received list: [[1, 2], [3]]"),
    ("variable", lambda: K.variable(1, dtype="float31"), Value, "Unknown dtype 'float31'. Known: bfloat16"),
    ("variable", lambda: K.variable(x), Value, "'x' of shape (None, 4)", "test_errors.py", "K.function"),
    ("placeholder", lambda: K.placeholder(), Value, "needs a shape, such as (None, 3), or ndim"),
    ("placeholder", lambda: K.placeholder((2, "a")), Type, "whole number", "received 'a'"),
    ("placeholder", lambda: K.placeholder((2, -3)), Value, "from 0 on, received -3"),
    ("placeholder", lambda: K.placeholder((2.5,)), Value, "received 2.5"),
    ("placeholder", lambda: K.placeholder((2,), dtype="foo"), Value, "Unknown dtype 'foo'"),
    ("placeholder", lambda: K.placeholder((2,), None, None, "a", name="b"), Type, "'name' was given twice"),
    ("constant", lambda: K.constant(x), Type, "received <tensor 'x'", "K.stop_gradient"),
    ("constant", lambda: K.constant("a"), Type, "received str: 'a'"),
    ("constant", lambda: K.constant([1, 2, 3], shape=(2, 2)), Value, "3 numbers cannot fill the shape (2, 2)"),
    ("constant", lambda: K.constant(1, dtype="complex64"), Value, "Unknown dtype 'complex64'"),
    ("zeros", lambda: K.zeros((None, 2)), Type, "a length is a whole number from 0 on, received None"),
    ("ones", lambda: K.ones((2, -1)), Value, "received -1"),
    ("ones", lambda: K.ones("ab"), Type, "received str: 'ab'"),
    ("eye", lambda: K.eye(-1), Value, "the size is a whole number from 0 on, received -1"),
    ("eye", lambda: K.eye((1, 2, 3)), Value, "received (1, 2, 3)"),
    ("zeros_like", lambda: K.zeros_like(x, dtype="foo"), Value, "Unknown dtype 'foo'"),
    ("count_params", lambda: K.count_params(x), Value, "unknown length", "K.size(x)"),
    ("cast", lambda: K.cast(x, "foo"), Value, "Unknown dtype 'foo'"),
    ("cast", lambda: K.cast("a", "float32"), Type, "received str: 'a'"),
    ("arange", lambda: K.arange(0, 5, 0), Value, "step cannot be 0"),
    ("arange", lambda: K.arange("a"), Type, "received 'a'"),
    ("arange", lambda: K.arange(3, dtype="foo"), Value, "Unknown dtype 'foo'"),
    ("shape", lambda: K.shape("a"), Type, "received str: 'a'"),
    ("ndim", lambda: K.ndim("a"), Type, "received str: 'a'"),
    ("dtype", lambda: K.dtype("a"), Type, "received str: 'a'"),
    ("int_shape", lambda: K.int_shape([x, x]), Type, "received a list of tensors. Use K.stack"),
    ("is_keras_tensor", lambda: K.is_keras_tensor(3), Value, "received int: 3"),
    # -- values
    ("eval", lambda: K.eval(x * 2), Value, "'x' of shape (None, 4)", "no value", "inputs of K.function"),
    ("get_value", lambda: K.get_value(np.ones(2)), Type, "expected a variable, received ndarray"),
    ("set_value", lambda: K.set_value(v, np.ones(3)), Value, "'v' has shape (2, 3)", "shape (3,)"),
    ("set_value", lambda: K.set_value(x, 1), Type, "expected a variable, received Placeholder"),
    ("set_value", lambda: K.set_value(v, "a"), Type, "received str: 'a'"),
    ("batch_set_value", lambda: K.batch_set_value([(v,)]), Type, "pairs (variable, array), received (<variable 'v'"),
    ("batch_set_value", lambda: K.batch_set_value([(x, 1)]), Type, "expected a variable, received Placeholder"),
    ("batch_get_value", lambda: K.batch_get_value([np.ones(2)]), Type, "expected a variable, received ndarray"),
    ("batch_get_value", lambda: K.batch_get_value(3), Type, "list of variables, received int: 3"),
    ("print_tensor", lambda: K.print_tensor("a"), Type, "received str: 'a'"),
    ("function", lambda: K.function([x], [3]), Type, "outputs[0]", "int: 3", "in a list"),
    ("function", lambda: K.function([3], [x]), Type, "inputs[0]", "int: 3"),
    ("function", lambda: K.function([x], [x], feed_dict={}), Value, "feed_dict"),
    ("function", lambda: K.function([x], [x], updates=[3]), Type, "received 3", "what K.update gives, or a pair"),
    ("function", lambda: K.function([x], [x], updates=[(v, x)]), Value, "'v' has shape (2, 3)", "(None, 4)"),
    ("function", lambda: K.function([], [x])([]), Value, "'x' of shape (None, 4)", "list it among the inputs"),
    ("gradients", lambda: K.gradients(3, [x]), Type, "takes tensors, received int: 3"),
    ("gradients", lambda: K.gradients(x, [3]), Type, "received int: 3"),
    ("stop_gradient", lambda: K.stop_gradient("a"), Type, "received str: 'a'"),
    ("update", lambda: K.update(x, 1), Type, "Only a variable", "<tensor 'x'", "K.variable or add_weight"),
    ("update", lambda: K.update(v, np.ones(4)), Value, "'v' has shape (2, 3)", "(4,)"),
    ("update_add", lambda: K.update_add(3, 1), Type, "received 3"),
    ("update_sub", lambda: K.update_sub(x, 1), Type, "<tensor 'x'"),
    ("moving_average_update", lambda: K.moving_average_update(v, np.ones(4), 0.9), Value, "'v' has shape (2, 3)"),
    ("moving_average_update", lambda: K.moving_average_update(v, 1.0, "a"), Type, "the momentum", "'a'"),
    # -- products, look-up
    ("dot", lambda: K.dot(x, place(5, 2)), Value, "(None, 4)", "(5, 2)", "received 4 and 5"),
    ("dot", lambda: K.dot(x, "a"), Type, "received str: 'a'"),
    ("batch_dot", lambda: K.batch_dot(x, place(None, 4), axes=0), Value, "batch axis", "K.dot(K.transpose(x), y)"),
    ("batch_dot", lambda: K.batch_dot(x, place(None, 5)), Value, "received 4 and 5"),
    ("batch_dot", lambda: K.batch_dot(x, place(None, 4), axes=(1, 2, 3)), Value, "received (1, 2, 3)"),
    ("batch_dot", lambda: K.batch_dot(place(3), place(3)), Value, "two axes or more"),
    ("matmul", lambda: K.matmul(x, place(5, 2)), Value, "(None, 4) and (5, 2) cannot be multiplied"),
    ("gather", lambda: K.gather(x, K.constant([1.5])), Value, "float32", "K.cast(indices, 'int32')"),
    ("transpose", lambda: K.transpose(None), Type, "received None"),
    ("einsum", lambda: K.einsum("ij,jk", x), Value, "is for 2 tensors, received 1"),
    # -- reductions
    ("sum", lambda: K.sum(x, axis=2), Value, "axis 2 is outside <tensor 'x'", "axes -2 to 1"),
    ("sum", lambda: K.sum(x, axis=[0, -2]), Value, "axes [0, -2] name one axis", "twice"),
    ("sum", lambda: K.sum(x, axis="a"), Type, "an axis is an int, received 'a'"),
    ("sum", lambda: K.sum(x, axis=1.5), Type, "received 1.5"),
    ("max", lambda: K.max(x, axis=-3), Value, "axis -3"),
    ("mean", lambda: K.mean(None), Type, "received None"),
    ("argmax", lambda: K.argmax(x, axis=5), Value, "axis 5"),
    ("argmax", lambda: K.argmax(x, axis=(0, 1)), Type, "received (0, 1)"),
    ("softmax", lambda: K.softmax(number), Value, "has no axes, received axis -1"),
    *[(name, lambda f=name: getattr(K, f)(x, axis=2), Value, "axis 2 is outside")
      for name in ("min", "prod", "var", "std", "any", "all", "argmin", "cumsum", "cumprod", "logsumexp", "norm",
                   "l2_normalize", "softmax", "log_softmax", "sort", "argsort", "layer_normalization", "squeeze")],
    # -- element by element
    *[(name, lambda f=name: getattr(K, f)("a"), Type, "received str: 'a'")
      for name in ("square", "abs", "sqrt", "exp", "log", "round", "sign", "sin", "cos", "relu", "elu", "softplus",
                   "sigmoid", "hard_sigmoid", "tanh", "isnan", "erf", "gelu", "logical_not", "any", "identity")],
    *[(name, lambda f=name: getattr(K, f)(x, place(3)), Value, "(None, 4) and (3,) do not broadcast", "Reshape")
      for name in ("pow", "equal", "not_equal", "greater", "greater_equal", "less", "less_equal", "maximum", "minimum",
                   "logical_and", "logical_or", "arctan2")],
    ("equal", lambda: K.equal(x, None), Type, "received None"),
    ("clip", lambda: K.clip(x, "a", 1), Type, "received str: 'a'"),
    ("where", lambda: K.where(x > 0, x, place(3)), Value, "(None, 4) and (None, 4) and (3,)"),
    # -- normalization
    ("normalize_batch_in_training", lambda: K.normalize_batch_in_training(x, place(3), None, [0]), Value, "(3,)"),
    ("normalize_batch_in_training", lambda: K.normalize_batch_in_training(x, None, None, [2]), Value, "axis 2"),
    ("batch_normalization", lambda: K.batch_normalization(x, place(3), place(4), None, None), Value, "(3,)"),
    ("batch_normalization", lambda: K.batch_normalization(x, None, None, None, None), Value, "received None"),
    ("layer_normalization", lambda: K.layer_normalization(x, place(3)), Value, "do not broadcast"),
    # -- shapes
    ("concatenate", lambda: K.concatenate([]), Value, "empty list"),
    ("concatenate", lambda: K.concatenate(3), Type, "received int: 3"),
    ("concatenate", lambda: K.concatenate([x, place(3, 5)], axis=0), Value, "(None, 4), (3, 5)", "along axis 0"),
    ("stack", lambda: K.stack([x, place(None, 5)]), Value, "cannot be joined"),
    ("stack", lambda: K.stack([x], axis=4), Value, "axis 4"),
    ("reshape", lambda: K.reshape(x, (None, 2)), Value, "received (None, 2)", "may be -1"),
    ("reshape", lambda: K.reshape(v, (4, 2)), Value, "(2, 3) (6 entries) cannot become (4, 2)"),
    ("reshape", lambda: K.reshape(v, (-1, -1)), Value, "one -1, received (-1, -1)"),
    ("reshape", lambda: K.reshape(v, (-2, 3)), Value, "received (-2, 3)"),
    ("reshape", lambda: K.reshape(v, "ab"), Type, "received str: 'ab'"),
    ("reshape", lambda: K.reshape(v, (2.5, 1)), Value, "received 2.5"),
    ("permute_dimensions", lambda: K.permute_dimensions(x, (0, 0)), Value, "(0, 0) is no order of the 2 axes"),
    ("permute_dimensions", lambda: K.permute_dimensions(x, (0, 1, 2)), Value, "axis 2"),
    ("repeat_elements", lambda: K.repeat_elements(x, -2, 1), Value, "repetitions", "received -2"),
    ("repeat_elements", lambda: K.repeat_elements(x, 2, 5), Value, "axis 5"),
    ("repeat", lambda: K.repeat(sequence, 2), Value, "two axes", "'sequence'"),
    ("repeat", lambda: K.repeat(x, -2), Value, "received -2"),
    ("tile", lambda: K.tile(x, (2, -1)), Value, "received -1"),
    ("tile", lambda: K.tile(x, "a"), Type, "received 'a'"),
    ("batch_flatten", lambda: K.batch_flatten(number), Value, "one axis or more"),
    ("expand_dims", lambda: K.expand_dims(x, 5), Value, "axis 5", "axes -3 to 2"),
    ("expand_dims", lambda: K.expand_dims(x, axis=1, dim=1), Type, "'dim' is another name of 'axis'"),
    ("squeeze", lambda: K.squeeze(x, 1), Value, "its length is not 1"),
    ("resize_images", lambda: K.resize_images(x, 2, 2), Value, "4 axes, received <tensor 'x'"),
    ("resize_images", lambda: K.resize_images(image, 0, 2), Value, "a factor is a whole number from 1 on, received 0"),
    ("resize_images", lambda: K.resize_images(image, 1.5, 2), Value, "received 1.5"),
    ("resize_images", lambda: K.resize_images(image, 2, 2, "up"), Value, "received 'up'", "'channels_last'"),
    ("resize_images", lambda: K.resize_images(image, 2, 2, interpolation="cubic"), Value, "'bilinear', received"),
    ("resize_volumes", lambda: K.resize_volumes(image, 2, 2, 2), Value, "5 axes"),
    ("temporal_padding", lambda: K.temporal_padding(x), Value, "three axes"),
    ("temporal_padding", lambda: K.temporal_padding(sequence, (1, 2, 3)), Value, "received (1, 2, 3)"),
    ("temporal_padding", lambda: K.temporal_padding(sequence, -1), Value, "received -1"),
    ("spatial_2d_padding", lambda: K.spatial_2d_padding(x), Value, "4 axes"),
    ("spatial_2d_padding", lambda: K.spatial_2d_padding(image, ((1, 1),)), Value, "received ((1, 1),)"),
    ("spatial_2d_padding", lambda: K.spatial_2d_padding(image, "ab"), Type, "received 'ab'"),
    ("spatial_2d_padding", lambda: K.spatial_2d_padding(image, data_format="up"), Value, "received 'up'"),
    ("spatial_3d_padding", lambda: K.spatial_3d_padding(image), Value, "5 axes"),
    ("one_hot", lambda: K.one_hot(x, -1), Value, "number of classes", "received -1"),
    ("one_hot", lambda: K.one_hot(x, 2.5), Value, "received 2.5"),
    ("reverse", lambda: K.reverse(x, 4), Value, "axis 4"),
    ("slice", lambda: K.slice(x, [0], [1, 2]), Value, "received [0] and [1, 2]"),
    ("slice", lambda: K.slice(v, [0, 1], [2, 3]), Value, "3 entries from 1 on are outside axis 1"),
    # -- choosing, loops
    ("switch", lambda: K.switch(K.constant([1, 0]), number, number), Value, "shape (2,), more axes"),
    ("switch", lambda: K.switch(K.sum(x) > 0, place(2), place(3)), Value, "(2,) and (3,) do not broadcast"),
    ("switch", lambda: K.switch("a", x, x), Type, "received str: 'a'"),
    ("in_train_phase", lambda: K.in_train_phase(x, x, training="a"), Type, "received str: 'a'"),
    ("rnn", lambda: K.rnn(lambda a, s: (a, []), sequence, [x]), Value, "got 1 states and returned 0"),
    ("rnn", lambda: K.rnn(lambda a, s: a, sequence, []), Value, "(output, new states)"),
    ("rnn", lambda: K.rnn(lambda a, s: (a, s), number, []), Value, "(samples, time, ...)"),
    ("switch", lambda: K.switch(some, lambda a: x, x), Type, "a function of no arguments, and <lambda>(a) is not"),
    ("switch", lambda: K.switch(some, lambda: None, x), Type, "received None from a function. Is a return missing?"),
    ("switch", lambda: K.switch(True, None, x), Type, "without arguments that returns one, received None"),
    ("switch", lambda: K.switch(some, lambda: [x, x], lambda: [x]), Value, "equal rank and type", "Cast or reshape"),
    ("switch", lambda: K.switch(x[:, 0], lambda: [x, x], x), Type, "shape (None,) a branch is one tensor, received"),
    ("switch", lambda: K.switch(phase, lambda: [x, x], lambda: [x]), Value, "return equally many tensors"),
    ("switch", lambda: K.switch(phase, lambda: x, lambda: number), Value, "equal rank, received shapes (None, 4) and"),
    ("in_train_phase", lambda: K.in_train_phase(lambda a: x, x), Type, "a function of no arguments, and <lambda>(a)"),
    ("rnn", lambda: K.rnn(3, sequence, []), Type, "a function of the input of a step and the list of", "int: 3"),
    ("rnn", lambda: K.rnn(lambda a: (a, []), sequence, []), Type, "<lambda>(a) is not: too many positional"),
    ("rnn", lambda: K.rnn(lambda a, s: (a, a), sequence, []), Type, "returns a list of new states, received <tensor"),
    ("rnn", lambda: K.rnn(lambda a, s: (a, s), sequence, x), Type, "list of initial states, received <tensor 'x'"),
    ("rnn", lambda: K.rnn(lambda a, s: (a, []), sequence, [], mask=place(None, 4)), Value, "lengths 5, 4", "equal"),
    ("map_fn", lambda: K.map_fn(x, x), Type, "a function of an element, received Placeholder: <tensor 'x'"),
    ("map_fn", lambda: K.map_fn(lambda a, b: a, [v, v]), Type, "a list of 2 tensors, an element of each, and <"),
    ("map_fn", lambda: K.map_fn(lambda a: None, v), Type, "received None"),
    ("map_fn", lambda: K.map_fn(lambda a: a, []), Value, "a list of at least one, received []"),
    ("map_fn", lambda: K.map_fn(lambda a: a[0], [v, place(3, 3)]), Value, "lengths 2, 3: they must be equal"),
    ("foldl", lambda: K.foldl(None, v), Type, "a function of the accumulator and an element, received NoneType: None"),
    ("foldr", lambda: K.foldr(lambda a: a, v), Type, "a function of the accumulator and an element, and <lambda>(a)"),
    ("while_loop", lambda: K.while_loop(3, lambda a: a, number), Type, "The cond of K.while_loop", "received int: 3"),
    ("while_loop", lambda: K.while_loop(lambda a: a < 3, lambda: 1, number), Type, "a function of the loop variable"),
    ("while_loop", lambda: K.while_loop(lambda a: a, lambda a: a, [number] * 2), Type, "of the 2 loop variables, and"),
    ("custom_gradient", lambda: K.custom_gradient(3), Type, "a function of tensors, received int: 3"),
    ("custom_gradient", lambda: K.custom_gradient(lambda a: a)(x, x), Type, "a function of 2 tensors, and <lambda>(a)"),
    ("map_fn", lambda: K.map_fn(lambda a: a, number), Value, "has none"),
    ("foldl", lambda: K.foldl(lambda a, b: K.sum(b), x), Value, "(4,)", "keeps both"),
    ("while_loop", lambda: K.while_loop(lambda i: i, lambda i: [i, i], number), Value, "got 1 loop variables"),
    # -- network pieces
    ("categorical_crossentropy", lambda: K.categorical_crossentropy(place(None, 3), x), Value, "(None, 3)"),
    (
        "sparse_categorical_crossentropy",
        lambda: K.sparse_categorical_crossentropy(place(None, 4), x),
        Value,
        "(None, 4)",
        "K.categorical_crossentropy",
    ),
    ("binary_crossentropy", lambda: K.binary_crossentropy(place(None, 3), x), Value, "do not broadcast"),
    ("dropout", lambda: K.dropout(x, 1.0), Value, "below 1, received 1.0"),
    ("dropout", lambda: K.dropout(x, "a"), Type, "received 'a'"),
    ("dropout", lambda: K.dropout(x, 0.5, noise_shape=(1,)), Value, "(1,) needs one entry for each axis"),
    ("dropout", lambda: K.dropout(x, 0.5, seed="a"), Type, "a seed is a whole number", "'a'"),
    ("in_top_k", lambda: K.in_top_k(x, x, 1), Value, "(samples,), received shapes (None, 4) and (None, 4)"),
    ("bias_add", lambda: K.bias_add(image, place(2, 2)), Value, "(2, 2) and (None, 6, 6, 3)"),
    ("bias_add", lambda: K.bias_add(x, place(3)), Value, "do not broadcast"),
    ("conv1d", lambda: K.conv1d(x, place(3, 3, 4)), Value, "the input received has shape (None, 4)"),
    ("conv1d", lambda: K.conv1d(sequence, place(3, 3, 4), padding="full"), Value, "'causal', received 'full'"),
    ("conv1d", lambda: K.conv1d(sequence, place(9, 3, 4)), Value, "(9,)", "Use padding='same'"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 4, 1)), Value, "has 3 channels", "takes 4", "data format"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 3, 1), padding="full"), Value, "'same', received 'full'"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 3, 1), border_mode="full"), Value, "'same', received 'full'"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 3, 1), strides=0), Value, "strides", "received 0"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 3, 1), strides=(1, 2, 3)), Value, "or 2 of them"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 3, 1), strides="a"), Value, "received 'a'"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 3, 1), data_format="up"), Value, "received 'up'"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 3, 1), dim_ordering="up"), Value, "received 'up'"),
    ("conv2d", lambda: K.conv2d(image, place(2, 2, 3), dim_ordering="th"), Value, "(out, in, *window)", "(2, 2, 3)"),
    ("conv3d", lambda: K.conv3d(image, place(2, 2, 2, 3, 1)), Value, "5 axes"),
    ("conv2d_transpose", lambda: K.conv2d_transpose(image, place(2, 2, 4, 3), (1, 9, 9, 4)), Value, "8 windows of 2"),
    ("conv2d_transpose", lambda: K.conv2d_transpose(image, place(2, 2, 4, 3), 7), Value, "4 entries, received 7"),
    ("conv2d_transpose", lambda: K.conv2d_transpose(image, place(2, 2, 4, 5), (1, 7, 7, 4)), Value, "takes 5"),
    ("conv2d_transpose", lambda: K.conv2d_transpose(image, place(2, 2, 4, 3), (1, 7, 7, 5)), Value, "gives 4 channels"),
    ("conv3d_transpose", lambda: K.conv3d_transpose(image, place(2, 2, 2, 4, 3), (1, 2, 2, 2, 4)), Value, "5 axes"),
    ("depthwise_conv2d", lambda: K.depthwise_conv2d(image, place(2, 2, 4, 1)), Value, "has 3 channels", "takes 4"),
    (
        "separable_conv2d",
        lambda: K.separable_conv2d(image, place(2, 2, 3, 1), place(2, 2, 3, 2)),
        Value,
        "pointwise kernel",
        "(2, 2, 3, 2)",
    ),
    (
        "separable_conv1d",
        lambda: K.separable_conv1d(sequence, place(2, 3, 1), place(1, 4, 2)),
        Value,
        "has 3 channels",
    ),
    ("local_conv1d", lambda: K.local_conv1d(x, place(3, 6, 4), (2,), (2,)), Value, "(None, 4) and (3, 6, 4)"),
    ("local_conv1d", lambda: K.local_conv1d(sequence, place(3, 6, 4), (2,), (2,)), Value, "2 windows", "weights for 3"),
    ("local_conv1d", lambda: K.local_conv1d(sequence, place(4, 7, 4), (2,), (1,)), Value, "has 6 entries", "takes 7"),
    (
        "local_conv2d",
        lambda: K.local_conv2d(image, place(24, 12, 4), (2, 2), (1, 1), (5, 5)),
        Value,
        "24 places",
        "(5, 5) are 25",
    ),
    ("pool2d", lambda: K.pool2d(x, (2, 2)), Value, "4 axes"),
    ("pool2d", lambda: K.pool2d(image, (2, 2), pool_mode="median"), Value, "'avg', received 'median'"),
    ("pool2d", lambda: K.pool2d(image, (9, 9)), Value, "(9, 9)", "(6, 6)"),
    ("pool2d", lambda: K.pool2d(image, 0), Value, "pool_size", "received 0"),
    ("pool2d", lambda: K.pool2d(image, (2, 2), strides=(2,)), Value, "received (2,)"),
    ("pool3d", lambda: K.pool3d(image, (2, 2, 2)), Value, "5 axes"),
    # -- random
    ("random_uniform", lambda: K.random_uniform((2,), dtype="foo"), Value, "Unknown dtype 'foo'"),
    ("random_uniform", lambda: K.random_uniform((None, 2)), Value, "received (None, 2)", "K.shape(x)[0]"),
    ("random_normal", lambda: K.random_normal((-2,)), Value, "received (-2,)"),
    ("random_normal", lambda: K.random_normal((2,), stddev="a"), Type, "the standard deviation", "'a'"),
    ("random_normal", lambda: K.random_normal((2,), dtype="int32"), Value, "'int32'"),
    ("random_normal", lambda: K.random_normal((2,), seed="a"), Type, "a seed", "'a'"),
    ("random_binomial", lambda: K.random_binomial((2,), p=2), Value, "from 0 to 1, received 2"),
    ("truncated_normal", lambda: K.truncated_normal("a"), Type, "received str: 'a'"),
    ("random_uniform_variable", lambda: K.random_uniform_variable((None, 2), 0, 1), Value, "received (None, 2)"),
    # -- CTC
    ("ctc_batch_cost", lambda: K.ctc_batch_cost(x, x, x, x), Value, "(None, 4) and (None, 4)"),
    ("ctc_decode", lambda: K.ctc_decode(x, [3]), Value, "(samples, time, classes)"),
    ("ctc_label_dense_to_sparse", lambda: K.ctc_label_dense_to_sparse(sequence, [1]), Value, "(samples, longest)"),
    # -- beyond Keras 2
    ("top_k", lambda: K.top_k(x, 9), Value, "received k=9"),
    ("top_k", lambda: K.top_k(x, "a"), Type, "received 'a'"),
    ("take_along_axis", lambda: K.take_along_axis(x, x), Value, "indices are integers", "K.cast(indices, 'int32')"),
    ("scatter_add", lambda: K.scatter_add(x, x, x), Value, "indices are integers"),
    ("inv", lambda: K.inv(place(2, 3)), Value, "square matrices", "(2, 3)"),
    ("cholesky", lambda: K.cholesky(place(3)), Value, "square matrices"),
    ("solve", lambda: K.solve(place(3, 3), place(4, 2)), Value, "received (4, 2)"),
    ("numpy_function", lambda: K.numpy_function(3, [x], (2,), "float32"), Type, "received int: 3"),
    ("custom_gradient", lambda: K.custom_gradient(lambda a: a)(x), Type, "the pair (result, grad)"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m[0]}-{m[3][:30]}")
def test_mistake(mistake: Any, fresh_session: None) -> None:
    name, call, error, *words = mistake
    with pytest.raises(error) as raised:
        call()
    text = str(raised.value)
    for word in words:
        assert word in text, text
    setting = name.startswith("set_") and name != "set_value"
    assert (name if setting else f"K.{name}") in text, text
    assert len(text) < 600


def test_every_function_that_can_be_misused_is_here() -> None:
    """Functions that nothing can be said of: they take nothing, anything, or what others of the table take."""
    named = {mistake[0] for mistake in MISTAKES}
    rest = set(K.__all__) - named
    assert rest == {
        "backend", "backend_info", "clear_session", "epsilon", "floatx", "get_session", "get_uid", "image_data_format",
        "image_dim_ordering", "is_placeholder", "is_sparse", "is_tensor", "is_variable", "learning_phase",
            "matmul_precision",
        "manual_variable_initialization", "name_scope", "reset_uids", "set_session", "symbolic", "eager", "use_backend",
        "control_dependencies", "in_test_phase", "primitive", "get_variable_shape", "to_dense", "size", "ones_like",
        "random_normal_variable", "deconv2d", "lesser", "lesser_equal", "normalize_batch", "flatten", "det",
        "slogdet", "solve_triangular", "scaled_dot_product_attention", "expm1", "log1p", "floor", "ceil", "tan",
        "softsign", "silu", "isfinite", "isinf", "arcsin", "arccos", "arctan", "sinh", "cosh", "arcsinh", "arccosh",
        "arctanh",
    }  # fmt: skip


# -- mistakes of a run ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fed", "error", "words"),
    [
        ([np.ones((2, 5))], Value, ["reader: input 'x' expects shape (None, 4)", "(2, 5)"]),
        ([], Value, ["reader takes 1 inputs (x), received 0"]),
        ([None], Value, ["reader: input 'x'", "received None"]),
        (["a"], Type, ["reader: input 'x' expects numbers of type float32", "<U1"]),
    ],
)
def test_what_is_fed(fed: Any, error: Any, words: list[str], each_backend: str) -> None:
    with pytest.raises(error) as raised:
        K.function([x], [x * 2], name="reader")(fed)
    assert all(word in str(raised.value) for word in words)


def test_phase_that_is_fed() -> None:
    with pytest.raises(Value, match=r"0 \(test\) or 1 \(train\), received 3"):
        K.function([x, K.learning_phase()], [x])([np.ones((2, 4)), 3])


# -- operators and indices, which have no name ------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: x + "a", Type, ["Expected a tensor, a number or an array, received str: 'a'"]),
        (lambda: x + place(3), Value, ["Shapes (None, 4) and (3,) do not broadcast"]),
        (lambda: x @ place(5, 2), Value, ["(None, 4) and (5, 2) cannot be multiplied"]),
        (lambda: x[0, 1, 2], Index, ["3 indices", "has 2 axes"]),
        (lambda: x[:, 7], Index, ["Index 7 is outside axis 1", "length is 4"]),
        (lambda: x["a"], Type, ["received str: 'a'"]),
        (lambda: x[1.5], Type, ["indexed by integers"]),
        (lambda: x[x > 0], Type, ["boolean mask", "K.switch"]),
        (lambda: list(x), Type, ["unknown first axis", "K.shape(x)[0]"]),
        (lambda: float(K.sum(x)), Value, ["'x' of shape (None, 4)", "K.function"]),
        (lambda: bool(K.learning_phase()), Type, ["learning phase", "K.in_train_phase"]),
        (lambda: K.function([], [K.constant(object())]), Type, ["received object"]),
    ],
)
def test_operators(call: Any, error: Any, words: list[str]) -> None:
    with pytest.raises(error) as raised:
        call()
    assert all(word in str(raised.value) for word in words), str(raised.value)


# -- where it happened ------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [bool, float, int, np.asarray, lambda t: t.numpy()])
def test_a_layer_that_asks_for_a_value(ask: Any) -> None:
    with pytest.raises(Type, match="while a graph is built.*K.switch") as raised:
        layers.Lambda(lambda t: t * ask(K.sum(K.constant([1.0]))), name="curious")(layers.Input((4,)))
    assert "sum" in str(raised.value)


def test_a_layer_is_named() -> None:
    with pytest.raises(Value, match=r"^Layer 'curious': K\.dot: .*received 4 and 5"):
        layers.Lambda(lambda t: K.dot(t, place(5, 2)), name="curious")(layers.Input((4,)))
    with pytest.raises(Type, match=r"curious.*K\.exp: expected a tensor.*received str"):
        layers.Lambda(lambda t: K.exp("a"), name="curious")(layers.Input((4,)))


def test_errors_of_the_user_are_the_users() -> None:
    """What a step function, a branch or a NumPy function raises is passed on as it is."""

    class Mine(ValueError):
        pass

    def fail(*arguments: Any) -> Any:
        raise Mine("mine")

    def refuse(*arguments: Any) -> Any:
        raise Value("all mine")

    for function, kind, text in ((fail, Mine, "mine"), (refuse, Value, "all mine")):
        for call in (
            lambda f=function: K.map_fn(f, K.constant([1.0])),
            lambda f=function: K.switch(K.sum(x) > 0, f, lambda: number),
            lambda f=function: K.rnn(f, sequence, []),
        ):
            with pytest.raises(kind) as raised:
                call()
            assert str(raised.value) == text
    made = K.numpy_function(refuse, [number], (), "float32")
    with K.use_backend("numpy"), pytest.raises(Value) as raised:
        K.eval(made)
    assert str(raised.value) == "all mine"


def test_the_function_called_is_named_and_not_one_that_it_uses() -> None:
    with pytest.raises(Value, match=r"^K\.in_train_phase: |^K\.softmax: axis 3"):
        K.softmax(x, axis=3)
    with pytest.raises(Type, match=r"^K\.cumsum: expected a tensor.*received str"):
        K.cumsum("a")
    with pytest.raises(Value, match=r"^K\.maximum: Shapes"):
        K.map_fn(lambda row: K.maximum(row, place(3)), K.constant(np.ones((2, 4))))
