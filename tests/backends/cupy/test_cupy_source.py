"""The CUDA C of the CuPy backend, compiled for the host and run there."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from multikeras_cupy import cuda_source
from multikeras_numpy import NumpyBackend

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler (c++, g++ or clang++)")

PROGRAM = """
#include <cmath>
#include <cstdio>
#define __device__
using std::sqrt;
typedef {type} T;
{preamble}
int main() {{
    {setup}
    for (long i = 0; i < {size}; ++i) {{
        {before}
        {operation}
        {after}
    }}
}}
"""


def run(tmp_path, **parts):
    """The numbers that a program around a kernel's source prints."""
    source = tmp_path / "kernel.cpp"
    parts = {"type": "float", "preamble": "", "setup": "", "before": "", "after": ""} | parts
    source.write_text(PROGRAM.format(**parts), encoding="utf-8")
    # No multiply-add, which a GPU may use and NumPy does not.
    command = [
        COMPILER,
        "-std=c++14",
        "-O1",
        "-ffp-contract=off",
        "-Wall",
        "-Werror",
        "-o",
        tmp_path / "kernel",
        source,
    ]
    subprocess.run(command, check=True)
    printed = subprocess.run([tmp_path / "kernel"], check=True, capture_output=True, text=True).stdout
    return [float(word) if re.search(r"[.en]", word) else int(word) for word in printed.split()]


def test_random_bits(tmp_path):
    key = (0xDEADBEEF, 0x12345678)
    found = run(
        tmp_path,
        preamble=cuda_source.MIX,
        setup=f"unsigned int key[2] = {{{key[0]}u, {key[1]}u}};",
        size=1000,
        before="unsigned int bits;",
        operation=cuda_source.RANDOM_BITS,
        after=r'std::printf("%u\n", bits);',
    )
    assert found == NumpyBackend().kernels["random_bits"](np.array(key, "uint32"), shape=(1000,)).tolist()


@pytest.mark.parametrize(("ctype", "number"), [("int", 7), ("int", -3), ("long long", 2**40 + 5)])
def test_fold_in(tmp_path, ctype, number):
    key = (0xFFFFFFFF, 0x80000001)
    found = run(
        tmp_path,
        type=ctype,
        preamble=cuda_source.MIX,
        setup=f"unsigned int key[2] = {{{key[0]}u, {key[1]}u}}; T number[1] = {{{number}}};",
        size=2,
        before="unsigned int folded;",
        operation=cuda_source.FOLD_IN,
        after=r'std::printf("%u\n", folded);',
    )
    assert found == NumpyBackend().kernels["fold_in"](np.array(key, "uint32"), np.array(number)).tolist()


@pytest.mark.parametrize(
    ("name", "source", "scalars", "slots", "attributes"),
    [
        ("sgd_update", cuda_source.SGD, {"lr": 0.1, "momentum": 0.9}, "v", {"nesterov": False}),
        ("sgd_update", cuda_source.NESTEROV, {"lr": 0.1, "momentum": 0.9}, "v", {"nesterov": True}),
        ("rmsprop_update", cuda_source.RMSPROP, {"lr": 0.1, "rho": 0.9, "epsilon": 1e-7}, "a", {}),
        ("adam_update", cuda_source.ADAM, {"lr": 0.1, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}, "mv", {}),
    ],
)
def test_optimizer_steps(tmp_path, name, source, scalars, slots, attributes):
    """In place, with every output the same memory as its input."""
    rng = np.random.default_rng(0)
    arrays = {letter: np.abs(rng.standard_normal(50)) for letter in f"pg{slots}"}
    declared = [f"double {letter}s[] = {{{', '.join(map(repr, x.tolist()))}}};" for letter, x in arrays.items()]
    declared += [f"const double {scalar} = {value};" for scalar, value in scalars.items()]
    references = [f"double &{letter} = {letter}s[i];" for letter in arrays]
    references += [f"double &{letter}_new = {letter}s[i];" for letter in f"p{slots}"]
    printed = [rf'std::printf("%.17e\n", {letter}_new);' for letter in f"p{slots}"]
    found = run(
        tmp_path,
        type="double",
        setup="\n".join(declared),
        size=50,
        before="\n".join(references),
        operation=source,
        after="\n".join(printed),
    )
    backend = NumpyBackend()
    with backend.scope():
        inputs = [np.array(value) for value in scalars.values()]
        expected = backend.kernels[name](*inputs, *arrays.values(), in_place=False, **attributes)
    np.testing.assert_allclose(np.reshape(found, (50, -1)).T, expected, rtol=1e-12)
