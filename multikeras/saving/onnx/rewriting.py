"""Simpler ONNX graphs of the same meaning: nothing twice or unread, few transpositions, biases where they belong."""

from __future__ import annotations

from multikeras.saving.onnx.fusing import Fusing
from multikeras.saving.onnx.protos import Described
from multikeras.saving.onnx.tidying import Tidying
from multikeras.saving.onnx.transposing import Transposing


def rewrite(described: Described) -> None:
    """Simplifies a graph in place."""
    _Rewriter(described).run()


class _Rewriter(Tidying, Transposing, Fusing):
    def run(self) -> None:
        described = self.described
        described.nodes = self._without_copies(described.nodes, self.outputs)
        self._once(described.nodes, self.outputs, {})
        self._unread()
        self.each_list(self._reshaped_once)
        self.each_list(self._moved)
        self._unread()
        self.each_list(self._into_convolutions)
        self.each_list(self._into_normalizations)
        self.each_list(self._into_products)
        self.each_list(self._into_rows)
        self._unread()
