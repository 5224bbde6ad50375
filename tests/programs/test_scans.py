"""Scans beside each other: what is stacked, taken out, dropped, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.graph import operands, updates
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import algebra, control, elementwise, random, reductions, shapes
from multikeras.graph.ops.rules import where
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.programs import scans, settings, storage
from multikeras.programs.specialise import Argument, specialise
from multikeras.testing import run

Feeds = dict[Tensor, Any]


def p(*shape: int | None, dtype: str = "float64") -> Placeholder:
    return Placeholder(shape, dtype)


def total(x: Tensor) -> Tensor:
    made: Tensor = reductions.reduce_sum(x, axis=tuple(range(x.ndim)), keepdims=False)
    return made


def values(*tensors: Tensor, length: int = 4, seed: int = 7) -> Feeds:
    """Numbers for placeholders; `length` is the unknown one."""
    random_ = np.random.default_rng(seed)
    return {t: random_.normal(size=[length if n is None else n for n in t.shape]) * 0.5 for t in tensors}


def unrolled(
    step: Callable[..., Any],
    sequences: list[Tensor],
    carries: list[Tensor],
    length: int | None = None,
    reverse: bool = False,
    label: str = "",
) -> tuple[list[Tensor], list[Tensor]]:
    """What `control.scan` means, without a loop; unknown lengths are 4."""
    steps = range(length or sequences[0].shape[0] or 4)
    rows: dict[int, list[Tensor]] = {}
    for t in reversed(steps) if reverse else steps:
        carries, ys = step(operands.scalar(t, "int32"), *[s[t] for s in sequences], *carries)
        rows[t] = [shapes.expand_dims(y, axis=(0,)) for y in ys]
    stacked = [shapes.concatenate(*column, axis=0) for column in zip(*[rows[t] for t in steps], strict=True)]
    return list(carries), stacked


@pytest.fixture
def same(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Compares what a function builds of scans with what it builds of steps one after the other."""

    def check(build: Callable[[], list[Tensor]], feeds: Feeds, backend: str = "numpy") -> None:
        outputs = build()
        with monkeypatch.context() as patch:
            patch.setattr(control, "scan", unrolled)
            expected = run(build(), feeds, backend="numpy")
        for number, (made, right) in enumerate(zip(run(outputs, feeds, backend=backend), expected, strict=True)):
            scale = max(1.0, float(np.abs(right).max(initial=0)))
            np.testing.assert_allclose(made, right, rtol=1e-9, atol=1e-11 * scale, err_msg=f"output {number}")

    return check


def sum_of(tensors: list[Tensor]) -> Tensor:
    result = tensors[0]
    for t in tensors[1:]:
        result = result + t
    return result


def slopes_of(loss: Tensor, *targets: Tensor) -> list[Tensor]:
    """The gradients, all of which there are."""
    made = gradients([loss], targets)
    assert None not in made
    return [g for g in made if g is not None]


def loops(outputs: list[Tensor], feeds: Feeds) -> list[scans.Loop]:
    """The scans of the specialised program, first things first."""
    given = {t: Argument(t, np.shape(v), t.dtype) for t, v in feeds.items()}
    made = specialise(outputs, [], given, settings.values(settings.default_phase()), registry.load("numpy"))
    return [scans.Loop(t) for t in scans.ordered(made.outputs) if scans.is_scan(t)]


def names(loop: scans.Loop) -> list[str]:
    return [t.primitive.name for t in loop.order if t.primitive is not None]


# -- a recurrent network --------------------------------------------------------------------------


