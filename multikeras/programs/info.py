"""What runs and where: the counts behind `K.backend_info()`, and who may switch the backend."""

from __future__ import annotations

from typing import Any

from multikeras import registry
from multikeras.programs import function, storage
from multikeras.programs.locks import RUNS
from multikeras.programs.program import COMPILED


def backend_info() -> dict[str, Any]:
    """The backend in use, its device and why, and counts since the process began.

    Returns:
        A dictionary: `name`, `chosen_by`, `device`, `device_reason`, `versions` and the like from the registry; and
        `calls` of functions, `specialised` programs, compiled `cache_entries`, `cache_hits` and
        `cache_misses`, `variables_moved` between backends.
    """
    return {
        **registry.backend_info(),
        "calls": function.counts["calls"],
        "specialised": function.counts["specialised"],
        "cache_entries": len(COMPILED.entries),
        "cache_hits": COMPILED.hits,
        "cache_misses": COMPILED.misses,
        "variables_moved": storage.moves,
    }


def _refuse_while_running(old: str, new: str) -> None:
    if RUNS.busy_elsewhere():
        raise RuntimeError(
            f"The backend cannot change from {old!r} to {new!r} while another thread runs a program. Wait for it, or "
            "compare backends side by side with multikeras.testing.compare."
        )


registry.on_switch.append(_refuse_while_running)
