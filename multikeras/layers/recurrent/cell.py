"""What the cells of SimpleRNN, GRU and LSTM share, and what their layers do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from multikeras import backend as K
from multikeras import regularizers
from multikeras.graph.ops.shapes import split
from multikeras.layers import arguments
from multikeras.layers.base import Layer
from multikeras.layers.recurrent.rnn import RNN

_OF_WEIGHTS = [
    f"{weight}_{kind}"
    for kind in ("initializer", "regularizer", "constraint")
    for weight in ("kernel", "recurrent", "bias")
]


class RecurrentCell(Layer):
    """A step with a kernel for the input, one for the state and a bias.

    Args:
        units: Length of the output and of each state.
        activation: Name, function or object; nothing if None.
        use_bias: Whether there is a bias.
        kernel_initializer: First value of the kernel.
        recurrent_initializer: First value of the kernel of the state.
        bias_initializer: First value of the bias.
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the kernel of the state.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Bounds of the kernel.
        recurrent_constraint: Bounds of the kernel of the state.
        bias_constraint: Bounds of the bias.
        dropout: Share of the input that is dropped in training, the same entries at every step.
        recurrent_dropout: Share of the state that is dropped, likewise.
        **kwargs: What every layer takes.

    Source of the dropout: Gal and Ghahramani 2016.
    """

    #: Number of parts of the kernels.
    _gates: ClassVar[int] = 1

    activation: Any
    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        if isinstance(units, bool) or int(units) != units or units < 1:
            raise ValueError(f"{kind}: units is a whole number above 0, received {units!r}.")
        self.units = int(units)
        self.use_bias = use_bias
        arguments.look_up(
            self,
            activation=activation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )
        self.dropout = share(kind, "dropout", dropout)
        self.recurrent_dropout = share(kind, "recurrent_dropout", recurrent_dropout)
        self._dropout_mask: Any = None
        self._recurrent_dropout_mask: Any = None

    @property
    def state_size(self) -> Any:
        """Length of the state, or a list with those of several."""
        return self.units

    @property
    def output_size(self) -> int:
        """Length of the output."""
        return self.units

    # -- weights --------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        kernel_shape, recurrent_shape = self._kernel_shapes(input_shape)
        self.kernel = arguments.add_weight(self, "kernel", kernel_shape)
        self.recurrent_kernel = arguments.add_weight(self, "recurrent", recurrent_shape, "recurrent_kernel")
        self.bias: Any = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                self._bias_shape(),
                initializer=self._first_bias(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def _kernel_shapes(self, input_shape: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The shapes of the kernel and of that of the state."""
        length = input_shape[-1]
        if length is None or isinstance(length, (list, tuple)):
            raise ValueError(
                f"{type(self).__name__} needs to know the number of features of its input, received shape "
                f"{input_shape} for one step."
            )
        width = self._gates * self.units
        return (length, width), (self.units, width)

    def _bias_shape(self) -> tuple[int, ...]:
        return (self._gates * self.units,)

    def _first_bias(self) -> Any:
        return self.bias_initializer

    # -- dropout --------------------------------------------------------------------------------

    def _input_masks(self, inputs: Any, training: Any, count: int) -> list[Any]:
        """Masks of the input; none where nothing is dropped.

        They are drawn at the first call, which is outside the loop, and kept for the steps.
        """
        if not 0 < self.dropout < 1:
            return []
        if self._dropout_mask is None:
            self._dropout_mask = dropout_masks(inputs, self.dropout, training, count)
        return list(self._dropout_mask)

    def _state_masks(self, state: Any, training: Any, count: int) -> list[Any]:
        """Masks of the state; none where nothing is dropped."""
        if not 0 < self.recurrent_dropout < 1:
            return []
        if self._recurrent_dropout_mask is None:
            self._recurrent_dropout_mask = dropout_masks(state, self.recurrent_dropout, training, count)
        return list(self._recurrent_dropout_mask)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            **arguments.serialized(self, "activation", *_OF_WEIGHTS),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }


def share(kind: str, name: str, value: Any) -> float:
    """A share between 0 and 1.

    Raises:
        ValueError: If it is none.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{kind}: {name} is a share between 0 and 1, received {value!r}.")
    return float(value)


def implementation_of(kind: str, value: Any) -> int:
    """1 or 2; 0, which files of older Keras hold, means 1.

    Raises:
        ValueError: If it is another.
    """
    if value not in (0, 1, 2):
        raise ValueError(f"{kind}: implementation is 1 or 2, received {value!r}.")
    return max(1, int(value))


def dropout_masks(like: Any, rate: float, training: Any, count: int) -> list[Any]:
    """Dropout masks of the shape of a tensor; ones outside training."""
    ones = K.ones_like(like)
    return [K.in_train_phase(lambda: K.dropout(ones, rate), ones, training=training) for _ in range(count)]


def masked(x: Any, masks: list[Any], i: int, training: Any) -> Any:
    """A tensor times one of its masks in training, itself elsewhere or where nothing is dropped."""
    if not masks:
        return x
    # Outside training nothing is multiplied at all.
    return K.in_train_phase(lambda: x * masks[min(i, len(masks) - 1)], x, training=training)


def product(x: Any, kernel: Any, masks: list[Any], training: Any) -> Any:
    """A tensor times a kernel; where there are several dropout masks, each is for a part of the kernel's columns."""
    if len(masks) <= 1:
        return K.dot(masked(x, masks, 0, training), kernel)

    def parts() -> Any:
        width = kernel.shape[1] // len(masks)
        columns = split(kernel, axis=1, sizes=(width,) * len(masks))
        return K.concatenate([K.dot(x * mask, part) for mask, part in zip(masks, columns, strict=True)])

    return K.in_train_phase(parts, lambda: K.dot(x, kernel), training=training)


def with_bias(x: Any, bias: Any) -> Any:
    """A bias added, unless there is none."""
    return x if bias is None else K.bias_add(x, bias, data_format="channels_last")


class FromCell:
    """An attribute of a layer that is its cell's."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, layer: Any, owner: type) -> Any:
        return self if layer is None else getattr(layer.cell, self._name)

    def __set__(self, layer: Any, value: Any) -> None:
        setattr(layer.cell, self._name, value)


class CellLayer(RNN):
    """A layer of one of the cells here, whose arguments are those of the cell and of the loop."""

    _input_ndim = 3

    units = FromCell()
    activation = FromCell()
    use_bias = FromCell()
    kernel_initializer = FromCell()
    recurrent_initializer = FromCell()
    bias_initializer = FromCell()
    kernel_regularizer = FromCell()
    recurrent_regularizer = FromCell()
    bias_regularizer = FromCell()
    kernel_constraint = FromCell()
    recurrent_constraint = FromCell()
    bias_constraint = FromCell()
    dropout = FromCell()
    recurrent_dropout = FromCell()
    kernel = FromCell()
    recurrent_kernel = FromCell()
    bias = FromCell()

    def __init__(self, cell: RecurrentCell, activity_regularizer: Any = None, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self.activity_regularizer = regularizers.get(activity_regularizer)

    def get_config(self) -> dict[str, Any]:
        of_layer = super(RNN, self).get_config()
        regularizer = regularizers.serialize(self.activity_regularizer)
        return {**self.cell.get_config(), **of_layer, "activity_regularizer": regularizer, **self._flags()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A layer with these arguments, without weights."""
        return cls(**config)
