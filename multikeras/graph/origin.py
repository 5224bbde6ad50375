"""Which line of user code made a tensor.

It is kept as a code object and an instruction, never as a frame, which would keep locals, arrays
and models alive; the line is looked up only when an error is shown.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, FrameType

_PACKAGE = str(Path(__file__).resolve().parent.parent)
# By file and not by code, whose hash is that of all its instructions.
_INTERNAL: dict[str, bool] = {}

Origin = tuple[CodeType, int, str | None]


def capture(layer: str | None) -> Origin | None:
    """The innermost frame outside this package, with the layer that was being called."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        internal = _INTERNAL.get(code.co_filename)
        if internal is None:
            internal = _INTERNAL[code.co_filename] = code.co_filename.startswith(_PACKAGE)
        if not internal:
            return code, frame.f_lasti, layer
        frame = frame.f_back
    return None


def describe(origin: Origin | None) -> str:
    """`'layer 'dense_1', model.py line 12'`, as far as it is known."""
    if origin is None:
        return "an unknown place"
    code, instruction, layer = origin
    line = code.co_firstlineno
    for start, stop, number in code.co_lines():
        if start <= instruction < stop and number is not None:
            line = number
            break
    place = f"{Path(code.co_filename).name} line {line}"
    return f"layer {layer!r}, {place}" if layer else place
