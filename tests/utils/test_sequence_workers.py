"""Sequences and generators, read ahead by threads and by worker processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.utils import HDF5Matrix, Sequence
from multikeras.utils.batch_processes import start_method_of
from multikeras.utils.data_utils import (
    GeneratorEnqueuer,
    GeneratorStream,
    OrderedEnqueuer,
    SequenceStream,
    WorkerError,
    iter_sequence_infinite,
    stream_of,
)

forks = pytest.mark.skipif(start_method_of(None) != "fork", reason="worker processes are not forked here")

#: Workers and whether they are processes.
WAYS = [(0, False), (1, False), (3, False), pytest.param(1, True, marks=forks), pytest.param(3, True, marks=forks)]


class Numbers(Sequence):
    """Gives its number, and what it knows; the later of two batches comes sooner."""

    def __init__(self, length=6):
        self.length = length
        self.passes = 0
        self.asked = []
        self.ended_in = None

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.asked.append(index)
        time.sleep(0.002 * (index % 2))
        return index, self.passes, np.full((2, 3), index), np.random.random()

    def on_epoch_end(self):
        self.passes += 1
        self.ended_in = threading.current_thread()


def taken(stream, count):
    with contextlib.closing(stream):
        return list(stream.take(count))


@pytest.mark.parametrize(("workers", "processes"), WAYS)
def test_batches_come_in_order_pass_after_pass(workers, processes):
    data = Numbers()
    stream = SequenceStream(data, workers, processes, 4)
    with contextlib.closing(stream):
        first = list(stream.take(4))
        assert data.passes == 0
        rest = list(stream.take(10))
    batches = first + rest
    assert [batch[0] for batch in batches] == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1]
    # What on_epoch_end changed is known to the workers, too.
    assert [batch[1] for batch in batches] == [0] * 6 + [1] * 6 + [2] * 2
    assert data.ended_in is threading.main_thread()
    np.testing.assert_array_equal(batches[5][2], np.full((2, 3), 5))
    if not processes:
        # No batch is made that is not asked for.
        assert sorted(data.asked) == sorted(batch[0] for batch in batches)


@pytest.mark.parametrize(("workers", "processes"), WAYS)
def test_a_seed_fixes_the_order_on_any_workers(workers, processes):
    def orders(seed):
        np.random.seed(seed)
        found = [batch[0] for batch in taken(SequenceStream(Still(), workers, processes, shuffle=True), 12)]
        return found[:6], found[6:]

    class Still(Numbers):
        def __getitem__(self, index):
            return (index,)

    first, second = orders(3)
    np.random.seed(3)
    assert first == np.random.permutation(6).tolist()
    assert second == np.random.permutation(6).tolist()
    assert orders(3) == (first, second)
    assert sorted(second) == [0, 1, 2, 3, 4, 5]


@forks
def test_what_processes_draw_depends_on_the_seed_and_the_batch_alone():
    def drawn(workers, seed=5):
        np.random.seed(seed)
        found = [batch[3] for batch in taken(SequenceStream(Numbers(), workers, True), 12)]
        # The generator here has not moved.
        assert np.random.random() == np.random.RandomState(seed).random_sample()
        return found

    found = drawn(1)
    assert len(set(found)) == 12
    assert drawn(3) == found
    assert set(drawn(1, seed=6)).isdisjoint(found)


def test_at_most_so_many_batches_wait():
    data = Numbers(20)
    stream = SequenceStream(data, 2, False, 3)
    with contextlib.closing(stream):
        batches = stream.take(20)
        next(batches)
        time.sleep(0.1)
        assert len(data.asked) <= 4
        batches.close()
    time.sleep(0.02)
    asked = len(data.asked)
    time.sleep(0.05)
    assert len(data.asked) == asked


class Unsendable(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


class Broken(Numbers):
    """Fails in its own way at batch 2."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __getitem__(self, index):
        return self.fail() if index == 2 else (index,)

    def fail(self):
        if self.kind == "exit":
            os._exit(3)
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "segfault":
            import faulthandler

            faulthandler._sigsegv()
        if self.kind == "hang":
            time.sleep(100)
        if self.kind == "stop":
            return next(iter([]))
        if self.kind == "lambda":
            return lambda: 0
        if self.kind == "unsendable":
            raise Unsendable(1, 2)
        raise KeyError("batch without a label")


@pytest.mark.parametrize(("workers", "processes"), WAYS)
def test_errors_come_through_with_their_traceback(workers, processes):
    stream = SequenceStream(Broken("raise"), workers, processes)
    seen = []
    with pytest.raises(KeyError, match="batch without a label") as error, contextlib.closing(stream):
        seen.extend(batch[0] for batch in stream.take(6))
    assert seen == [0, 1]
    text = "".join(traceback.format_exception(error.value))
    assert "in fail" in text
    assert ("worker process" in text) == processes
    assert ("worker thread, for batch 2" in text) == (workers > 0 and not processes)
    assert not multiprocessing.active_children()


