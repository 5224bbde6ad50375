"""Lets `pytest --pyargs multikeras.testing` find the plugin where multikeras is not installed."""

from __future__ import annotations

import pytest

PLUGIN = "multikeras.testing.plugin"


def pytest_configure(config: pytest.Config) -> None:
    """Registers the plugin where the command line did not."""
    if not config.pluginmanager.has_plugin(PLUGIN):
        config.pluginmanager.import_plugin(PLUGIN)
