"""What every layer has to do, whatever it computes: rules that `check_layer` goes through.

A rule takes the subject, raises `Broken` with what is wrong and the mend, or `LeftOut` with the
reason where it does not apply.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import layers
from multikeras.contract import is_float
from multikeras.layers import signatures, versions
from multikeras.models import Model
from multikeras.saving.plain import plain
from multikeras.testing.layers_subject import (
    Broken,
    Evaluation,
    LeftOut,
    Subject,
    difference,
    listed,
    randomize,
    settings_kept,
    variables_behind,
)

#: Arguments that every layer takes, which are no business of its `get_config`.
_COMMON = {"batch_input_shape", "batch_size", "input_dim", "input_shape", "weights"}
#: How far numbers of a type may be apart, relative to the largest.
_TOLERANCES = {"float16": 3e-2, "bfloat16": 1e-1, "float32": 1e-4, "float64": 1e-10}


def configuration(subject: Subject) -> None:
    """`get_config` holds every argument as data of JSON, and `from_config` makes the same layer of it."""
    layer = subject.made()
    config = layer.get_config()
    missing = [name for name in subject.parameters if name not in config and name not in _COMMON]
    if missing:
        raise Broken(
            f"get_config leaves out {listed(missing)}, so that a saved model comes back with defaults. Return "
            f"{{**super().get_config(), {missing[0]!r}: self.{missing[0]}}}."
        )
    try:
        text = json.dumps(plain(config, type(layer).__name__), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise Broken(f"get_config holds what JSON cannot: {error}") from error
    known = {type(layer).__name__: type(layer), **subject.custom_objects}
    try:
        again = layers.deserialize({"class_name": type(layer).__name__, "config": json.loads(text)}, known)
    except (TypeError, ValueError) as error:
        raise Broken(f"from_config does not take what get_config gives: {error}") from error
    if type(again) is not type(layer):
        raise Broken(f"from_config makes a {type(again).__name__} of the configuration of a {type(layer).__name__}.")
    made = json.dumps(plain(again.get_config(), type(layer).__name__), sort_keys=True)
    if made != text:
        differ = [key for key, value in json.loads(text).items() if json.loads(made).get(key) != value]
        raise Broken(
            f"A layer made by its configuration has another one: {listed(differ)} "
            f"{[json.loads(text)[key] for key in differ]} became {[json.loads(made).get(key) for key in differ]}."
        )
    first, second = subject.placed(layer), subject.placed(again)
    randomize(layer)
    if [w.shape for w in again.weights] != [w.shape for w in layer.weights]:
        raise Broken(
            f"A layer made by its configuration has weights of shapes {[w.shape for w in again.weights]} instead of "
            f"{[w.shape for w in layer.weights]}."
        )
    again.set_weights(layer.get_weights())
    pairs = zip(
        Evaluation(first.outputs, subject.feeds(first)).run(),
        Evaluation(second.outputs, subject.feeds(second)).run(),
        strict=True,
    )
    if any(difference(b, a) > 1e-6 for a, b in pairs):
        raise Broken("A layer made by its configuration computes something else with the same weights.")


def weights(subject: Subject) -> None:
    """All variables are its weights, made once, with names of their own; `trainable` freezes them."""
    placed = subject.placed()
    layer = placed.layer
    own = {id(w) for w in layer.weights}
    if layer.stateful:
        # States are kept from batch to batch, and not in files.
        own |= {id(v) for v in Evaluation(placed.outputs, subject.feeds(placed), updates=placed.updates).stores}
    hidden = [v for v in variables_behind([*placed.outputs]) if id(v) not in own]
    if hidden:
        raise Broken(
            f"The output depends on {listed([v.name for v in hidden])}, which is not among its weights, and would "
            "neither be trained nor saved. Make it by add_weight in build, or keep it as an attribute."
        )
    again = [name for name, count in Counter(w.name for w in layer.weights).items() if count > 1]
    if again:
        raise Broken(f"Several weights are called {listed(again)}: give each add_weight a name of its own.")
    count = len(layer.weights)
    subject.placed(layer)
    if len(layer.weights) != count:
        raise Broken(
            f"A second call made {len(layer.weights) - count} more weights: make weights in build, which runs once."
        )
    if not layer.built:
        raise Broken("built is False after a call.")
    if "trainable" in layer.get_config():
        frozen = subject.placed(subject.made(trainable=False)).layer
        if frozen.trainable_weights or len(frozen.weights) != count:
            raise Broken(
                f"With trainable=False it still has {len(frozen.trainable_weights)} trainable weights: pass **kwargs "
                "on to super().__init__."
            )


def shapes(subject: Subject) -> None:
    """`compute_output_shape`, the static shapes and those of the values agree, for batches of any size."""
    placed = subject.placed()
    layer = placed.layer
    values = Evaluation(placed.outputs, subject.feeds(placed)).run()
    for tensor, value in zip(placed.outputs, values, strict=True):
        _agree("The static shape of the output", tensor.shape, value.shape)
    given = [t.shape for t in placed.tensors]
    stated = layer.compute_output_shape(given if len(given) > 1 else given[0])
    several = isinstance(stated, list) or (isinstance(stated, tuple) and any(isinstance(n, tuple) for n in stated))
    for shape, value in zip(stated if several else [stated], values, strict=False):
        _agree("compute_output_shape", tuple(shape), value.shape)
    if subject.fixed_batch:
        return
    arrays = [np.concatenate([a, a[:1]]) for a in subject.arrays]
    longer = Evaluation(placed.outputs, subject.feeds(placed, arrays)).run()
    for tensor, value in zip(placed.outputs, longer, strict=True):
        _agree("With one sample more the static shape", tensor.shape, value.shape)


def _agree(what: str, stated: Any, shape: tuple[int, ...]) -> None:
    fits = len(stated) == len(shape) and all(n is None or n == m for n, m in zip(stated, shape, strict=True))
    if not fits:
        raise Broken(f"{what} says {tuple(stated)}, and the value has shape {shape}.")


def lengths(subject: Subject) -> None:
    """Along an axis of unknown length it computes the same, or refuses with an error that names it."""
    known = subject.placed()
    randomize(known.layer)
    expected = Evaluation(known.outputs, subject.feeds(known)).run()
    for i, array in enumerate(subject.arrays):
        for axis in range(1, array.ndim):
            shapes_ = [list(t.shape) for t in known.tensors]
            shapes_[i][axis] = None
            layer = subject.made()
            try:
                placed = subject.placed(layer, shapes=shapes_)
            except ValueError as error:
                names = {name for each in versions.inside(layer) for name in (each.name, type(each).__name__)}
                if any(name in str(error) for name in names):
                    continue
                raise Broken(
                    f"With axis {axis} of unknown length it fails: {error} If it has to know that length, say so in "
                    "build, with the layer's name and the shape received."
                ) from error
            except TypeError as error:
                raise Broken(
                    f"With axis {axis} of unknown length it fails: {error} Use K.shape(inputs)[{axis}] where "
                    f"K.int_shape(inputs)[{axis}] is None."
                ) from error
            layer.set_weights(known.layer.get_weights())
            found = Evaluation(placed.outputs, subject.feeds(placed)).run()
            if any(difference(a, b) > 1e-5 for a, b in zip(found, expected, strict=True)):
                raise Broken(f"With axis {axis} of unknown length it computes something else.")


def dtypes(subject: Subject) -> None:
    """Weights and outputs have the type asked for, by floatx or by `dtype=`, and the same values to its digits."""
    if not any(is_float(str(a.dtype)) for a in subject.arrays):
        raise LeftOut("no input is of a floating type")
    with settings_kept():
        K.set_floatx("float64")
        exact = subject.placed()
        if not exact.floats:
            raise LeftOut("no output is of a floating type")
        randomize(exact.layer)
        expected = Evaluation(exact.outputs, subject.feeds(exact)).run()
        values = exact.layer.get_weights()
        for dtype in subject.dtypes:
            # The layers inside have types of their own.
            ways = (True, False) if len(list(versions.inside(exact.layer))) == 1 else (True,)
            for by_floatx in ways:
                K.set_floatx(dtype if by_floatx else "float32")
                how = f"with floatx {dtype}" if by_floatx else f"with dtype={dtype!r}"
                placed = subject.placed(subject.made(**({} if by_floatx else {"dtype": dtype})), dtype=dtype)
                _check_types(placed, exact, dtype, how)
                placed.layer.set_weights(values)
                found = Evaluation(placed.outputs, subject.feeds(placed)).run()
                for a, b in zip(found, expected, strict=True):
                    if difference(a, b) > _TOLERANCES.get(dtype, 1e-4):
                        raise Broken(f"{how} its values are {difference(a, b):.1e} from those in float64.")


def _check_types(placed: Any, exact: Any, dtype: str, how: str) -> None:
    for weight, wide in zip(placed.layer.weights, exact.layer.weights, strict=True):
        if is_float(wide.dtype) and weight.dtype != dtype:
            raise Broken(
                f"{how} the weight {weight.name!r} is of type {weight.dtype}: leave dtype= of add_weight out, or pass "
                "**kwargs on to super().__init__."
            )
    for output, wide in zip(placed.outputs, exact.outputs, strict=True):
        if is_float(wide.dtype) and output.dtype != dtype:
            raise Broken(
                f"{how} the output is of type {output.dtype}: cast with K.cast(…, K.dtype(inputs)), and make constants "
                "of Python's numbers or NumPy arrays, which take the type of the tensor beside them."
            )


def arrays(subject: Subject) -> None:
    """Called on arrays it gives what its graph gives, and leaves the arrays as they are."""
    placed = subject.placed()
    before = [a.copy() for a in subject.arrays]
    given = subject.arrays if len(subject.arrays) > 1 else subject.arrays[0]
    # A stateful layer moves on when it is called.
    graph = Evaluation(placed.outputs, subject.feeds(placed))
    result = placed.layer(given, **subject.call_arguments)
    values = [np.asarray(v) for v in (result if isinstance(result, (list, tuple)) else [result])]
    if any(
        not np.array_equal(a, b, equal_nan=is_float(str(a.dtype))) for a, b in zip(before, subject.arrays, strict=True)
    ):
        raise Broken("It changes the arrays that it is called on.")
    if any(difference(a, b) > 1e-4 for a, b in zip(values, graph.run(), strict=True)):
        raise Broken("Called on arrays it gives something else than its graph does.")


def state(subject: Subject) -> None:
    """A run that only predicts stores nothing; what a call wants stored is given to `add_update`."""
    placed = subject.placed()
    if placed.layer.stateful:
        raise LeftOut("it is stateful")
    for phase, word in ((0, "test"), (1, "training")):
        stores = Evaluation(placed.outputs, subject.feeds(placed), phase=phase).stores
        if stores:
            raise Broken(
                f"In the {word} phase computing the output stores {listed([v.name for v in stores])}: give updates to "
                "self.add_update and compute with the values themselves."
            )


def training(subject: Subject) -> None:
    """A model of it trains: the loss is finite, and every trainable weight that has a slope changes."""
    placed = subject.placed()
    if len(placed.floats) != len(placed.outputs):
        raise LeftOut("an output is not of a floating type")
    if subject.call_arguments.keys() - {"training"}:
        raise LeftOut("its call has other arguments")
    layer = subject.made()
    inputs = [
        layers.Input(batch_shape=(a.shape[0] if subject.fixed_batch else None, *a.shape[1:]), dtype=t.dtype)
        for a, t in zip(subject.arrays, placed.tensors, strict=True)
    ]
    model = Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))
    model.compile("sgd", "mse")
    values = model.predict_on_batch(subject.arrays)
    listed_values = values if isinstance(values, list) else [values]
    targets = [np.zeros_like(np.asarray(v)) for v in listed_values]
    loss = model.train_on_batch(subject.arrays, targets)
    total = float(loss[0] if isinstance(loss, list) else loss)
    if not np.isfinite(total):
        raise Broken(f"The loss of a training step is {total}.")


def phases(subject: Subject) -> None:
    """`training=False` in the call counts in every phase."""
    layer = subject.made()
    if not signatures.of(layer).takes("training"):
        raise LeftOut("call does not take training")
    if "training" in subject.call_arguments:
        raise LeftOut("the call says training= itself")
    plain = subject.placed(layer)
    fixed = subject.called(layer, plain.tensors, training=False)
    expected = Evaluation(plain.outputs, subject.feeds(plain), phase=0).run()
    found = Evaluation(fixed.outputs, subject.feeds(fixed), phase=1).run()
    if any(difference(a, b) > 1e-6 for a, b in zip(found, expected, strict=True)):
        raise Broken(
            "Called with training=False it does not do in training what it does in test: pass training on to "
            "K.in_train_phase(…, training=training) and to the layers inside."
        )
