"""`Input`: where a model begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.graph.tensor import Placeholder, Tensor
from multikeras.layers.base import Layer
from multikeras.layers.calls import CallRecord
from multikeras.layers.naming import unique_name


class _InputRecord(CallRecord):
    """The record of an input layer, whose output is a placeholder and depends on nothing."""

    def _publish(self, i: int) -> Tensor:
        if self.values:
            return super()._publish(i)
        # Nothing can depend on a placeholder that nobody holds any more: another is as good.
        layer: Any = self.layer
        placeholder: Tensor = K.placeholder(
            shape=layer.batch_input_shape, dtype=layer.dtype, sparse=layer.sparse, name=layer.name
        )
        self._sign(placeholder, i)
        return placeholder

    def publish(self, node_index: int | None) -> list[Tensor]:
        self._node_index = node_index
        self._outputs = [lambda: None]  # type: ignore[list-item]
        return []

    @property
    def output_shapes(self) -> list[Any]:
        layer: Any = self.layer
        return [layer.batch_input_shape]

    @property
    def input_shapes(self) -> list[Any]:
        return self.output_shapes


class InputLayer(Layer):
    """The layer behind `Input`.

    Args:
        input_shape: Shape without the batch axis.
        batch_size: Length of the batch axis.
        batch_input_shape: Shape with the batch axis, instead of both.
        dtype: Data type; floatx if None.
        input_tensor: A tensor to start from instead of a placeholder.
        sparse: Whether sparse matrices are fed.
        name: Name of the layer, and of what is fed.

    Raises:
        ValueError: If there is no shape.
    """

    def __init__(
        self,
        input_shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
        dtype: str | None = None,
        input_tensor: Tensor | None = None,
        sparse: bool = False,
        name: str | None = None,
    ) -> None:
        if input_tensor is not None:
            batch_input_shape, dtype = input_tensor.shape, dtype or input_tensor.dtype
        elif batch_input_shape is None:
            if input_shape is None:
                raise ValueError("InputLayer needs input_shape, batch_input_shape or input_tensor.")
            batch_input_shape = (batch_size, *input_shape)
        super().__init__(name=name or unique_name("input"), dtype=dtype, batch_input_shape=batch_input_shape)
        self.sparse = sparse
        self.trainable = False
        self.built = True
        #: Whether it is fed, rather than computed from `input_tensor`.
        self.is_placeholder = input_tensor is None or isinstance(input_tensor, Placeholder)
        record = _InputRecord(self, [], True, {})
        record.finish([] if input_tensor is None else [input_tensor], True, [None])
        self._inbound_nodes.append(record)
        self._fed = input_tensor if isinstance(input_tensor, Placeholder) else None
        # The layer must not keep what points to it: its tensor is made when it is asked for.
        record.publish(0)

    @property
    def input(self) -> Any:
        """The tensor itself."""
        return self.output

    def feed(self, tensor: Tensor) -> Tensor | None:
        """The placeholder to be fed for this layer's tensor, None where it is computed."""
        if not self.is_placeholder:
            return None
        return tensor if self._fed is None else self._fed

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_input_shape": list(self.batch_input_shape),
            "dtype": self.dtype,
            "sparse": self.sparse,
            "name": self.name,
        }


def Input(
    shape: Sequence[int | None] | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    tensor: Tensor | None = None,
) -> Tensor:
    """A tensor to build a model from.

    Args:
        shape: Shape without the batch axis, None for unknown lengths.
        batch_shape: Shape with the batch axis, instead.
        name: Name of what is fed.
        dtype: Data type; floatx if None.
        sparse: Whether sparse matrices are fed.
        tensor: A tensor to start from instead of a placeholder.

    Raises:
        ValueError: If there is neither a shape nor a tensor.
    """
    if shape is None and batch_shape is None and tensor is None:
        raise ValueError(
            "Input needs a shape: Input(shape=(784,)) without the batch axis, or Input(batch_shape=(32, 784)) with it."
        )
    if shape is not None and batch_shape is None and tensor is None:
        if isinstance(shape, int):
            raise ValueError(f"Input takes a shape as a tuple, received the number {shape}: write ({shape},).")
        batch_shape = (None, *shape)
    layer = InputLayer(batch_input_shape=batch_shape, dtype=dtype, input_tensor=tensor, sparse=sparse, name=name)
    return layer._inbound_nodes[0].output_tensors[0]
