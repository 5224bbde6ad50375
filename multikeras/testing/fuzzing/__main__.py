"""`python -m multikeras.testing.fuzzing --seconds 600 --backends numpy jax`: random graphs by hand.

Graphs are run in processes of their own, a few hundred in each, so that compiled programs do not fill
the memory and a graph that never ends is noticed.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from multikeras import registry
from multikeras.testing.fuzzing.campaign import Campaign, grown
from multikeras.testing.fuzzing.growing import Options

#: Graphs of one process.
_GRAPHS = 100
#: Seconds after which a graph counts as one that never ends, beside those for making one small.
_PATIENCE = 240.0


def main(arguments: list[str] | None = None) -> int:
    """The command line.

    Returns:
        1 where something was found, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m multikeras.testing.fuzzing", description=__doc__)
    parser.add_argument("--backends", nargs="+", default=["numpy"], metavar="NAME", help="backends to compare")
    parser.add_argument("--seconds", type=float, default=60.0, help="when to stop (60)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--graphs", type=int, help="most graphs; 1 repeats the graph of --seed")
    parser.add_argument("--size", type=int, default=Options().size, help="most operations of a graph (12)")
    parser.add_argument("--shrink", type=float, default=60.0, help="seconds for making a failing graph small (60)")
    parser.add_argument("--refused", action="store_true", help="say what operations that did not fit raised")
    parser.add_argument("--show", action="store_true", help="print the graph of --seed and stop")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.show:
        print(grown(options.seed, Options(size=options.size)))
        return 0
    if options.worker:
        for record in _records(options):
            print(json.dumps(record), flush=True)
        return 0
    total = _Total()
    for record in _records(options) if options.graphs is not None and options.graphs <= _GRAPHS else _workers(options):
        total.take(record)
    print(total.summary())
    if options.refused:
        for text, count in total.counts["refused"].most_common():
            print(f"{count:6d} {text}")
    return 1 if total.failures else 0


def _records(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Runs graphs here; says which one is next, what failed, and in the end how many there were."""
    backends = [registry.load(name) for name in options.backends]
    campaign = Campaign(backends, Options(size=options.size), options.shrink)
    end = time.monotonic() + options.seconds
    seed = options.seed
    while time.monotonic() < end and (options.graphs is None or seed < options.seed + options.graphs):
        yield {"seed": seed}
        for failure in campaign.one(seed):
            yield {"failure": str(failure)}
        seed += 1
    names = ("used", "refused", "runs", "compared")
    yield {"graphs": campaign.graphs, **{name: dict(getattr(campaign, name)) for name in names}}


def _workers(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Runs graphs in one process after the other."""
    end = time.monotonic() + options.seconds
    seed = options.seed
    last = None if options.graphs is None else seed + options.graphs
    while time.monotonic() < end and (last is None or seed < last):
        count = _GRAPHS if last is None else min(_GRAPHS, last - seed)
        command = [sys.executable, "-m", "multikeras.testing.fuzzing", "--worker", "--backends", *options.backends]
        for name, value in (("seconds", end - time.monotonic()), ("seed", seed), ("graphs", count)):
            command += [f"--{name}", str(value)]
        command += ["--size", str(options.size), "--shrink", str(options.shrink)]
        reached = seed - 1
        problem = ""
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            said = _said(process)
            while True:
                try:
                    line = said.get(timeout=_PATIENCE + options.shrink)
                except queue.Empty:
                    process.kill()
                    problem = "did not end"
                    break
                if not line:
                    break
                record = json.loads(line)
                reached = record.get("seed", reached)
                yield record
        if not problem and process.returncode:
            problem = f"ended its process with status {process.returncode}"
        if problem and reached < seed:
            raise RuntimeError(f"A process of fuzzing {problem} before its first graph; see what it printed.")
        if problem:
            yield {"graphs": reached + 1 - seed, "failure": f"# seed {reached} on {options.backends} {problem}\n"}
        seed = reached + 1


def _said(process: subprocess.Popen[str]) -> queue.Queue[str]:
    """The lines that a process prints as they come, and nothing at its end."""
    made: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            made.put(line)
        made.put("")

    threading.Thread(target=read, daemon=True).start()
    return made


class _Total:
    """What all processes said."""

    def __init__(self) -> None:
        self.graphs = 0
        self.failures = 0
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in ("used", "refused", "runs", "compared")}

    def take(self, record: dict[str, Any]) -> None:
        """Adds one record, and prints a failure at once."""
        if "failure" in record:
            self.failures += 1
            print(record["failure"], flush=True)
        self.graphs += record.get("graphs", 0)
        for name, counter in self.counts.items():
            counter.update(record.get(name, {}))

    def summary(self) -> str:
        """What was done, in a few lines."""
        used, compared = self.counts["used"], self.counts["compared"]
        lines = [
            f"{self.graphs} graphs, {sum(used.values())} operations of {len(used)} kinds, "
            f"{compared['compared']} of {sum(compared.values())} results compared by value",
            *[f"  {name}: {count} graphs" for name, count in sorted(self.counts["runs"].items())],
            f"{self.failures} failures",
        ]
        return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
