"""Every layer of the table on every backend: values, gradients, shapes, configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from multikeras import activations, layers  # noqa: E402
from multikeras import backend as K  # noqa: E402
from multikeras.testing import check_layer  # noqa: E402
from tests.layers.layer_table import ACTIVATIONS, CASES, Case  # noqa: E402

names = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


#: Rules of `check_layer` that are others for a class.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    # None leaves the order of the axes as it is.
    "Flatten": ("formats",),
    # Channels come behind the time axis.
    "ConvLSTM2D": ("formats",),
    # Its function jumps where a step equals the value.
    "Masking": ("gradients",),
}

#: What these hold has no configuration without a look-up.
_HOLD = (layers.Lambda, layers.Wrapper, layers.ConvRNN2D)


def _one_of_each_class() -> list[Case]:
    found: dict[type, Case] = {}
    for case in CASES:
        made = case.make()
        if (
            type(made).__module__.startswith("multikeras")
            and type(made) is not layers.RNN
            and not isinstance(made, _HOLD)
        ):
            found.setdefault(type(made), case)
    return list(found.values())


def inputs_of(case: Case) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    if case.integers is not None:
        return [generator.integers(0, case.integers, shape).astype("int32") for shape in case.shapes]
    arrays = [generator.normal(size=shape).astype("float32") for shape in case.shapes]
    if case.name == "masking":
        arrays[0][:, 1] = 0
    return arrays


def set_random_weights(layer: Any) -> list[np.ndarray]:
    generator = np.random.default_rng(4)
    # Variances are among them, which are above 0.
    weights = [generator.uniform(0.2, 1.0, w.shape).astype("float32") for w in layer.weights]
    layer.set_weights(weights)
    return weights


def call(case: Case, layer: Any, arrays: list[np.ndarray]) -> tuple[list[Any], Any]:
    tensors = [layers.Input(batch_shape=(None, *a.shape[1:]), dtype=str(a.dtype)) for a in arrays]
    return tensors, layer(tensors if len(tensors) > 1 else tensors[0], **case.arguments)


@names
def test_values_and_gradients(case: Case, each_backend: str) -> None:
    layer = case.make()
    arrays = inputs_of(case)
    tensors, output = call(case, layer, arrays)
    weights = set_random_weights(layer)
    inputs = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
    parameters = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]
    expected = case.reference(*inputs, *parameters)
    factors = np.random.default_rng(5).normal(size=tuple(expected.shape)).astype("float32")
    (expected * torch.tensor(factors, dtype=torch.float64)).sum().backward()

    targets = [*([] if case.integers else tensors), *layer.weights]
    gradients = K.gradients(K.sum(output * K.constant(factors)), targets)
    known = [g for g in gradients if g is not None]
    value, *slopes = K.function(tensors, [output, *known])(arrays)

    assert value.dtype == "float32"
    assert value.shape == tuple(expected.shape)
    assert output.shape == (None, *value.shape[1:])
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=2e-5, atol=2e-5)
    references = [*([] if case.integers else inputs), *parameters]
    for gradient, reference in zip(gradients, references, strict=True):
        slope = reference.grad.numpy() if reference.grad is not None else np.zeros(reference.shape)
        found = slopes.pop(0) if gradient is not None else np.zeros(reference.shape)
        np.testing.assert_allclose(found, slope, rtol=2e-4, atol=2e-4)


@names
def test_arrays_in_value_out(case: Case) -> None:
    layer = case.make()
    arrays = inputs_of(case)
    tensors, output = call(case, layer, arrays)
    (expected,) = K.function(tensors, [output])(arrays)
    value = layer(arrays if len(arrays) > 1 else arrays[0], **case.arguments)
    np.testing.assert_array_equal(np.asarray(value), expected)


@names
def test_configuration(case: Case) -> None:
    layer = case.make()
    arrays = inputs_of(case)
    given = arrays if len(arrays) > 1 else arrays[0]
    before = np.asarray(layer(given, **case.arguments))
    custom = {"Scaled": type(layer)} if case.name == "own layer" else None
    again = layers.deserialize(layers.serialize(layer), custom)
    assert again.get_config() == layer.get_config()
    again(given, **case.arguments)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(np.asarray(again(given, **case.arguments)), before)


@names
def test_stated_shape(case: Case) -> None:
    layer = case.make()
    arrays = inputs_of(case)
    value = layer(arrays if len(arrays) > 1 else arrays[0], **case.arguments)
    shapes = [(None, *a.shape[1:]) for a in arrays]
    assert layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0]) == (None, *value.shape[1:])


@names
def test_unknown_lengths(case: Case) -> None:
    layer = case.make()
    arrays = inputs_of(case)
    given = arrays if len(arrays) > 1 else arrays[0]
    expected = layer(given, **case.arguments)
    # What a layer was built for stays known.
    known = set(getattr(layer.input_spec, "axes", {}) if layer.weights else ())
    tensors = []
    for a in arrays:
        shape = [a.shape[i] if {i, i - a.ndim} & known else None for i in range(a.ndim)]
        tensors.append(layers.Input(batch_shape=shape, dtype=str(a.dtype)))
    output = layer(tensors if len(tensors) > 1 else tensors[0], **case.arguments)
    np.testing.assert_array_equal(K.function(tensors, [output])(arrays)[0], np.asarray(expected))


def test_every_activation_and_layer_is_in_the_table() -> None:
    assert set(ACTIVATIONS) == set(activations._KNOWN)
    tested = {type(case.make()) for case in CASES}
    assert {layers.InputLayer, *tested} >= set(layers._LAYERS)


@pytest.mark.parametrize("case", _one_of_each_class(), ids=lambda case: case.name)
def test_rules_of_layers(case: Case) -> None:
    made = case.make()

    def arguments() -> dict[str, Any]:
        return {name: value for name, value in case.make().get_config().items() if name != "name"}

    left_out = LEFT_OUT.get(type(made).__name__, ())
    apart = "apart" if isinstance(made, layers.LocallyConnected2D) else "equal"
    # Backends are compared by the tests above.
    check_layer(
        type(made),
        arguments,
        inputs=inputs_of(case),
        call_arguments=case.arguments,
        backends=[],
        formats=apart,
        leave_out=left_out,
    )
