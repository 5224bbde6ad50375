"""`Wrapper`: a layer around another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multikeras.layers.base import Layer


class Wrapper(Layer):
    """Base class of layers around one other layer.

    Args:
        layer: The layer inside.
        **kwargs: What every layer takes. `trainable` is that of the layer inside.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise TypeError(f"{type(self).__name__} is made around a layer, received {layer!r}.")
        super().__init__(**kwargs)
        self.layer = layer
        if "trainable" in kwargs:
            self.trainable = kwargs["trainable"]
        if hasattr(layer, "input_dtype"):
            #: Data type of an input that is made for this layer.
            self.input_dtype = layer.input_dtype

    def _inside(self) -> list[Layer]:
        """The layers inside that share `trainable` with this one."""
        return [self.__dict__["layer"]] if "layer" in self.__dict__ else []

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights of the layer inside."""
        return all(layer.trainable for layer in self._inside())

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._inside():
            layer.trainable = value

    def _input_dtype(self, position: int) -> str | None:
        return self.layer._input_dtype(position)

    def get_config(self) -> dict[str, Any]:
        from multikeras.layers import serialize

        return {**super().get_config(), "layer": serialize(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A layer with these arguments, without weights.

        Args:
            config: What `get_config` gives.
            custom_objects: Classes of one's own, by name.
        """
        from multikeras.layers import deserialize

        config = dict(config)
        return cls(deserialize(config.pop("layer"), custom_objects), **config)


def build_inside(layer: Layer, shape: Any, prefix: str) -> None:
    """Builds a layer inside another, its weights called `prefix/…`, unless it is built."""
    if layer.built:
        return
    layer._name_weights(prefix)
    layer.build(shape)
    layer.built = True
    if layer._initial_weights is not None:
        layer.set_weights(layer._initial_weights)
        layer._initial_weights = None
