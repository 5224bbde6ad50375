"""Models whose layers stand in another order in Keras 3, which counts what computes masks: they are named."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from multikeras import layers as L
from multikeras.models import Model

THEIRS = """
import json, sys
from pathlib import Path
import keras
found = {}
for path in Path(sys.argv[1]).glob("*.h5"):
    try:
        model = keras.models.load_model(path)
        found[path.stem] = [layer.name for layer in model.layers if layer.weights]
    except ValueError as error:
        # A layer gets what is of another shape.
        found[path.stem] = str(error)
print(json.dumps(found))
"""


def branch(choose: random.Random, x: Any) -> Any:
    for _ in range(choose.randint(1, 4)):
        kind = choose.choice("dddmmaats")
        if kind == "s":
            x = L.Add()([x, L.Dense(4)(x)])
        else:
            made = {"d": L.Dense(4), "m": L.Masking(), "a": L.Activation("tanh"), "t": L.TimeDistributed(L.Dense(4))}
            x = made[kind](x)
    end = choose.randint(0, 2)
    if end == 2:
        x = L.LSTM(4, return_sequences=True)(x)
    return L.GlobalAveragePooling1D()(x) if end == 0 else L.GRU(4)(x)


def model_of(seed: int) -> Model:
    choose = random.Random(seed)
    inputs = [L.Input((5, 4)), L.Input((5, 4))]
    outputs = [branch(choose, x) for x in inputs]
    if choose.random() < 0.5:
        inputs.reverse()
    return Model(inputs, L.Dense(2)(L.Concatenate()(outputs)))


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pip-installed Keras 3 as the oracle")
def test_a_warning_names_them_and_only_them(tmp_path: Path) -> None:
    ours, warned = {}, {}
    for seed in range(40):
        model = model_of(seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.save(tmp_path / f"{seed}.h5")
        ours[str(seed)] = [layer.name for layer in model.layers if layer.weights]
        warned[str(seed)] = [str(each.message) for each in caught]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", THEIRS, str(tmp_path)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert theirs.keys() == ours.keys()
    for seed, names in theirs.items():
        if names == ours[seed]:
            assert not warned[seed]
            continue
        (message,) = warned[seed]
        assert "the weights of one another" in message
        if isinstance(names, list):
            assert all(repr(a) in message for a, b in zip(ours[seed], names, strict=True) if a != b)
    assert 3 <= sum(map(bool, warned.values())) <= 20
