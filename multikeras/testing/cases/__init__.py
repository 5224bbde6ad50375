"""The table of primitive cases, a file a theme."""

from multikeras.testing.case import Case
from multikeras.testing.cases import (
    algebra,
    control,
    elementwise,
    linear_algebra,
    random,
    reductions,
    shapes,
    sorting,
    special,
)

THEMES: dict[str, list[Case]] = {
    "elementwise": elementwise.CASES,
    "reductions": reductions.CASES,
    "special": special.CASES,
    "shapes": shapes.CASES,
    "sorting": sorting.CASES,
    "algebra": algebra.CASES,
    "linear algebra": linear_algebra.CASES,
    "random": random.CASES,
    "control": control.CASES,
}
CASES: list[Case] = [case for cases in THEMES.values() for case in cases]

__all__ = ["CASES", "THEMES"]
