"""The texts of errors: who, what was expected, what was received, and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras.layers import Conv2D, Dense, Embedding, Flatten, Input, Layer
from multikeras.models import Model, Sequential
from multikeras.optimizers import SGD

X = np.random.default_rng(1).normal(size=(12, 4)).astype("float32")
Y = np.eye(3, dtype="float32")[np.arange(12) % 3]
LABELS = np.arange(12) % 3


def classifier(loss="categorical_crossentropy", **compiled):
    model = Sequential([Dense(3, activation="softmax", input_shape=(4,), name="classes")], name="classifier")
    model.compile("sgd", loss, **compiled)
    return model


def two_outputs(**compiled):
    x = Input((4,), name="x")
    model = Model(x, [Dense(1, name="p")(x), Dense(1, name="q")(x)], name="twins")
    model.compile("sgd", **{"loss": "mse", **compiled})
    return model


def images(order="channels_last"):
    shape = (6, 6, 1) if order == "channels_last" else (1, 6, 6)
    model = Sequential([Conv2D(2, 3, input_shape=shape, data_format=order, name="conv"), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    return model


def with_a_mask():
    class Plain(Layer):
        pass

    return Sequential([Embedding(5, 2, mask_zero=True, input_length=3), Plain(name="plain")])


#: What somebody does, and what the answer has to say.
MISTAKES = {
    "integers for the categorical crossentropy": (
        lambda: classifier().fit(X, LABELS, verbose=0),
        "You are passing a target array of shape (12, 1) while using as loss `categorical_crossentropy`",
        "'classes'", "binary matrices (1s and 0s) of shape (samples, classes)",
        "    from multikeras.utils.np_utils import to_categorical\n    y_binary = to_categorical(y_int)",
        "`sparse_categorical_crossentropy`",
    ),
    "rows of 0 and 1 for the sparse one": (
        lambda: classifier("sparse_categorical_crossentropy").fit(X, Y, verbose=0),
        "target of 'classes'", "(None, 1)", "(12, 3)", "takes class numbers", "`categorical_crossentropy`",
    ),
    "targets of another width": (
        lambda: classifier("mse").train_on_batch(X, Y[:, :2]),
        "target of 'classes'", "expected to have shape (None, 3)", "`mean_squared_error`", "shape (12, 2)",
    ),
    "inputs of another width": (
        lambda: classifier().predict(X[:, :3]),
        "input of 'classes_input'", "expected to have shape (None, 4)", "received an array of shape (12, 3)",
    ),
    "inputs of another rank": (
        lambda: classifier().evaluate(X[:, :, None], Y), "input of 'classes_input'", "(None, 4)", "(12, 4, 1)",
    ),
    "one number a sample": (
        lambda: classifier().predict(X[:, 0]), "input of 'classes_input'", "(None, 4)", "shape (12,)",
    ),
    "pictures without channels, which come first": (
        lambda: images("channels_first").predict(np.zeros((5, 6, 6))),
        "'conv_input'", "(None, 1, 6, 6)", "(5, 6, 6)", "An axis of length 1 is missing: array[:, None] has it",
    ),
    "pictures in the other order": (
        lambda: images().predict(np.zeros((5, 1, 6, 6))), "'conv_input'", "(None, 6, 6, 1)", "(5, 1, 6, 6)",
    ),
    "no compile": (
        lambda: Sequential([Dense(1)], name="raw").fit(X, Y),
        "'raw' is not compiled", "Call compile first", "model.compile(optimizer='rmsprop', loss='mse')",
    ),
    "no data to build from": (
        lambda: _compiled(Sequential([Dense(1)], name="raw")).fit(), "'raw' is not built yet", "input_shape",
    ),
    "no layers": (lambda: Sequential(name="empty").predict(X), "'empty' has no layers"),
    "no loss": (lambda: classifier(None), "'classifier' has no loss", "add_loss"),
    "an unknown loss": (
        lambda: classifier("categorical_cross_entropy"),
        "Unknown loss 'categorical_cross_entropy'. Did you mean 'categorical_crossentropy'? Known: ", "hinge",
        "passed as an object, or in custom_objects",
    ),
    "an unknown metric": (
        lambda: classifier(metrics=["acuracy"]), "Unknown metric 'acuracy'. Did you mean 'accuracy'? Known: ",
    ),
    "an unknown optimizer": (
        lambda: Sequential([Dense(1)]).compile("adamm", "mse"), "Unknown optimizer 'adamm'. Did you mean 'adam'?",
    ),
    "a name like no other": (lambda: classifier("xyzzy"), "Unknown loss 'xyzzy'. Known: "),
    "metrics that are no list": (
        lambda: classifier(metrics="accuracy"), "`metrics` is a list such as ['accuracy']", "received 'accuracy'",
    ),
    "no targets": (lambda: classifier().fit(X), "expects 1 target(s) ('classes'), received None"),
    "fewer targets than inputs": (
        lambda: classifier().fit(X, Y[:5]), "the same number of samples", "inputs 12; targets 5",
    ),
    "no samples": (lambda: classifier().fit(X[:0], Y[:0]), "has no samples", "length 0"),
    "words": (
        lambda: classifier().predict(np.array([["a"] * 4])), "input 'classes_input'", "expected", "numbers", "<U1",
    ),
    "lists of different lengths": (
        lambda: classifier().predict([[1, 2, 3, 4], [1, 2]]), "input 'classes_input'", "different lengths",
        "pad_sequences",
    ),
    "nothing in a list": (
        lambda: two_outputs().fit(X, [Y[:, :1], None]), "target 'q' received None instead of an array",
    ),
    "one array for two outputs": (
        lambda: two_outputs().fit(X, Y[:, :1]), "2 targets ('p', 'q')", "received one array", "dictionary by name",
    ),
    "three arrays for two outputs": (
        lambda: two_outputs().fit(X, [Y[:, :1]] * 3), "2 targets ('p', 'q')", "received 3 in a list",
    ),
    "a name that is missing": (
        lambda: two_outputs().fit({"x": X}, {"p": X[:, :1]}), "No target was given for 'q'", "has the names 'p'",
    ),
    "inputs under another name": (
        lambda: two_outputs().predict({"y": X}), "No input was given for 'x'", "has the names 'y'",
    ),
    "a list of inputs too many": (
        lambda: classifier().predict([X, X]), "one input, 'classes_input'", "list of 2 arrays",
    ),
    "a loss too few": (
        lambda: two_outputs(loss=["mse"]), "one for each output: there are 2 (p, q), received 1: ['mse']",
    ),
    "a loss for nobody": (
        lambda: two_outputs(loss={"p": "mse", "q": "mse", "r": "mse"}),
        "`loss` names outputs that the model does not have: ['r']. It has ['p', 'q']",
    ),
    "loss weights for nobody": (
        lambda: two_outputs(loss_weights={"r": 1}), "`loss_weights` names outputs", "['r']",
    ),
    "a loss weight too few": (lambda: two_outputs(loss_weights=[1]), "`loss_weights` needs one entry", "received 1"),
    "a number as loss weights": (lambda: two_outputs(loss_weights=2), "`loss_weights` is a list or a dictionary"),
    "a mode that is none": (
        lambda: classifier(sample_weight_mode="time"), "`sample_weight_mode` is None or 'temporal', received 'time'",
    ),
    "an argument that compile does not have": (lambda: classifier(metric=["mae"]), "compile does not take metric"),
    "an argument that fit does not have": (lambda: classifier().fit(X, Y, epoch=2), "fit does not take 'epoch'"),
    "no batch": (lambda: classifier().fit(X, Y, batch_size=0), "`batch_size` is a whole number from 1, received 0"),
    "an order that is none": (
        lambda: classifier().fit(X, Y, shuffle="yes"), "`shuffle` is True, False or 'batch', received 'yes'",
    ),
    "a split of nothing": (
        lambda: classifier().fit(X[:1], Y[:1], validation_split=0.5),
        "validation_split=0.5 of 1 samples leaves 0 for training and 1 for validation",
    ),
    "a split beyond 1": (
        lambda: classifier().fit(X, Y, validation_split=20),
        "`validation_split` is a share between 0 and 1, received 20",
    ),
    "validation without targets": (
        lambda: classifier().fit(X, Y, validation_data=X), "`validation_data` is (x, y) or", "ndarray of 12 entries",
    ),
    "a class as callback": (
        lambda: classifier().fit(X, Y, callbacks=[SGD]), "`callbacks` takes instances", "add the parentheses",
    ),
    "class weights that are no dictionary": (
        lambda: classifier().fit(X, Y, class_weight=[1, 2, 3]), "`class_weight` is a dictionary from class number",
    ),
    "a class without weight": (
        lambda: classifier().fit(X, Y, class_weight={0: 1, 1: 1}), "missing: [2], given: [0, 1]",
    ),
    "weights of time steps": (
        lambda: classifier().fit(X, Y, sample_weight=np.ones((12, 3))),
        "sample weights of 'classes' have shape (12, 3)", "sample_weight_mode='temporal'",
    ),
    "a generator without a number of steps": (
        lambda: classifier().fit(iter([(X, Y)])), "does not say how many batches", "`steps_per_epoch`", "Sequence",
    ),
    "a generator and targets": (
        lambda: classifier().fit(iter([(X, Y)]), Y), "`y` cannot be given with a list_iterator",
    ),
    "a mask that nobody understands": (
        lambda: with_a_mask(), "Layer 'plain' does not support masking", "supports_masking = True",
    ),
    "layers added after compile": (
        lambda: _added(classifier()).fit(X, Y), "'classifier' has other outputs than when it was compiled",
        "Call compile again",
    ),
}  # fmt: skip


def _compiled(model):
    model.compile("sgd", "mse")
    return model


def _added(model):
    model.add(Dense(3))
    return model


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered(mistake):
    act, *parts = MISTAKES[mistake]
    with pytest.raises((ValueError, TypeError, RuntimeError)) as error:
        act()
    for part in parts:
        assert part in str(error.value)