class Network:
    """h = tanh(x w + h u + b), of which each step gives 2 h."""

    def __init__(self, length: int | None = 4) -> None:
        self.x, self.h = p(length, 2, 3), p(2, 4)
        self.w, self.u, self.b = p(3, 4), p(4, 4), p(4)
        self.inputs = [self.x, self.h, self.w, self.u, self.b]

    def results(self) -> tuple[Tensor, Tensor]:
        def step(i: Tensor, x: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            new = elementwise.tanh(operands.matmul(x, self.w) + operands.matmul(h, self.u) + self.b)
            return [new], [new * 2.0]

        (last,), (ys,) = control.scan(step, [self.x], [self.h])
        return last, ys

    def loss(self) -> Tensor:
        last, ys = self.results()
        return total(ys * ys) + total(last)

    def build(self, *targets: Tensor) -> list[Tensor]:
        """The loss, and its slopes."""
        loss = self.loss()
        return [loss, *slopes_of(loss, *targets)]


@pytest.mark.parametrize("backend", [n for n in ("numpy", "jax", "torch") if registry.installed()[n].installed])
@pytest.mark.parametrize("length", [4, None])
def test_gradients_are_the_same(backend: str, length: int | None, same: Any) -> None:
    network = Network(length)
    same(lambda: network.build(*network.inputs), values(*network.inputs), backend)


def test_nothing_is_computed_twice() -> None:
    network = Network()
    forward, backward = loops(network.build(network.w, network.u, network.b), values(*network.inputs))
    assert names(forward).count("tanh") == 1
    assert "tanh" not in names(backward)
    assert names(backward).count("matmul") == 1
    # Only the slope of the state is carried; those of the weights are taken after the loop.
    assert len(backward.carries) == 1
    assert len(backward.invariants) == 1
    # Neither the slope of x is made, nor x itself read.
    assert len(backward.ys) == 1
    assert forward.sequences[0] not in backward.sequences


def test_products_that_no_step_needs_are_taken_at_once(same: Any) -> None:
    network = Network()
    # Beside the product for the slope of the state there is one for that of x, unless what it is made of is stacked.
    for targets, products in [([network.x], 2), ([network.x, network.w], 1)]:
        _, backward = loops(network.build(*targets), values(*network.inputs))
        assert names(backward).count("matmul") == products
    x, w = p(5, 2, 3), p(3, 4)

    def build() -> list[Tensor]:
        _, ys = control.scan(
            lambda i, e: ([], [operands.matmul(elementwise.tanh(e) * w[:, 0], w), operands.matmul(e, w) + 1.0]), [x], []
        )
        return list(ys)

    feeds = values(x, w)
    assert len(loops(build()[:1], feeds)) == 0
    assert len(loops(build(), feeds)) == 1
    same(build, feeds)


def test_a_factor_that_the_forward_loop_made_is_read_from_it(same: Any) -> None:
    x, h, w = p(5, 2, 3), p(2, 3), p(3, 3)

    def step(i: Tensor, e: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [elementwise.tanh(operands.matmul(elementwise.sigmoid(h * e), w) + e)], []

    def build() -> list[Tensor]:
        (last,), _ = control.scan(step, [x], [h])
        return [last, *slopes_of(total(last), w, h)]

    feeds = values(x, h, w)
    forward, backward = loops(build(), feeds)
    # Forward: the new state and the factor, which backward reads; and the slope of the product.
    assert (len(forward.ys), len(backward.ys)) == (2, 1)
    assert "sigmoid" not in names(backward)
    same(build, feeds)


def test_above_the_limit_steps_are_computed_again(monkeypatch: pytest.MonkeyPatch, same: Any) -> None:
    network = Network()
    targets, feeds = [network.w, network.u, network.b], values(*network.inputs)
    monkeypatch.setattr(registry.load("numpy"), "stacked_bytes", 4 * 2 * 4 * 8 - 1)
    forward, backward = loops(network.build(*targets), feeds)
    assert "tanh" in names(backward)
    assert len(backward.carries) == 4
    assert len(forward.ys) == 2
    same(lambda: network.build(*targets), feeds)


def test_a_carry_that_nobody_reads_is_dropped(same: Any) -> None:
    x, h, k = p(5, 3), p(3), p(3)

    def step(i: Tensor, e: Tensor, h: Tensor, unused: Tensor, other: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [h + e, unused * h + other, other * 2.0], [unused, h * 3.0]

    def build() -> list[Tensor]:
        (last, _, _), (_, ys) = control.scan(step, [x], [h, k, k * 2.0])
        return [last, ys]

    feeds = values(x, h, k)
    (loop,) = loops(build(), feeds)
    assert (len(loop.carries), len(loop.ys)) == (1, 1)
    same(build, feeds)


def test_a_carry_that_a_kept_one_reads_stays(same: Any) -> None:
    x, h = p(5, 3), p(3)

    def build() -> list[Tensor]:
        # The sum is read by the other carry before each step, so it is no sum to be taken afterwards.
        finals, _ = control.scan(lambda i, e, h, s: ([h * 0.5 + s, s + e], []), [x], [h, h * 0.0])
        return list(finals)

    feeds = values(x, h)
    (loop,) = loops(build(), feeds)
    assert len(loop.carries) == 2
    same(build, feeds)


def test_what_no_step_changes_is_computed_before_the_loop(same: Any) -> None:
    x, w, s = p(5, 3), p(3, 3), p(3)

    def build() -> list[Tensor]:
        finals, _ = control.scan(
            lambda i, e, h, kept: ([h + e * elementwise.exp(total(w)) * kept, kept], []), [x], [s, s * 2.0]
        )
        return list(finals)

    feeds = values(x, w, s)
    (loop,) = loops(build(), feeds)
    assert "exp" not in names(loop)
    assert len(loop.carries) == 1
    same(build, feeds)


def test_a_loop_that_only_sums_is_no_loop(same: Any) -> None:
    x, y, s = p(5, 2, 3), p(5, 2, 4), p(3, 4)

    def step(i: Tensor, a: Tensor, b: Tensor, product: Tensor, rows: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        turned = shapes.transpose(a, permutation=(1, 0))
        return [
            product + operands.matmul(turned, b),
            rows - reductions.reduce_sum(b, axis=(0,), keepdims=True),
        ], []

    def build() -> list[Tensor]:
        return list(control.scan(step, [x, y], [s, s[:1]])[0])

    feeds = values(x, y, s)
    assert loops(build(), feeds) == []
    same(build, feeds)


def test_a_loop_of_no_steps() -> None:
    network = Network(None)
    feeds = values(*network.inputs, length=0)
    last, ys = network.results()
    slopes = slopes_of(total(last) + total(ys * ys), *network.inputs)
    made = run([last, ys, *slopes], feeds)
    np.testing.assert_array_equal(made[0], feeds[network.h])
    assert made[1].shape == (0, 2, 4)
    assert made[2].shape == (0, 2, 3)
    np.testing.assert_array_equal(made[3], np.ones((2, 4)))
    for slope, weight in zip(made[4:], network.inputs[2:], strict=True):
        np.testing.assert_array_equal(slope, 0 * feeds[weight])


SUMMED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "product": lambda a, w: operands.matmul(a, w),
    "product, both turned": lambda a, w: shapes.transpose(
        operands.matmul(shapes.transpose(w, permutation=(1, 0)), shapes.transpose(a, permutation=(1, 0))),
        permutation=(1, 0),
    ),
    "two products": lambda a, w: operands.matmul(a, w) - operands.matmul(a * 2.0, w),
    "a part of the weight": lambda a, w: operands.matmul(a[:, 1:], w[1:]),
    "parts beside each other": lambda a, w: shapes.concatenate(
        operands.matmul(a, w[:, :1]), operands.matmul(a, w[:, 1:]), axis=1
    ),
    "three axes": lambda a, w: operands.matmul(operands.matmul(a[:, None], w[None]), w)[:, 0],
    "row of the weight": lambda a, w: a * w[0],
    "shaped": lambda a, w: operands.matmul(a, shapes.reshape(shapes.reshape(w, shape=(9,)), shape=(3, 3))),
    "rows by number": lambda a, w: a * shapes.gather(w, operands.cast(a[:, 0] * 0.0 + 1.0, "int32"), axis=0),
}


@pytest.mark.parametrize("kind", SUMMED)
def test_slopes_of_a_weight(kind: str, same: Any) -> None:
    x, h, w = p(4, 2, 3), p(2, 3), p(3, 3)

    def build() -> list[Tensor]:
        (last,), (ys,) = control.scan(
            lambda i, e, h: ([elementwise.tanh(SUMMED[kind](h, w) + e)], [SUMMED[kind](e, w)]), [x], [h]
        )
        first = slopes_of(total(last * last) + total(elementwise.sin(ys)), w, x, h)
        second = slopes_of(sum_of([total(g * g) for g in first]), w, x, h)
        return [*first, *second]

    same(build, values(x, h, w))


# -- what a step may hold -------------------------------------------------------------------------


def branch(i: Tensor, h: Tensor, e: Tensor, w: Tensor) -> Tensor:
    (made,) = control.cond(
        elementwise.greater(total(e), operands.scalar(0, "float64")),
        lambda: [elementwise.tanh(operands.matmul(h, w)) * e],
        lambda: [elementwise.sin(h) + e],
    )
    return made


def inner_loop(i: Tensor, h: Tensor, e: Tensor, w: Tensor) -> Tensor:
    (made,), (ys,) = control.scan(
        lambda i, row, s: ([elementwise.tanh(operands.matmul(s, w) + row)], [elementwise.sigmoid(s)]),
        [shapes.transpose(shapes.broadcast_to(e[None], shape=(3, *e.shape)), permutation=(0, 1, 2))],
        [h],
    )
    return made + reductions.reduce_sum(ys, axis=(0,), keepdims=False)


def masked(i: Tensor, h: Tensor, e: Tensor, w: Tensor) -> Tensor:
    valid = elementwise.greater(e[:, :1], operands.scalar(0, "float64"))
    return where(valid, elementwise.tanh(operands.matmul(h, w) + e), h)


def dropped(i: Tensor, h: Tensor, e: Tensor, w: Tensor) -> Tensor:
    # A key of its own would draw anew in the second run.
    key = random.fold_in(operands.constant(np.array([3, 5]), "uint32"), i)
    mask = random.dropout_mask(key, shape=(2, 3), rate=0.5, dtype="float64")
    return elementwise.tanh(operands.matmul(h * mask, w) + e)


def normalised(i: Tensor, h: Tensor, e: Tensor, w: Tensor) -> Tensor:
    return algebra.softmax(operands.matmul(h, w)) * e + algebra.log_softmax(h)


def printed(i: Tensor, h: Tensor, e: Tensor, w: Tensor) -> Tensor:
    shown = control.print_value(operands.matmul(h, w), message="")
    return elementwise.tanh(shown + e)


def called(i: Tensor, h: Tensor, e: Tensor, w: Tensor) -> Tensor:
    (made,) = control.host_call(
        h,
        function=lambda a: (np.sin(a),),
        outputs=(((2, 3), "float64"),),
        gradient=lambda g, out, x: (g * elementwise.cos(x),),
    )
    return elementwise.tanh(operands.matmul(made, w) + e)


STEPS = {f.__name__: f for f in (branch, inner_loop, masked, dropped, normalised, printed, called)}


@pytest.mark.parametrize("limit", [10 << 20, 200, 0])
@pytest.mark.parametrize("kind", STEPS)
def test_first_and_second_derivatives(kind: str, limit: int, same: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.load("numpy"), "stacked_bytes", limit)
    x, h, w = p(None, 2, 3), p(2, 3), p(3, 3)

    def body(i: Tensor, e: Tensor, h: Tensor, c: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        new = STEPS[kind](i, h, e, w)
        return [new, c * 0.5 + new], [c + e, new * 2.0]

    def build() -> list[Tensor]:
        (last, cell), (seen, ys) = control.scan(body, [x], [h, h * 2.0], reverse=kind in ("masked", "branch"))
        loss = total(last * ys[0]) + total(cell) + total(elementwise.sin(seen))
        first = slopes_of(loss, x, h, w)
        return [loss, *first, *slopes_of(sum_of([total(g * g) for g in first]), x, h, w)]

    same(build, values(x, h, w))


def test_a_branch_is_taken_once() -> None:
    x, h, w = p(4, 2, 3), p(2, 3), p(3, 3)
    (last,), _ = control.scan(lambda i, e, h: ([elementwise.tanh(branch(i, h, e, w))], []), [x], [h])
    slope = gradients([total(last)], [h])[0]
    assert slope is not None
    forward, backward = loops([slope], {x: np.ones((4, 2, 3)), h: np.ones((2, 3)), w: np.ones((3, 3))})
    # Its own gradient is one; the branch itself is read.
    assert (names(forward).count("cond"), names(backward).count("cond")) == (1, 1)
    assert "tanh" not in names(backward)


def test_loops_with_variables() -> None:
    v, w = Variable((), "float64", np.float64(1)), Variable((3,), "float64", np.arange(3.0))
    x, h = p(4, 3), p(3)

    def body(i: Tensor, e: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        updates.assign_add(v, total(h))
        updates.assign(w, w * 2.0)
        return [elementwise.tanh(h * w + e)], []

    (last,), _ = control.scan(body, [x], [h])
    slopes = slopes_of(total(last), h)
    feeds = values(x, h)
    made, slope = run([last, *slopes], feeds)
    state, sums, factor, chain = feeds[h], 1.0, np.arange(3.0), np.ones(3)
    for entry in feeds[x]:
        sums += state.sum()
        state = np.tanh(state * factor + entry)
        chain = chain * (1 - state**2) * factor
        factor = factor * 2
    np.testing.assert_allclose(made, state, rtol=1e-12)
    np.testing.assert_allclose(slope, chain, rtol=1e-12)
    np.testing.assert_allclose(storage.read(v), sums, rtol=1e-12)
    np.testing.assert_array_equal(storage.read(w), [0, 16, 32])


def test_two_networks_one_above_the_other(same: Any) -> None:
    """The slopes of the lower one pass through the upper one's loop."""
    x, h, w = p(None, 2, 3), p(2, 3), p(3, 3)

    def layer(sequence: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
        (last,), (ys,) = control.scan(
            lambda i, e, s: ([elementwise.tanh(operands.matmul(s, w) + e)], [elementwise.sigmoid(s)]),
            [sequence],
            [h],
            reverse=reverse,
        )
        return last, ys

    def build() -> list[Tensor]:
        _, lower = layer(x, False)
        last, upper = layer(lower, True)
        return [upper, *slopes_of(total(last) + total(upper * lower), x, h, w)]

    same(build, values(x, h, w))
    found = loops(build(), values(x, h, w))
    assert [len(loop.carries) for loop in found] == [1, 1, 1, 1]
    assert ["tanh" in names(loop) for loop in found] == [True, True, False, False]


# -- random steps ---------------------------------------------------------------------------------


def random_step(seed: int) -> Callable[..., Any]:
    def body(i: Tensor, e: Tensor, h: Tensor, s: Tensor, c: Tensor, w: Tensor, b: Tensor) -> Any:
        choose = np.random.default_rng(seed)
        pool = [e, h, s, c]
        kinds: list[Callable[[Tensor, Tensor], Tensor]] = [
            lambda x, y: operands.matmul(x, w),
            lambda x, y: elementwise.tanh(x + b),
            lambda x, y: x * y * 0.5,
            lambda x, y: x - y,
            lambda x, y: elementwise.sigmoid(x),
            lambda x, y: where(elementwise.greater(x, y), x, y * 0.5),
            lambda x, y: shapes.concatenate(x[:, 1:], y[:, :1], axis=1),
            lambda x, y: x * reductions.reduce_sum(x, axis=(1,), keepdims=True) * 0.2,
            lambda x, y: x * b + operands.cast(i, "float64") * 0.1,
        ]

        def pick() -> Tensor:
            return pool[int(choose.integers(len(pool)))]

        for _ in range(8):
            pool.append(kinds[int(choose.integers(len(kinds)))](pick(), pick()))
        states = [elementwise.tanh(pick()), s + pick() if choose.integers(2) else s, elementwise.sin(pick())]
        return states, [pick(), pick() + states[0]]

    return body


@pytest.mark.parametrize("seed", range(40))
def test_random_steps(seed: int, same: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.load("numpy"), "stacked_bytes", (10 << 20, 10 << 20, 500)[seed % 3])
    x, h, w, b = p(None, 2, 3), p(2, 3), p(3, 3), p(3)
    step = random_step(seed)
    some = [bool(n) for n in np.random.default_rng(seed).integers(2, size=5)]

    def build() -> list[Tensor]:
        (last, summed, cell), (first, second) = control.scan(
            lambda i, *held: step(i, *held, w, b), [x], [h, h * 0.0, h + 1.0], reverse=bool(seed % 2)
        )
        loss = total(last) + total(summed * summed) * 0.1 + total(elementwise.sin(first)) + total(cell * second[1])
        results = [t for t, wanted in zip((last, summed, cell, first, second), some, strict=True) if wanted]
        targets = [x, h, w, b]
        slopes = gradients([loss], targets)
        bent = [total(elementwise.sin(g)) for g in slopes if g is not None]
        curves = gradients([sum_of(bent)], targets)
        # Of what no step reads the slope is None without a loop, and 0 with one.
        made = [t * 0.0 if g is None else g for g, t in zip([*slopes, *curves], targets * 2, strict=True)]
        return [loss, *results, *made]

    same(build, values(x, h, w, b, seed=seed))
