"""`multikeras.testing.compare`: one graph on several backends, on copies."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import registry
from multikeras.graph import operands, updates
from multikeras.graph.ops import elementwise, random
from multikeras.graph.tensor import Placeholder, RandomKey, ValueTensor, Variable
from multikeras.programs import Function, settings, storage
from multikeras.testing import compare
from multikeras.testing.networks import batches, dense_network, step_updates

BACKENDS = [name for name in ("numpy", "jax", "torch") if registry.installed()[name].installed]

pytestmark = pytest.mark.skipif(len(BACKENDS) < 2, reason="needs two backends")


def test_a_training_step_is_alike_and_changes_nothing() -> None:
    net, loss = dense_network()
    step = Function([net.x, net.y], [loss], step_updates("adam", net.variables, loss), phase=1)
    (batch,) = batches("dense", 1)
    before = [storage.read(v) for v in net.variables]
    homes = [v.home for v in net.variables]
    found = compare(step, BACKENDS, batch)
    assert found.backends == BACKENDS
    assert 0 <= found.largest < 1e-5
    assert found.largest_relative < 1e-2
    # One entry for the loss and one for each of weights and slots.
    assert len(found.differences) == (len(BACKENDS) - 1) * (1 + 3 * len(net.variables))
    assert [v.home for v in net.variables] == homes
    for v, value in zip(net.variables, before, strict=True):
        np.testing.assert_array_equal(storage.read(v), value)
    # What would have been stored is what a real step stores.
    step(batch)
    for v in net.variables:
        np.testing.assert_allclose(storage.read(v), found.stored["numpy"][v], 1e-5, 1e-6)
    assert "weight_0, stored" in str(found)


def test_random_numbers_are_those_of_the_next_run() -> None:
    bits = random.random_bits(random.new_key(3), shape=(50,))
    key = bits.inputs[0]
    assert isinstance(key, RandomKey)
    found = compare(bits, BACKENDS)
    assert found.largest == 0
    assert key.runs == 0
    np.testing.assert_array_equal(Function([], [bits])([])[0], found.values["numpy"][0])
    again = compare(bits, BACKENDS)
    assert not np.array_equal(again.values["numpy"][0], found.values["numpy"][0])


def test_differences_are_found_and_told() -> None:
    x = Placeholder((3,), "float32", "x")
    y = elementwise.exp(x)
    y.name = "exponential"
    other = registry.load(BACKENDS[1])
    right = other.kernels
    other.kernels = {**right, "exp": lambda a: right["add"](right["exp"](a), a)}
    try:
        found = compare(Function([x], [y]), ["numpy", BACKENDS[1]], [[0.0, 1.0, 2.0]])
    finally:
        other.kernels = right
    (difference,) = found.differences
    assert (difference.what, difference.backend) == ("exponential", BACKENDS[1])
    np.testing.assert_allclose(difference.absolute, 2, 1e-5)
    np.testing.assert_allclose(difference.relative, np.max(np.array([1, 2]) / np.exp([1, 2])), 1e-5)
    assert "exponential" in str(found)
    assert "2.00e+00" in str(found)


def test_equal_infinities_and_nan_are_no_difference() -> None:
    c = operands.constant([np.inf, -np.inf, np.nan, 0.0])
    assert compare(c * 2.0, BACKENDS).largest == 0


def test_nan_against_a_number_is_the_largest_difference() -> None:
    other = registry.load(BACKENDS[1])
    right = other.kernels
    x = Placeholder((2,), "float32")
    other.kernels = {**right, "sqrt": right["exp"]}
    try:
        assert np.isnan(compare(Function([x], [elementwise.sqrt(x)]), ["numpy", BACKENDS[1]], [[-1.0, 4.0]]).largest)
    finally:
        other.kernels = right


def test_updates_values_phase_and_lists_of_tensors() -> None:
    v = Variable((2,), "float32", np.array([1, 2], "float32"))
    held = ValueTensor(np.array([5, 6], "float32"), (2,), "float32", "numpy", np.asarray)
    phase = operands.cast(settings.learning_phase(), "float32")
    update = updates.assign_add(v, held)
    found = compare([update, v * phase, held], BACKENDS, phase=1)
    for name in BACKENDS:
        np.testing.assert_array_equal(found.values[name][0], [6, 8])
        np.testing.assert_array_equal(found.values[name][1], [1, 2])
        np.testing.assert_array_equal(found.stored[name][v], [6, 8])
    np.testing.assert_array_equal(storage.read(v), [1, 2])
    assert compare(v * phase, BACKENDS).values["numpy"][0].tolist() == [0, 0]


def test_phase_among_the_inputs() -> None:
    x = Placeholder((2,), "float32")
    phase = settings.learning_phase()
    function = Function([x, phase], [x * operands.cast(phase, "float32")])
    assert compare(function, BACKENDS, [[1, 2], 1]).values["numpy"][0].tolist() == [1, 2]
    assert compare(function, BACKENDS, [[1, 2], 0]).values["numpy"][0].tolist() == [0, 0]


def test_interpreted_comparison() -> None:
    x = Placeholder((2,), "float32")
    assert compare(Function([x], [elementwise.tanh(x)]), BACKENDS, [[1, 2]], compiled=False).largest < 1e-6


def test_wrong_calls() -> None:
    x = Placeholder((2,), "float32")
    with pytest.raises(ValueError, match=r"two backends or more, received \['numpy'\]"):
        compare(x, ["numpy"])
    with pytest.raises(ValueError, match="takes 1 inputs, received 2"):
        compare(Function([x], [x]), BACKENDS, [1, 2])


def test_all_that_can_run_by_default() -> None:
    x = Placeholder((2,), "float32")
    found = compare(Function([x], [x * 2.0]), inputs=[[1, 2]])
    assert found.backends[0] == "numpy"
    assert set(BACKENDS) <= set(found.backends)
