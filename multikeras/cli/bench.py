"""`multikeras bench`: one model, one seed, every backend, each in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from multikeras import __version__, registry
from multikeras.cli import settings
from multikeras.config import BackendChoice

DEFAULT_STEPS = 500
#: Steps in which rounding alone cannot part the curves; later the sign of a unit near zero may.
EARLY = 50


@click.command("bench")
@click.option("--model", type=click.Choice(["mlp", "cnn"]), default="mlp", show_default=True)
@click.option("--backends", "names", metavar="A,B,...", help="Backends to run; all that are installed if not given.")
@click.option("--steps", type=click.IntRange(min=1), help=f"Updates to make.  [default: {DEFAULT_STEPS}]")
@click.option("--epochs", type=click.IntRange(min=1), help="Rounds through the data, in place of --steps.")
@click.option("--batch-size", type=click.IntRange(min=1, max=1000), default=64, show_default=True)
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=1, show_default=True)
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Threads of each process; 0 leaves it to the libraries. So small a model is slower with several.",
)
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here.")
@click.option("--plot", "plot_path", type=click.Path(dir_okay=False, path_type=Path), help="Draw the curves here.")
def command(
    model: str,
    names: str | None,
    steps: int | None,
    epochs: int | None,
    batch_size: int,
    seed: int,
    threads: int,
    json_path: Path | None,
    plot_path: Path | None,
) -> int:
    """Trains the same model on the handwritten digits on every backend, and compares.

    Speed, time of the first step (which compiles), peak memory, and how far the loss curves are
    apart. Every backend gets a process of its own, one after the other.
    """
    if steps and epochs:
        raise click.UsageError("--steps and --epochs say the same thing. Give one of them.")
    if plot_path and importlib.util.find_spec("matplotlib") is None:
        raise click.UsageError("--plot needs matplotlib: pip install matplotlib")
    chosen = _chosen(names)
    console = Console()
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="multikeras-bench-") as directory, _progress(console) as progress:
        data = Path(directory) / "digits.npz"
        samples = _save_digits(data)
        if epochs:
            steps = epochs * max(1, samples // batch_size)
        steps = steps or DEFAULT_STEPS
        options = {"model": model, "steps": steps, "batch_size": batch_size, "seed": seed, "threads": threads}
        for name in chosen:
            task = progress.add_task(f"{name}: starting", total=steps)
            results[name] = _run(name, options | {"data": str(data)}, progress, task)
    finished = {name: result for name, result in results.items() if "losses" in result}
    compare(finished)
    console.print(_table(results, options))
    for name, result in results.items():
        if "reason" in result:
            console.print(f"{name} was left out: {result['reason']}", style="yellow", highlight=False, markup=False)
        if "error" in result:
            console.print(f"{name} failed:\n{result['error']}", style="red", highlight=False, markup=False)
    if json_path:
        json_path.write_text(json.dumps(_report(options, results), indent=2) + "\n", encoding="utf-8")
        console.print(f"Figures: {json_path}", highlight=False)
    if plot_path and finished:
        from multikeras.cli.plot import draw

        draw(finished, options, plot_path)
        console.print(f"Picture: {plot_path}", highlight=False)
    # What was asked for by name has to run; what is merely installed may lack its device.
    failed = [name for name, result in results.items() if "error" in result or (names and "reason" in result)]
    return 1 if failed or not finished else 0


def compare(results: dict[str, dict[str, Any]]) -> None:
    """Adds to each result how far its losses are from those of NumPy, relatively and at most.

    `early_difference` counts the first steps, `difference` all of them.
    """
    reference = "numpy" if "numpy" in results else next(iter(results), "")
    for result in results.values():
        result["compared_with"] = reference
        # NumPy's maximum is NaN where a loss is: no number is no agreement.
        apart = distances(result, results[reference])
        result["early_difference"] = float(np.max(apart[:EARLY]))
        result["difference"] = float(np.max(apart))


def distances(result: dict[str, Any], reference: dict[str, Any]) -> np.ndarray:
    """How far each loss is from that of the reference, relatively."""
    losses, others = np.asarray(result["losses"]), np.asarray(reference["losses"])
    return np.abs(losses - others) / np.maximum(np.abs(others), 1e-12)


def _save_digits(path: Path) -> int:
    """Puts the digits where the workers read them; gives the number of training samples."""
    from multikeras.datasets import digits

    try:
        (x_train, y_train), (x_test, y_test) = digits.load_data()
    except ImportError as error:
        raise click.ClickException(str(error)) from error
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return len(x_train)


def _chosen(names: str | None) -> list[str]:
    known = settings.known_backends()
    if not names:
        # NumPy first: the others are compared with it.
        there = (name for name, described in known.items() if described.installed)
        return sorted(there, key=lambda name: (name != "numpy", name))
    chosen = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in chosen:
        try:
            registry.resolve(BackendChoice(name, "--backends"))
        except (ValueError, ImportError) as error:
            raise click.UsageError(str(error)) from error
    return chosen


def _run(name: str, options: dict[str, Any], progress: Progress, task: TaskID) -> dict[str, Any]:
    """Runs the worker on one backend; gives its result, or `reason` or `error` why there is none."""
    command = [sys.executable, "-m", "multikeras.cli.bench_worker", json.dumps(options)]
    result: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        worker = subprocess.Popen(
            command, env=_environment(name, options["threads"]), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert worker.stdout is not None
        try:
            for line in worker.stdout:
                event = _event(line)
                if event.get("event") == "step":
                    loss = f"{event['loss']:.4f}"
                    progress.update(task, completed=event["step"], description=f"{name}: loss {loss}")
                elif event:
                    result = event
            worker.wait()
        finally:
            # An interrupt of this process must not leave a backend training.
            if worker.poll() is None:
                worker.kill()
                worker.wait()
            worker.stdout.close()
        errors.seek(0)
        text = errors.read().strip()
    if worker.returncode or not result:
        progress.update(task, description=f"{name}: failed")
        return {"error": text or f"The process ended with status {worker.returncode}."}
    done = options["steps"] if "losses" in result else 0
    progress.update(task, completed=done, description=f"{name}: {'done' if done else 'left out'}")
    return result


def _environment(name: str, threads: int) -> dict[str, str]:
    environment = os.environ | {"KERAS_BACKEND": name}
    if threads:
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
        environment |= dict.fromkeys(variables, str(threads))
        # XLA reads none of these.
        eigen = "" if threads > 1 else "--xla_cpu_multi_thread_eigen=false"
        flags = f"{os.environ.get('XLA_FLAGS', '')} {eigen} intra_op_parallelism_threads={threads}"
        environment["XLA_FLAGS"] = flags.strip()
    return environment


def _event(line: str) -> dict[str, Any]:
    """The event in a line of the worker; empty for what a library printed."""
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) and "event" in event else {}


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


#: Two lines each, so that the table fits into eighty columns.
HEADINGS = (
    "\nsteps/s",
    "first\nstep, s",
    "peak\nMiB",
    "final\nloss",
    "test\nacc.",
    f"apart in\n{EARLY} steps",
    "apart\nin all",
)


def _table(results: dict[str, dict[str, Any]], options: dict[str, Any]) -> Table:
    title = "{model} on the digits, {steps} steps of {batch_size}, seed {seed}".format(**options)
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("\nbackend", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    reference = next((result["compared_with"] for result in results.values() if "losses" in result), "")
    for name, result in results.items():
        if "losses" not in result:
            table.add_row(name, "left out" if "reason" in result else "failed", *["-"] * (len(HEADINGS) - 1))
            continue
        memory = result["peak_memory_bytes"]
        table.add_row(
            f"{name} ({result['device']})",
            f"{result['steps_per_second']:,.0f}",
            f"{result['first_step_seconds']:.2f}",
            f"{memory / 2**20:,.0f}" if memory else "-",
            f"{result['final_loss']:.5f}",
            f"{result['test_accuracy']:.1%}",
            *(
                ("-", "-")
                if name == reference
                else (f"{result[key]:.1e}" for key in ("early_difference", "difference"))
            ),
        )
    table.caption = f"Apart: the largest relative distance between a loss and that of {reference}."
    return table


def _report(options: dict[str, Any], results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "multikeras": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "options": options,
        "results": results,
    }
