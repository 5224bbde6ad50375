"""Cases of matrix products, softmax, convolution and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES
from multikeras.graph.tensor import Tensor
from multikeras.testing.case import FLOATS, Case, Input, coarse, distinct, fixed, inputs, normal
from multikeras.testing.cases import windows

_ONE = ("float32",)


def _products() -> Iterator[Case]:
    for label, left, right in (
        ("", (3, 4), (4, 5)),
        ("batch", (2, 3, 4), (2, 4, 5)),
        ("batch broadcast", (2, 1, 3, 4), (5, 4, 2)),
        ("batch and matrix", (2, 3, 4), (4, 5)),
        ("row and column", (1, 4), (4, 1)),
        ("no rows", (0, 4), (4, 5)),
        ("nothing to add", (3, 0), (0, 5)),
    ):
        yield Case(
            "matmul",
            inputs(normal, left, right),
            np.matmul,
            label,
            dtypes=(*FLOATS, "int32", "int64") if not label else _ONE,
            differentiable=(0, 1) if 0 not in left else (),
            tolerance=8,
        )
    # Sums of 16-bit products are made in float32.
    ones = (fixed(np.ones((2, 4096))), fixed(np.ones((4096, 1))))
    yield Case("matmul", ones, np.matmul, "many of 16 bits", dtypes=("float16", "bfloat16"))


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x) over its sum along the last axis."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True, initial=-np.inf))
    return e / np.sum(e, axis=-1, keepdims=True)


def log_softmax(x: np.ndarray) -> np.ndarray:
    """The logarithm of that, without passing through numbers too small for it."""
    shifted = x - np.max(x, axis=-1, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def _softmax() -> Iterator[Case]:
    extreme = fixed([[300.0, -300.0, 0.0], [-300.0, -300.0, -300.0], [0.0, 90.0, 90.0]])
    minus = fixed([[0.0, -np.inf, 1.0], [-np.inf, 2.0, 2.0]])
    for name, reference in (("softmax", softmax), ("log_softmax", log_softmax)):
        for label, shape in (("", (3, 4)), ("three axes", (2, 3, 5)), ("one axis", (4,)), ("empty", (0, 4))):
            yield Case(
                name,
                inputs(normal, shape),
                reference,
                label,
                dtypes=FLOATS if not label else _ONE,
                differentiable=(0,) if label != "empty" else (),
                tolerance=4,
            )
        yield Case(name, (extreme,), reference, "far apart", dtypes=("float32", "float64"), tolerance=4)
        yield Case(name, (minus,), reference, "left out", dtypes=("float32", "float64"), tolerance=4)


# -- convolution ----------------------------------------------------------------------------------

#: Label, input, kernel, strides, padding, dilation, groups.
_CONVOLUTIONS: list[tuple[str, tuple[int, ...], tuple[int, ...], Any, Any, Any, int]] = [
    ("", (2, 5, 6, 3), (3, 2, 3, 4), (1, 1), "valid", (1, 1), 1),
    ("same", (2, 5, 6, 2), (3, 2, 2, 3), (1, 1), "same", (1, 1), 1),
    ("strides", (1, 7, 6, 2), (3, 3, 2, 2), (2, 3), "same", (1, 1), 1),
    ("strides that leave a rest", (1, 8, 7, 1), (2, 2, 1, 2), (3, 2), "valid", (1, 1), 1),
    ("pairs", (1, 4, 4, 2), (3, 3, 2, 2), (1, 2), ((2, 0), (1, 2)), (1, 1), 1),
    ("dilation", (1, 7, 8, 2), (3, 2, 2, 2), (1, 1), "same", (2, 3), 1),
    ("groups", (2, 5, 5, 4), (3, 3, 2, 6), (1, 1), "same", (1, 1), 2),
    ("each channel apart", (1, 5, 5, 3), (3, 3, 1, 6), (2, 2), "same", (1, 1), 3),
    ("window of 1", (2, 3, 4, 3), (1, 1, 3, 5), (1, 1), "valid", (1, 1), 1),
    ("one axis", (2, 7, 3), (3, 3, 4), (2,), "same", (1,), 1),
    ("one axis, causal", (2, 6, 2), (3, 2, 3), (1,), ((4, 0),), (2,), 1),
    ("three axes", (1, 4, 3, 5, 2), (2, 3, 2, 2, 3), (1, 1, 2), "same", (1, 1, 1), 1),
    ("no images", (0, 5, 6, 3), (3, 2, 3, 4), (1, 1), "valid", (1, 1), 1),
]


def _convolutions() -> Iterator[Case]:
    for label, shape, kernel, strides, padding, dilation, groups in _CONVOLUTIONS:
        attributes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        dtypes = FLOATS if label in ("", "groups") else _ONE
        out = windows.conv_shape(shape, kernel, strides, padding, dilation)
        smooth = (0, 1) if shape[0] else ()
        yield Case(
            "conv",
            inputs(normal, shape, kernel),
            windows.conv,
            label,
            attributes,
            dtypes,
            differentiable=smooth,
            tolerance=16,
        )
        yield Case(
            "conv_input_gradient",
            inputs(normal, out, kernel),
            windows.conv_input_gradient,
            label,
            {"shape": shape, **attributes},
            dtypes,
            differentiable=smooth,
            tolerance=16,
        )
        yield Case(
            "conv_kernel_gradient",
            inputs(normal, shape, out),
            windows.conv_kernel_gradient,
            label,
            {"shape": kernel, **attributes},
            dtypes,
            differentiable=smooth,
            tolerance=16,
        )


# -- pooling --------------------------------------------------------------------------------------

#: Label, input, window, strides, padding.
_POOLS: list[tuple[str, tuple[int, ...], Any, Any, Any]] = [
    ("", (2, 4, 6, 3), (2, 2), (2, 2), "valid"),
    ("same", (1, 5, 5, 2), (2, 3), (2, 2), "same"),
    ("overlapping", (1, 5, 6, 2), (3, 2), (1, 1), "valid"),
    ("gaps", (1, 7, 7, 1), (2, 2), (3, 4), "valid"),
    ("pairs", (1, 4, 5, 2), (3, 3), (2, 1), ((2, 1), (0, 2))),
    ("one axis", (2, 6, 3), (2,), (2,), "valid"),
    ("three axes", (1, 4, 2, 3, 2), (2, 2, 2), (2, 2, 1), "same"),
    ("wider than the input", (1, 1, 3, 2), (3, 2), (1, 1), "same"),
    ("three axes, wider than the input", (1, 2, 1, 1, 2), (2, 3, 3), (2, 2, 1), "same"),
    ("one axis, wider than the input", (2, 2, 1), (5,), (2,), "same"),
    ("one axis, strides wider than the window", (1, 5, 2), (2,), (4,), ((1, 1),)),
    ("far wider than the input", (1, 2, 1, 2), (9, 8), (3, 11), "same"),
    ("pairs, wider than the input", (1, 1, 2, 1), (3, 5), (2, 3), ((2, 1), (3, 4))),
    ("three axes, pairs", (1, 2, 1, 3, 1), (2, 2, 4), (1, 3, 2), ((1, 1), (0, 1), (3, 0))),
    ("no images", (0, 4, 6, 3), (2, 2), (2, 2), "valid"),
    ("no channels", (2, 4, 6, 0), (2, 2), (2, 2), "same"),
]


def _max_pool(**attributes: Any) -> Any:
    return lambda x: PRIMITIVES["max_pool"](x, **attributes)[0]


def _max_pool_gradient(**attributes: Any) -> Any:
    def build(g: Tensor, x: Tensor) -> Any:
        y, residual = PRIMITIVES["max_pool"](x, **attributes)
        return PRIMITIVES["max_pool_gradient"](g, x, y, residual, **attributes)

    return build


def _minus_infinities(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A few different numbers, and as many minus infinities, as padding of a maximum is."""
    return np.where(generator.random(shape) < 0.5, -np.inf, coarse(generator, shape))


