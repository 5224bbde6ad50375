"""Every CuPy function, method and keyword that the kernels use exists in the installed CuPy.

The sources are read, not run, so that this needs the package but no GPU.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

BACKENDS = Path(__file__).parents[3] / "backends"
SOURCES = sorted([*(BACKENDS / "multikeras_arrays").glob("*.py"), *(BACKENDS / "multikeras_cupy").glob("*.py")])

#: What CuPy's ufuncs, which have no signature, take by keyword (the first line of their docstrings).
UFUNC_KEYWORDS = {"out", "dtype", "casting"}
#: ElementwiseKernel takes further keywords as compile options; these are the documented ones.
KERNEL_KEYWORDS = {"reduce_dims", "preamble", "no_return", "return_tuple", "options", "loop_prep", "after_loop"}


def module_path(node: ast.expr) -> str | None:
    """`'lib.stride_tricks.as_strided'` for `cupy.lib.stride_tricks.as_strided`, else None."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr == "_cupy":
            return ".".join(reversed(names))
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in ("xp", "cupy"):
        return ".".join(reversed(names))
    return None


def resolve(path: str):
    found = cupy
    for name in path.split("."):
        found = getattr(found, name)
    return found


def accepts(function, call: ast.Call) -> str | None:
    """Why `function` would not take the call's arguments, or None."""
    keywords = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    if isinstance(function, cupy.ufunc):
        wrong = keywords - UFUNC_KEYWORDS
        return f"keywords {sorted(wrong)}" if wrong else None
    if function is cupy.ElementwiseKernel:
        wrong = keywords - KERNEL_KEYWORDS
        return f"keywords {sorted(wrong)}" if wrong else None
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        signature = documented_signature(function)
    if signature is not None and next(iter(signature.parameters), "") == "self":
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    if signature is None or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    try:
        signature.bind_partial(*call.args, **dict.fromkeys(keywords))
    except TypeError as error:
        return str(error)
    return None


def documented_signature(function) -> inspect.Signature | None:
    """The signature in the first line of a compiled method's docstring, without `self`."""
    match = re.match(r"[\w.]+\((?:self(?:, )?)?(.*)\)(?: ->.*)?$", (function.__doc__ or "").split("\n")[0])
    if match is None:
        return None
    scope: dict[str, object] = {}
    exec(f"def documented({match[1]}): pass", scope)
    return inspect.signature(scope["documented"])


def faults(source: str) -> list[str]:
    """What of `source` the installed CuPy does not have."""
    tree = ast.parse(source)
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    # Of a dotted name only the whole is looked up.
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        path, call = module_path(node), calls.get(id(node))
        if path is not None:
            if id(node) in inner or not path:
                continue
            name = f"cupy.{path}"
            try:
                target = resolve(path)
            except AttributeError:
                found.append(f"line {node.lineno}: {name} does not exist")
                continue
        elif hasattr(np.ndarray, node.attr):
            name = f"ndarray.{node.attr}"
            target = getattr(cupy.ndarray, node.attr, None)
            if target is None:
                found.append(f"line {node.lineno}: {name} does not exist")
                continue
        else:
            continue
        reason = accepts(target, call) if call is not None else None
        if reason is not None:
            found.append(f"line {node.lineno}: {name} does not take {reason}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_everything_used_exists(path):
    assert faults(path.read_text(encoding="utf-8")) == []


def test_the_sources_are_found():
    names = {path.name for path in SOURCES}
    assert {"elementwise.py", "convolution.py", "cupy_kernels.py", "cupy_backend.py"} <= names


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("xp.bitcast(x)", "cupy.bitcast does not exist"),
        ("cupy.lib.stride_tricks.as_stridden", "cupy.lib.stride_tricks.as_stridden does not exist"),
        ("self._cupy.cuda.Gadget(0)", "cupy.cuda.Gadget does not exist"),
        ("xp.sum(x, where=y)", "cupy.sum does not take"),
        ("xp.add(x, y, where=y)", "cupy.add does not take keywords ['where']"),
        ("xp.zeros(1, 2, 3, 4)", "cupy.zeros does not take"),
        ("x.setflags(write=False)", "ndarray.setflags does not exist"),
        ("xp.sum(x).astype(y, subtly=True)", "ndarray.astype does not take"),
        ("x.take(y, 0, mode='clip')", "ndarray.take does not take"),
        ("x.view(y, None, 3)", "ndarray.view does not take"),
    ],
)
def test_faults_are_found(source, fault):
    (found,) = faults(source)
    assert found.startswith(f"line 1: {fault}")


def test_functions_bound_by_name_exist():
    from multikeras_arrays.elementwise import BOUND

    missing = [name for name in BOUND.values() if not callable(getattr(cupy, name, None))]
    assert missing == []


def test_kernels_can_be_made_without_a_gpu():
    from multikeras_arrays import array_kernels
    from multikeras_cupy.cupy_kernels import cupy_kernels

    shared = array_kernels(np, to_numpy=np.asarray, as_strided=np.lib.stride_tricks.as_strided, tile_bytes=1)
    assert cupy_kernels().keys() >= shared.keys()
