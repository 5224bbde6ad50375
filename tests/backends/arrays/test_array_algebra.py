"""Matrix products and softmax."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

SHAPES = [
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((6, 1, 3, 4), (2, 4, 5)),
    ((3, 4), (2, 4, 5)),
    ((0, 3, 4), (4, 5)),
    ((3, 0), (0, 5)),
    ((2, 3, 4), (4, 0)),
]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64", "uint8"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_matmul(kernels, rng, dtype, shapes):
    x, y = (rng.integers(0, 4, shape).astype(dtype) for shape in shapes)
    x.flags.writeable = y.flags.writeable = False
    expected = np.matmul(x.astype("float64"), y.astype("float64"))
    result = kernels["matmul"](x, y)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected)
    transposed = kernels["matmul"](np.asfortranarray(x), np.asfortranarray(y))
    np.testing.assert_array_equal(transposed, expected)


def test_products_of_float16_are_accumulated_in_float32(kernels):
    x = np.ones((2, 5000), "float16")
    assert kernels["matmul"](x, x.T).tolist() == [[5000, 5000], [5000, 5000]]


@pytest.mark.parametrize(("name", "function"), [("softmax", softmax), ("log_softmax", log_softmax)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 2e-3), ("float32", 1e-6), ("float64", 1e-14)])
def test_softmax(kernels, rng, name, function, dtype, tolerance):
    x = rng.normal(0, 5, (3, 4, 6)).astype(dtype)
    x[0, 0] = [300, -300, 0, 299, 0, 0]
    x[0, 1, 0] = -np.inf
    x.flags.writeable = False
    result = kernels[name](x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, function(x.astype("float64"), axis=-1), rtol=tolerance, atol=tolerance)
    for shape in ((0, 3), (3, 0)):
        assert kernels[name](np.zeros(shape, dtype)).shape == shape
