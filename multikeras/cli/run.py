"""`multikeras run`: an ordinary Keras script, with `import keras` meaning multikeras."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import click

from multikeras.cli import settings


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--backend", metavar="NAME", help="numpy, jax, torch, cupy, or another backend.")
@click.option("--answer", metavar="NAME", help="What K.backend() tells the script, such as tensorflow.")
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(backend: str | None, answer: str | None, script: Path, arguments: tuple[str, ...]) -> Callable[[], None]:
    """Runs SCRIPT with `import keras` meaning multikeras.

    --backend may stand before SCRIPT or right after it; everything behind belongs to the script.
    """
    named, arguments = _backend_behind_script(arguments)
    if backend and named:
        raise click.UsageError("--backend is given twice, before and behind SCRIPT. Give it once.")
    backend = backend or named
    if backend:
        # In the environment, so that the processes which the script starts have it too.
        os.environ["KERAS_BACKEND"] = backend
    settings.start()
    return lambda: _run(script, arguments, answer)


def _backend_behind_script(arguments: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Takes `--backend NAME` or `--backend=NAME` off the front, and a `--` that ends our options."""
    first = arguments[0] if arguments else ""
    backend = None
    if first == "--backend":
        if len(arguments) < 2:
            raise click.UsageError("--backend needs a name behind it.")
        backend, arguments = arguments[1], arguments[2:]
    elif first.startswith("--backend="):
        backend, arguments = first.partition("=")[2], arguments[1:]
    if arguments and arguments[0] == "--":
        arguments = arguments[1:]
    return backend, arguments


def _run(script: Path, arguments: tuple[str, ...], answer: str | None) -> None:
    from multikeras import compat

    compat.install(answer)
    # As `python SCRIPT` has them.
    sys.argv = [str(script), *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")
