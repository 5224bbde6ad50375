"""`Model`: a network that can be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.graph.context import context
from multikeras.graph.tensor import Tensor
from multikeras.layers import calls, versions
from multikeras.layers.base import Layer, _is_shape
from multikeras.layers.input_layer import Input
from multikeras.layers.wrappers import Wrapper
from multikeras.models.network import Network
from multikeras.models.summary import print_summary
from multikeras.saving.saved import Saved
from multikeras.training.trainer import Trainer


class Model(Network, Trainer, Saved):
    """Layers between inputs and outputs, with training.

    It is made in one of two ways. `Model(inputs, outputs)` is the network between tensors: what
    `Input` gave, and what layers made of it. A subclass makes its layers in `__init__`, keeps them
    as attributes and defines `call(self, inputs)`; it is built when it first meets data. Where that is
    a dictionary of arrays by name, `call` gets a dictionary of tensors, and data is given by name.

    Args:
        *args: `inputs` and `outputs`, each a tensor or a list of tensors.
        **kwargs: `inputs` and `outputs` (or `input` and `output`), `name`, `trainable`.
    """

    #: Names of the inputs of a `call` that takes a dictionary, in the order in which they are fed.
    _input_keys: tuple[str, ...] | None = None
    _has_worked: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        inputs, outputs = _ends(type(self).__name__, args, kwargs)
        Network.__init__(self, **kwargs)
        self._has_weights = False
        if outputs is not None:
            self._set_graph(inputs, outputs)

    # -- building -------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Builds the model for a shape of its input, batch axis included, or a list of shapes."""
        if not self.built and type(self).call is not Network.call:
            self.build_from_data(input_shape)

    def build_from_data(self, x: Any) -> None:
        """Builds the model for data like this, unless it is built.

        Args:
            x: An array, a list of arrays, a dictionary of them, or shapes with the batch axis instead of arrays.
        """
        if self.inputs:
            return
        if isinstance(x, Mapping):
            x = self._by_name(x)
        names = self._input_keys
        single = not isinstance(x, (list, tuple)) or _is_shape(x)
        values = [x] if single else x
        self._check_count(len(values))
        given = [
            _input_like(value, self.stateful, name)
            for value, name in zip(values, names or [None] * len(values), strict=True)
        ]
        with calls.uninterrupted(), calls.scratch() as around:
            outputs = self._call_in_graph(given[0] if single else given, {})
        # What the model asked for in its call lives in the record of it.
        self._trace = around.children[-1][1]
        self.outputs = outputs if isinstance(outputs, list) else [outputs]
        self._single_input, self._single_output = single, not isinstance(outputs, list)
        self._input_layers = [t.__dict__["_keras_history"][0] for t in given]
        self.inputs = given
        self.built = True

    def _by_name(self, inputs: Mapping[str, Any]) -> Any:
        if self._is_graph or type(self).call is Network.call:
            return super()._by_name(inputs)
        if self._input_keys is None:
            if not inputs or not all(isinstance(name, str) for name in inputs):
                raise TypeError(
                    f"Model {self.name!r} takes a dictionary of inputs by name, received one of {list(inputs)!r}."
                )
            # The first dictionary says which inputs there are.
            self._input_keys = tuple(inputs)
        names = self._input_keys
        if set(inputs) != set(names):
            raise ValueError(
                f"Model {self.name!r} has the inputs {', '.join(map(repr, names))}, received values for "
                f"{', '.join(map(repr, inputs))}. The first dictionary that it met says which there are."
            )
        return [inputs[name] for name in names]

    def _check_count(self, count: int) -> None:
        """Refuses another number of inputs than names."""
        names = self._input_keys
        if names is not None and count != len(names):
            raise ValueError(
                f"Model {self.name!r} has the inputs {', '.join(map(repr, names))}, received {count}: pass a "
                "dictionary by these names."
            )

    def _called(self, given: Any, arguments: dict[str, Any]) -> Any:
        names = self._input_keys
        if names is not None:
            listed = given if isinstance(given, list) else [given]
            self._check_count(len(listed))
            given = dict(zip(names, listed, strict=True))
            masks = arguments.get("mask")
            if isinstance(masks, list) and len(masks) == len(names):
                arguments = {**arguments, "mask": dict(zip(names, masks, strict=True))}
        try:
            made = super()._called(given, arguments)
        except Exception:
            # A dictionary that the model cannot work with does not say which inputs there are.
            if not self._has_worked:
                self._input_keys = None
            raise
        self.__dict__["_has_worked"] = True
        return made

    def _forget_graph(self) -> None:
        """Lets the next data build the graph anew; weights stay."""
        self.inputs, self.outputs, self._input_layers = [], [], []
        self._trace = None
        self.built = False

    def _build_for(self, tensors: Sequence[Tensor], single: bool) -> None:
        # Called on tensors or arrays, a model with a call of its own has its weights, and still waits for data.
        if not self._has_weights and type(self).build is not Model.build:
            super()._build_for(tensors, single)
        self._has_weights = True
        self.built = bool(self.inputs)

    def _is_settled(self) -> bool:
        if self._is_graph:
            return False
        before, self.__dict__["_was_called"] = self.__dict__.get("_was_called", False), True
        return before

    @property
    def output_names(self) -> list[str]:
        if self._is_graph:
            return super().output_names
        return [f"output_{i + 1}" for i in range(len(self.outputs))]

    # -- configuration --------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The layers with their configurations, and how they are connected."""
        from multikeras.models import configuration

        if not self._is_graph:
            raise NotImplementedError(
                f"Model {self.name!r} is a subclass with a call of its own, whose architecture is code and has no "
                "configuration. Define get_config and from_config on it, or use save_weights."
            )
        return configuration.of_graph(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The model of a configuration, with new weights."""
        from multikeras.models import configuration

        if not {"layers", "input_layers", "output_layers"} <= set(config):
            return cls(**config)
        return configuration.to_graph(cls, config, custom_objects)

    # -- looking --------------------------------------------------------------------------------

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
    ) -> None:
        """Prints the layers with their output shapes and numbers of parameters.

        Args:
            line_length: Width in characters.
            positions: Where the columns end: in characters, or as shares of the width.
            print_fn: Called with each line instead of `print`.

        Raises:
            ValueError: If the model is not built yet.
        """
        if not self.built:
            raise ValueError(
                f"Model {self.name!r} is not built yet and has no shapes to show: give its first layer an input_shape, "
                "or call build(input_shape), fit or predict."
            )
        print_summary(self, line_length, positions, print_fn)

    # -- states ---------------------------------------------------------------------------------

    @property
    def stateful(self) -> bool:  # type: ignore[override]
        """Whether a layer keeps a state from batch to batch."""
        return bool(self._stateful_layers())

    def _stateful_layers(self) -> list[Layer]:
        """The layers that keep a state, at any depth; models and wrappers have such layers inside."""
        inside = [layer for layer in versions.inside(self) if not isinstance(layer, (Network, Wrapper))]
        return [layer for layer in inside if layer.stateful]

    def reset_states(self) -> None:
        """Sets the states of stateful layers to their beginning."""
        for layer in self._stateful_layers():
            if hasattr(layer, "reset_states"):
                layer.reset_states()


def _ends(kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Inputs and outputs among the arguments of a model; the name given by position goes to `kwargs`."""
    names = ["inputs", "outputs", "name"]
    if len(args) > len(names):
        raise TypeError(f"{kind} takes inputs, outputs and name by position, received {len(args)} arguments.")
    found = dict(zip(names, args, strict=False))
    for new, old in (("inputs", "input"), ("outputs", "output")):
        for name in (new, old):
            if name in kwargs:
                found[new] = kwargs.pop(name)
    if "name" in found:
        kwargs["name"] = found.pop("name")
    if ("inputs" in found) != ("outputs" in found):
        raise TypeError(f"{kind} needs both inputs and outputs, received only {', '.join(found)}.")
    return found.get("inputs"), found.get("outputs")


def _input_like(value: Any, keeps_batch: bool = False, name: str | None = None) -> Tensor:
    """An input for data like an array, or of a shape with the batch axis.

    Args:
        value: The array or shape.
        keeps_batch: Whether the batch size is that of the shape; that of an array may change.
        name: Its name; a running number if None.
    """
    batch = None
    if isinstance(value, (list, tuple)) and _is_shape(value):
        shape = tuple(value[1:])
        batch = value[0] if keeps_batch else None
    else:
        shape = tuple(value.shape[1:]) if hasattr(value, "shape") else np.shape(value)[1:]
    return with_value(Input(batch_shape=(batch, *shape), dtype=K.floatx(), name=name), value)


def with_value(tensor: Tensor, value: Any) -> Tensor:
    """The same input, which has a value where the model is built for looking at numbers."""
    if context.eager is not None and hasattr(value, "shape"):
        context.eager.fed[tensor] = value
    return tensor
