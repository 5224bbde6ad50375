"""Tables in docs/ that are written from the code: `python -m multikeras.testing.pages docs`.

A table stands between two comments that name it; the rest of a page is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from multikeras.contract.dtypes import KINDS, SIZES, promote, weak
from multikeras.testing import matrix
from multikeras.testing.functions import outside
from multikeras.testing.functions.case import COLUMNS
from multikeras.testing.functions.tolerances import TOLERANCES

#: Short names of the types, in the order of the tables.
SHORT = {
    "bool": "bool", "uint8": "u8", "uint16": "u16", "uint32": "u32", "int8": "i8", "int16": "i16", "int32": "i32",
    "int64": "i64", "float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64",
}  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def promotion() -> str:
    """The type in which two tensors meet, for every pair."""
    rows = [[f"**{SHORT[x]}**", *[SHORT[promote(x, y)] for y in SIZES]] for x in SIZES]
    return table(["", *[SHORT[y] for y in SIZES]], rows)


def numbers() -> str:
    """The type of the result where a number or array stands beside a tensor."""

    def cell(dtype: str, kind: str) -> str:
        found = {promote(dtype, weak(kind, dtype, floatx)) for floatx in ("float32", "float64")}
        return SHORT[found.pop()] if len(found) == 1 else "floatx"

    rows = [[f"**{SHORT[dtype]}**", *[cell(dtype, kind) for kind in KINDS]] for dtype in SIZES]
    return table(["tensor", *[f"{kind} number or array" for kind in KINDS]], rows)


def functions() -> str:
    """What is claimed of every function of K, on backends that have all types."""
    rows = [
        [
            f"`{row[0]}`",
            row[1] or "any",
            *[matrix.function_cell(row, column) for column in COLUMNS],
            matrix.derivative_cell(row),
        ]
        for row in matrix.function_rows()
    ]
    return table(["function", "format", *COLUMNS, "derivative"], rows)


def primitives() -> str:
    """What is claimed of every primitive."""
    rows = [
        [f"`{row[0]}`", *[matrix.primitive_cell(row[0], column) for column in matrix.PRIMITIVE_COLUMNS]]
        for row in matrix.primitive_rows()
    ]
    return table(["primitive", *matrix.PRIMITIVE_COLUMNS], rows)


def ill_conditioned() -> str:
    """Arguments for which functions lose digits whoever computes them."""
    return table(
        ["function", "where digits are lost"], [[f"`{n}`", t.note] for n, t in sorted(TOLERANCES.items()) if t.note]
    )


def largest() -> str:
    """The functions whose unit is that of the largest entry."""
    return " ".join(f"`{name}`" for name, tolerance in sorted(TOLERANCES.items()) if tolerance.largest)


def without_tensor() -> str:
    """Functions of K that stand in no table."""
    kinds: dict[str, list[str]] = {}
    for name, kind in sorted(outside.FUNCTIONS.items()):
        kinds.setdefault(kind, []).append(f"`{name}`")
    return table(["what it is", "functions"], [[kind, " ".join(names)] for kind, names in kinds.items()])


#: The tables of each page, by the name in its comments.
PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "dtypes.md": {"promotion": promotion, "numbers": numbers},
    "conformance.md": {
        "functions": functions,
        "primitives": primitives,
        "ill-conditioned": ill_conditioned,
        "largest": largest,
        "without a tensor": without_tensor,
    },
}


def filled(text: str, tables: dict[str, Callable[[], str]]) -> str:
    """A page with its tables as the code has them now.

    Raises:
        ValueError: If the page has no place for a table.
    """
    for name, make in tables.items():
        first, last = f"<!-- table: {name} -->", f"<!-- end: {name} -->"
        if first not in text or last not in text:
            raise ValueError(f"The page has no place for the table {name!r}: it stands between {first} and {last}.")
        before, _, rest = text.partition(first)
        text = f"{before}{first}\n{make()}\n{last}{rest.partition(last)[2]}"
    return text


def main(arguments: Sequence[str]) -> int:
    """Writes the tables of all pages in a directory.

    Args:
        arguments: The directory that holds the pages.
    """
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("Usage: python -m multikeras.testing.pages DIRECTORY, such as docs", file=sys.stderr)
        return 2
    for name, tables in PAGES.items():
        page = Path(arguments[0]) / name
        page.write_text(filled(page.read_text(encoding="utf-8"), tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
