"""The table of primitive cases, a file a theme."""

from multikeras.testing.case import Case
from multikeras.testing.cases import algebra, control, elementwise, random, reductions, shapes

THEMES: dict[str, list[Case]] = {
    "elementwise": elementwise.CASES,
    "reductions": reductions.CASES,
    "shapes": shapes.CASES,
    "algebra": algebra.CASES,
    "random": random.CASES,
    "control": control.CASES,
}
CASES: list[Case] = [case for cases in THEMES.values() for case in cases]

__all__ = ["CASES", "THEMES"]
