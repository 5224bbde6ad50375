"""The page for authors of layers: its code runs, and it tells of everything that there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from multikeras.layers import Layer
from multikeras.testing.layers import RULES

PAGE = Path(__file__).parents[2] / "docs" / "writing_a_layer.md"


def test_its_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) > 10
    space: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), space)
    printed = capsys.readouterr().out
    for text in (
        "[-2. -1.  3.]",
        "['scaled_1/scale', 'scaled_1/offset'] 8",
        "K.switch",
        "(None, 3, 6) (None, None, 6)",
        "[[2. 2. 2.]]",
        "['loss', 'activity']",
        "[array([4., 4.]",
        "Forgetful breaks 1 rule of layers:\n  configuration: get_config leaves out 'shift'",
    ):
        assert text in printed


def test_it_tells_of_every_rule_and_of_every_method() -> None:
    text = PAGE.read_text(encoding="utf-8")
    missing = [name for name in RULES if f"| `{name}` |" not in text]
    assert not missing
    for name in ("build", "call", "compute_output_shape", "compute_mask", "get_config", "add_weight", "add_loss",
                 "add_metric", "add_update", "reset_states", "input_spec", "supports_masking", "stateful"):  # fmt: skip
        assert name in text
    arguments = list(inspect.signature(Layer.add_weight).parameters)[1:]
    assert all(argument in text for argument in arguments)
