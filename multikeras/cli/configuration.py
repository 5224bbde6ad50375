"""`multikeras config`: shows the settings in force, and changes keras.json."""

from __future__ import annotations

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from multikeras import config, registry
from multikeras.cli import settings


@click.group("config", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Shows the settings, or changes keras.json."""
    if context.invoked_subcommand is None:
        context.invoke(show)


@command.command()
def show() -> None:
    """Shows the settings in force and where they come from."""
    problem = settings.problem()
    if problem:
        raise click.ClickException(f"{problem}\n\nTo change a setting: multikeras config set KEY VALUE")
    path = config.configuration_file()
    choice = config.backend_choice()
    device = config.device_settings()
    table = Table(title=escape(str(path)) + ("" if path.exists() else " (not there; the defaults count)"))
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold")
    table.add_row("backend", choice.name, escape(choice.source))
    table.add_row("device", device.device, escape(device.source))
    there = config.contents(path)
    values = {"floatx": config.floatx(), "epsilon": config.epsilon(), "image_data_format": config.image_data_format()}
    for key, value in values.items():
        named = "image_dim_ordering" if key == "image_data_format" and key not in there else key
        table.add_row(key, str(value), escape(f'{path}, key "{named}"') if named in there else "the default")
    Console().print(table)


@command.command("set")
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Sets KEY of keras.json to VALUE; nothing else in the file changes.

    Keys: backend, multikeras_backend, multikeras_device, floatx, epsilon, image_data_format,
    image_dim_ordering.
    """
    try:
        if key in ("backend", "multikeras_backend"):
            registry.resolve(config.BackendChoice(value, "multikeras config set", trusted=False))
        path, written = config.write(key, _value(key, value))
    except (ValueError, ImportError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{path}: {written} is now {value}.")
    if key == "backend" and written != key:
        click.echo("('backend' is left to the other Keras that reads this file; multikeras_backend goes before it.)")
    _say_what_goes_before(key)


def _value(key: str, text: str) -> str | float:
    if key != "epsilon":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise config.ConfigurationError(f"epsilon: {text!r} is no number. Write one such as 1e-07.") from error


def _say_what_goes_before(key: str) -> None:
    variable = {"backend": "KERAS_BACKEND", "multikeras_backend": "KERAS_BACKEND", "multikeras_device": "KERAS_DEVICE"}
    value = config.environment(variable[key]) if key in variable else ""
    if value:
        click.echo(f"The environment variable {variable[key]} is {value!r} and goes before the file.", err=True)
