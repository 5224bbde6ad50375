"""The weights of a layer: making, finding, reading and setting them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from multikeras import backend as K
from multikeras import constraints, initializers, lookup, regularizers
from multikeras.contract import check_dtype, is_float
from multikeras.graph.context import outside_bodies
from multikeras.graph.tensor import Variable
from multikeras.layers.calls import LossTerm

if TYPE_CHECKING:
    from multikeras.layers.base import Layer


def unique(items: Sequence[Any]) -> list[Any]:
    """The items without repetitions, by identity, in order."""
    return list({id(item): item for item in items}.values())


class Weighted:
    """The part of `Layer` that has to do with weights."""

    name: str
    dtype: str
    trainable: bool
    _trainable_weights: list[Variable]
    _non_trainable_weights: list[Variable]
    _weight_losses: list[LossTerm]

    def add_weight(
        self,
        name: str | None = None,
        shape: Sequence[int] = (),
        dtype: str | None = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool = True,
        constraint: Any = None,
    ) -> Variable:
        """Makes a weight of this layer, called `layer/name`.

        Args:
            name: Its name within the layer.
            shape: Its shape.
            dtype: Its data type, that of the layer if None.
            initializer: Where its first value comes from: a name, a function of shape and dtype, an
                object; `glorot_uniform` if None.
            regularizer: Penalty on it, added to the training loss.
            trainable: Whether training changes it.
            constraint: What is done to it after every update.

        Returns:
            The variable.

        Raises:
            ValueError: If the shape has an unknown length.
        """
        name = name or "weight"
        shape = self._checked_shape(name, shape)
        dtype = check_dtype(dtype or self.dtype)
        if initializer is None:
            initializer = "glorot_uniform" if is_float(dtype) else "zeros"
        initialize = initializers.get(initializer)
        with outside_bodies():
            takes_dtype = isinstance(initialize, initializers.Initializer) or lookup.accepts(initialize, "dtype")
            known = {"dtype": dtype} if takes_dtype else {}
            value = initialize(shape, **known)
            if K.int_shape(value) != shape:
                raise ValueError(
                    f"The initializer of weight {name!r} of layer {self.name!r} gave shape {K.int_shape(value)}, "
                    f"expected {shape}."
                )
            # The value of a tensor is computed when it is needed first.
            weight: Variable = K.variable(value, dtype=dtype, name=f"{self._weights_name}/{name}")
            # Files call a weight by this name, whatever the session called it.
            weight.__dict__["plain_name"] = f"{self._weights_name}/{name}"
            weight.trainable = trainable
            weight.constraint = constraints.get(constraint)
            weight.regularizer = regularizers.get(regularizer)
            if weight.regularizer is not None:
                self._weight_losses.append(LossTerm(weight.regularizer(weight), regularizer=True))
        self._track(weight)
        return weight

    def _name_weights(self, prefix: str) -> None:
        """Lets the weights made from now on be called `prefix/…`, since Keras calls some after a layer around."""
        self.__dict__["_prefix_of_weights"] = prefix

    @property
    def _weights_name(self) -> str:
        """What the names of the weights begin with."""
        return self.__dict__.get("_prefix_of_weights") or self.name

    def _checked_shape(self, name: str, shape: Any) -> tuple[int, ...]:
        listed = tuple(shape) if isinstance(shape, (list, tuple, np.ndarray)) else (shape,)
        if any(n is None for n in listed):
            raise ValueError(
                f"Weight {name!r} of layer {self.name!r} cannot have shape {listed}: every length must be known. "
                "Give the input of the layer a full shape, e.g. by input_shape=, or Input(shape=...)."
            )
        if not all(isinstance(n, (int, float, np.integer)) and int(n) == n and n >= 0 for n in listed):
            raise ValueError(
                f"Weight {name!r} of layer {self.name!r} has a shape of whole numbers from 0 on, received {listed}."
            )
        return tuple(int(n) for n in listed)

    def _track(self, weight: Variable) -> None:
        """Files a variable under the weights, unless it is there."""
        if any(w is weight for w in [*self._trainable_weights, *self._non_trainable_weights]):
            return
        (self._trainable_weights if weight.trainable else self._non_trainable_weights).append(weight)

    # -- finding --------------------------------------------------------------------------------

    def _sublayers(self) -> list[Layer]:
        """Layers kept as attributes, also in lists and dictionaries."""
        found: dict[int, Layer] = {}
        _add_layers(list(self.__dict__.values()), found)
        return list(found.values())

    @property
    def weights(self) -> list[Variable]:
        """All weights, in an order that `trainable` does not change."""
        own = [*self._trainable_weights, *self._non_trainable_weights]
        return unique([*own, *[w for layer in self._sublayers() for w in layer.weights]])

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes; none where `trainable` is False."""
        if not self.trainable:
            return []
        nested = [w for layer in self._sublayers() for w in layer.trainable_weights]
        return unique([*self._trainable_weights, *nested])

    @trainable_weights.setter
    def trainable_weights(self, weights: Sequence[Variable]) -> None:
        self._trainable_weights = list(weights)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training does not change."""
        trained = {id(w) for w in self.trainable_weights}
        return [w for w in self.weights if id(w) not in trained]

    @non_trainable_weights.setter
    def non_trainable_weights(self, weights: Sequence[Variable]) -> None:
        self._non_trainable_weights = list(weights)

    # -- values ---------------------------------------------------------------------------------

    def get_weights(self) -> list[np.ndarray]:
        """The values of all weights, as NumPy arrays."""
        values: list[np.ndarray] = K.batch_get_value(self.weights)
        return values

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the values of all weights; nothing is stored unless all of them fit.

        Args:
            weights: Arrays, as `get_weights` gives them.

        Raises:
            ValueError: If their number or one of their shapes is another.
        """
        variables = self.weights
        arrays = list(weights)
        if len(arrays) != len(variables):
            raise ValueError(
                f"Layer {self.name!r} has {len(variables)} weights, set_weights received {len(arrays)} arrays. "
                f"Expected shapes: {', '.join(str(v.shape) for v in variables) or 'none'}."
            )
        pairs = []
        for variable, array in zip(variables, arrays, strict=True):
            shape = np.shape(array)
            if shape != variable.shape:
                raise ValueError(
                    f"Layer {self.name!r}: weight {variable.name!r} has shape {variable.shape}, set_weights received "
                    f"an array of shape {shape} for it. Nothing was changed."
                )
            pairs.append((variable, array))
        K.batch_set_value(pairs)

    def count_params(self) -> int:
        """Number of scalars in all weights."""
        return sum(K.count_params(w) for w in self.weights)


#: What values of a type are to a search for layers.
_NOTHING, _LAYER, _SEQUENCE, _MAPPING = range(4)


class _Kinds(dict[type, int]):
    """Whether values of a type are layers or may hold some."""

    def __missing__(self, kind: type) -> int:
        if len(self) == 512:
            # Types that a notebook made again and again are not kept for ever.
            self.clear()
        found = _LAYER if issubclass(kind, Weighted) else _SEQUENCE if issubclass(kind, (list, tuple)) else _NOTHING
        found = self[kind] = found or (_MAPPING if issubclass(kind, Mapping) else _NOTHING)
        return found


_KINDS = _Kinds()


def _add_layers(values: Iterable[Any], found: dict[int, Layer]) -> None:
    """Adds the layers among values, and in their lists and dictionaries, by identity."""
    for value in values:
        kind = _KINDS[value.__class__]
        if kind == _NOTHING:
            continue
        if kind == _LAYER:
            found[id(value)] = value
        else:
            _add_layers(value if kind == _SEQUENCE else value.values(), found)
