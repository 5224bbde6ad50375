"""Scans beside each other: what is stacked, taken out, dropped, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """Switches the improvements off and on."""
    improve = scans.improve

    def switch(off: bool) -> None:
        monkeypatch.setattr(scans, "improve", (lambda results, spec: list(results)) if off else improve)

    yield switch
    switch(False)


def same(plain: Callable[[bool], None], outputs: list[Tensor], feeds: Feeds, backend: str = "numpy") -> None:
    """The improved program gives what the plain one gives."""
    plain(True)
    expected = run(outputs, feeds, backend="numpy")
    plain(False)
    for number, (made, right) in enumerate(zip(run(outputs, feeds, backend=backend), expected, strict=True)):
        scale = max(1.0, float(np.abs(right).max(initial=0)))
        np.testing.assert_allclose(made, right, rtol=1e-9, atol=1e-11 * scale, err_msg=f"output {number}")


def loops(outputs: list[Tensor], feeds: Feeds) -> list[scans.Loop]:
    """The scans of the specialised program, first things first."""
    given = {t: Argument(t, np.shape(v), t.dtype) for t, v in feeds.items()}
    made = specialise(outputs, [], given, settings.values(settings.default_phase()), registry.load("numpy"))
    return [scans.Loop(t) for t in scans.ordered(made.outputs) if scans.is_scan(t)]


def names(loop: scans.Loop) -> list[str]:
    return [t.primitive.name for t in loop.order if t.primitive is not None]


# -- a recurrent network --------------------------------------------------------------------------


def network(length: int | None = 6) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Inputs by name, the states of h = tanh(x w + h u + b), and a loss."""
    given: dict[str, Tensor] = {"x": p(length, 2, 3), "h": p(2, 4), "w": p(3, 4), "u": p(4, 4), "b": p(4)}

    def step(i: Tensor, x: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        new = elementwise.tanh(operands.matmul(x, given["w"]) + operands.matmul(h, given["u"]) + given["b"])
        return [new], [new * 2.0]

    (last,), (ys,) = control.scan(step, [given["x"]], [given["h"]])
    return given, ys, total(ys * ys) + total(last)


def numbers(given: dict[str, Tensor], length: int = 6) -> Feeds:
    return values(*given.values(), length=length)


@pytest.mark.parametrize("backend", [n for n in ("numpy", "jax", "torch") if registry.installed()[n].installed])
@pytest.mark.parametrize("length", [6, None])
def test_gradients_are_the_same(backend: str, length: int | None, plain: Any) -> None:
    given, ys, loss = network(length)
    slopes = [g for g in gradients([loss], list(given.values())) if g is not None]
    assert len(slopes) == 5
    same(plain, [loss, ys, *slopes], numbers(given), backend)


def test_nothing_is_computed_twice() -> None:
    given, _, loss = network()
    slopes = gradients([loss], [given[n] for n in ("w", "u", "b")])
    forward, backward = loops([loss, *slopes], numbers(given))  # type: ignore[list-item]
    assert names(forward).count("tanh") == 1
    assert "tanh" not in names(backward)
    assert names(backward).count("matmul") == 1
    # Only the slope of the state is carried; those of the weights are taken after the loop.
    assert len(backward.carries) == 1
    assert len(backward.invariants) == 1
    # Neither the slope of x is made, nor x itself read.
    assert len(backward.ys) == 1
    assert forward.sequences[0] not in backward.sequences


def test_products_that_no_step_needs_are_taken_at_once(plain: Any) -> None:
    given, _, loss = network()
    by_x, by_w = gradients([loss], [given["x"], given["w"]])
    assert by_x is not None and by_w is not None
    # Beside the product for the slope of the state there is one for that of x, unless what it is made of is stacked.
    for slopes, products in [([by_x], 2), ([by_x, by_w], 1)]:
        _, backward = loops(slopes, numbers(given))
        assert names(backward).count("matmul") == products
    x, w = p(5, 2, 3), p(3, 4)
    _, (ys, shifted) = control.scan(
        lambda i, e: ([], [operands.matmul(elementwise.tanh(e) * w[:, 0], w), operands.matmul(e, w) + 1.0]), [x], []
    )
    feeds = values(x, w)
    assert len(loops([ys], feeds)) == 0
    assert len(loops([ys, shifted], feeds)) == 1
    same(plain, [ys, shifted], feeds)


def test_a_factor_that_the_forward_loop_made_is_read_from_it(plain: Any) -> None:
    x, h, w = p(5, 2, 3), p(2, 3), p(3, 3)

    def step(i: Tensor, e: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [elementwise.tanh(operands.matmul(elementwise.sigmoid(h * e), w) + e)], []

    (last,), _ = control.scan(step, [x], [h])
    slopes = [g for g in gradients([total(last)], [w, h]) if g is not None]
    feeds = values(x, h, w)
    forward, backward = loops(slopes, feeds)
    # Forward: the new state and the factor, which backward reads; and the slope of the product.
    assert (len(forward.ys), len(backward.ys)) == (2, 1)
    assert "sigmoid" not in names(backward)
    same(plain, [last, *slopes], feeds)


def test_above_the_limit_steps_are_computed_again(monkeypatch: pytest.MonkeyPatch, plain: Any) -> None:
    given, _, loss = network()
    slopes = gradients([loss], [given[n] for n in ("w", "u", "b")])
    monkeypatch.setattr(registry.load("numpy"), "stacked_bytes", 6 * 2 * 4 * 8 - 1)
    forward, backward = loops([loss, *slopes], numbers(given))  # type: ignore[list-item]
    assert "tanh" in names(backward)
    assert len(backward.carries) == 4
    assert len(forward.ys) == 2
    same(plain, [loss, *slopes], numbers(given))  # type: ignore[list-item]


def test_a_carry_that_nobody_reads_is_dropped(plain: Any) -> None:
    x, h, k = p(5, 3), p(3), p(3)

    def step(i: Tensor, e: Tensor, h: Tensor, unused: Tensor, other: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [h + e, unused * h + other, other * 2.0], [unused, h * 3.0]

    (last, _, _), (_, ys) = control.scan(step, [x], [h, k, k * 2.0])
    feeds: Feeds = {x: np.arange(15.0).reshape(5, 3), h: np.ones(3), k: np.ones(3)}
    (loop,) = loops([last, ys], feeds)
    assert (len(loop.carries), len(loop.ys)) == (1, 1)
    same(plain, [last, ys], feeds)


def test_a_carry_that_a_kept_one_reads_stays(plain: Any) -> None:
    x, h = p(5, 3), p(3)
    # The sum is read by the other carry before each step, so it is no sum to be taken afterwards.
    (last, sums), _ = control.scan(lambda i, e, h, s: ([h * 0.5 + s, s + e], []), [x], [h, h * 0.0])
    feeds: Feeds = {x: np.arange(15.0).reshape(5, 3), h: np.ones(3)}
    (loop,) = loops([last], feeds)
    assert len(loop.carries) == 2
    same(plain, [last, sums], feeds)


def test_what_no_step_changes_is_computed_before_the_loop(plain: Any) -> None:
    x, w, s = p(5, 3), p(3, 3), p(3)

    def step(i: Tensor, e: Tensor, h: Tensor, kept: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [h + e * elementwise.exp(total(w)) * kept, kept], []

    (last, kept), _ = control.scan(step, [x], [s, s * 2.0])
    feeds: Feeds = {x: np.arange(15.0).reshape(5, 3), w: np.full((3, 3), 0.1), s: np.ones(3)}
    (loop,) = loops([last, kept], feeds)
    assert "exp" not in names(loop)
    assert len(loop.carries) == 1
    same(plain, [last, kept], feeds)


def test_a_loop_that_only_sums_is_no_loop(plain: Any) -> None:
    x, y, s = p(5, 2, 3), p(5, 2, 4), p(3, 4)
    turned = lambda e: shapes.transpose(e, permutation=(1, 0))  # noqa: E731
    (product, rows), _ = control.scan(
        lambda i, a, b, s, r: (
            [s + operands.matmul(turned(a), b), r - reductions.reduce_sum(b, axis=(0,), keepdims=True)],
            [],
        ),
        [x, y],
        [s, s[:1]],
    )
    feeds = values(x, y, s)
    assert loops([product, rows], feeds) == []
    same(plain, [product, rows], feeds)
    np.testing.assert_allclose(run(product, feeds), feeds[s] + np.einsum("tni,tnj->ij", feeds[x], feeds[y]))


@pytest.mark.parametrize("length", [0, 1])
def test_loops_of_no_and_of_one_step(length: int, plain: Any) -> None:
    given, ys, loss = network(None)
    slopes = [g for g in gradients([loss], list(given.values())) if g is not None]
    same(plain, [loss, ys, *slopes], numbers(given, length))


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
def test_slopes_of_a_weight(kind: str, plain: Any) -> None:
    x, h, w = p(4, 2, 3), p(2, 3), p(3, 3)
    (last,), (ys,) = control.scan(
        lambda i, e, h: ([elementwise.tanh(SUMMED[kind](h, w) + e)], [SUMMED[kind](e, w)]), [x], [h]
    )
    loss = total(last * last) + total(elementwise.sin(ys))
    first = gradients([loss], [w, x, h])
    second = gradients([total(g * g) for g in first if g is not None], [w, x, h])
    feeds = values(x, h, w)
    same(plain, [*first, *second], feeds)  # type: ignore[list-item]


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
def test_first_and_second_derivatives(kind: str, limit: int, plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.load("numpy"), "stacked_bytes", limit)
    x, h, w = p(None, 2, 3), p(2, 3), p(3, 3)
    step = STEPS[kind]

    def body(i: Tensor, e: Tensor, h: Tensor, c: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        new = step(i, h, e, w)
        return [new, c * 0.5 + new], [c + e, new * 2.0]

    (last, cell), (seen, ys) = control.scan(body, [x], [h, h * 2.0], reverse=kind in ("masked", "branch"))
    loss = total(last * ys[0]) + total(cell) + total(elementwise.sin(seen))
    first = gradients([loss], [x, h, w])
    second = gradients([total(g * g) for g in first if g is not None], [x, h, w])
    feeds = values(x, h, w)
    same(plain, [loss, *first, *second], feeds)  # type: ignore[list-item]


def test_a_branch_is_taken_once() -> None:
    x, h, w = p(4, 2, 3), p(2, 3), p(3, 3)
    (last,), _ = control.scan(lambda i, e, h: ([elementwise.tanh(branch(i, h, e, w))], []), [x], [h])
    slope = gradients([total(last)], [h])[0]
    assert slope is not None
    forward, backward = loops([slope], {x: np.ones((4, 2, 3)), h: np.ones((2, 3)), w: np.ones((3, 3))})
    # Its own gradient is one; the branch itself is read.
    assert (names(forward).count("cond"), names(backward).count("cond")) == (1, 1)
    assert "tanh" not in names(backward)


def test_loops_with_variables(plain: Any) -> None:
    v, w = Variable((), "float64", np.float64(1)), Variable((3,), "float64", np.arange(3.0))
    x, h = p(4, 3), p(3)

    def body(i: Tensor, e: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        updates.assign_add(v, total(h))
        updates.assign(w, w * 2.0)
        return [elementwise.tanh(h * w + e)], []

    (last,), _ = control.scan(body, [x], [h])
    slopes = [g for g in gradients([total(last)], [h, w]) if g is not None]
    feeds: Feeds = {x: np.linspace(-1, 1, 12).reshape(4, 3), h: np.ones(3)}
    found = []
    for off in (True, False):
        plain(off)
        storage.write(v, np.float64(1))
        storage.write(w, np.arange(3.0))
        made = run([last, *slopes], feeds)
        found.append([*made, storage.read(v), storage.read(w)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_array_equal(found[0][-1], [0, 16, 32])


def test_two_networks_one_above_the_other(plain: Any) -> None:
    """The slopes of the lower one pass through the upper one's loop."""
    x, h, w = p(None, 2, 3), p(2, 3), p(3, 3)
    layer = lambda sequence, reverse: control.scan(  # noqa: E731
        lambda i, e, s: ([elementwise.tanh(operands.matmul(s, w) + e)], [elementwise.sigmoid(s)]),
        [sequence],
        [h],
        reverse=reverse,
    )
    (_,), (lower,) = layer(x, False)
    (last,), (upper,) = layer(lower, True)
    first = gradients([total(last) + total(upper * lower)], [x, h, w])
    feeds = values(x, h, w)
    same(plain, [upper, *first], feeds)  # type: ignore[list-item]
    found = loops([upper, *first], feeds)  # type: ignore[list-item]
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
def test_random_steps(seed: int, plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.load("numpy"), "stacked_bytes", (10 << 20, 10 << 20, 500)[seed % 3])
    x, h, w, b = p(None, 2, 3), p(2, 3), p(3, 3), p(3)
    step = random_step(seed)
    (last, summed, cell), (first, second) = control.scan(
        lambda i, *values: step(i, *values, w, b), [x], [h, h * 0.0, h + 1.0], reverse=bool(seed % 2)
    )
    loss = total(last) + total(summed * summed) * 0.1 + total(elementwise.sin(first)) + total(cell * second[1])
    slopes = [g for g in gradients([loss], [x, h, w, b]) if g is not None]
    curves = [g for g in gradients([total(elementwise.sin(g)) for g in slopes], [x, h, w, b]) if g is not None]
    random_ = np.random.default_rng(seed)
    feeds = values(x, h, w, b, seed=seed)
    some = [t for t in (last, summed, cell, first, second) if random_.integers(2)]
    same(plain, [loss, *some, *slopes, *curves], feeds)
