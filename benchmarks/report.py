"""Statistics, the plain text table and the JSON of a benchmark."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Outcome


@dataclass(frozen=True)
class Column:
    """One column of figures.

    Attributes:
        key: The key under which workers report it.
        title: Heading, with the unit.
        digits: Digits after the point.
        ratio: Adds a column of ratios to the contestant's reference.
        difference: Adds a column of differences to the contestant's reference.
    """

    key: str
    title: str
    digits: int = 2
    ratio: bool = False
    difference: bool = False


def present(values: Sequence[float | None]) -> list[float]:
    """The values of rounds that succeeded."""
    return [value for value in values if value is not None]


def spread(values: Sequence[float | None], digits: int) -> str:
    """`median [smallest-largest]`."""
    known = present(values)
    if not known:
        return "-"
    middle = f"{statistics.median(known):.{digits}f}"
    return middle if len(known) == 1 else f"{middle} [{min(known):.{digits}f}-{max(known):.{digits}f}]"


def paired(outcomes: Mapping[str, Outcome], outcome: Outcome, key: str) -> list[tuple[float, float]]:
    """(own figure, reference's figure) of every round in which both succeeded."""
    reference = outcomes.get(outcome.contestant.reference or "")
    if reference is None:
        return []
    pairs = zip(outcome.figures(key), reference.figures(key), strict=True)
    return [(own, other) for own, other in pairs if own is not None and other is not None]


def table(outcomes: Mapping[str, Outcome], columns: Sequence[Column]) -> str:
    """Lays the figures out as text, a row per contestant."""
    heading = [""]
    for column in columns:
        heading.append(column.title)
        heading += ["x reference"] if column.ratio else []
        heading += ["over reference"] if column.difference else []
    rows = [heading]
    for name, outcome in outcomes.items():
        if outcome.error:
            rows.append([name, "failed, see below"])
            continue
        row = [name]
        for column in columns:
            row.append(spread(outcome.figures(column.key), column.digits))
            pairs = paired(outcomes, outcome, column.key)
            if column.ratio:
                row.append(spread([own / other for own, other in pairs], 2))
            if column.difference:
                row.append(spread([own - other for own, other in pairs], column.digits))
        rows.append(row)
    widths = [max((len(row[index]) for row in rows if index < len(row)), default=0) for index in range(len(heading))]
    lines = ["  ".join(cell.ljust(widths[index]) for index, cell in enumerate(row)).rstrip() for row in rows]
    errors = [f"\n{outcome.error}" for outcome in outcomes.values() if outcome.error]
    return "\n".join(lines + errors)


def summary(outcomes: Mapping[str, Outcome], columns: Sequence[Column]) -> dict[str, Any]:
    """The same figures for programs: every round, medians and median ratios."""
    result: dict[str, Any] = {}
    for name, outcome in outcomes.items():
        entry: dict[str, Any] = {"reference": outcome.contestant.reference, "rounds": outcome.rounds}
        if outcome.error:
            entry["error"] = outcome.error
        for column in columns:
            known = present(outcome.figures(column.key))
            if known:
                entry[column.key] = statistics.median(known)
            pairs = paired(outcomes, outcome, column.key)
            if column.ratio and pairs:
                entry[f"{column.key}_ratio"] = statistics.median(own / other for own, other in pairs)
            if column.difference and pairs:
                entry[f"{column.key}_difference"] = statistics.median(own - other for own, other in pairs)
        result[name] = entry
    return result


def write_json(
    path: str,
    title: str,
    outcomes: Mapping[str, Outcome],
    columns: Sequence[Column],
    surroundings: Mapping[str, Any],
    notes: Sequence[str],
) -> None:
    """Writes the figures of every round and what was around them to a file."""
    document = {
        "title": title,
        "surroundings": dict(surroundings),
        "notes": list(notes),
        "results": summary(outcomes, columns),
    }
    Path(path).write_text(json.dumps(document, indent=2) + "\n")


def publish(
    title: str,
    outcomes: Mapping[str, Outcome],
    columns: Sequence[Column],
    *,
    surroundings: Mapping[str, Any],
    notes: Sequence[str] = (),
    json_path: str | None = None,
) -> int:
    """Prints the table with what is needed to judge it, and writes the JSON if asked to.

    Returns:
        An exit status: 1 if a contestant failed.
    """
    print(title)
    print(
        f"{surroundings['processor']}, {surroundings['pinned']}, {surroundings['threads']} thread, "
        f"BLAS core type {surroundings['blas_core_type']}, load {surroundings['load_average']}"
    )
    versions = " ".join(f"{library} {version}" for library, version in surroundings["versions"].items())
    print(f"Python {surroundings['python']} {versions}\n")
    print(table(outcomes, columns))
    for note in notes:
        print(f"note: {note}")
    if json_path is not None:
        write_json(json_path, title, outcomes, columns, surroundings, notes)
    return 1 if any(outcome.error for outcome in outcomes.values()) else 0
