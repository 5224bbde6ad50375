"""Random graphs: on every backend, node by node, in pieces, against differences; and that fuzzing finds faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.contract import PRIMITIVES
from multikeras.testing.fuzzing import Campaign, Script, check, grown, oracles, results, shrink
from multikeras.testing.fuzzing.__main__ import main
from multikeras.testing.plugin import pytest_generate_tests, tested_backend  # noqa: F401 - pytest looks for them here
from multikeras.testing.test_fuzzing import *  # noqa: F403
from tests.conftest import Python
from tests.programs.test_conformance_catches import broken, wrong_dtype, wrong_value

BACKENDS = "all"

#: What no function of K makes by itself, or what prints.
UNREACHED = {"print_value", "random_bits", "shift_left", "shift_right"}


def exact(script: Script) -> bool:
    """Whether its numbers are precise enough for an oracle without a measure of their noise."""
    return script.floatx == "float64" and not any(word in str(script) for word in ("float16", "float32", "nan", "inf"))


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    return [grown(seed) for seed in range(200)]


def test_every_primitive_occurs(scripts: list[Script]) -> None:
    seen: Counter[str] = Counter()
    for script in scripts:
        made = script.build()
        tensors = oracles.reached([made[name] for name in (*script.outputs, *script.updates)])
        seen.update(t.primitive.name for t in tensors if t.primitive is not None)
    declared = {name for name in PRIMITIVES if "." not in name}
    missing = declared - set(seen) - UNREACHED
    assert len(missing) <= len(declared) // 12, sorted(missing)


def test_a_seed_gives_one_script(scripts: list[Script]) -> None:
    assert [str(grown(seed)) for seed in range(5)] == [str(script) for script in scripts[:5]]
    assert len({str(script) for script in scripts}) == len(scripts)


def test_node_by_node(scripts: list[Script]) -> None:
    compared = 0
    for script in filter(exact, scripts[:120]):
        values = oracles.node_by_node(script)
        if values is None:
            continue
        compared += 1
        found = results(script, registry.load("numpy"), True, runs=1)
        stored = {each.what: each.value for each in found[len(values.outputs) :]}
        pairs = list(zip([each.value for each in found], values.outputs, strict=False))
        pairs += [(stored[f"{name}, stored"], value) for name, value in values.stored.items()]
        for value, expected in pairs:
            scale = np.max(np.abs(expected), initial=1)
            np.testing.assert_allclose(value, expected, 1e-8, 1e-9 * scale, err_msg=f"seed {script.seed}")
    assert compared > 30


def test_slopes(scripts: list[Script]) -> None:
    orders: Counter[int] = Counter()
    for script in filter(exact, scripts[:80]):
        # These have other gradients than their values by intention, or none.
        if any(word in str(script) for word in ("stop_gradient", "custom_gradient", "while_loop")):
            continue
        for slope in oracles.slopes(script):
            orders[slope.order] += 1
            assert slope.error < 2e-5, f"seed {script.seed}: {slope}"
    assert min(orders[1], orders[2]) > 20


def test_slopes_notice_a_wrong_gradient(scripts: list[Script]) -> None:
    script = next(s for s in scripts if exact(s) and oracles.slopes(s))
    tanh = PRIMITIVES["tanh"]
    right = tanh.gradient
    object.__setattr__(tanh, "gradient", lambda g, out, x: (g * out,))
    try:
        assert any(slope.error > 1e-3 for slope in oracles.slopes(script))
    finally:
        object.__setattr__(tanh, "gradient", right)


def test_in_pieces(scripts: list[Script], monkeypatch: pytest.MonkeyPatch) -> None:
    backend = registry.load("numpy")
    for script in scripts[:25]:
        monkeypatch.setattr(backend, "longest_program", 1 + script.seed % 6)
        assert check(script, backend, True) == [], f"seed {script.seed}"


# -- that faults are found ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "fault"),
    [("tanh", wrong_value), ("reduce_sum", wrong_dtype), ("where", wrong_value), ("scatter_add", wrong_value)],
)
def test_fault_is_found_and_made_small(kernel: str, fault: Any) -> None:
    campaign = Campaign([broken(kernel, fault)], shrinking=10)
    failure = next(iter(campaign.run(seconds=60)))
    assert failure.problems
    assert len(failure.script.lines) <= 3
    assert check(failure.script, broken(kernel, fault), failure.compiled)
    assert check(failure.script, registry.load("numpy"), failure.compiled) == []


def test_what_raises_is_found() -> None:
    def fault(inputs: tuple[Any, ...], result: Any) -> Any:
        raise ArithmeticError("worn out")

    failure = next(iter(Campaign([broken("exp", fault)], shrinking=10).run(seconds=60)))
    assert failure.problems == ["ArithmeticError: worn out"]
    assert len(failure.script.lines) == 1


def test_results_that_are_written_later_are_noticed() -> None:
    backend = type(registry.load("numpy"))()
    right, shared = backend.kernels["add"], {}

    def add(x: Any, y: Any) -> Any:
        value = np.asarray(right(x, y))
        held = shared.setdefault((value.shape, value.dtype), np.empty_like(value))
        held[...] = value
        return held

    backend.kernels = {**backend.kernels, "add": add}
    problems = (problem for seed in range(40) for problem in check(grown(seed), backend, True))
    assert any("was written by something later" in problem for problem in problems)


def test_a_script_is_a_program(python: Python) -> None:
    script = replace(grown(3), phase=0)
    done = python(str(script).replace("sys.argv[1:]", '["numpy"]'))
    assert done.returncode == 0, done.stderr
    found = results(script, registry.load("numpy"), True)
    assert repr(found[0].value) in done.stdout


def test_shrinking_keeps_what_fails() -> None:
    script = next(s for s in map(grown, range(100)) if "K.softmax" in str(s) and len(s.lines) > 6)

    def fails(other: Script) -> bool:
        return "K.softmax" in str(other)

    small = shrink(script, fails)
    assert fails(small)
    assert len(small.lines) == 1


def test_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["--graphs", "4", "--seed", "5", "--seconds", "60", "--backends", "numpy", "--refused"]) == 0
    assert "4 graphs" in capsys.readouterr().out
    assert main(["--seed", "5", "--show"]) == 0
    assert "def results():" in capsys.readouterr().out
    faulty = broken("tanh", wrong_value)
    monkeypatch.setattr(registry, "load", lambda name: faulty)
    assert main(["--seed", "0", "--graphs", "12", "--shrink", "0.1", "--backends", "numpy"]) == 1
    out = capsys.readouterr().out
    assert "on numpy, compiled:" in out
    assert " failures" in out


def test_graphs_of_a_seed_are_grown_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever backend is in use, a seed gives the same graph.
    before = str(grown(11))
    monkeypatch.setattr(registry, "current", lambda: pytest.fail("the current backend was asked for"))
    assert str(grown(11)) == before
