"""Random graphs on a backend, against NumPy's kernels one after the other.

The seconds that it takes are bounded; `python -m multikeras.testing.fuzzing --backends NAME` goes on
for as long as one likes.
"""
# ruff: noqa: D103 - the name of a test says what it tests

from __future__ import annotations

from multikeras.contract import Backend
from multikeras.testing.fuzzing import Campaign

SECONDS = 7.0
MOST = 100


def test_random_graphs(tested_backend: Backend) -> None:
    campaign = Campaign([tested_backend])
    failures = list(campaign.run(seconds=SECONDS, most=MOST))
    assert not failures, "\n".join(str(failure) for failure in failures)
    assert campaign.graphs
    # Without numbers that are compared nothing could fail.
    assert campaign.compared["compared"] > 5 * campaign.compared["not determined"]
