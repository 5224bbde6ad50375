"""How float32 is multiplied: one setting for all backends, in full unless asked, the libraries' own left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import registry
from tests.conftest import Python


@pytest.fixture(autouse=True)
def precision_put_back() -> Iterator[None]:
    yield
    K.set_matmul_precision("float32")


def test_it_is_in_full_unless_asked(each_backend: str) -> None:
    assert K.matmul_precision() == "float32"
    assert registry.current().matmul_precision == K.backend_info()["matmul_precision"] == "float32"


def test_one_setting_for_all(each_backend: str) -> None:
    K.set_matmul_precision("tf32")
    assert K.matmul_precision() == K.backend_info()["matmul_precision"] == "tf32"
    assert {backend.matmul_precision for backend in registry.loaded().values()} == {"tf32"}
    K.set_matmul_precision("float32")
    assert {backend.matmul_precision for backend in registry.loaded().values()} == {"float32"}


def test_a_program_that_has_run_follows(each_backend: str) -> None:
    random = np.random.RandomState(0)
    x, w = random.randn(20, 30).astype("float32"), random.randn(30, 10).astype("float32")
    place = K.placeholder((None, 30))
    product = K.function([place], [K.dot(place, K.variable(w))])
    exact = x.astype("float64") @ w
    for word in ("float32", "tf32", "float32"):
        K.set_matmul_precision(word)
        # A processor has nothing less than full precision; TF32 would be off by 1e-3.
        np.testing.assert_allclose(product([x])[0], exact, rtol=1e-4, atol=2e-5)


def test_another_word() -> None:
    with pytest.raises(ValueError, match=r"set_matmul_precision: 'bfloat16' is none of .*'float32', 'tf32'"):
        K.set_matmul_precision("bfloat16")
    assert K.matmul_precision() == "float32"


def test_what_pytorch_says_in_a_run() -> None:
    torch = pytest.importorskip("torch")
    seen = []

    def look(x: np.ndarray) -> np.ndarray:
        conv = torch.backends.mkldnn.conv.fp32_precision
        seen.append((torch.get_float32_matmul_precision(), torch.backends.mkldnn.matmul.fp32_precision, conv))
        return x

    x = K.placeholder((2,))
    function = K.function([x], [K.numpy_function(look, x, (2,), "float32")])
    before = torch.get_float32_matmul_precision(), torch.backends.mkldnn.matmul.fp32_precision
    with K.use_backend("torch"):
        try:
            torch.set_float32_matmul_precision("medium")
            users = torch.get_float32_matmul_precision(), torch.backends.mkldnn.matmul.fp32_precision
            function([[1, 2]])
            K.set_matmul_precision("tf32")
            function([[1, 2]])
            assert (torch.get_float32_matmul_precision(), torch.backends.mkldnn.matmul.fp32_precision) == users
        finally:
            torch.set_float32_matmul_precision(before[0])
            torch.backends.mkldnn.matmul.fp32_precision = before[1]
    assert seen == [("highest", "ieee", "ieee"), ("high", "tf32", "tf32")]


def test_it_stands_in_the_file(python: Python, tmp_path) -> None:
    code = "from multikeras import backend as K; print(K.matmul_precision(), K.backend_info()['matmul_precision'])"
    (tmp_path / "keras.json").write_text(json.dumps({"multikeras_matmul_precision": "tf32"}))
    done = python(code, KERAS_HOME=str(tmp_path))
    assert done.stdout == "tf32 tf32\n", done.stderr
    (tmp_path / "keras.json").write_text(json.dumps({"multikeras_matmul_precision": "half"}))
    done = python(code, KERAS_HOME=str(tmp_path))
    assert done.returncode and "key \"multikeras_matmul_precision\": 'half' is none of" in done.stderr
