"""Variables between backends, threads beside each other, Ctrl-C, memory over many runs."""

from __future__ import annotations

import gc
import itertools
import signal
import threading
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from multikeras import registry
from multikeras.contract import PRIMITIVES, Backend
from multikeras.graph import operands, updates
from multikeras.graph.ops import elementwise, optimizers, random
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.programs import Function, evaluate, function, locks, program, storage
from multikeras.testing.networks import batches, dense_network, step_updates

BACKENDS = [name for name in ("numpy", "jax", "torch") if registry.installed()[name].installed]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, backend_restored: None) -> Backend:
    registry.set_backend(request.param)
    return registry.current()


def variable(*value: float, dtype: str = "float32") -> Variable:
    return Variable((len(value),), dtype, np.array(value, dtype))


# -- from backend to backend ----------------------------------------------------------------------


def test_variables_follow_the_backend(backend_restored: None) -> None:
    v = variable(1, 2)
    add = Function([], [v], [(v, v + 1)])
    moves = storage.moves
    for number, name in enumerate([*BACKENDS, *BACKENDS[::-1]]):
        registry.set_backend(name)
        np.testing.assert_array_equal(add([])[0], [1 + number, 2 + number])
        assert v.home == name
    switches = 2 * len(BACKENDS) - 2
    assert storage.moves - moves == switches
    np.testing.assert_array_equal(storage.read(v), [1 + number + 1, 2 + number + 1])


def test_training_goes_on_where_it_was(backend_restored: None) -> None:
    losses: dict[str, list[float]] = {}
    for plan in (["numpy"] * 6, [BACKENDS[i % len(BACKENDS)] for i in range(6)]):
        net, loss = dense_network()
        step = Function([net.x, net.y], [loss], step_updates("adam", net.variables, loss), phase=1)
        losses[",".join(plan)] = []
        for name, batch in zip(plan, batches("dense", 6), strict=True):
            registry.set_backend(name)
            losses[",".join(plan)].append(float(step(batch)[0]))
    one, several = losses.values()
    np.testing.assert_allclose(one, several, 1e-4)


def test_a_view_of_the_old_home_is_not_the_new_one(backend_restored: None) -> None:
    # NumPy's array may be the memory that another library would take over.
    v = Variable((5000,), "float32", np.zeros(5000, "float32"))
    step = Function([], [], [(v, v + 1)])
    for name in BACKENDS:
        registry.set_backend("numpy")
        step([])
        old = v.array
        registry.set_backend(name)
        step([])
        expected = storage.read(v).copy()
        if old is not v.array:
            old[:] = -99
        np.testing.assert_array_equal(storage.read(v), expected)


