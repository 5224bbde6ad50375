"""floatx in every float type: what is built, how it is added up, epsilon, and the library's own settings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers, models, registry
from tests.conftest import Python

FLOATS = ("float16", "bfloat16", "float32", "float64")
SHORT = ("float16", "bfloat16")
#: Numbers of binary digits behind the leading one.
DIGITS = {"float16": 10, "bfloat16": 7}


def in_floatx(name: str) -> None:
    if name not in registry.current().dtypes:
        pytest.skip(registry.current().lacks(name))
    K.set_floatx(name)


@pytest.fixture(autouse=True)
def settings_of_libraries() -> Iterator[None]:
    """Nothing in this file changes what the user's own code computes with."""

    def state() -> list[object]:
        import jax
        import torch

        return [
            jax.config.jax_enable_x64,
            jax.config.jax_default_matmul_precision,
            torch.get_default_dtype(),
            torch.get_float32_matmul_precision(),
            torch.is_grad_enabled(),
        ]

    before = state()
    yield
    assert state() == before


@pytest.mark.parametrize("floatx", FLOATS)
def test_what_names_no_type_has_floatx(floatx: str, each_backend: str) -> None:
    in_floatx(floatx)
    made = [
        K.variable([1, 2]), K.constant([1.5]), K.zeros((2,)), K.ones((2,)), K.eye(2), K.placeholder((2,)),
        K.random_uniform((3,)), K.random_normal((3,)), K.random_uniform_variable((3,), 0, 1), K.one_hot([0, 1], 3),
        K.constant([1, 2], dtype="int32") / 2, K.mean(K.constant([1, 2], dtype="int32")),
    ]  # fmt: skip
    assert {K.dtype(t) for t in made} == {floatx}


@pytest.mark.parametrize("floatx", FLOATS)
def test_values_are_of_floatx(floatx: str, each_backend: str) -> None:
    in_floatx(floatx)
    x = K.variable([1.0, 1.0 + 2.0**-9])
    # NumPy has no bfloat16: its values come out in float32.
    assert K.get_value(x).dtype == K.eval(x * 1).dtype == ("float32" if floatx == "bfloat16" else floatx)
    rounded = {"bfloat16": [1.0, 1.0]}.get(floatx, [1.0, 1.0 + 2.0**-9])
    np.testing.assert_array_equal(K.get_value(x), rounded)
    y = K.placeholder((1,))
    tiny = {"float64": 2.0**-50, "float32": 2.0**-21, "float16": 2.0**-10, "bfloat16": 2.0**-7}[floatx]
    found = K.function([y], [y + tiny, y + tiny / 4])([np.ones(1)])
    assert [float(v[0]) for v in found] == [1 + tiny, 1 + tiny / 4 if floatx in ("float64", "float32") else 1.0]


def test_float64_is_real_and_nobody_else_gets_it(each_backend: str) -> None:
    K.set_floatx("float64")
    x = K.placeholder((2,))
    value = K.function([x], [K.sum(K.exp(x))])([[0.1, 0.2]])[0]
    assert value.dtype == "float64" and value == pytest.approx(np.exp(0.1) + np.exp(0.2), rel=1e-15)
    if each_backend == "jax":
        import jax
        import jax.numpy as jnp

        assert not jax.config.jax_enable_x64
        assert jnp.ones(2).dtype == jnp.float32
        assert jax.jit(lambda x: x * 2.0)(np.ones(2)).dtype == jnp.float32


@pytest.mark.parametrize("floatx", SHORT)
def test_long_sums_do_not_overflow_or_stop_growing(floatx: str, each_backend: str) -> None:
    in_floatx(floatx)
    x = K.constant(np.full((4000,), 100.0))
    results = [K.mean(x), K.var(x), K.std(x), K.norm(x), K.logsumexp(x), K.sum(x * 0.125)]
    mean, var, std, norm, logsumexp, total = (float(K.eval(t)) for t in results)
    unit = 2.0 ** -DIGITS[floatx]
    assert (mean, var, std) == (100, 0, 0)
    assert norm == pytest.approx(100 * np.sqrt(4000), rel=unit)
    assert logsumexp == pytest.approx(100 + np.log(4000), rel=unit)
    # One by one, 16-bit sums of 12.5 would stop at 16384 (float16) or 2048 (bfloat16).
    assert total == pytest.approx(50_000, rel=unit)


