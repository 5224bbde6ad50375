"""Helpers for the tests of layers, under the names that Keras 2 gives them.

`multikeras.testing.check_layer` goes further: types, masks, formats, gradients, all backends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import lookup
from multikeras.contract import is_float

#: What pytest would otherwise take this module and its functions for.
__test__ = False

#: How far values may be apart, relative to them, as in Keras 2.
_TOLERANCE = 1e-3


def layer_test(
    layer_cls: Callable[..., Any],
    kwargs: Mapping[str, Any] | None = None,
    input_shape: Sequence[int | None] | None = None,
    input_dtype: str | None = None,
    input_data: Any = None,
    expected_output: Any = None,
    expected_output_dtype: str | None = None,
    fixed_batch_size: bool = False,
) -> np.ndarray:
    """Makes, calls, saves to a configuration, restores and trains a layer of one input and one output.

    Args:
        layer_cls: The class.
        kwargs: Arguments of the constructor.
        input_shape: Shape of the input with its batch axis; None for a length that is drawn. Needed
            where there is no `input_data`.
        input_dtype: Type of the input; that of `input_data`, or floatx, if None.
        input_data: The input; drawn between 0 and 10 if None.
        expected_output: What it has to give, if that is known.
        expected_output_dtype: The type that it has to give; that of the input if None.
        fixed_batch_size: Whether the model is made for the batch of the input only.

    Returns:
        What the layer gives.

    Raises:
        AssertionError: If something is wrong with the layer; the message says what.
        ValueError: If there is neither an input nor a shape.

    Example:
        layer_test(Dense, {"units": 3}, input_shape=(4, 5))
    """
    data, shape, dtype = _input(input_shape, input_dtype, input_data)
    arguments = dict(kwargs or {})
    name = getattr(layer_cls, "__name__", str(layer_cls))
    wanted = expected_output_dtype or dtype
    with lookup.custom_object_scope({name: layer_cls}):
        output = _functional(layer_cls, arguments, shape, dtype, data, expected_output, wanted, fixed_batch_size)
        _sequential(layer_cls, arguments, shape, data, expected_output)
    return output


def _input(shape: Any, dtype: str | None, data: Any) -> tuple[np.ndarray, tuple[int | None, ...], str]:
    if data is None:
        if shape is None:
            raise ValueError("layer_test needs input_shape=, with the batch axis, or input_data=.")
        drawn = tuple(int(np.random.randint(1, 4)) if n is None else int(n) for n in shape)
        dtype = dtype or K.floatx()
        data = (10 * np.random.random(drawn)).astype(dtype)
    data = np.asarray(data)
    return data, tuple(shape if shape is not None else data.shape), dtype or str(data.dtype)


def _functional(
    layer_cls: Any,
    arguments: dict[str, Any],
    shape: tuple[int | None, ...],
    dtype: str,
    data: np.ndarray,
    expected: Any,
    wanted: str,
    fixed: bool,
) -> np.ndarray:
    """The layer between an input and an output, and again from the model's configuration."""
    from multikeras.layers import Input
    from multikeras.models import Model

    layer = layer_cls(**arguments)
    name = f"Layer {layer.name!r} ({type(layer).__name__})"
    x = Input(batch_shape=shape, dtype=dtype) if fixed else Input(shape=shape[1:], dtype=dtype)
    y = layer(x)
    layer.set_weights(layer.get_weights())
    _check(K.dtype(y) == wanted, f"{name} gives type {K.dtype(y)}, expected {wanted} for an input of type {dtype}.")
    model = Model(x, y)
    stated = tuple(layer.compute_output_shape(shape))
    output: np.ndarray = model.predict(data)
    _check_shape(name, stated, output.shape)
    _check_values(f"{name} does not give what is expected", output, expected)

    restored = Model.from_config(model.get_config())
    if model.weights:
        restored.set_weights(model.get_weights())
    _check_values(f"{name} gives something else when its model is restored", restored.predict(data), output)

    again = layer_cls.from_config(layer.get_config())
    _check(type(again) is type(layer), f"{name}: from_config made a {type(again).__name__}.")
    return output


def _sequential(
    layer_cls: Any, arguments: dict[str, Any], shape: tuple[int | None, ...], data: np.ndarray, expected: Any
) -> None:
    """The layer as the first of a model, which is then trained."""
    from multikeras.layers import InputLayer
    from multikeras.models import Sequential

    layer = layer_cls(**arguments)
    name = f"Layer {layer.name!r} ({type(layer).__name__})"
    model = Sequential([InputLayer(batch_input_shape=(data.shape[0], *shape[1:]), dtype=str(data.dtype)), layer])
    output = model.predict_on_batch(data)
    _check_values(f"{name} in a Sequential does not give what is expected", np.asarray(output), expected)
    restored = Sequential.from_config(model.get_config())
    if model.weights:
        restored.set_weights(model.get_weights())
    _check_values(
        f"{name} gives something else when its Sequential is restored", restored.predict_on_batch(data), output
    )
    if is_float(str(np.asarray(output).dtype)):
        model.compile("rmsprop", "mse")
        loss = model.train_on_batch(data, np.asarray(output))
        _check(np.isfinite(loss), f"{name}: the loss of a training step is {loss}.")


def _check(holds: Any, text: str) -> None:
    if not holds:
        raise AssertionError(text)


def _check_shape(name: str, stated: tuple[int | None, ...], found: tuple[int, ...]) -> None:
    fits = len(stated) == len(found) and all(n is None or n == m for n, m in zip(stated, found, strict=True))
    _check(fits, f"{name}: compute_output_shape says {stated}, and the output has shape {found}.")


def _check_values(text: str, found: Any, expected: Any) -> None:
    if expected is None:
        return
    a, b = np.asarray(found), np.asarray(expected)
    if a.shape != b.shape:
        raise AssertionError(f"{text}: shape {a.shape} instead of {b.shape}.")
    if not np.allclose(a, b, rtol=_TOLERANCE, atol=1e-6, equal_nan=is_float(str(a.dtype))):
        worst = float(np.max(np.abs(a.astype("float64") - b.astype("float64"))))
        raise AssertionError(f"{text}: the largest difference is {worst:.3g}.")


# So that pytest does not take it for a test where it is imported.
layer_test.__test__ = False  # type: ignore[attr-defined]


def get_test_data(
    num_train: int = 1000,
    num_test: int = 500,
    input_shape: Sequence[int] = (10,),
    output_shape: Sequence[int] = (2,),
    classification: bool = True,
    num_classes: int = 2,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Random data that a network can learn.

    Args:
        num_train: Number of samples to train on.
        num_test: Number of samples to test on.
        input_shape: Shape of a sample.
        output_shape: Shape of a target, where numbers are to be learned rather than classes.
        classification: Whether targets are classes.
        num_classes: How many.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: samples around a centre of their class, and its number;
        or samples around numbers that are the targets.
    """
    count = num_train + num_test
    if classification:
        y = np.random.randint(0, num_classes, size=(count,))
        x = np.random.normal(size=(count, *input_shape)).astype("float32")
        x += y.reshape(-1, *(1,) * len(input_shape))
    else:
        centre = np.random.random(size=(count, 1)).astype("float32")
        y = np.broadcast_to(centre.reshape(-1, *(1,) * len(output_shape)), (count, *output_shape)).copy()
        noise = np.random.normal(scale=0.1, size=(count, *input_shape)).astype("float32")
        x = noise + centre.reshape(-1, *(1,) * len(input_shape))
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


get_test_data.__test__ = False  # type: ignore[attr-defined]
