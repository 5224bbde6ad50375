"""Loads one backend and prints, as JSON, what only the loaded backend knows.

It runs in a process of its own, `python -m multikeras.cli.probe NAME`, so that a library which fails
or crashes while it is imported spoils nothing but its own line.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from multikeras import config, registry
from multikeras.contract import DeviceError


def probe(name: str) -> dict[str, Any]:
    """What the backend says of itself, or `error` where it cannot run here."""
    try:
        config.load()
    except ValueError as error:
        return {"error": str(error)}
    try:
        registry.set_backend(name)
        info = registry.backend_info()
    except (DeviceError, ImportError, ValueError) as error:
        return {"error": str(error)}
    return {key: info[key] for key in ("title", "device", "device_reason", "devices", "versions")}


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1])))
