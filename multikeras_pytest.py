"""Lets `pytest --pyargs multikeras.testing --backend NAME` know its option.

pytest loads this small module in every run of an environment that has multikeras; the suite's plugin, and
multikeras with it, is loaded only where the suite is asked for.
"""

from __future__ import annotations

import sys
from typing import Any

_PLUGIN = "multikeras.testing.plugin"


def pytest_addoption(parser: Any, pluginmanager: Any) -> None:
    """Loads the plugin of the suite, if the suite is among the arguments."""
    asked = any(argument.startswith("multikeras.testing") for argument in sys.argv[1:])
    if asked and not pluginmanager.hasplugin(_PLUGIN) and _PLUGIN not in sys.argv:
        pluginmanager.import_plugin(_PLUGIN)
