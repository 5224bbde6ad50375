"""The primitives: one declaration each, a file a theme.

Gradient rules and compositions use these constructors only; the conveniences of Keras stand above,
in `multikeras.backend`.
"""

from multikeras.graph.ops import (
    algebra,
    control,
    elementwise,
    linear_algebra,
    loops,
    normal,
    optimizers,
    random,
    reductions,
    rules,
    shapes,
    sorting,
    special,
)

__all__ = [
    "algebra",
    "control",
    "elementwise",
    "linear_algebra",
    "loops",
    "normal",
    "optimizers",
    "random",
    "reductions",
    "rules",
    "shapes",
    "sorting",
    "special",
]