@forks
@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ("exit", "ended with exit code 3, at batch 2 of Broken"),
        ("kill", "killed by SIGKILL, as the system does when memory runs out, at batch 2 of Broken"),
        ("segfault", "(?s)killed by SIGSEGV, at batch 2 of Broken.*It was here.*in fail"),
        ("unsendable", "Unsendable: 1 and 2"),
    ],
)
def test_a_worker_that_dies_is_an_error(kind, match):
    started = time.monotonic()
    with pytest.raises(WorkerError, match=match) as error:
        taken(SequenceStream(Broken(kind), 2, True), 6)
    assert time.monotonic() - started < 20
    if kind == "unsendable":
        assert "in fail" in "".join(traceback.format_exception(error.value))
    assert not multiprocessing.active_children()


@forks
def test_other_faults_of_workers():
    with pytest.raises(RuntimeError, match=r"__getitem__\(2\) raised StopIteration"):
        taken(SequenceStream(Broken("stop"), 1, True), 6)
    with pytest.raises(TypeError, match="cannot be sent to the main process.*lambda"):
        taken(SequenceStream(Broken("lambda"), 1, True), 6)


@forks
def test_a_worker_that_is_stuck_is_an_error_that_says_where():
    data = Broken("hang")
    data.timeout = 1.5
    with (
        pytest.warns(RuntimeWarning, match="(?s)at batch 2 of Broken for .* s. It is here:.*in fail"),
        pytest.raises(WorkerError, match="(?s)It is here:.*in fail.*counts as stuck"),
    ):
        taken(SequenceStream(data, 1, True), 6)
    assert not multiprocessing.active_children()


@forks
def test_programs_are_refused_in_forked_workers(each_backend):
    class Computes(Numbers):
        def __getitem__(self, index):
            assert K.floatx() == "float32"
            return K.cast_to_floatx([index]), float(K.eval(K.constant(2.0) * 3.0))

    assert float(K.eval(K.constant(2.0) * 3.0)) == 6
    with pytest.raises(RuntimeError, match="K cannot run in a worker process; use threads"):
        taken(SequenceStream(Computes(), 1, True), 1)
    assert taken(SequenceStream(Computes(), 1, False), 1)[0][1] == 6


@forks
def test_workers_have_one_thread_each():
    control = pytest.importorskip("threadpoolctl")

    class Threads(Numbers):
        def __getitem__(self, index):
            np.ones((200, 200)) @ np.ones((200, 200))
            return [library["num_threads"] for library in control.threadpool_info()]

    found = taken(SequenceStream(Threads(), 1, True), 1)[0]
    assert found
    assert set(found) == {1}


@forks
def test_workers_open_files_anew(tmp_path):
    h5py = pytest.importorskip("h5py")
    rows = np.arange(4000, dtype="float32").reshape(400, 10)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = rows

    class Rows(Numbers):
        matrix = HDF5Matrix(tmp_path / "data.h5", "x")

        def __getitem__(self, index):
            return self.matrix[np.random.permutation(400)[:50]], self.matrix[index * 10 : index * 10 + 10]

    data = Rows(40)
    for random, in_order in taken(SequenceStream(data, 3, True), 40):
        assert set(random[:, 0]) <= set(rows[:, 0])
        assert in_order[0, 0] % 100 == 0
    np.testing.assert_array_equal(data.matrix[3:5], rows[3:5])


def test_data_sets_are_sent_to_processes_that_start_anew(tmp_path, monkeypatch, capfd):
    module = tmp_path / "data_set_of_a_module.py"
    module.write_text(
        "import sys, numpy as np\n"
        "from multikeras.utils import Sequence\n"
        "class Data(Sequence):\n"
        "    start_method = 'spawn'\n"
        "    passes = 0\n"
        "    def __len__(self): return 3\n"
        "    def __getitem__(self, index):\n"
        "        libraries = [name for name in ('jax', 'torch', 'cupy') if name in sys.modules]\n"
        "        return index, self.passes, libraries, np.random.random()\n"
        "    def on_epoch_end(self): self.passes += 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    data_set = __import__("data_set_of_a_module")
    np.random.seed(2)
    found = taken(SequenceStream(data_set.Data(), 2, True), 6)
    assert [batch[:3] for batch in found] == [(i, p, []) for p in range(2) for i in range(3)]
    assert "backend" not in capfd.readouterr().err

    class Local(Numbers):
        start_method = "spawn"

    with pytest.raises(TypeError, match=r"(?s)Local cannot be sent to .* started by 'spawn'.*use threads"):
        taken(SequenceStream(Local(), 1, True), 1)
    data = Numbers()
    data.start_method = "teleport"
    with pytest.raises(ValueError, match="'fork'.*received 'teleport'"):
        SequenceStream(data, 1, True)


# -- generators ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workers", "processes"), [(0, False), (1, False), (4, False), pytest.param(1, True, marks=forks)]
)
def test_generators_keep_their_order(workers, processes):
    def counting():
        for i in range(7):
            time.sleep(0.001 * (i % 3))
            yield i

    generator = counting()
    stream = GeneratorStream(generator, workers, processes)
    with contextlib.closing(stream):
        assert list(stream.take(3)) == [0, 1, 2]
        assert not stream.exhausted
        if not processes:
            # Nothing is drawn that is not asked for.
            assert next(generator) == 3
        assert list(stream.take(9)) == list(range(3 if processes else 4, 7))
        assert stream.exhausted


