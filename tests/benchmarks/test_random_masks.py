"""The benchmark of random numbers measures what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import random_masks


@pytest.mark.parametrize("name", random_masks.CONTESTANTS)
def test_draws(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    contestant, make = random_masks.CONTESTANTS[name]
    pytest.importorskip(contestant.requires)
    if contestant.environment:
        pytest.skip("what it draws is tested in tests/backend_table/test_random.py")
    draws, layer = make()
    mask, uniform, normal = (np.asarray(draws[kind](20_000)()) for kind in random_masks.KINDS)
    assert {a.dtype.name for a in (mask, uniform, normal)} == {"float32"}
    assert set(np.unique(mask).tolist()) == {0.0, 2.0}
    assert mask.mean() == pytest.approx(1, abs=0.05)
    assert uniform.mean() == pytest.approx(0.5, abs=0.02)
    assert normal.std() == pytest.approx(1, abs=0.05)
    plain, dropped = (float(np.asarray(layer(kind)()[0].item())) for kind in (False, True))
    assert dropped == pytest.approx(2 * plain, rel=0.1)


def test_all_figures_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_masks, "REPETITIONS", 1)
    figures = random_masks.work({"name": "multikeras_numpy", "sizes": random_masks.SIZES})
    columns = [column.key for table in (*random_masks.TABLES, random_masks.LAYER) for column in table]
    assert set(columns) == set(figures)
    assert all(value > 0 for key, value in figures.items() if key != "dropout_cost")
