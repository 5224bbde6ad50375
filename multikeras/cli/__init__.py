"""The command line: `multikeras backends`, `config`, `run` and `bench`.

It works under a broken configuration: the settings are read by the commands that need them, and the
libraries of the backends only in processes of their own.
"""

from __future__ import annotations

import sys

import click

from multikeras import __version__
from multikeras.cli import backends, bench, configuration, run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="multikeras")
def commands() -> None:
    """One Keras program on NumPy, JAX, PyTorch and CuPy."""


for _module in (backends, configuration, run, bench):
    commands.add_command(_module.command)


def main() -> None:
    """Runs the command that `sys.argv` names, and exits with its status."""
    try:
        outcome = commands.main(prog_name="multikeras", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Aborted.", err=True)
        sys.exit(130)
    # A script runs when click has finished: its exceptions, an interrupt among them, are its own.
    sys.exit(outcome() if callable(outcome) else outcome)
