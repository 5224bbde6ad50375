"""Which function of K a mistake was made in, for messages.

Nothing is recorded beforehand: the frames of the call are looked at when there is something to say.
"""

from __future__ import annotations

import sys
from types import FrameType, TracebackType

from multikeras.graph.context import context

_K = "multikeras.backend"
#: What a function of K may go through on its way to the mistake.
_INSIDE = (_K, "multikeras.graph", "multikeras.contract", "multikeras.programs")


def calling() -> str:
    """The function of K that the user called, such as `'K.conv2d: '`; nothing where it was an operator."""
    frame: FrameType | None = sys._getframe(1)
    name = ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(_INSIDE):
            break
        # The outermost is the one that was called; what wraps it has a name of no meaning.
        code = frame.f_code.co_name
        if module.startswith(_K) and not module.endswith(".keras1") and not code.startswith(("_", "<")):
            name = code
        frame = frame.f_back
    return f"K.{name}: " if name else ""


def located(text: str) -> str:
    """A message with the layer and the function of K before it, unless it names them itself."""
    before = calling()
    if before and before.removesuffix(": ") not in text:
        text = before + text
    if context.layer is not None and not text.startswith("Layer ") and context.layer not in text:
        text = f"Layer {context.layer!r}: {text}"
    return text[:1].upper() + text[1:] if text.startswith("expected") else text


class named_errors:
    """A `with` block in which our ValueErrors and TypeErrors name the function of K that was called."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (kind is ValueError or kind is TypeError) and _ours(trace):
            text = located(str(error))
            if text != str(error):
                raise kind(text) from error


def _ours(trace: TracebackType | None) -> bool:
    """Whether an error comes from this package, and not from a function of the user or a library."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("multikeras.")
