"""Reading the settings within a command, where a wrong one is a message and no traceback."""

from __future__ import annotations

import click

import multikeras
from multikeras import config, registry


def start() -> None:
    """Does what `import multikeras` does elsewhere; a wrong setting ends the command.

    Raises:
        click.ClickException: With the message of the error.
    """
    try:
        multikeras._start()
    except (ValueError, ImportError) as error:
        raise click.ClickException(str(error)) from error


def problem() -> str:
    """What is wrong with the configuration; empty if nothing is."""
    try:
        config.load()
        config.device_settings()
        registry.resolve(config.backend_choice())
    except (ValueError, ImportError) as error:
        return str(error)
    return ""


def known_backends() -> dict[str, registry.Description]:
    """The backends there are, also where the one chosen does not exist."""
    try:
        return registry.installed()
    except (ValueError, ImportError):
        return dict(registry.BUILT_IN)
