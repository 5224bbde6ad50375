"""`Lambda`: a function as a layer."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from multikeras import backend as K
from multikeras import lookup
from multikeras.layers.base import Layer

#: Functions that this process gave to a Lambda, by the digest of their code.
_seen: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()


def _digest(function: Callable[..., Any]) -> str | None:
    """A number of the code of a Python function, None for other callables."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    return hashlib.sha256(repr(_described(code)).encode()).hexdigest()[:32]


def _described(code: CodeType) -> Any:
    constants = [_described(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, constants, code.co_names, code.co_varnames


#: What K has beside functions of tensors: a configuration that names them wants to change or to ask this process.
_NO_LAYER = frozenset(
    {
        *("backend", "backend_info", "batch_get_value", "batch_set_value", "clear_session", "control_dependencies"),
        *("custom_gradient", "eager", "epsilon", "eval", "floatx", "function", "get_session", "get_uid", "get_value"),
        *("gradients", "image_data_format", "image_dim_ordering", "learning_phase", "manual_variable_initialization"),
        *("matmul_precision", "moving_average_update", "name_scope", "numpy_function", "print_tensor", "reset_uids"),
        *("set_backend", "set_device", "set_epsilon", "set_floatx", "set_image_data_format", "set_image_dim_ordering"),
        *("set_learning_phase", "set_matmul_precision", "set_session", "set_value", "symbolic", "update", "update_add"),
        *("update_sub", "use_backend"),
    }
)


def _of_backend(name: Any) -> Callable[..., Any] | None:
    """The function of K of this name that a Lambda may be around, or None."""
    if name not in K.__all__ or name in _NO_LAYER:
        return None
    found: Callable[..., Any] | None = getattr(K, name)
    return found


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
        digest = _digest(function)
        if digest is not None:
            _seen[digest] = function

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
        stated = self._output_shape
        return {
            **super().get_config(),
            "function": getattr(self.function, "__name__", type(self.function).__name__),
            "digest": _digest(self.function),
            "output_shape": stated.__name__ if callable(stated) else stated,
            "arguments": self.arguments,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A layer around the function that the configuration names.

        Raises:
            ValueError: If no such function is known; the message says how to make it known.
        """
        config = dict(config)
        name, digest = config.pop("function"), config.pop("digest", None)
        known = {**lookup.get_custom_objects(), **(custom_objects or {})}
        function = known.get(name) or (_seen.get(digest) if digest else None) or _of_backend(name)
        if function is None:
            raise ValueError(
                f"Lambda layer {config.get('name')!r} needs the function {name!r}, which is not known here, and a "
                f"configuration never holds code. Pass custom_objects={{{name!r}: function}}."
            )
        stated = config.get("output_shape")
        if isinstance(stated, str):
            config["output_shape"] = lookup.find(stated, {}, "function", custom_objects)
        return cls(function, **config)