def test_errors_of_generators():
    def failing():
        yield 1
        raise KeyError("no such word")

    for workers, processes in ((0, False), (2, False), *([(1, True)] if start_method_of(None) == "fork" else [])):
        with pytest.raises(KeyError, match="no such word") as error:
            taken(GeneratorStream(failing(), workers, processes), 3)
        assert "in failing" in "".join(traceback.format_exception(error.value))


@forks
def test_several_processes_have_the_generator_each():
    with pytest.warns(UserWarning, match="each of the 3 workers has the generator for itself"):
        stream = GeneratorStream(iter(range(4)), 3, True)
    assert sorted(taken(stream, 100)) == sorted([0, 1, 2, 3] * 3)


# -- enqueuers ----------------------------------------------------------------------------------


def test_enqueuers():
    enqueuer = OrderedEnqueuer(Numbers(3))
    with pytest.raises(RuntimeError, match="not running"):
        enqueuer.get()
    enqueuer.start(workers=2, max_queue_size=4)
    assert enqueuer.is_running()
    with pytest.raises(RuntimeError, match="is running"):
        enqueuer.start()
    batches = enqueuer.get()
    assert [next(batches)[0] for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    enqueuer.stop()
    assert not enqueuer.is_running()
    assert list(batches) == []
    generator = GeneratorEnqueuer(iter(range(4)))
    generator.start()
    assert list(generator.get()) == [0, 1, 2, 3]
    generator.stop()
    endless = iter_sequence_infinite(Numbers(2))
    assert [next(endless)[0] for _ in range(5)] == [0, 1, 0, 1, 0]


def test_names_that_old_programs_import_from_here():
    from multikeras.utils import data_utils, downloads

    assert data_utils.get_file is downloads.get_file
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        data_utils.nothing  # noqa: B018 - it is asked for


def test_what_is_no_data_set():
    with pytest.raises(ValueError, match="Numbers has no batches"):
        taken(SequenceStream(Numbers(0)), 1)
    for arguments in ({"workers": -1}, {"workers": 1.5}, {"max_queue_size": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))}.*whole number"):
            stream_of(Numbers(), **arguments)
    with pytest.raises(NotImplementedError, match=r"Sequence does not define __getitem__"):
        Sequence()[0]
    assert [batch[0] for batch in Numbers(3)] == [0, 1, 2]


# -- whole processes ----------------------------------------------------------------------------

SCRIPT = """
import os, sys, time
import numpy as np
from multikeras.utils import Sequence
from multikeras.utils.data_utils import SequenceStream

class InMain(Sequence):
    def __len__(self): return 1000
    def __getitem__(self, index):
        time.sleep(0.01)
        return os.getpid()

stream = SequenceStream(InMain(), 2, True)
batches = stream.take(1000)
print(*sorted({next(batches) for _ in range(20)}), flush=True)
"""


def is_alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@forks
@pytest.mark.parametrize("end", ["ctrl-c", "kill", "exit"])
def test_no_worker_outlives_its_parent(end, tmp_path):
    """A class of `__main__`, as in a notebook; Ctrl-C reaches all processes of a terminal."""
    import subprocess

    script = tmp_path / "script.py"
    script.write_text(SCRIPT + ("" if end == "exit" else "for _ in batches: pass\n"))
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.path.join(root, "backends")])}
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        workers = [int(number) for number in process.stdout.readline().split()]
        assert len(workers) == 2
        if end == "ctrl-c":
            os.killpg(process.pid, signal.SIGINT)
        elif end == "kill":
            process.kill()
        errors = process.communicate(timeout=20)[1]
    finally:
        process.kill()
    assert errors.count("Using") == 1
    if end == "ctrl-c":
        assert errors.count("KeyboardInterrupt") == 1
        assert process.returncode != 0
    elif end == "exit":
        assert process.returncode == 0
        assert "Traceback" not in errors
    until = time.monotonic() + 10
    while any(is_alive(worker) for worker in workers) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [worker for worker in workers if is_alive(worker)]
