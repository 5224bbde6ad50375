"""`Lambda`: a function as a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from multikeras import lookup
from multikeras.layers import named_functions
from multikeras.layers.base import Layer


class Lambda(Layer):
    """A function of K as a layer without weights.

    Args:
        function: Takes a tensor or a list of tensors; may also take `mask` and what `arguments` holds.
        output_shape: Shape of the output without the batch axis, or a function from input shape to
            output shape; needed only where it cannot be inferred.
        mask: The mask of the output, or a function of inputs and mask giving it.
        arguments: Other arguments of the function.
        **kwargs: What every layer takes.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda takes a function, received {function!r}.")
        self.function = function
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.supports_masking = mask is not None
        if output_shape is not None and not callable(output_shape) and not isinstance(output_shape, (tuple, list)):
            raise TypeError(f"Lambda: output_shape is a tuple, a list or a function, received {output_shape!r}.")
        self._output_shape = output_shape
        for each in self.functions():
            named_functions.meet(each)

    def functions(self) -> list[Callable[..., Any]]:
        """The function, and those for the shape and the mask of the output if there are any."""
        return [each for each in (self.function, self._output_shape, self.mask) if callable(each)]

    def call(self, inputs: Any, mask: Any = None) -> Any:
        arguments = dict(self.arguments)
        if mask is not None:
            arguments["mask"] = mask
        return self.function(inputs, **arguments)

    def _uses_mask(self) -> bool:
        return lookup.accepts(self.function, "mask")

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        stated = self._output_shape
        if stated is None:
            return super().compute_output_shape(input_shape)
        if callable(stated):
            return tuple(stated(input_shape))
        first = input_shape[0] if isinstance(input_shape, list) else input_shape
        return (first[0] if first else None, *stated)

    def _with_shapes(self, record: Any, values: Any, single: bool) -> Any:
        # Inferred shapes are all that there is unless the user stated one.
        return values if self._output_shape is None else super()._with_shapes(record, values, single)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, functions by name and a digest of their code.

        Raises:
            NotImplementedError: If the mask is no function.
        """
        if self.mask is not None and not callable(self.mask):
            raise NotImplementedError(
                f"Lambda layer {self.name!r} has a mask that is no function, which a configuration cannot hold: pass "
                "mask=function, which is called with inputs and mask."
            )
        config = {
            **super().get_config(),
            **_named("function", self.function),
            **_named("output_shape", self._output_shape),
            "arguments": {name: _plain(value) for name, value in self.arguments.items()},
        }
        # Keras 2 has no mask in its files.
        return config if self.mask is None else {**config, **_named("mask", self.mask)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A layer around the functions that the configuration names.

        Raises:
            ValueError: If one of them is not known; the message says how to make it known.
        """
        config = dict(config)
        for key, beside in _DIGESTS.items():
            value, digest = config.get(key), config.pop(beside, None)
            if key == "function" or isinstance(value, str):
                what = key if key == "function" else f"function for {key}"
                config[key] = named_functions.found(value, digest, custom_objects, config.get("name"), what)
        arguments = config.get("arguments") or {}
        config["arguments"] = {name: _value(value) for name, value in arguments.items()}
        return cls(**config)


#: By argument: where the digest of a function stands.
_DIGESTS = {"function": "digest", "output_shape": "output_shape_digest", "mask": "mask_digest"}


def _named(key: str, value: Any) -> dict[str, Any]:
    """An argument in a configuration, with its digest if it is a function."""
    if not callable(value):
        return {key: value}
    # What it was made with may have changed since the layer was.
    return {key: named_functions.written(value), _DIGESTS[key]: named_functions.meet(value)}


def _plain(value: Any) -> Any:
    """An argument of the function; arrays as Keras 2 writes them, with their type."""
    if not isinstance(value, np.ndarray):
        return value
    return {"type": "ndarray", "value": value.tolist(), "dtype": value.dtype.name}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("type") == "ndarray":
        return np.array(value["value"], dtype=value.get("dtype"))
    return value
