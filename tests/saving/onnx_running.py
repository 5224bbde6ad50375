"""ONNX files run by onnxruntime, and what every one of them must be."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

_KINDS = {"float": "float32", "double": "float64"}


def checked(model: Any) -> None:
    """Refuses what the standard does not allow, types and shapes included."""
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def session(source: Any) -> Any:
    """A session of a file, or of the bytes of one."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def type_of(place: Any) -> str:
    """The type of an input or output of a session, as NumPy calls it."""
    name = place.type.removeprefix("tensor(").removesuffix(")")
    return _KINDS.get(name, name)


def fed(running: Any, arrays: Any) -> list[np.ndarray]:
    """What a session makes of arrays, in the order of its inputs."""
    places = running.get_inputs()
    found: list[np.ndarray] = running.run(
        None, {place.name: np.asarray(a).astype(type_of(place)) for place, a in zip(places, arrays, strict=False)}
    )
    return found


def listed(value: Any) -> list[np.ndarray]:
    """What `predict` gives, as a list."""
    return value if isinstance(value, list) else [value]


def agrees(model: Any, path: Path, batches: Any, rtol: float = 1e-4, atol: float = 1e-5, **options: Any) -> Any:
    """Exports a model and compares it with `predict` on batches of any size and length; what is in the file."""
    model.export(path, **options)
    content = onnx.load(path)
    checked(content)
    running = session(str(path))
    for arrays in batches:
        expected = listed(model.predict(list(arrays) if len(arrays) > 1 else arrays[0]))
        for one, other in zip(fed(running, arrays), expected, strict=True):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            np.testing.assert_allclose(one.astype("float64"), other.astype("float64"), rtol=rtol, atol=atol)
    return content


def kinds(graph: Any) -> Counter[str]:
    """How often each operator is in a graph, bodies included."""
    found: Counter[str] = Counter()
    stack = [graph]
    while stack:
        here = stack.pop()
        for node in here.node:
            found[node.op_type] += 1
            stack.extend(attribute.g for attribute in node.attribute if attribute.HasField("g"))
    return found


def again(arrays: list[np.ndarray], *sizes: int) -> list[list[np.ndarray]]:
    """Arrays cut or repeated to batches of other sizes."""
    return [[np.resize(a, (size, *a.shape[1:])) for a in arrays] for size in sizes]
