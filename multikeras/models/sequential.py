"""`Sequential`: layers one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.graph.context import outside_bodies
from multikeras.graph.tensor import Tensor
from multikeras.layers import calls, sharing
from multikeras.layers.base import Layer, _is_shape
from multikeras.layers.input_layer import Input, InputLayer
from multikeras.models.configuration import heading
from multikeras.models.model import Model, _input_like, with_value
from multikeras.models.network import Network
from multikeras.models.paths import Step


class Sequential(Model):
    """Layers one after the other.

    If the first layer says the shape of its input, every layer is built when it is added; otherwise
    the model has no weights until it first meets data.

    Args:
        layers: The first layers.
        name: Name of the model.
    """

    def __init__(self, layers: Sequence[Layer] | None = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self._added: list[Layer] = []
        self._names: set[str] = set()
        for layer in layers or []:
            self.add(layer)

    @property
    def _is_graph(self) -> bool:
        return bool(self.inputs)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order, the input layer left out."""
        return list(self._added)

    def add(self, layer: Any) -> None:
        """Adds a layer at the end.

        Raises:
            TypeError: If it is no layer.
            ValueError: If its name is taken, or it gives several outputs.
        """
        if isinstance(layer, Tensor) and calls.history(layer) is not None:
            layer = calls.history(layer)[0]  # type: ignore[index]
        if not isinstance(layer, Layer):
            made = f" Make one of the class: {layer.__name__}(…)." if isinstance(layer, type) else ""
            raise TypeError(f"Sequential holds layers, received {layer!r}.{made}")
        if isinstance(layer, InputLayer):
            if self._added or self.inputs:
                raise ValueError(f"Model {self.name!r}: the input layer {layer.name!r} comes first or not at all.")
            self._begin(layer.output)
            return
        if layer.name in self._names:
            raise ValueError(f"Model {self.name!r} has a layer called {layer.name!r} already: names are unique in it.")
        if not self._added and not self.inputs:
            begin = _first_input(layer)
            if begin is not None:
                self._begin(begin)
        if self.inputs:
            self._connect(layer)
        self._added.append(layer)
        self._names.add(layer.name)
        self._changed()

    def pop(self) -> None:
        """Takes the last layer away; the model can go on growing.

        Raises:
            IndexError: If there is none.
        """
        if not self._added:
            raise IndexError(f"Model {self.name!r} has no layers to take away.")
        layer = self._added.pop()
        self._names.discard(layer.name)
        if self._steps:
            self._steps.pop()
        if self._added and self.inputs:
            self.outputs = self._steps[-1].outputs
        else:
            self.inputs, self.outputs, self._input_layers, self.built = [], [], [], False
        self._changed()

    def _begin(self, tensor: Tensor) -> None:
        self._input_layers = [tensor.__dict__["_keras_history"][0]]
        self.inputs, self.outputs = [tensor], [tensor]

    def _connect(self, layer: Layer) -> None:
        before = self.outputs
        made = layer(before[0])
        if isinstance(made, list):
            raise ValueError(
                f"Layer {layer.name!r} gives {len(made)} outputs, and a layer of a Sequential gives one. Use "
                "Model(inputs, outputs)."
            )
        found = calls.history(made)
        assert found is not None
        self._steps.append(Step(layer, found[1], list(before), [made], len(self._steps) + 1))
        self.outputs = [made]

    def _changed(self) -> None:
        if self.inputs and self._added:
            self._graph_is_set()

    # -- building -------------------------------------------------------------------------------

    def build(self, input_shape: Any = None) -> None:
        """Builds the layers for a shape of the input, batch axis included."""
        if input_shape is not None:
            self.build_from_data(tuple(input_shape))

    def build_from_data(self, x: Any) -> None:
        """Builds the layers for data like this, unless they are built.

        Args:
            x: An array, or a shape with the batch axis.

        Raises:
            ValueError: If the model has no layers, or is given several arrays.
        """
        if self.inputs:
            return
        if not self._added:
            raise ValueError(f"Model {self.name!r} has no layers: add some first.")
        if isinstance(x, Mapping):
            x = self._by_name(x)
        if isinstance(x, (list, tuple)) and not _is_shape(x):
            if len(x) != 1 or np.isscalar(x[0]):
                raise ValueError(f"Model {self.name!r} takes one array as input, received a list of {len(x)}.")
            x = x[0]
        first = self._added[0]
        try:
            with outside_bodies(), calls.apart():
                like = _input_like(x, self.stateful)
                self._begin(like if not hasattr(first, "input_dtype") else with_value(_typed_input(like, first), x))
                for layer in self._added:
                    self._connect(layer)
        except Exception:
            # A failed attempt leaves the model as it was, to be built with other data.
            self._steps, self.inputs, self.outputs, self._input_layers = [], [], [], []
            raise
        self._graph_is_set()

    def _forget_graph(self) -> None:
        super()._forget_graph()
        self._steps = []

    def _build_for(self, tensors: Sequence[Tensor], single: bool) -> None:
        self.build_from_data(tensors[0].shape)

    # -- what Keras's Sequential has besides ----------------------------------------------------

    def predict_proba(self, x: Any, batch_size: int | None = None, verbose: int = 0) -> Any:
        """What `predict` gives."""
        return self.predict(x, batch_size=batch_size, verbose=verbose)

    def predict_classes(self, x: Any, batch_size: int | None = None, verbose: int = 0) -> Any:
        """The likeliest class of each sample; with one output whether it is above 0.5."""
        predicted = self.predict(x, batch_size=batch_size, verbose=verbose)
        if predicted.shape[-1] > 1:
            return predicted.argmax(axis=-1)
        return (predicted > 0.5).astype("int32")

    def get_config(self) -> dict[str, Any]:
        """The layers with their configurations."""
        layers: list[Layer] = [*self._input_layers, *self._added] if starts_with_input(self) else self._added
        with sharing.writing():
            return {**heading(self), "layers": [sharing.described(layer) for layer in layers]}

    @classmethod
    def from_config(cls, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The model of a configuration, with new weights."""
        from multikeras.layers import deserialize

        # Older versions of Keras wrote the list of layers alone.
        name, layers = (config.get("name"), config["layers"]) if isinstance(config, Mapping) else (None, config)
        model = cls(name=name)
        with sharing.reading():
            for layer in layers:
                model.add(deserialize(layer, custom_objects))
        if isinstance(config, Mapping) and config.get("trainable") is False:
            model.trainable = False
        return model


def starts_with_input(model: Sequential) -> bool:
    """Whether the model was given an input layer that its first layer does not imply."""
    if not model._input_layers or not model._added:
        return False
    declared = _declared(model._added[0])
    return declared is None or tuple(declared[0]) != model.inputs[0].shape


def _declared(layer: Layer) -> tuple[Any, str] | None:
    """Shape and data type of the input that a first layer declares."""
    while isinstance(layer, Network):
        if layer.inputs:
            return layer.inputs[0].shape, layer.inputs[0].dtype
        if not layer.layers:
            return None
        layer = layer.layers[0]
    shape = layer.__dict__.get("batch_input_shape")
    return None if shape is None else (shape, getattr(layer, "input_dtype", layer.dtype))


def _first_input(layer: Layer) -> Tensor | None:
    declared = _declared(layer)
    if declared is None:
        return None
    shape, dtype = declared
    return Input(batch_shape=shape, dtype=dtype, name=f"{layer.name}_input")


def _typed_input(like: Tensor, layer: Layer) -> Tensor:
    return Input(batch_shape=like.shape, dtype=getattr(layer, "input_dtype", K.floatx()))
