"""`python -m multikeras.testing.fuzzing --seconds 600 --backends numpy jax`: random graphs by hand."""

from __future__ import annotations

import argparse
import sys

from multikeras import registry
from multikeras.testing.fuzzing.campaign import Campaign
from multikeras.testing.fuzzing.growing import Options


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
    options = parser.parse_args(arguments)
    if options.show:
        from multikeras.testing.fuzzing.campaign import grown

        print(grown(options.seed, Options(size=options.size)))
        return 0
    backends = [registry.load(name) for name in options.backends]
    campaign = Campaign(backends, Options(size=options.size), options.shrink)
    for failure in campaign.run(options.seed, options.seconds, options.graphs):
        print(failure, flush=True)
    print(campaign.summary())
    if options.refused:
        for text, count in campaign.refused.most_common():
            print(f"{count:6d} {text}")
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
