"""What is said of equations, products by labels, sorting and places that do not fit, and 16-bit floats."""

from __future__ import annotations

import re
from math import erf
from typing import Any

import numpy as np
import pytest

from multikeras import backend as K


def place(*shape: int | None, dtype: str | None = None) -> Any:
    return K.placeholder(shape, dtype=dtype)


@pytest.mark.parametrize(
    ("equation", "shapes", "said"),
    [
        ("ij,jk->ik", [(2, 3), (4, 5)], "'ij,jk->ik' the label 'j' stands for lengths 3 and 4; received shapes"),
        ("...i,...i->...", [(2, 3), (4, 3)], "an axis of '...' stands for lengths 2 and 4"),
        ("ij,jk->ik", [(2, 3)], "is for 2 tensors, received 1 of shapes (2, 3)"),
        ("ijk->i", [(2, 3)], "'ijk' in 'ijk->i' labels 3 axes, received a tensor of shape (2, 3)"),
        ("i->i", [(2, 3)], "labels 1 axes"),
        ("ii->i", [(2, 3)], "the label 'i' stands for lengths 2 and 3 of one tensor of shape (2, 3)"),
        ("ij->ii", [(2, 3)], "each label stands once"),
        ("ij->k", [(2, 3)], "each label stands once"),
        ("i1->i", [(2, 3)], "'1' in 'i1->i' is no label"),
        ("...i->i", [(2, 3)], "needs '...' behind the arrow"),
    ],
)  # fmt: skip
def test_equations_that_do_not_fit(equation: str, shapes: list[Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        K.einsum(equation, *[place(*shape) for shape in shapes])


def test_einsum_takes_a_string_and_tensors() -> None:
    with pytest.raises(TypeError, match="the equation is a string"):
        K.einsum(place(2), place(2))
    with pytest.raises(ValueError, match="at least one tensor"):
        K.einsum("i->i")


def test_einsum_gives_a_new_tensor_and_meets_types() -> None:
    x = K.variable(np.ones((2, 3)))
    made = K.einsum("ij->ij", x)
    assert made is not x
    assert K.dtype(K.einsum("i,i", place(2, dtype="int32"), place(2, dtype="float64"))) == "float64"
    assert K.dtype(K.einsum("i,i", place(2, dtype="int32"), np.ones(2))) == K.floatx()
    assert K.dtype(K.einsum("i->", place(2, dtype="bool"))) == "int32"
    assert K.int_shape(K.einsum("...ij,jk->...ik", place(None, 7, 2, 3), place(3, 4))) == (None, 7, 2, 4)


def test_order_of_products() -> None:
    """A long chain is multiplied from its thin end."""
    made = K.einsum("ab,bc,cd->ad", place(300, 300), place(300, 300), place(300, 1))
    products = []
    stack = [made]
    while stack:
        tensor = stack.pop()
        stack.extend(tensor.inputs)
        if tensor.primitive is not None and tensor.primitive.name == "matmul":
            products.append(tensor.shape)
    assert len(products) == 2
    assert all(1 in shape for shape in products)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: K.inv(place(2, 3)), r"K.inv: expected square matrices .* shape=\(2, 3\)"),
        (lambda: K.det(place(3)), "K.det: expected square matrices"),
        (lambda: K.solve(place(3, 3), place(4, 2)), r"of shape \(3, 3\) need right sides .* received \(4, 2\)"),
        (lambda: K.solve(place(2, 3, 3), place(5, 3, 2)), r"\(2, 3, 3\) and \(5, 3, 2\) do not broadcast"),
        (lambda: K.take_along_axis(place(2, 3), np.zeros((2,), int)), "need as many axes"),
        (lambda: K.take_along_axis(place(2, 3), np.zeros((4, 1), int)), "the lengths must be equal"),
        (lambda: K.take_along_axis(place(2, 3), place(2, 3)), "indices are integers"),
        (lambda: K.top_k(place(2, 3), 4), "received k=4"),
        (lambda: K.sort(place(2, 3), 2), "axis 2 is outside"),
        (lambda: K.scatter_add(place(2, 3), np.zeros((4, 3), int), place(4)), "between 1 and 2 of them"),
        (lambda: K.scatter_add(place(2, 3), np.zeros((4, 1), int), place(4, 2)), r"need updates of shape \(4, 3\)"),
        (lambda: K.scaled_dot_product_attention(place(2, 3), place(4, 5), place(4, 5)), r"shapes \(2, 3\), \(4, 5\)"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits(dtype: str, each_backend: str) -> None:
    """Computed in float32: the error is that of rounding what goes in and what comes out."""
    random = np.random.RandomState(0)
    digits = 2e-3 if dtype == "float16" else 2e-2
    matrix = np.round(random.randn(3, 3) * 4) / 4 + 4 * np.eye(3)
    right = np.round(random.randn(3, 2) * 4) / 4
    long = np.full((2, 3000), 1.0)
    x, b, many = (K.constant(value, dtype=dtype) for value in (matrix, right, long))
    for made, expected in [
        (K.inv(x), np.linalg.inv(matrix)),
        (K.det(x), np.linalg.det(matrix)),
        (K.solve(x, b), np.linalg.solve(matrix, right)),
        (K.cholesky(K.matmul(x, K.transpose(x))), np.linalg.cholesky(matrix @ matrix.T)),
        (K.einsum("ij,kj->ik", many, many), np.full((2, 2), 3000.0)),
        (K.gelu(b), right * 0.5 * (1 + np.vectorize(erf)(right / np.sqrt(2)))),
        (K.sort(b, 0), np.sort(right, 0)),
        (K.scaled_dot_product_attention(many, many, b[:2]), np.broadcast_to(right[:2].mean(0), (2, 2))),
    ]:
        assert K.dtype(made) == dtype
        value = K.eval(K.cast(made, "float64"))
        np.testing.assert_allclose(value, expected, rtol=digits, atol=digits)
