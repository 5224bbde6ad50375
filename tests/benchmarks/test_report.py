"""Rounds, ratios and tables of the benchmarks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks import harness, report
from benchmarks.harness import Contestant, Outcome

COLUMNS = (report.Column("ms", "step ms", 1, ratio=True), report.Column("mb", "MB", 0, difference=True))
AROUND = {
    "processor": "an abacus",
    "pinned": "pinned to bead 3",
    "threads": 1,
    "blas_core_type": "none",
    "load_average": [0.0],
    "python": "3.11",
    "versions": {"numpy": "2"},
}


def outcomes() -> dict[str, Outcome]:
    raw = Outcome(Contestant("raw", "numpy"), [{"ms": 2.0, "mb": 10}, {"ms": 4.0, "mb": 10}, {"ms": 3.0, "mb": 10}])
    # Twice the reference's time in every round, though the machine's speed changed between them.
    ours = Outcome(Contestant("ours", "numpy", "raw"), [{"ms": 4.0, "mb": 15}, {"ms": 8.0, "mb": 15}, None])
    return {"raw": raw, "ours": ours}


def test_ratio_is_taken_within_rounds() -> None:
    table = report.table(outcomes(), COLUMNS).splitlines()
    assert table[0].split("  ")[0].strip() == ""
    assert "3.0 [2.0-4.0]" in table[1]
    assert "6.0 [4.0-8.0]" in table[2]
    assert "2.00 [2.00-2.00]" in table[2]
    assert "5 [5-5]" in table[2]
    summary = report.summary(outcomes(), COLUMNS)
    assert summary["ours"]["ms_ratio"] == 2
    assert summary["ours"]["mb_difference"] == 5
    assert summary["raw"]["ms"] == 3


def test_failures_are_shown_and_change_the_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = outcomes()
    path = tmp_path / "figures.json"
    assert report.publish("title", both, COLUMNS, surroundings=AROUND, json_path=str(path)) == 0
    both["ours"].error = "ours ended with status 1:\nno beads"
    assert report.publish("title", both, COLUMNS, surroundings=AROUND, notes=["a note"]) == 1
    printed = capsys.readouterr().out
    assert "no beads" in printed
    assert "note: a note" in printed
    document = json.loads(path.read_text())
    assert document["surroundings"]["processor"] == "an abacus"
    assert document["results"]["raw"]["rounds"][1] == {"ms": 4.0, "mb": 10}


def test_contestants_whose_library_is_missing_are_named() -> None:
    present, notes = harness.installed([Contestant("one", "numpy"), Contestant("two", "no_such_library")])
    assert [contestant.name for contestant in present] == ["one"]
    assert notes == ["two left out: no_such_library is not installed"]


def test_a_worker_that_fails_ends_in_its_own_words(tmp_path: Path) -> None:
    contestant = Contestant("only_nothing", "numpy")
    with pytest.raises(RuntimeError, match=r"(?s)only_nothing ended with status 1:.*Error"):
        harness.run_once("benchmarks.mlp_fit", contestant, {"samples": 8, "epochs": 2}, str(tmp_path))


def test_a_worker_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    figures = harness.run_once(
        "benchmarks.mlp_fit", Contestant("raw_numpy", "numpy"), {"samples": 256, "epochs": 2}, str(tmp_path)
    )
    assert figures["step_ms"] > 0
    assert len(figures["losses"]) == 2
    assert "OPENBLAS_NUM_THREADS" in harness.ONE_THREAD
    assert os.environ.get("KERAS_HOME") != str(tmp_path)
