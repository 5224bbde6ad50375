"""Every layer of the table as an exported directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras.models import Model, export_savedmodel, load_savedmodel
from tests.layers.layer_table import CASES
from tests.layers.test_layer_table import call, inputs_of, set_random_weights


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_layer(case: Any, tmp_path: Path) -> None:
    arrays = inputs_of(case)
    layer = case.make()
    inputs, outputs = call(case, layer, arrays)
    set_random_weights(layer)
    model = Model(inputs, outputs)
    export_savedmodel(model, tmp_path / "out")
    loaded = load_savedmodel(tmp_path / "out")
    given = arrays if len(arrays) > 1 else arrays[0]
    np.testing.assert_array_equal(loaded.predict(given), model.predict(given))
    assert (loaded.input_names, loaded.output_shape) == (model.input_names, model.output_shape)
