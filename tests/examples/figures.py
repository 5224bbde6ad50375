"""What the examples print, and what of it has to be so: chance is far outside every range."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

#: A line "Name: number", or "Name: number number".
_LINE = re.compile(r"^([A-Z][^:\n]*): ([-+.\dea-z]+(?: [-+.\dea-z]+)*)$", re.MULTILINE)


@dataclass(frozen=True)
class Expected:
    """What an example prints.

    Attributes:
        ranges: The least and the most that a figure may be, by its name.
        agree: How far a figure may be from NumPy's, as a share of it, by its name. What was computed before rounding
            has grown agrees closely; what was counted after a training, more or less.
    """

    ranges: Mapping[str, tuple[float, float]]
    agree: Mapping[str, float] = field(default_factory=dict)


FIRST = "Loss of the first epoch"
LAST = "Loss of the last epoch"
ACCURACY = "Test accuracy"

#: In the order in which the backends take turns.
EXAMPLES = {
    "digits_mlp": Expected({ACCURACY: (0.95, 1)}, {"Test loss": 0.1, ACCURACY: 0.02}),
    "digits_cnn": Expected({ACCURACY: (0.95, 1)}, {"Test loss": 0.1, ACCURACY: 0.02}),
    # Words without their order: 0.6.
    "sentiment_bidirectional_lstm": Expected({ACCURACY: (0.95, 1)}, {FIRST: 1e-4, ACCURACY: 0.02}),
    "reversing_seq2seq": Expected({"Words reversed": (0.9, 1)}, {FIRST: 1e-4}),
    "siamese_digits": Expected(
        {ACCURACY: (0.93, 1), "Mean distance of two of a kind": (0, 0.3), "Mean distance of two others": (0.8, 1.5)},
        {FIRST: 1e-3, "Mean distance of two others": 0.1},
    ),
    "stateful_lstm": Expected(
        {"Accuracy with states": (0.97, 1), "Accuracy without": (0.65, 0.75), LAST: (0, 0.05)},
        {FIRST: 1e-4, "Accuracy with states": 0.02},
    ),
    "ctc_reader": Expected({FIRST: (8, 16), LAST: (0, 0.5), "Lines read": (0.9, 1)}, {FIRST: 1e-4}),
    "gan_ring": Expected(
        {
            "Points on the ring before": (0, 0.1),
            "Points on the ring after": (0.7, 1),
            "Twelfths of the ring reached after": (10, 12),
            "Weights of the discriminator moved by its own step": (6, 6),
            "Weights of the discriminator moved by the generator's": (0, 0),
        },
        {"Points on the ring before": 1e-4, "Losses of the first step": 1e-4},
    ),
    "variational_autoencoder": Expected(
        {FIRST: (30, 45), LAST: (0, 26.5), "Error of restored pictures, as a share of the mean picture's": (0, 0.7)},
        {FIRST: 1e-4, LAST: 0.01},
    ),
    # A peak anywhere: 0.12.
    "grad_cam": Expected({ACCURACY: (0.95, 1), "Signs found": (0.7, 1)}, {FIRST: 1e-4, "Signs found": 0.1}),
    "filter_visualisation": Expected(
        {ACCURACY: (0.85, 1), "Mean activation for the pictures found": (1.4, 3)},
        {"Mean activation for noise": 1e-2, "Mean activation for the pictures found": 0.05},
    ),
    "style_transfer": Expected(
        {"Style loss, as a share of the first": (0, 0.3), "Correlation with the content picture": (0.35, 0.9)},
        {"Loss of the first step": 1e-4, "Correlation with the content picture": 0.05},
    ),
    # The shortest way has 8 steps.
    "dqn_gridworld": Expected({"Goal reached": (1, 1), "Steps to the goal": (8, 10)}, {"Loss of the first step": 1e-4}),
}


def read(output: str) -> dict[str, list[float]]:
    """The figures among what an example printed, by their names."""
    return {name: [float(number) for number in numbers.split()] for name, numbers in _LINE.findall(output)}


def complaints(expected: Expected, found: Mapping[str, list[float]], reference: Mapping[str, list[float]]) -> list[str]:
    """What is wrong with the figures found; NumPy's are the reference."""
    wrong = []
    for name, (least, most) in expected.ranges.items():
        if not all(least <= number <= most for number in found.get(name, [])) or name not in found:
            wrong.append(f"{name}: {found.get(name, 'not printed')}, expected {least} to {most}")
    for name, tolerance in expected.agree.items():
        pairs = list(zip(found.get(name, []), reference.get(name, []), strict=False))
        near = all(abs(ours - theirs) <= tolerance * abs(theirs) for ours, theirs in pairs)
        if not pairs or not near:
            wrong.append(f"{name}: {found.get(name)}, on NumPy {reference.get(name)}, may differ by {tolerance}")
    return wrong
