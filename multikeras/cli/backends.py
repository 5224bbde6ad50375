"""`multikeras backends`: what there is, what is missing, what would run and why."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from multikeras import config, registry
from multikeras.cli import settings

PROBE_SECONDS = 120


@click.command("backends")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(as_json: bool) -> None:
    """Lists the backends: installed or what to install, version, devices, why chosen."""
    problem = settings.problem()
    known = settings.known_backends()
    there = [name for name, described in known.items() if described.installed]
    with ThreadPoolExecutor() as pool:
        probed = dict(zip(there, pool.map(_probe, there), strict=True))
    rows = [_row(described, probed.get(name), problem) for name, described in sorted(known.items())]
    if as_json:
        click.echo(json.dumps({"problem": problem, "backends": rows}, indent=2))
        return
    console = Console()
    console.print(_table(rows))
    for row in rows:
        reason = row["error"] or row["device_reason"]
        if reason:
            console.print(
                f"{row['name']}: {reason}", style="red" if row["error"] else None, markup=False, highlight=False
            )
    if problem:
        click.secho(f"The configuration cannot be used: {problem}", fg="red", err=True)


def _probe(name: str) -> dict[str, Any]:
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "multikeras.cli.probe", name],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"did not answer within {PROBE_SECONDS} seconds"}
    if finished.returncode:
        lines = finished.stderr.strip().splitlines() or [f"exit status {finished.returncode}"]
        return {"error": lines[-1]}
    # Libraries may print while they are imported: the answer is the last line.
    answer: dict[str, Any] = json.loads(finished.stdout.strip().splitlines()[-1])
    return answer


def _row(described: registry.Description, probed: dict[str, Any] | None, problem: str) -> dict[str, Any]:
    choice = config.backend_choice()
    probed = probed or {}
    return {
        "name": described.name,
        "title": probed.get("title", described.title),
        "installed": described.installed,
        "install": "" if described.installed else described.install,
        "versions": probed.get("versions") or described.versions,
        "device": probed.get("device", ""),
        "device_reason": probed.get("device_reason", ""),
        "devices": probed.get("devices", []),
        "error": probed.get("error", ""),
        "chosen_by": choice.source if choice.name == described.name and not problem else "",
        "origin": described.origin,
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Backends")
    for heading in ("backend", "version", "devices", "state", "why chosen"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        if not row["installed"]:
            state = f"[yellow]{escape(row['install'])}[/yellow]"
        elif row["error"]:
            state = "[red]cannot run here[/red]"
        else:
            state = f"[green]installed[/green], uses {row['device']}"
        versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
        name = f"[bold]{row['name']}[/bold]" if row["chosen_by"] else row["name"]
        table.add_row(name, versions, ", ".join(row["devices"]), state, escape(row["chosen_by"]))
    return table
