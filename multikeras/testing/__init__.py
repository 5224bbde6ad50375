"""Testing backends, and what runs on them.

`run` computes tensors on any backend, `compare` one graph on several, and `check_layer` goes through
the rules that every layer keeps. The table of primitive cases
and the tests beside it are the conformance suite that every backend passes, whoever wrote it:
`python -m multikeras.testing NAME`.
"""

from multikeras.testing.comparing import Comparison, compare
from multikeras.testing.layers import LayerFault, LayerReport, check_layer
from multikeras.testing.running import Observed, observe, run

__all__ = ["Comparison", "LayerFault", "LayerReport", "Observed", "check_layer", "compare", "observe", "run"]
