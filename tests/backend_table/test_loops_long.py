"""K.rnn through 500 steps, against PyTorch's autograd, finite differences, and plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K

Array = np.ndarray
STEPS = 500


# -- gradients through 500 steps ------------------------------------------------------------------
#
# The formulas are written once, for K and for torch: what differs is handed in.


def simple(tanh: Any, sigmoid: Any, dot: Any, entry: Any, states: Any, weights: Any) -> list[Any]:
    w, u, b = weights
    return [tanh(dot(entry, w) + dot(states[0], u) + b)]


def lstm(tanh: Any, sigmoid: Any, dot: Any, entry: Any, states: Any, weights: Any) -> list[Any]:
    w, u, b = weights
    h, c = states
    z = dot(entry, w) + dot(h, u) + b
    n = 5
    c = sigmoid(z[:, n : 2 * n] + 1.0) * c + sigmoid(z[:, :n]) * tanh(z[:, 2 * n : 3 * n])
    return [sigmoid(z[:, 3 * n :]) * tanh(c), c]


CELLS: dict[str, tuple[Callable[..., list[Any]], int]] = {"simple": (simple, 1), "lstm": (lstm, 4)}


def numbers(kind: str) -> dict[str, Array]:
    """Inputs, first states, weights, and by what each result counts in the loss."""
    random = np.random.RandomState(4)
    gates = CELLS[kind][1]
    return {
        "x": random.normal(size=(3, STEPS, 4)),
        "h": random.normal(size=(3, 5)),
        "c": random.normal(size=(3, 5)),
        "w": random.normal(size=(4, 5 * gates)) * 0.5,
        "u": random.normal(size=(5, 5 * gates)) * 0.4,
        "b": random.normal(size=(5 * gates,)) * 0.1,
        "by_output": random.normal(size=(3, STEPS, 5)),
        "by_state": random.normal(size=(3, 5)),
    }


def by_torch(kind: str, backwards: bool) -> tuple[float, list[Array]]:
    torch = pytest.importorskip("torch")
    given = {
        name: torch.tensor(value, requires_grad=not name.startswith("by")) for name, value in numbers(kind).items()
    }
    states = [given["h"], given["c"]][: 1 if kind == "simple" else 2]
    weights = [given["w"], given["u"], given["b"]]
    targets = [given["x"], *states, *weights]
    loss = 0.0
    for number in range(STEPS):
        entry = given["x"][:, STEPS - 1 - number if backwards else number]
        states = CELLS[kind][0](torch.tanh, torch.sigmoid, torch.matmul, entry, states, weights)
        loss = loss + (states[0] * given["by_output"][:, number]).sum()
    loss = loss + (states[-1] * given["by_state"]).sum() + (states[0] ** 2).sum()
    slopes = torch.autograd.grad(loss, targets)
    return float(loss.detach()), [g.numpy() for g in slopes]


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("kind", CELLS)
def test_gradients_through_500_steps(each_backend: str, kind: str, backwards: bool) -> None:
    K.set_floatx("float64")
    given = numbers(kind)
    names = ["x", "h", *(["c"] if kind == "lstm" else []), "w", "u", "b"]
    x = K.placeholder((None, None, 4))
    states = [K.placeholder((None, 5)) for _ in names[1:-3]]
    weights = [K.placeholder(given[name].shape) for name in "wub"]

    def step(entry: Any, held: Any) -> Any:
        new = CELLS[kind][0](K.tanh, K.sigmoid, K.dot, entry, held[: len(states)], held[len(states) :])
        return new[0], new

    last, outputs, finals = K.rnn(step, x, states, constants=weights, go_backwards=backwards)
    loss = K.sum(outputs * given["by_output"]) + K.sum(finals[-1] * given["by_state"]) + K.sum(K.square(last))
    places = [x, *states, *weights]
    run = K.function(places, [loss, *K.gradients(loss, places)])
    feeds = [given[name] for name in names]
    value, *slopes = run(feeds)
    expected, expected_slopes = by_torch(kind, backwards)
    assert value == pytest.approx(expected, rel=1e-10)
    for name, slope, reference in zip(names, slopes, expected_slopes, strict=True):
        scale = np.abs(reference).max()
        np.testing.assert_allclose(slope, reference, rtol=1e-8, atol=1e-11 * scale, err_msg=name)
    random = np.random.RandomState(8)
    directions = [random.normal(size=value.shape) for value in feeds]
    size = 1e-6
    ahead, behind = (run([f + sign * size * d for f, d in zip(feeds, directions, strict=True)])[0] for sign in (1, -1))
    along = sum((s * d).sum() for s, d in zip(slopes, directions, strict=True))
    assert along == pytest.approx((ahead - behind) / (2 * size), rel=1e-5)


# -- every combination against a loop in NumPy ----------------------------------------------------

MASKS: dict[str, Array | None] = {
    "no mask": None,
    "mask": np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]),
    "mask of three axes": np.array([[1, 0, 1, 1], [0, 0, 1, 0], [1, 1, 0, 0]])[:, :, None],
}


def cell(maximum: Any, entry: Any, states: Any, constants: Any) -> tuple[Any, list[Any]]:
    """A step of any number of states and constants, of one formula for K and for NumPy."""
    total = entry
    for number, state in enumerate(states):
        total = total * 0.5 + state * (number + 1)
    for constant in constants:
        total = total * constant
    # The output is none of the states, and each state moves in its own way.
    return total - 1.0, [maximum(total, state * 0.25) + number for number, state in enumerate(states)]


def loop(x: Array, states: list[Array], constants: list[Array], mask: Array | None, backwards: bool) -> Any:
    """Last output, outputs in the order processed, final states."""
    previous = np.zeros_like(x[:, 0])
    outputs = []
    for t in range(x.shape[1])[:: -1 if backwards else 1]:
        made, new = cell(np.maximum, x[:, t], states, constants)
        if mask is not None:
            valid = mask.reshape(len(x), -1)[:, t, None] != 0
            made = np.where(valid, made, previous)
            new = [np.where(valid, n, s) for n, s in zip(new, states, strict=True)]
        previous, states = made, new
        outputs.append(made)
    return [previous, np.stack(outputs, 1), *states]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("num_states", [0, 2])
def test_every_combination_equals_a_loop(each_backend: str, num_states: int, mask: str) -> None:
    K.set_floatx("float64")
    random = np.random.RandomState(2)
    values = random.normal(size=(3, 4, 2))
    starts = [random.normal(size=(3, 2)) for _ in range(num_states)]
    factors = [random.normal(size=(3, 2)), random.normal(size=(2,))]
    valid = MASKS[mask]
    for num_constants, backwards in product([0, 2], [False, True]):
        expected = loop(values, starts, factors[:num_constants], valid, backwards)
        for unroll, known in [(False, True), (True, True), (False, False), (True, False)]:
            x = K.placeholder((3, 4, 2) if known else (None, None, 2))
            states = [K.placeholder((3, 2) if known else (None, 2)) for _ in starts]
            constants = [K.constant(f) for f in factors[:num_constants]]
            masks = [] if valid is None else [K.placeholder((None,) * valid.ndim)]
            last, outputs, finals = K.rnn(
                lambda entry, held: cell(K.maximum, entry, held[:num_states], held[num_states:]),
                x,
                states,
                go_backwards=backwards,
                mask=masks[0] if masks else None,
                constants=constants or None,
                unroll=unroll,
                input_length=4 if known else None,
            )
            assert len(finals) == num_states
            run = K.function([x, *states, *masks], [last, outputs, *finals])
            made = run([values, *starts, *([] if valid is None else [valid])])
            note = f"constants {num_constants}, backwards {backwards}, unroll {unroll}, known {known}"
            for found, right in zip(made, expected, strict=True):
                np.testing.assert_allclose(found, right, rtol=1e-13, atol=1e-14, err_msg=note)


def test_lengths_that_only_a_run_knows(each_backend: str) -> None:
    x = K.placeholder((None, None, 2))
    last, outputs, (total,) = K.rnn(lambda t, s: (s[0] - t, [s[0] + t]), x, [K.zeros_like(x[:, 0])])
    slope = K.gradients(K.sum(outputs), x)[0]
    run = K.function([x], [last, outputs, total, slope])
    for length in (1, 3, 6):
        values = np.random.RandomState(length).normal(size=(2, length, 2))
        sums = np.cumsum(values, 1)
        made = run([values])
        np.testing.assert_allclose(made[1], sums - 2 * values, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(made[0], made[1][:, -1])
        np.testing.assert_allclose(made[2], sums[:, -1], rtol=1e-5, atol=1e-6)
        expected = np.broadcast_to(np.arange(length)[::-1, None] - 1.0, (2, length, 2))
        np.testing.assert_allclose(made[3], expected)


# -- masks ----------------------------------------------------------------------------------------


def test_gradients_pass_steps_that_are_masked_out(each_backend: str) -> None:
    """A sample with a mask has the slopes of the shorter sample without one, and none where it is masked."""
    K.set_floatx("float64")
    random = np.random.RandomState(6)
    values, u = random.normal(size=(2, 6, 3)), random.normal(size=(3, 3)) * 0.5
    valid = np.array([[1, 0, 1, 1, 0, 0], [0, 1, 0, 0, 1, 1]])

    def slopes(x: Any, mask: Any) -> list[Any]:
        weight = K.variable(u)

        def step(entry: Any, states: Any) -> Any:
            new = K.tanh(entry + K.dot(states[0], weight))
            return new * 2.0, [new]

        last, _, (state,) = K.rnn(step, x, [K.ones_like(x[:, 0])], mask=mask)
        return K.gradients(K.sum(K.square(last)) + K.sum(state), [x, weight])

    masked = [K.eval(g) for g in slopes(K.constant(values), K.constant(valid))]
    total = np.zeros_like(u)
    for sample in range(2):
        kept = np.flatnonzero(valid[sample])
        alone = [K.eval(g) for g in slopes(K.constant(values[sample : sample + 1, kept]), None)]
        expected = np.zeros((6, 3))
        expected[kept] = alone[0][0]
        np.testing.assert_allclose(masked[0][sample], expected, rtol=1e-12, atol=1e-14)
        total += alone[1]
    np.testing.assert_allclose(masked[1], total, rtol=1e-12)


# -- random numbers -------------------------------------------------------------------------------


def dropped(unroll: bool) -> list[Array]:
    """A network with one dropout mask over time, and one drawn at each step; results and slopes."""
    np.random.seed(12)
    x, u = K.placeholder((None, 5, 8)), K.variable(np.eye(8) * 0.5)
    masks: list[Any] = []

    def step(entry: Any, states: Any) -> Any:
        if not masks:
            masks.append(K.in_train_phase(K.dropout(K.ones_like(entry), 0.5), K.ones_like(entry)))
        new = K.dot(states[0] * masks[0], u) + K.in_train_phase(K.dropout(entry, 0.25), entry)
        return new, [new]

    last, outputs, _ = K.rnn(step, x, [K.ones_like(x[:, 0])], unroll=unroll)
    slopes = K.gradients(K.sum(outputs), [x, u])
    run = K.function([x, K.learning_phase()], [last, outputs, masks[0], *slopes])
    values = np.random.RandomState(1).uniform(1, 2, size=(3, 5, 8))
    return [*run([values, 1]), *run([values, 1]), *run([values, 0])]


def test_unrolled_run_equals_a_looped_one_with_dropout(each_backend: str) -> None:
    K.set_floatx("float64")
    looped, unrolled = dropped(False), dropped(True)
    for found, right in zip(unrolled, looped, strict=True):
        np.testing.assert_array_equal(found, right)
    values = np.random.RandomState(1).uniform(1, 2, size=(3, 5, 8))
    seen = set()
    for last, outputs, mask, by_x, by_u in (looped[:5], looped[5:10], looped[10:]):
        seen.add(mask.tobytes())
        state = np.ones((3, 8))
        added = outputs.copy()
        for t in range(5):
            added[:, t] -= state * mask * 0.5
            state = outputs[:, t]
        np.testing.assert_array_equal(last, state)
        factors = np.round(added / values, 9)
        assert set(np.unique(factors)) <= {0.0, round(4 / 3, 9)} or np.all(factors == 1)
        slope, expected = np.zeros((3, 8)), np.zeros((8, 8))
        for t in reversed(range(5)):
            slope = 1.0 + slope @ np.eye(8) * 0.5 * mask if t < 4 else np.ones((3, 8))
            np.testing.assert_allclose(by_x[:, t], slope * factors[:, t], rtol=1e-8)
            before = outputs[:, t - 1] if t else np.ones((3, 8))
            expected += (before * mask).T @ slope
        np.testing.assert_allclose(by_u, expected, rtol=1e-8)
        if np.any(mask != 1):
            assert len({row.tobytes() for row in (factors == 0).transpose(1, 0, 2)}) == 5
    # Two training runs draw anew, a test run does not draw.
    assert len(seen) == 3
    assert np.all(looped[12] == 1)