def _padding_alone() -> Iterator[Case]:
    """An input without entries, all windows of which lie in the padding."""
    shape, out = (2, 0, 3, 1), (2, 2, 2, 1)
    attributes: dict[str, Any] = {"window": (2, 2), "strides": (1, 2), "padding": ((1, 2), (1, 0))}
    label = "an axis without entries"
    pool = _max_pool(**attributes)
    yield Case("max_pool", inputs(normal, shape), windows.max_pool, label, attributes, _ONE, build=pool, exact=True)
    yield Case(
        "max_pool_gradient",
        inputs(normal, out, shape),
        windows.max_pool_gradient,
        label,
        attributes,
        _ONE,
        build=_max_pool_gradient(**attributes),
    )
    yield Case("sum_pool", inputs(normal, shape), windows.sum_pool, label, attributes, _ONE)
    attributes = {"shape": shape, **attributes}
    yield Case("sum_pool_gradient", inputs(normal, out), windows.sum_pool_gradient, label, attributes, _ONE)


def _pools() -> Iterator[Case]:
    yield from _padding_alone()
    for label, shape, window, strides, padding in _POOLS:
        attributes = {"window": window, "strides": strides, "padding": padding}
        dtypes = FLOATS if not label else _ONE
        out = windows.pool_shape(shape, window, strides, padding)
        smooth = (0,) if 0 not in shape else ()
        yield Case(
            "max_pool",
            inputs(distinct, shape),
            windows.max_pool,
            label,
            attributes,
            dtypes,
            differentiable=smooth,
            build=_max_pool(**attributes),
            exact=True,
        )
        for suffix, make in (("", distinct), (", ties", coarse)):
            # By ties the first entry of a window gets everything; by x it is no differentiable function.
            yield Case(
                "max_pool_gradient",
                (Input(normal, out), Input(make, shape)),
                windows.max_pool_gradient,
                (label + suffix).removeprefix(", "),
                attributes,
                dtypes,
                differentiable=smooth,
                build=_max_pool_gradient(**attributes),
                tolerance=4,
            )
        if padding != "valid" and smooth:
            # Padding is no entry, though it counts as minus infinity.
            lowest = ", ".join([label, "minus infinities"])
            yield Case(
                "max_pool_gradient",
                (Input(normal, out), Input(_minus_infinities, shape)),
                windows.max_pool_gradient,
                lowest,
                attributes,
                _ONE,
                build=_max_pool_gradient(**attributes),
            )
            yield Case(
                "max_pool_pick",
                (Input(normal, shape), Input(_minus_infinities, shape)),
                windows.max_pool_pick,
                lowest,
                attributes,
                _ONE,
                exact=True,
            )
        yield Case(
            "max_pool_pick",
            (Input(normal, shape), Input(coarse, shape)),
            windows.max_pool_pick,
            label,
            attributes,
            dtypes,
            differentiable=smooth,
            exact=True,
        )
        yield Case(
            "sum_pool", inputs(normal, shape), windows.sum_pool, label, attributes, dtypes, None, smooth, tolerance=8
        )
        yield Case(
            "sum_pool_gradient",
            inputs(normal, out),
            windows.sum_pool_gradient,
            label,
            {"shape": shape, **attributes},
            dtypes,
            differentiable=smooth,
            tolerance=8,
        )


CASES = [*_products(), *_softmax(), *_convolutions(), *_pools()]
