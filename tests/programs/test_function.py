"""`K.function`: what may be fed and read, what is refused, how programs are kept."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.graph import operands
from multikeras.graph.ops import elementwise, random, reductions, shapes
from multikeras.graph.ops.control import scan
from multikeras.graph.tensor import Placeholder, Tensor, ValueTensor, Variable
from multikeras.programs import Function, evaluate, function, program, settings, storage

BACKENDS = [name for name in ("numpy", "jax", "torch") if registry.installed()[name].installed]


@pytest.fixture(params=BACKENDS, autouse=True)
def backend(request: pytest.FixtureRequest, backend_restored: None) -> str:
    """Every test runs on every backend, as the current one."""
    registry.set_backend(request.param)
    return str(request.param)


def p(*shape: int | None, dtype: str = "float32", name: str | None = None) -> Placeholder:
    return Placeholder(shape, dtype, name)


# -- what goes in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        np.array([1, 2, 3]),
        np.array([1.0, 2.0, 3.0]),
        np.array([1, 2, 3], dtype="uint8"),
        np.array([1, 2, 3], dtype=">f8"),
        np.array([3, 2, 1])[::-1],
        np.array([1.0, 0, 2.0, 0, 3.0])[::2],
        [1, 2.0, np.float64(3)],
        (1, 2, 3),
        range(1, 4),
    ],
    ids=str,
)
def test_values_of_many_kinds(value: Any) -> None:
    x = p(None)
    (out,) = Function([x], [x * 2])([value])
    np.testing.assert_array_equal(out, [2, 4, 6])
    assert out.dtype == "float32"


def test_arrays_of_any_library_with_dlpack() -> None:
    x = p(None)
    double = Function([x], [x * 2])
    for name in BACKENDS:
        library = registry.load(name)
        with library.scope():
            array = library.own(np.array([1, 2, 3]), "float32")
        np.testing.assert_array_equal(double([array])[0], [2, 4, 6])


def test_scalars_and_single_arrays() -> None:
    x = p()
    assert float(Function([x], [x + 1])(2)[0]) == 3
    assert float(Function([x], [x + 1])([2])[0]) == 3
    assert float(Function([x], [x + 1])(np.float64(2))[0]) == 3
    y = p(2)
    np.testing.assert_array_equal(Function([y], [y + 1])(np.array([1, 2]))[0], [2, 3])


def test_booleans_and_integers() -> None:
    flags, n = p(None, dtype="bool"), p(None, dtype="int64")
    out = Function([flags, n], [elementwise.where_(flags, n, n * 0)])([[True, False, True], [1, 2, 2**40]])[0]
    np.testing.assert_array_equal(out, [1, 0, 2**40])
    assert out.dtype == "int64"


def test_middle_of_a_graph_is_fed_and_read() -> None:
    x, other = p(2, name="x"), p(2, name="other")
    h = elementwise.exp(x) + other
    out = h * 2
    # The cut makes what is behind it unnecessary.
    np.testing.assert_array_equal(Function([h], [out])([[1, 2]])[0], [2, 4])
    np.testing.assert_allclose(Function([x, other], [h])([[0, 0], [1, 1]])[0], [2, 2])


def test_cut_with_another_path_around_it() -> None:
    x = p(2, name="x")
    h = x * 3
    out = h + x
    np.testing.assert_array_equal(Function([h, x], [out])([[10, 20], [1, 2]])[0], [11, 22])
    with pytest.raises(ValueError, match=r"placeholder 'x' of shape \(2,\).*list it among the inputs"):
        Function([h], [out])([[10, 20]])


def test_variables_and_values_are_fed_like_any_tensor() -> None:
    v = Variable((2,), "float32", np.array([1, 2], "float32"))
    c = operands.constant([5.0, 6.0])
    out = v * 10 + c
    np.testing.assert_array_equal(Function([v, c], [out])([[3, 4], [0, 1]])[0], [30, 41])
    np.testing.assert_array_equal(storage.read(v), [1, 2])


def test_unused_and_repeated_inputs() -> None:
    x, unused = p(2), p(None, 7)
    np.testing.assert_array_equal(Function([unused, x], [x * 2])([np.zeros((1, 7)), [1, 2]])[0], [2, 4])
    np.testing.assert_array_equal(Function([x, x], [x * 2])([[9, 9], [1, 2]])[0], [2, 4])


def test_tensor_as_a_value() -> None:
    x = p(2)
    v = Variable((2,), "float32", np.array([1, 2], "float32"))
    np.testing.assert_array_equal(Function([x], [x * 2])([v + 1])[0], [4, 6])


def test_value_tensors_are_read_where_they_are(backend: str) -> None:
    for name in BACKENDS:
        library = registry.load(name)
        with library.scope():
            array = library.own(np.array([1, 2]), "float32")
        held = ValueTensor(array, (2,), "float32", name, library.to_numpy)
        np.testing.assert_array_equal(Function([], [held * 2, held])([])[0], [2, 4])
        np.testing.assert_array_equal(np.asarray(held), [1, 2])


# -- what is refused ------------------------------------------------------------------------------


def test_errors_of_calls() -> None:
    x, y = p(None, 3, name="images"), p(2, name="labels")
    both = Function([x, y], [x, y], name="train_function")
    with pytest.raises(ValueError, match=r"train_function takes 2 inputs \(images, labels\), received 1"):
        both([np.zeros((1, 3))])
    shape = r"train_function: input 'images' expects shape \(None, 3\), received an array of shape \(1, 4\)"
    with pytest.raises(ValueError, match=shape):
        both([np.zeros((1, 4)), [1, 2]])
    with pytest.raises(ValueError, match=r"'labels' expects shape \(2,\), received an array of shape \(2, 1\)"):
        both([np.zeros((1, 3)), np.zeros((2, 1))])
    with pytest.raises(ValueError, match=r"'labels' of shape \(2,\) received None"):
        both([np.zeros((1, 3)), None])
    with pytest.raises(TypeError, match="'labels' expects numbers of type float32, received values of type"):
        both([np.zeros((1, 3)), ["a", "b"]])
    # A refused call leaves the function usable.
    assert both([np.zeros((1, 3)), [1, 2]])[0].shape == (1, 3)


def test_errors_of_making() -> None:
    x = p(2)
    with pytest.raises(TypeError, match=r"inputs\[1\] is no tensor but ndarray"):
        Function([x, np.zeros(2)], [x])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"outputs\[0\] is no tensor but str"):
        Function([x], ["loss"])  # type: ignore[list-item]


def test_all_that_is_missing_is_named_where_it_was_made() -> None:
    x = p(2, name="missing")
    with pytest.raises(ValueError, match=r"'missing'.*test_function\.py line \d+"):
        Function([], [x * 2])([])


# -- what comes out -------------------------------------------------------------------------------


def test_outputs_are_arrays_of_the_callers_own() -> None:
    x = p(None, 2)
    v = Variable((2,), "float32", np.array([1, 2], "float32"))
    outputs: list[Tensor] = [
        x,
        x * 2,
        v,
        shapes.broadcast_to(v, shape=(5000, 2)),
        shapes.transpose(x, permutation=(1, 0)),
        operands.constant([7.0]),
        x * 2,
    ]
    call = Function([x], outputs)
    first = call([np.ones((3, 2))])
    for array in first:
        assert type(array) is np.ndarray
        assert array.flags.writeable
        array[...] = -1
    second = call([np.ones((3, 2))])
    expected = [1, 2, None, None, 1, 7, 2]
    for array, value in zip(second, expected, strict=True):
        if value is not None:
            np.testing.assert_array_equal(array, np.full(array.shape, value))
    np.testing.assert_array_equal(second[2], [1, 2])
    np.testing.assert_array_equal(storage.read(v), [1, 2])


def test_run_gives_arrays_of_the_backend(backend: str) -> None:
    x = p(2)
    (array,) = Function([x], [x * 2]).run([[1, 2]])
    assert registry.current().is_array(array)


def test_function_on_another_backend_than_the_current_one(backend: str) -> None:
    x = p(2)
    double = Function([x], [x * 2])
    for name in BACKENDS:
        other = registry.load(name)
        np.testing.assert_array_equal(other.to_numpy(double.run([[1, 2]], other)[0]), [2, 4])


# -- the learning phase ---------------------------------------------------------------------------


def test_phase_as_an_input() -> None:
    x = p(2)
    phase = settings.learning_phase()
    out = x * operands.cast(phase, "float32")
    call = Function([x, phase], [out])
    for value, factor in ((1, 1), (0, 0), (True, 1), (np.array(1), 1), (0.0, 0)):
        np.testing.assert_array_equal(call([[1, 2], value])[0], [factor, 2 * factor])
    with pytest.raises(ValueError, match="0 .test. or 1 .train., received 2"):
        call([[1, 2], 2])
    np.testing.assert_array_equal(Function([phase, x], [out])([1, [1, 2]])[0], [1, 2])


def test_phase_of_the_function_and_of_the_process() -> None:
    out = operands.cast(settings.learning_phase(), "float32") + 0.0
    assert float(Function([], [out])([])[0]) == 0
    assert float(Function([], [out], phase=1)([])[0]) == 1
    settings.set_learning_phase(1)
    try:
        assert float(Function([], [out])([])[0]) == 1
        assert float(Function([], [out], phase=0)([])[0]) == 0
        fixed = operands.cast(settings.learning_phase(), "float32") + 0.0
    finally:
        settings.clear_learning_phase()
    assert float(Function([], [out])([])[0]) == 0
    # What was built while the phase was set keeps it.
    assert float(Function([], [fixed])([])[0]) == 1
    with pytest.raises(ValueError, match="0 .test. or 1 .train."):
        settings.set_learning_phase(3)


# -- programs are kept ----------------------------------------------------------------------------


def specialised() -> int:
    return function.counts["specialised"]


def test_one_program_for_one_shape() -> None:
    x = p(None)
    call = Function([x], [x * 2])
    before = specialised()
    for _ in range(5):
        call([[1, 2]])
        call([[1.5, 2.5]])
    assert specialised() - before == 1
    call([[1, 2, 3]])
    assert specialised() - before == 2


def test_equal_functions_share_what_was_compiled() -> None:
    program.COMPILED.clear()
    for number in range(4):
        x = p(None)
        call = Function([x], [elementwise.exp(x * 2.5) + reductions.reduce_sum(x, axis=(0,), keepdims=False)])
        hits = program.COMPILED.hits
        call([[1, 2]])
        assert program.COMPILED.hits - hits == (number > 0)
    assert len(program.COMPILED.entries) == 1


def test_other_numbers_are_other_programs() -> None:
    for factor in (2.0, 3.0):
        x = p(None)
        np.testing.assert_array_equal(Function([x], [x * factor])([[1, 2]])[0], [factor, 2 * factor])
    for dtype in ("float32", "float64"):
        y = p(None, dtype=dtype)
        assert Function([y], [y + 1])([[1, 2]])[0].dtype == dtype


def test_kept_programs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "_PROGRAMS_KEPT", 3)
    monkeypatch.setattr(program.COMPILED, "limit", 4)
    program.COMPILED.clear()
    x = p(None)
    call = Function([x], [x * 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for length in range(6):
            assert call([np.ones(length)])[0].shape == (length,)
    assert len(call._programs) == 3
    assert len(program.COMPILED.entries) <= 4
    assert call([np.ones(0)])[0].shape == (0,)


def test_many_shapes_are_mentioned_once_where_each_is_compiled(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = p(None, 2, name="texts"), p(3, name="fixed")
    call = Function([x, y], [x * 2, y])
    library = registry.current()
    assert library.compiles == (backend == "jax")
    if library.compiles:
        # What is said does not depend on how long it takes.
        monkeypatch.setattr(library, "compile", lambda function, donated: function)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for length in range(1, 9):
            call([np.ones((length, 2)), np.zeros(3)])
    if library.compiles:
        with pytest.warns(UserWarning, match=r"specialised to 9 shapes: axis 0 of 'texts' keeps changing"):
            call([np.ones((9, 2)), np.zeros(3)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call([np.ones((9, 2)), np.zeros(3)])
        call([np.ones((10, 2)), np.zeros(3)])


def test_explain_names_what_runs(backend: str) -> None:
    x = p(None, 3)
    v = Variable((3,), "float32", np.zeros(3, "float32"), "my_weight")
    call = Function([x], [elementwise.tanh(x)], [(v, v + 1)], name="step")
    assert "has not run" in call.explain()
    call([np.zeros((2, 3))])
    text = call.explain()
    for word in (f"step on {backend}", "tanh", "(2, 3) float32", "stores: my_weight"):
        assert word in text


# -- evaluation -----------------------------------------------------------------------------------


def test_evaluate_several_in_one_run() -> None:
    v = Variable((), "float32", np.float32(2))
    assert [float(x) for x in evaluate.evaluate([v, v * 2, v + 1])] == [2, 4, 3]


def test_evaluation_sees_present_values() -> None:
    v = Variable((), "float32", np.float32(2))
    double = v * 2
    assert float(evaluate.value(double)) == 4
    storage.write(v, 10)
    assert float(evaluate.value(double)) == 20


def test_evaluated_leaves_are_copies() -> None:
    v = Variable((2,), "float32", np.zeros(2, "float32"))
    c = operands.constant([1.0, 2.0])
    for tensor in (v, c):
        before = evaluate.value(tensor).copy()
        evaluate.value(tensor)[:] = 99
        np.testing.assert_array_equal(evaluate.value(tensor), before)


def test_random_node_differs_from_run_to_run() -> None:
    bits = random.random_bits(random.new_key(None), shape=(4,))
    call = Function([], [bits])
    rows = {call([])[0].tobytes() for _ in range(5)} | {evaluate.value(bits).tobytes() for _ in range(5)}
    assert len(rows) == 10


def test_numpys_seed_fixes_unseeded_nodes() -> None:
    def draw() -> list[bytes]:
        node = random.random_bits(random.new_key(None), shape=(4,))
        return [evaluate.value(node).tobytes() for _ in range(2)]

    np.random.seed(7)
    first = [draw(), draw()]
    np.random.seed(7)
    assert [draw(), draw()] == first
    np.random.seed(8)
    assert draw() not in first


# -- memory ---------------------------------------------------------------------------------------


def test_functions_die_with_their_programs() -> None:
    import weakref

    gc.collect()
    gc.disable()
    try:
        x = p(None)
        v = Variable((1000,), "float32", np.zeros(1000, "float32"))
        call = Function([x], [x + v])
        call([np.zeros(1000)])
        seen = [weakref.ref(t) for t in (x, v)]
        del call, x, v
        assert [r() for r in seen] == [None, None]
    finally:
        gc.enable()


def test_equal_loops_share_what_was_compiled() -> None:
    program.COMPILED.clear()
    for number, factor in enumerate((2.5, 2.5, 3.0)):
        x, h = p(4, 2), p(2)
        finals, ys = scan(lambda i, e, s, factor=factor: ([s * factor + e], [s]), [x], [h])
        hits = program.COMPILED.hits
        last, before = Function([x, h], [*finals, *ys])([np.ones((4, 2)), np.zeros(2)])
        np.testing.assert_allclose(last, [1 + factor + factor**2 + factor**3] * 2)
        np.testing.assert_allclose(before[2], [1 + factor] * 2)
        assert program.COMPILED.hits - hits == (number == 1)
