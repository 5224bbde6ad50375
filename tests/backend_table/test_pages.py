"""The tables of docs/ that are written from the code are current, and leave no cell empty."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from conformance_pages import TABLES

from multikeras import registry
from multikeras.contract import DTYPES
from multikeras.testing import matrix, pages

DOCS = Path(__file__).parents[2] / "docs"
TEXT = {name: (DOCS / name).read_text(encoding="utf-8") for name in pages.PAGES}


@pytest.mark.parametrize("name", sorted(pages.PAGES))
def test_page_is_what_the_code_says(name: str) -> None:
    same = pages.filled(TEXT[name], pages.PAGES[name]) == TEXT[name]
    assert same, f"docs/{name} is old: python tests/support/conformance_pages.py"


@pytest.mark.skipif(find_spec("cupy") is None, reason="CuPy is not installed")
def test_what_is_said_of_cupy_is_current() -> None:
    text = TEXT["conformance.md"]
    same = pages.filled(text, TABLES) == text
    assert same, "docs/conformance.md is old: python tests/support/conformance_pages.py"


def test_no_cell_is_empty() -> None:
    found = 0
    for line in TEXT["conformance.md"].splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert all(cells), line
            found += len(cells)
    assert found > 4000


def test_page_has_every_function() -> None:
    text = TEXT["conformance.md"]
    for name, _ in matrix.function_rows():
        # In the table of the three backends, and in that of CuPy.
        assert len(re.findall(rf"^\| `{name}` \|", text, re.MULTILINE)) >= 2, name


def test_backends_that_are_installed_have_the_types_of_the_page() -> None:
    for name in ("numpy", "jax", "torch"):
        if registry.installed()[name].installed:
            backend = registry.load(name)
            lacking = DTYPES - backend.dtypes
            # NumPy has bfloat16 through a package that need not be installed.
            assert lacking <= ({"bfloat16"} if name == "numpy" else set()), (name, lacking)
            assert bool(lacking) == (name == "numpy" and find_spec("ml_dtypes") is None)


def test_pages_without_a_place_for_a_table() -> None:
    with pytest.raises(ValueError, match="no place for the table 'promotion'"):
        pages.filled("# Types", pages.PAGES["dtypes.md"])


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in TEXT.items():
        (tmp_path / name).write_text(re.sub(r"^\| .*$", "| old |", text, flags=re.MULTILINE), encoding="utf-8")
    assert pages.main([str(tmp_path)]) == 0
    assert (tmp_path / "dtypes.md").read_text(encoding="utf-8") == TEXT["dtypes.md"]
    assert pages.main([]) == 2
    assert "python -m multikeras.testing.pages" in capsys.readouterr().err
