"""Threads, Ctrl-C, and memory over a thousand epochs."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from multikeras import backend as K
from multikeras.layers import Dense, Input, Layer
from multikeras.models import Sequential
from multikeras.optimizers import SGD

X = np.random.default_rng(1).normal(size=(64, 4)).astype("float32")
Y = X[:, :1]


def test_threads_predict_while_one_fits(each_backend):
    """Semantics' seventh test: each answer is that of one state of the weights, not of a mixture."""
    model = Sequential([Dense(3, use_bias=False, kernel_initializer="zeros", input_shape=(3,))])
    # Every step adds 1 to every weight, so that a mixture of two states is seen at once.
    model.compile(SGD(lr=1.0), lambda t, p: K.sum(p * t, axis=-1))
    x, y = np.eye(3, dtype="float32")[:1], -np.ones((1, 3), "float32")
    inputs = np.eye(3, dtype="float32")
    model.predict(inputs)
    model.layers[0].set_weights([np.zeros((3, 3))])
    done = threading.Event()
    faults = []

    def ask():
        try:
            while not done.is_set():
                answer = model.predict(inputs)
                if len(np.unique(answer[0])) != 1:
                    faults.append(answer)
        except BaseException as error:  # noqa: BLE001 - a thread's error would be lost otherwise
            faults.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    model.fit(x, y, epochs=60, verbose=0)
    done.set()
    for thread in threads:
        thread.join()
    assert not faults
    np.testing.assert_array_equal(model.get_weights()[0][0], [60, 60, 60])


def settings_of_libraries():
    """What a run changes while it lasts, for the thread that it is in."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    gradients = torch.is_grad_enabled() if torch is not None else None
    wide = jax.config.jax_enable_x64 if jax is not None else None
    return gradients, wide, np.geterr()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals here")
def test_interrupts_leave_a_working_model(each_backend):
    """Semantics' eighth test: Ctrl-C at a random moment, again and again."""
    model = Sequential([Dense(4, activation="tanh", input_shape=(4,)), Dense(1)])
    model.compile(SGD(lr=0.001, momentum=0.5), "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    settings = settings_of_libraries()
    interrupted = 0
    generator = random.Random(0)
    # JAX and Hypothesis have Python functions called by the collector, and Python drops an interrupt that lands in one.
    gc.collect()
    gc.disable()
    try:
        for _ in range(200):
            try:
                signal.setitimer(signal.ITIMER_REAL, generator.uniform(0.0002, 0.004))
                model.fit(X, Y, batch_size=16, epochs=40, verbose=0)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            assert np.isfinite(model.predict(X)).all()
            assert settings_of_libraries() == settings
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert interrupted > 50
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("called_on", ["tensor", "array"])
def test_an_interrupt_waits_until_a_layer_was_called(called_on):
    """On the way into or out of a block it would leave the thread in the middle of building."""
    done = []

    class Interrupted(Layer):
        def call(self, inputs):
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
            done.append(self.times)
            return inputs

    layer = Interrupted()
    # Whoever presses twice wants out of the call.
    for times, expected in ((1, [1]), (2, [1])):
        layer.times = times
        with pytest.raises(KeyboardInterrupt):
            layer(np.ones((1, 2)) if called_on == "array" else Input((2,)))
        assert done == expected
    layer.times = 0
    np.testing.assert_array_equal(layer(np.ones((1, 2))).numpy(), np.ones((1, 2)))
    assert K.eval(K.constant(1.0)) == 1


def test_a_thousand_epochs_in_constant_memory(each_backend):
    """Without the cyclic collector: nothing that a step makes lives on."""
    model = Sequential([Dense(4, activation="relu", input_shape=(4,)), Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, epochs=20, batch_size=32, validation_split=0.25, verbose=0)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        model.fit(X, Y, epochs=100, batch_size=32, validation_split=0.25, verbose=0)
        first = tracemalloc.get_traced_memory()[0]
        objects = len(gc.get_objects())
        model.fit(X, Y, epochs=1000, batch_size=32, validation_split=0.25, verbose=0)
        grown = tracemalloc.get_traced_memory()[0] - first
        new = len(gc.get_objects()) - objects
    finally:
        tracemalloc.stop()
        gc.enable()
    # The history itself has grown by 4 lists of 900 numbers.
    assert grown < 300_000
    assert new < 200


def test_ctrl_c_in_a_terminal(tmp_path):
    """A real signal to a real process, in the middle of fit."""
    if sys.platform == "win32":
        pytest.skip("no SIGINT to another process here")
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from multikeras.models import Sequential\n"
        "from multikeras.layers import Dense\n"
        "model = Sequential([Dense(1, input_shape=(4,))])\n"
        "model.compile('sgd', 'mse')\n"
        "x = np.ones((1000, 4))\n"
        "try:\n"
        "    print('start', flush=True)\n"
        "    model.fit(x, x[:, :1], epochs=100000, batch_size=10, verbose=0)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', model.predict(x).shape, flush=True)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "backends")])}
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "start"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert output.strip() == "stopped (1000, 1)"
