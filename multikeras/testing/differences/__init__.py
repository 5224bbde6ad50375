"""Where a backend is known to give something else than the suite expects, a file a backend, with reasons.

A file holds `DIFFERENCES`, a dictionary from a test to the reason. A test is named by its check and
its case, as in `'edges power/edges'`; `*` stands for anything. A test that is named here and passes is a
failure, so that the list stays true. A backend of another distribution brings a module of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
from fnmatch import fnmatchcase
from functools import cache


@cache
def _listed(module: str) -> dict[str, str]:
    found: dict[str, str] = importlib.import_module(module).DIFFERENCES
    return found


@cache
def _own(name: str) -> str | None:
    """The module of this package that belongs to a backend."""
    module = f"{__name__}.{name}"
    return module if name.isidentifier() and importlib.util.find_spec(module) is not None else None


def reason(backend: str, test: str, module: str | None = None) -> str | None:
    """Why a test is expected to fail on a backend; None if it is expected to pass.

    Args:
        backend: The backend's word.
        test: Check and case, such as `'value conv/groups'`.
        module: Another module that lists differences.
    """
    for each in (_own(backend), module):
        for pattern, why in _listed(each).items() if each is not None else ():
            if fnmatchcase(test, pattern):
                return why
    return None
