"""Who may import whom, read from the source: what the import contract of pyproject.toml cannot say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import multikeras

ROOT = Path(__file__).parents[2]
BACKENDS = sorted(path.parent.name for path in (ROOT / "backends").glob("*/__init__.py"))
LIBRARIES = {"multikeras_jax": {"jax"}, "multikeras_torch": {"torch"}, "multikeras_cupy": {"cupy", "cupyx"}}
ARRAY_LIBRARIES = {"jax", "torch", "cupy", "cupyx", "tensorflow"}


def imported(root: Path) -> Iterator[tuple[str, str]]:
    """Every module imported below `root`, wherever in a file, as (file, module)."""
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((str(path.relative_to(ROOT)), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: relative import"
                for alias in node.names:
                    yield str(path.relative_to(ROOT)), f"{node.module}.{alias.name}"


@pytest.mark.parametrize("name", BACKENDS)
def test_backend_imports_the_contract_alone(name: str) -> None:
    allowed = {name, "multikeras_arrays"}
    for file, module in imported(ROOT / "backends" / name):
        top = module.partition(".")[0]
        if top == "multikeras":
            assert module.startswith("multikeras.contract"), f"{file} imports {module}"
        elif top.startswith("multikeras"):
            assert top in allowed, f"{file} imports {module}"
        if top in ARRAY_LIBRARIES:
            assert top in LIBRARIES.get(name, set()), f"{file} imports {module}"


def test_framework_imports_no_array_library_but_numpy() -> None:
    for file, module in imported(ROOT / "multikeras"):
        assert module.partition(".")[0] not in ARRAY_LIBRARIES, f"{file} imports {module}"
        assert not module.startswith("multikeras_"), f"{file} imports {module}"


def test_contract_imports_nothing_of_the_framework() -> None:
    for file, module in imported(ROOT / "multikeras" / "contract"):
        if module.partition(".")[0] == "multikeras":
            assert module.startswith("multikeras.contract"), f"{file} imports {module}"


@pytest.mark.parametrize("name", sorted({*multikeras._MODULES, *multikeras._NAMES}))
def test_name_at_the_top(name: str) -> None:
    assert getattr(multikeras, name) is not None
    assert name in dir(multikeras)