def test_a_type_that_the_other_backend_lacks(backend_restored: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if "torch" not in BACKENDS:
        pytest.skip("needs a backend with bfloat16")
    v = Variable((2,), "bfloat16", np.array([1.0, 2.0], "float32"))
    add = Function([], [v], [(v, v + 1)])
    registry.set_backend("torch")
    add([])
    registry.set_backend("numpy")
    # As where the package that NumPy has it from is not installed.
    monkeypatch.setattr(registry.host(), "dtypes", registry.host().dtypes - {"bfloat16"})
    with pytest.raises(TypeError, match=r"'numpy' has no type bfloat16\. .*ml_dtypes.* It is the type of <"):
        add([])
    # Nothing moved.
    registry.set_backend("torch")
    np.testing.assert_array_equal(np.asarray(add([])[0], "float32"), [2, 3])


def test_initial_values_have_equal_bits_everywhere(backend_restored: None) -> None:
    found = []
    for name in BACKENDS:
        registry.set_backend(name)
        np.random.seed(5)
        drawn: Tensor = random.random_uniform(random.new_key(None), shape=(50,), dtype="float32")
        v = Variable((50,), "float32", elementwise.tan(drawn) * 0.1)
        assert v.home is None
        found.append(storage.read(v))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_initial_value_is_made_at_need_and_once(backend: Backend) -> None:
    calls: list[int] = []

    def make(a: np.ndarray) -> list[np.ndarray]:
        calls.append(1)
        return [a + 1]

    (value,) = PRIMITIVES["host_call"](
        operands.constant([1.0, 2.0]), function=make, outputs=(((2,), "float32"),), gradient=None
    )
    used, written = Variable((2,), "float32", value), Variable((2,), "float32", value)
    assert calls == []
    storage.write(written, [5, 6])
    assert calls == []
    for _ in range(2):
        np.testing.assert_array_equal(storage.read(used), [2, 3])
    assert calls == [1]


def test_initial_value_of_another_shape(backend: Backend) -> None:
    v = Variable((3,), "float32", np.zeros(2, "float32"), "kernel")
    with pytest.raises(ValueError, match=r"'kernel' has shape \(2,\), expected \(3,\)"):
        storage.read(v)


def test_writing(backend: Backend) -> None:
    v = variable(1, 2)
    storage.write(v, [3, 4])
    assert storage.read(v).dtype == "float32"
    with pytest.raises(ValueError, match=r"shape \(2,\); a value of shape \(3,\) cannot be stored"):
        storage.write(v, [1, 2, 3])
    np.testing.assert_array_equal(storage.read(v), [3, 4])
    n = Variable((), "int32", np.int32(1))
    storage.write(n, 7.0)
    assert storage.read(n) == 7


# -- threads --------------------------------------------------------------------------------------


def in_threads(*workers: Any) -> None:
    """Runs functions at the same time and raises what any of them raised."""
    errors: list[BaseException] = []

    def guarded(work: Any) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed on to the test
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def test_eight_readers_and_one_writer(backend: Backend) -> None:
    # Both variables hold the number of the step in every entry, before and after each run.
    a = Variable((300, 30), "float32", np.zeros((300, 30), "float32"))
    b = Variable((300, 30), "float32", np.zeros((300, 30), "float32"))
    x = Placeholder((None, 300), "float32")
    predict = Function([x], [operands.matmul(x, a), operands.matmul(x, b)])
    write = Function([], [], [(a, a + 1), (b, b + 1)])
    predict([np.ones((1, 300))])
    write([])
    done = threading.Event()
    counts: list[int] = []

    def read() -> None:
        count = 0
        while not done.is_set() or not count:
            first, second = predict([np.ones((2, 300))])
            step = first[0, 0] / 300
            assert step == round(step)
            np.testing.assert_array_equal(first, second)
            np.testing.assert_array_equal(first, np.full((2, 30), first[0, 0]))
            count += 1
        counts.append(count)

    def write_often() -> None:
        try:
            for _ in range(60):
                write([])
        finally:
            done.set()

    in_threads(write_often, *[read] * 8)
    assert len(counts) == 8
    np.testing.assert_array_equal(storage.read(a), 61)


def test_readers_that_never_pause_do_not_keep_a_writer_out(backend_restored: None) -> None:
    registry.set_backend("numpy")
    v = variable(0)
    done = threading.Event()

    def slow(a: np.ndarray) -> list[np.ndarray]:
        time.sleep(0.01 + 0.02 * np.random.random())
        return [a]

    (out,) = PRIMITIVES["host_call"](v, function=slow, outputs=(((1,), "float32"),), gradient=None)
    predict, write = Function([], [out]), Function([], [], [(v, v + 1)])
    predict([])
    deadline = time.monotonic() + 20

    def read() -> None:
        while not done.is_set() and time.monotonic() < deadline:
            predict([])

    def write_ten_times() -> None:
        try:
            for _ in range(10):
                write([])
        finally:
            done.set()

    in_threads(*[read] * 6, write_ten_times)
    assert time.monotonic() < deadline - 10
    assert storage.read(v)[0] == 10


def test_values_are_read_while_another_thread_trains(backend: Backend) -> None:
    v = Variable((5000,), "float32", np.zeros(5000, "float32"))
    slot = Variable((5000,), "float32", np.zeros(5000, "float32"))
    one = operands.scalar(1.0, "float32")
    slope = Placeholder((5000,), "float32")
    new, moved = optimizers.sgd_update(one, one * 0.0, v, slope, slot, nesterov=False)
    train = Function([slope], [], [updates.assign(v, new), updates.assign(slot, moved)])
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            value = storage.read(v)
            assert len(np.unique(value)) == 1, "a value was read while it was written"

    def write_often() -> None:
        try:
            for _ in range(200):
                train([np.full(5000, -1.0)])
        finally:
            done.set()

    in_threads(write_often, read, read)
    np.testing.assert_array_equal(storage.read(v), 200)


def test_two_threads_train_two_models(backend: Backend) -> None:
    def trainer(v: Variable) -> Any:
        def work() -> None:
            step = Function([], [v], [(v, v + 1)])
            for number in range(40):
                assert step([])[0][0] == number

        return work

    in_threads(*[trainer(variable(0)) for _ in range(4)])


def test_two_threads_train_one_variable(backend: Backend) -> None:
    v = variable(0)
    step = Function([], [], [(v, v + 1)])

    def work() -> None:
        for _ in range(50):
            step([])

    in_threads(work, work, work)
    assert storage.read(v)[0] == 150


def test_one_function_specialises_once_for_all_threads(backend: Backend) -> None:
    x = Placeholder((None,), "float32")
    call = Function([x], [elementwise.exp(x) * 2.0])
    before = function.counts["specialised"]
    barrier = threading.Barrier(6)

    def work() -> None:
        barrier.wait()
        assert call([np.zeros(3)])[0][0] == 2

    in_threads(*[work] * 6)
    assert function.counts["specialised"] - before == 1


def test_building_in_threads() -> None:
    def work() -> None:
        for _ in range(200):
            x = Placeholder((2,), "float32")
            y = elementwise.exp(x) * 2.0 + 1.0
            assert y.body is None

    in_threads(*[work] * 4)


def test_backend_cannot_change_under_a_running_program(backend_restored: None) -> None:
    registry.set_backend("numpy")
    inside, leave = threading.Event(), threading.Event()

    def wait(a: np.ndarray) -> list[np.ndarray]:
        inside.set()
        leave.wait(30)
        return [a]

    v = variable(1, 2)
    (out,) = PRIMITIVES["host_call"](v, function=wait, outputs=(((2,), "float32"),), gradient=None)
    thread = threading.Thread(target=Function([], [out]), args=([],))
    thread.start()
    try:
        assert inside.wait(30)
        other = next(name for name in registry.installed() if name != "numpy" and registry.installed()[name].installed)
        with pytest.raises(RuntimeError, match=r"while another thread runs a program.*multikeras\.testing\.compare"):
            registry.set_backend(other)
    finally:
        leave.set()
        thread.join(30)
    registry.set_backend(other)


def test_python_called_by_a_program_may_run_programs(backend_restored: None) -> None:
    registry.set_backend("numpy")
    v, w = variable(1), variable(10)
    inner = Function([], [w * 1.0], [(w, w + 1)])
    (out,) = PRIMITIVES["host_call"](
        v, function=lambda a: [a + inner([])[0]], outputs=(((1,), "float32"),), gradient=None
    )
    call = Function([], [out], [(v, v + 100)])
    assert call([])[0][0] == 11
    assert call([])[0][0] == 112
    assert not locks.RUNS.busy_elsewhere()


# -- what goes wrong ------------------------------------------------------------------------------


def failing(message: str) -> Any:
    def call(a: np.ndarray) -> list[np.ndarray]:
        raise ValueError(message)

    return call


def test_failing_run_leaves_variables_and_locks(backend: Backend) -> None:
    a, b = variable(1, 2), variable(3, 4)
    x = Placeholder((2,), "float32")
    (out,) = PRIMITIVES["host_call"](x, function=failing("on purpose"), outputs=(((2,), "float32"),), gradient=None)
    call = Function([x], [], [(a, a + out), (b, b + 1)])
    good = Function([x], [], [(a, a + x), (b, b + 1)])
    good([[0, 0]])
    for _ in range(2):
        with pytest.raises(Exception, match="on purpose"):
            call([[1, 1]])
            storage.read(a)
    np.testing.assert_array_equal(storage.read(b), [4, 5])
    np.testing.assert_array_equal(storage.read(a), [1, 2])
    good([[1, 1]])
    np.testing.assert_array_equal(storage.read(a), [2, 3])
    in_threads(lambda: good([[0, 0]]))


def test_failing_call_of_python_after_a_step_in_place(backend: Backend) -> None:
    v, slot = variable(1, 2), variable(0, 0)
    one = operands.scalar(1.0, "float32")
    new, moved = optimizers.sgd_update(one, one, v, v * 1.0, slot, nesterov=False)
    (out,) = PRIMITIVES["host_call"](
        operands.constant([0.0]), function=failing("on purpose"), outputs=(((1,), "float32"),), gradient=None
    )
    call = Function([], [out], [(v, new), (slot, moved)])
    with pytest.raises(Exception, match="on purpose"):
        call([])
    np.testing.assert_array_equal(storage.read(v), [1, 2])
    np.testing.assert_array_equal(storage.read(slot), [0, 0])


def test_interrupt_while_storing_is_held_back(backend: Backend) -> None:
    # Both variables are stored or neither is, whenever Ctrl-C comes.
    a, b = variable(0), variable(0)
    x = Placeholder((400, 400), "float32")
    heavy = operands.matmul(x, x)
    step = Function([x], [], [(a, a + 1), (b, b + 1 + heavy[0, :1] * 0.0)])
    data = np.ones((400, 400), "float32")
    step([data])
    main = threading.main_thread().ident
    assert main is not None
    interrupted = 0
    for number in range(20):
        timer = threading.Timer(0.002 + 0.0005 * number, signal.pthread_kill, (main, signal.SIGINT))
        try:
            timer.start()
            for _ in range(3):
                step([data])
            time.sleep(0.05)
        except KeyboardInterrupt:
            interrupted += 1
        timer.join()
        assert storage.read(a)[0] == storage.read(b)[0]
    assert interrupted == 20
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    before = storage.read(a)[0]
    step([data])
    assert storage.read(a)[0] == before + 1


# -- many runs ------------------------------------------------------------------------------------


def grown(work: Any, count: int) -> int:
    """Bytes that Python holds more after `count` calls, with the cyclic collector off."""
    for _ in range(30):
        work()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(count):
            work()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    return after - before


def test_a_thousand_evaluations_at_constant_memory(backend: Backend) -> None:
    w = Variable((20, 20), "float32", np.ones((20, 20), "float32"))
    numbers = itertools.cycle(range(20))

    def work() -> None:
        assert evaluate.value(operands.matmul(w, w) * float(next(numbers)))[0, 0] >= 0

    start = time.perf_counter()
    assert grown(work, 1000) < 200_000
    assert time.perf_counter() - start < 30


def test_a_thousand_builds_at_constant_memory() -> None:
    def work() -> None:
        x = Placeholder((None, 8), "float32")
        w = Variable((8, 8), "float32", np.ones((8, 8), "float32"))
        loss = elementwise.tanh(operands.matmul(x, w))
        from multikeras.graph.gradients import gradients

        assert gradients([loss], [w])[0] is not None

    assert grown(work, 1000) < 200_000


def test_many_functions_at_bounded_memory(monkeypatch: pytest.MonkeyPatch, backend_restored: None) -> None:
    registry.set_backend("numpy")
    monkeypatch.setattr(program.COMPILED, "limit", 20)
    program.COMPILED.clear()
    # More numbers than programs are kept, and few enough for all to have been seen before it is measured.
    numbers = itertools.cycle(range(30))

    def work() -> None:
        x = Placeholder((None,), "float32")
        assert Function([x], [elementwise.exp(x) * float(next(numbers))])([[0.0, 1.0]])[0].shape == (2,)

    assert grown(work, 300) < 200_000
    assert len(program.COMPILED.entries) == 20


def test_training_at_constant_memory(backend: Backend) -> None:
    net, loss = dense_network()
    step = Function([net.x, net.y], [loss], step_updates("adam", net.variables, loss), phase=1)
    (batch,) = batches("dense", 1)

    def work() -> None:
        step(batch)

    assert grown(work, 300) < 100_000