@pytest.mark.parametrize("floatx", SHORT)
def test_products_and_windows_add_up_in_float32(floatx: str, each_backend: str) -> None:
    in_floatx(floatx)
    n = 4096
    row, column = K.constant(np.full((1, n), 3.0)), K.constant(np.full((n, 1), 2.0))
    image = K.constant(np.full((1, 64, 64, 1), 3.0))
    results = [
        K.dot(row, column),
        K.matmul(row, column),
        K.batch_dot(K.expand_dims(row, 0), K.expand_dims(column, 0)),
        K.einsum("ij,jk->ik", row, column),
        K.conv2d(image, K.constant(np.full((64, 64, 1, 1), 2.0))),
        K.pool2d(image, (64, 64), pool_mode="avg"),
        K.cumsum(K.constant(np.full((n,), 6.0)))[-1],
    ]
    for result, expected in zip(results, [*[6.0 * n] * 5, 3.0, 6.0 * n], strict=True):
        value = np.asarray(K.eval(result), "float64").reshape(-1)
        assert value == pytest.approx([expected], rel=2.0 ** -DIGITS[floatx])


@pytest.mark.parametrize("floatx", SHORT)
def test_softmax_and_normalization(floatx: str, each_backend: str) -> None:
    in_floatx(floatx)
    # A sum of 5000 exponentials, of squares above 65504, of squares below the smallest number.
    flat = K.softmax(K.zeros((1, 5000)))
    assert float(np.sum(np.asarray(K.eval(flat), "float64"))) == pytest.approx(1, rel=2.0 ** -DIGITS[floatx])
    large = K.constant([[3000.0, -3000.0, 1000.0, -1000.0]])
    small = large * 1e-7 if floatx == "float16" else large * 1e-30
    for x in (large, small):
        norm = np.asarray(K.eval(K.l2_normalize(x, 1)), "float64")
        if x is large or floatx == "bfloat16":
            assert np.sum(norm**2) == pytest.approx(1 if x is large else np.sum(norm**2), rel=0.02)
        assert np.all(np.isfinite(norm))
    normalized = np.asarray(K.eval(K.layer_normalization(large)), "float64")
    assert np.std(normalized) == pytest.approx(1, rel=0.02)
    made, mean, var = K.normalize_batch_in_training(K.transpose(large), None, None, [0])
    assert np.all(np.isfinite(K.eval(made))) and float(K.eval(mean)[0]) == 0
    # The variance itself, 5e6, is more than float16 holds.
    assert np.isinf(K.eval(var)[0]) == (floatx == "float16")


@pytest.mark.parametrize("floatx", FLOATS)
def test_epsilon_is_no_denormal(floatx: str, each_backend: str) -> None:
    in_floatx(floatx)
    K.set_epsilon(1e-45)
    smallest = {"float16": 2.0**-14, "float64": 1e-45}.get(floatx, 2.0**-126)
    loss = K.binary_crossentropy(K.constant([1.0]), K.constant([0.0]))
    assert float(K.eval(loss)[0]) == pytest.approx(-np.log(smallest), rel=2.0**-7)
    assert float(K.eval(K.categorical_crossentropy(K.constant([[0.0, 1.0]]), K.constant([[1.0, 0.0]])))[0]) > 80 or (
        floatx == "float16"
    )


@pytest.mark.parametrize("floatx", FLOATS)
def test_a_model_trains(floatx: str, each_backend: str) -> None:
    in_floatx(floatx)
    np.random.seed(3)
    model = models.Sequential([layers.Dense(4, activation="relu", input_shape=(3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert {K.dtype(w) for w in model.weights} == {floatx}
    x = np.random.rand(32, 3)
    y = x.sum(1, keepdims=True)
    losses = model.fit(x, y, epochs=8, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert np.all(np.isfinite(model.predict(x)))


def test_bfloat16_without_its_package(python: Python) -> None:
    code = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "ml_dtypes" else find(name, *rest)
sys.modules["ml_dtypes"] = None
from multikeras import backend as K
try:
    K.set_floatx("bfloat16")
except ValueError as error:
    print(error)
print(K.floatx())
try:
    K.eval(K.constant([1.0], dtype="bfloat16") + 1)
except TypeError as error:
    print(error)
K.set_backend("torch")
K.set_floatx("bfloat16")
from multikeras import layers, models
model = models.Sequential([layers.Dense(3, kernel_initializer="identity", input_shape=(3,)), layers.Dropout(0.5)])
model.compile("sgd", "mse")
model.fit([[1.0, 2, 3]], [[1.0, 2, 3]], verbose=0)
print({str(w.dtype) for w in model.get_weights()}, K.dtype(model.weights[0]))
"""
    done = python(code, KERAS_BACKEND="numpy")
    assert not done.returncode, done.stderr
    first, floatx, second, trained = done.stdout.splitlines()
    assert "'numpy'" in first and "pip install ml_dtypes" in first
    assert floatx == "float32"
    assert "pip install ml_dtypes" in second
    assert trained == "{'float32'} bfloat16"
