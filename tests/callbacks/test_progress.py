"""The progress bar on a terminal, and the lines in a log file."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from multikeras import registry
from multikeras.callbacks import ProgbarLogger
from multikeras.layers import Dense
from multikeras.models import Sequential
from multikeras.training.compiled import Compiled
from multikeras.utils import Progbar

X = np.random.default_rng(1).normal(size=(40, 4)).astype("float32")
Y = X[:, :1]


def model_of():
    model = Sequential([Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_lines_in_a_log_file(each_backend, capsys):
    history = model_of().fit(X, Y, batch_size=4, epochs=2, verbose=1, validation_split=0.25).history
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    assert len(lines) == 4
    values = [history[name][1] for name in ("loss", "mae", "val_loss", "val_mae")]
    assert re.fullmatch(r"30/30 - \d+\.\ds - loss: (\S+) - mae: (\S+) - val_loss: (\S+) - val_mae: (\S+)", lines[3])
    shown = [float(x) for x in re.findall(r": (\S+)", lines[3])]
    np.testing.assert_allclose(shown, values, atol=6e-5)


def test_a_line_an_epoch(capsys):
    model_of().fit(X, Y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(r" - \d+\.\ds - loss: \S+ - mae: \S+", lines[1])


def test_silence(capsys):
    model = model_of()
    model.fit(X, Y, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X)
    assert capsys.readouterr().out == ""


def test_evaluate_and_predict(capsys):
    model = model_of()
    model.evaluate(X, Y, batch_size=10)
    model.predict(X, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"40/40 - \d+\.\ds - loss: \S+ - mae: \S+", lines[0])
    assert re.fullmatch(r"40/40 - \d+\.\ds", lines[1])


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_bar_on_a_terminal(tmp_path):
    import os
    import pty
    import subprocess
    from pathlib import Path

    script = tmp_path / "script.py"
    script.write_text(
        "import time, numpy as np\n"
        "from multikeras.callbacks import LambdaCallback\n"
        "from multikeras.layers import Dense\n"
        "from multikeras.models import Sequential\n"
        "model = Sequential([Dense(1, input_shape=(4,))])\n"
        "model.compile('sgd', 'mse')\n"
        "slow = LambdaCallback(on_batch_end=lambda batch, logs: time.sleep(0.06))\n"
        "model.fit(np.ones((8, 4)), np.ones((8, 1)), batch_size=1, verbose=1, callbacks=[slow])\n"
    )
    root = Path(__file__).parents[2]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "backends")]), "TERM": "xterm",
        "COLUMNS": "100", "KERAS_BACKEND": "numpy",
    }  # fmt: skip
    main, terminal = pty.openpty()
    command = [sys.executable, str(script)]
    process = subprocess.Popen(command, stdout=terminal, stderr=subprocess.DEVNULL, env=environment)
    os.close(terminal)
    output = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(main)
    assert process.wait() == 0
    text = output.decode()
    assert "Epoch 1/1" in text
    drawn = re.findall(r"(\d)/8 ", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text))
    assert len(drawn) > 4
    assert drawn == sorted(drawn)
    last = [line for line in text.replace("\r", "\n").splitlines() if line.strip()][-1]
    assert re.search(r"8/8 - \d+\.\ds - loss: ", last)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h"), "the cursor comes back"


def test_rich_is_not_imported_for_nothing(python):
    code = (
        "import sys, numpy as np\n"
        "from multikeras.layers import Dense\n"
        "from multikeras.models import Sequential\n"
        "m = Sequential([Dense(1, input_shape=(2,))]); m.compile('sgd', 'mse')\n"
        "m.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)\n"
        "print([n for n in ('rich', 'h5py', 'scipy', 'pandas') if n in sys.modules])\n"
    )
    result = python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_progbar_by_hand(capsys):
    bar = Progbar(10, stateful_metrics=["acc"])
    bar.update(4, [("loss", 1.0), ("acc", 0.5)])
    bar.add(6, [("loss", 2.0), ("acc", 0.75)])
    bar.finish()
    assert re.fullmatch(r"10/10 - \d+\.\ds - loss: 1\.6000 - acc: 0\.7500\n", capsys.readouterr().out)
    unknown = Progbar(None)
    unknown.add(3, [("loss", 1e-5)])
    unknown.finish()
    assert re.fullmatch(r"3 - \d+\.\ds - loss: 1\.0000e-05\n", capsys.readouterr().out)
    silent = Progbar(3, verbose=0)
    silent.add(3)
    silent.finish()
    assert capsys.readouterr().out == ""


def test_the_device_is_never_waited_for(each_backend, monkeypatch):
    # What is drawn was asked for at the drawing before, where the device works on while Python goes on.
    order = []
    ask, numbers = Compiled.ask, Compiled.numbers

    def asked(self, *arguments):
        order.append("ask")
        return ask(self, *arguments)

    def read(self, *arguments):
        order.append("read")
        return numbers(self, *arguments)

    monkeypatch.setattr(Compiled, "ask", asked)
    monkeypatch.setattr(Compiled, "numbers", read)
    monkeypatch.setattr(ProgbarLogger, "refresh_seconds", 0.0)
    monkeypatch.setattr(registry.current(), "asynchronous", True)
    shown = []
    monkeypatch.setattr(ProgbarLogger, "on_progress", lambda self, seen, logs: shown.append((seen, logs["loss"])))
    model = Sequential([Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    history = model.fit(np.ones((12, 2)), np.zeros((12, 1)), batch_size=3, verbose=1).history
    # Four steps, and the numbers of the whole epoch at its end.
    assert order == ["ask", "ask", "read", "ask", "read", "ask", "read", "ask", "read"]
    assert [seen for seen, _ in shown] == [3, 6, 9]
    assert shown[0][1] > shown[1][1] > shown[2][1] > history["loss"][0]
