"""Random small graphs on pairs of backends: `python -m multikeras.testing.fuzzing --backends numpy jax`.

A graph is a script: text that is grown one statement at a time beside its values by NumPy, so that
what is printed when two backends differ is what ran. NumPy's kernels, one after the other, say what
must come out; how exactly, follows from what little noise on every value does to the results.
"""

from multikeras.testing.fuzzing.campaign import Campaign, Failure, grown
from multikeras.testing.fuzzing.running import check, reference, results
from multikeras.testing.fuzzing.script import Script
from multikeras.testing.fuzzing.shrinking import shrink

__all__ = ["Campaign", "Failure", "Script", "check", "grown", "reference", "results", "shrink"]
