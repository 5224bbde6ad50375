"""Which line of user code a kernel was working for when it raised.

Nothing is recorded for it while a program runs: the traceback says which statement of the generated
code it was, or which line of an interpreted program.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType, TracebackType

from multikeras.contract import Backend
from multikeras.graph.origin import describe
from multikeras.programs.lower import FILE_NAME, Line, Source, Straight, interpret


def name_the_place(error: Exception, straight: Straight, backend: Backend) -> None:
    """Adds to an error of a kernel which primitive it was and where the user's code made it.

    An index out of range says it in its message, any other error in a note.

    Args:
        error: What was raised while the program ran; it is changed in place.
        straight: The program's lines.
        backend: Where it ran.
    """
    line = _line(error.__traceback__, straight, backend)
    if line is None or line.tensor.primitive is None:
        return
    place = f"{line.tensor.primitive.name} made at {describe(line.origin)}"
    note = f"It was raised in {place}."
    if note in getattr(error, "__notes__", ()) or place in str(error):
        return  # by a run inside this one, of a variable's initial value
    if type(error) is IndexError and len(error.args) == 1:
        error.args = (f"{error.args[0]} ({place})",)
    else:
        error.add_note(note)


def _line(traceback: TracebackType | None, straight: Straight, backend: Backend) -> Line | None:
    for frame, number in _frames(traceback):
        code = frame.f_code
        if code is interpret.__code__:
            found = frame.f_locals.get("line")
            return found if isinstance(found, Line) else None
        if code.co_filename == FILE_NAME:
            source = Source(straight, backend)
            text = source.text().splitlines()
            if source.pieces and code.co_name == "program":
                continue
            # Statements that delete stand between those that compute.
            before = text[code.co_firstlineno : number]
            count = sum(not statement.startswith("    del ") for statement in before)
            piece = int(code.co_name.removeprefix("piece")) if source.pieces else 0
            position = piece * source.limit + count - 1
            return straight.lines[position] if 0 <= position < len(straight.lines) else None
    return None


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next
