"""Writing ONNX files: as a whole or not at all, with a second file for weights that are too many for one."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from multikeras.saving.atomic import replacing
from multikeras.saving.libraries import onnx as _onnx
from multikeras.saving.onnx import protos, types

#: Most bytes of weights in one file: protobuf reads no message of 2 GB, and operators take some of them.
LARGEST = 2**31 - 2**26


def write(described: protos.Described, path: Path, opset: int) -> None:
    """Writes a graph.

    Args:
        described: The graph.
        path: The file. Weights beyond what it can hold come into `NAME.XXXXXXXX.data` beside it.
        opset: The version of the operators.
    """
    total = sum(types.size_of(entry.array.shape, entry.dtype) for entry in described.stored.values())
    beside = f"{path.name}.{os.urandom(4).hex()}.data" if total > LARGEST else None
    # Nothing is written that is no model.
    _onnx().checker.check_model(protos.model(described, opset, outline=True), full_check=True)
    content = protos.model(described, opset, beside).SerializeToString()
    before = _beside(path)
    weights = path.with_name(beside) if beside is not None else None
    try:
        if weights is not None:
            with replacing(weights) as draft:
                _write_weights(described, draft)
        with replacing(path) as draft:
            draft.write_bytes(content)
    except BaseException:
        if weights is not None:
            with suppress(FileNotFoundError):
                weights.unlink()
        raise
    for each in before:
        if each != weights:
            each.unlink(missing_ok=True)


def _write_weights(described: protos.Described, draft: Path) -> None:
    with open(draft, "wb") as file:
        for name, offset in protos.places(described).items():
            entry = described.stored[name]
            file.seek(offset)
            file.write(types.stored(entry.array, entry.dtype))


def _beside(path: Path) -> list[Path]:
    """The files of weights that earlier exports wrote for the same model."""
    pattern = re.compile(re.escape(path.name) + r"\.[0-9a-f]{8}\.data")
    return [each for each in path.parent.glob("*.data") if pattern.fullmatch(each.name)] if path.parent.is_dir() else []
