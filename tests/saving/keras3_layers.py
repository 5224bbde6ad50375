"""Reads models of ours with pip-installed Keras 3, compares what they predict, and saves them anew: a script.

python keras3_layers.py DIRECTORY     reads NAME.keras and NAME.h5 for every NAME.npz and prints how far predictions
                                      are apart, or the error; writes NAME_theirs.keras and NAME_theirs.h5
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers as L


def double(x: Any) -> Any:
    return 2.0 * x


def natives() -> dict[str, Any]:
    """Models made there, for what a file of ours does not become when it is saved there."""
    x = keras.Input((5, 3))
    row = keras.Input((4,))
    return {
        "other hard sigmoid": keras.Model(row, L.Dense(3, activation="hard_sigmoid")(row)),
        "other hard sigmoid, gates": keras.Model(x, L.GRU(3, recurrent_activation="hard_sigmoid")(x)),
        "other hard sigmoid, layer": keras.Model(row, L.Activation(keras.activations.hard_sigmoid)(row)),
        "activation layer inside": keras.Model(row, L.Dense(3, activation=L.LeakyReLU(negative_slope=0.1))(row)),
        "padding": keras.Model(x, L.ZeroPadding1D(2)(x)),
        "bilinear": keras.Sequential([keras.Input((3, 3, 2)), L.UpSampling2D(interpolation="bilinear")]),
        "relu6": keras.Model(row, L.Dense(3, activation="relu6")(row)),
    }


def apart(model: Any, path: Path) -> float:
    with np.load(path) as file:
        inputs = [file[key] for key in sorted(file.files) if key.startswith("input")]
        outputs = [file[key] for key in sorted(file.files) if key.startswith("output")]
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    found = [np.asarray(each) for each in (found if isinstance(found, list) else [found])]
    assert [each.shape for each in found] == [each.shape for each in outputs]
    return max(float(np.abs(one - other).max()) for one, other in zip(found, outputs, strict=True))


def main(directory: Path) -> None:
    logging.disable(logging.WARNING)
    found: dict[str, Any] = {}
    for path in sorted(directory.glob("*.npz")):
        for ending in ("keras", "h5"):
            try:
                model = keras.models.load_model(path.with_suffix("." + ending), {"double": double}, compile=False)
            except (RuntimeError, TypeError, ValueError) as error:
                found[f"{path.stem} {ending}"] = str(error)
                continue
            found[f"{path.stem} {ending}"] = apart(model, path)
            model.save(path.with_name(f"{path.stem}_theirs.{ending}"))
    random = np.random.RandomState(0)
    for name, model in natives().items():
        x = (random.randn(2, *model.inputs[0].shape[1:]) * 2).astype("float32")
        np.savez(directory / f"{name}_native.npz", input_0=x, output_0=model.predict(x, verbose=0))
        for ending in ("keras", "h5"):
            model.save(directory / f"{name}_native.{ending}")
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
