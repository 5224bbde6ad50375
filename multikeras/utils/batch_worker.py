"""What a worker process does: it computes the batches that it is asked for, and sends them.

It imports no array library but NumPy. Under `spawn` this module is all that a new process needs
before the data set arrives.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import importlib.util
import os
import pickle
import random
import signal
import sys
import traceback
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from multikeras.utils.batch_threads import Finished

#: What a message of a worker brings.
BATCH, ERROR, END = "batch", "error", "end"

#: The parent's ends of all pipes to workers. A forked worker closes its copies: as long as it held
#: them, no sibling would see that the parent is gone.
ENDS: weakref.WeakSet[Any] = weakref.WeakSet()

#: Threads of BLAS and OpenMP: several workers would get in each other's way.
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}


def work(connection: Any, number: int, seed: int, stack_path: str, compute: Callable[[Any], Any] | None) -> None:
    """Computes batches until the pipe is closed.

    Args:
        connection: The pipe to the parent.
        number: Running number of the worker.
        seed: Seed for what is drawn before the first task that brings one of its own.
        stack_path: A file for tracebacks, in case the worker dies or is asked where it is.
        compute: Gives the batch of a task; None where it comes through the pipe.
    """
    # Ctrl-C goes to every process of the terminal; the parent decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Arrays of the parent that lie on a device must not be freed from here.
    gc.freeze()
    for end in list(ENDS):
        end.close()
    _limit_threads(forked=compute is not None)
    _seed([seed, number])
    with open(stack_path, "w", encoding="utf-8") as stack:
        faulthandler.enable(stack)
        if hasattr(signal, "SIGUSR1"):
            faulthandler.register(signal.SIGUSR1, stack)
        try:
            _loop(connection, compute)
        except (EOFError, ConnectionError, BrokenPipeError):
            # The parent has closed the pipe, or is gone.
            return
        finally:
            faulthandler.disable()


def _loop(connection: Any, compute: Callable[[Any], Any] | None) -> None:
    while True:
        message = connection.recv()
        if isinstance(message, bytes):
            try:
                compute = pickle.loads(message)
            except Exception as error:  # noqa: BLE001 - it is raised in the parent
                _send_error(connection, None, error)
            continue
        place, task, seed = message
        if seed is not None:
            _seed([*seed, task])
        assert compute is not None
        try:
            batch = compute(task)
        except Finished:
            send(connection, place, END, None)
            continue
        except Exception as error:  # noqa: BLE001 - it is raised in the parent
            _send_error(connection, place, error)
            continue
        try:
            send(connection, place, BATCH, batch)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            _send_error(connection, place, TypeError(f"The batch cannot be sent to the main process: {error}"))
        del batch


def _seed(seed: Sequence[int]) -> None:
    words = [word & 0xFFFFFFFF for word in seed]
    np.random.seed(words)
    random.seed(repr(words))


def _limit_threads(forked: bool) -> None:
    os.environ.update(ONE_THREAD)
    # The variables count for libraries that are loaded later; those of the parent have to be told.
    if forked and _thread_control.found is not None:
        _thread_control.found.limit(limits=1)


class _ThreadControl:
    """What limits the threads of the libraries that are loaded, by threadpoolctl where that is installed."""

    found: Any = None
    modules = 0


_thread_control = _ThreadControl()


def look_for_threads() -> None:
    """Finds the libraries with threads of their own: it takes a while, so a parent does it before it forks."""
    if len(sys.modules) != _thread_control.modules and importlib.util.find_spec("threadpoolctl") is not None:
        _thread_control.found = importlib.import_module("threadpoolctl").ThreadpoolController()
        _thread_control.modules = len(sys.modules)


def _send_error(connection: Any, place: int | None, error: Exception) -> None:
    text = "".join(traceback.format_exception(error))
    try:
        # Some exceptions pickle and do not unpickle.
        pickle.loads(pickle.dumps(error))
        sent: Exception | None = error
    except Exception:  # noqa: BLE001 - then the text alone is sent
        sent = None
    send(connection, place, ERROR, (sent, f"{type(error).__name__}: {error}", text))


def send(connection: Any, place: int | None, kind: str, value: Any) -> None:
    """Sends a message; the numbers of arrays go straight from their memory."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps((place, kind, value), protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    connection.send((data, [view.nbytes for view in views]))
    for view in views:
        _write(connection, view)


def receive(connection: Any) -> tuple[int | None, str, Any]:
    """Takes what `send` sent: place, kind and value.

    Raises:
        EOFError: If the other end is closed.
    """
    data, sizes = connection.recv()
    buffers = [np.empty(size, np.uint8) for size in sizes]
    for buffer in buffers:
        _read(connection, buffer.data)
    return pickle.loads(data, buffers=buffers)


if hasattr(os, "readv"):
    # `Connection` itself would copy everything three times on its way.

    def _write(connection: Connection, view: memoryview) -> None:
        handle = connection.fileno()
        while view.nbytes:
            view = view[os.write(handle, view) :]

    def _read(connection: Connection, view: memoryview) -> None:
        handle = connection.fileno()
        while view.nbytes:
            count = os.readv(handle, [view])
            if not count:
                raise EOFError
            view = view[count:]

else:

    def _write(connection: Connection, view: memoryview) -> None:
        connection.send_bytes(view)

    def _read(connection: Connection, view: memoryview) -> None:
        connection.recv_bytes_into(view)
