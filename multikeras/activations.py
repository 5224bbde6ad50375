"""Activation functions: a tensor in, a tensor of the same shape out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multikeras import backend as K
from multikeras import lookup

Activation = Callable[..., Any]

#: Constants of the self-normalizing network (Klambauer et al. 2017, appendix A).
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def softmax(x: Any, axis: int = -1) -> Any:
    """Exponentials scaled to sum 1 along an axis.

    Raises:
        ValueError: If `x` has a single axis.
    """
    if K.ndim(x) < 2:
        raise ValueError(f"softmax needs a tensor of at least 2 axes, received shape {K.int_shape(x)}.")
    return K.softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` above zero, `alpha * (exp(x) - 1)` below."""
    return K.elu(x, alpha)


def selu(x: Any) -> Any:
    """Scaled `elu` that keeps mean 0 and variance 1 from layer to layer; use with `lecun_normal`."""
    return _SELU_SCALE * K.elu(x, _SELU_ALPHA)


def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`."""
    return K.softplus(x)


def softsign(x: Any) -> Any:
    """`x / (1 + |x|)`."""
    return K.softsign(x)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """`x` above the threshold, cut at `max_value`; `alpha * (x - threshold)` below."""
    if threshold == 0.0:
        return K.relu(x, alpha=alpha, max_value=max_value)
    return K.relu(x, alpha=alpha, max_value=max_value, threshold=threshold)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return K.tanh(x)


def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`."""
    return K.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """`0.2 x + 0.5` limited to 0 … 1."""
    return K.hard_sigmoid(x)


def hard_sigmoid_6(x: Any) -> Any:
    """`x / 6 + 0.5` limited to 0 … 1, which is `hard_sigmoid` in Keras 3 and PyTorch."""
    return K.clip(x / 6.0 + 0.5, 0.0, 1.0)


def exponential(x: Any) -> Any:
    """`exp(x)`."""
    return K.exp(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """`x` times the probability that a standard normal number is below `x` (Hendrycks and Gimpel 2016).

    Args:
        x: Tensor.
        approximate: Whether that probability is approximated by a hyperbolic tangent.
    """
    return K.gelu(x, approximate=approximate)


def silu(x: Any) -> Any:
    """`x * sigmoid(x)`, also known as `swish` (Ramachandran et al. 2017)."""
    return K.silu(x)


def linear(x: Any) -> Any:
    """`x` itself."""
    return x


_KNOWN: dict[str, Activation] = {
    f.__name__: f
    for f in (
        softmax,
        elu,
        selu,
        softplus,
        softsign,
        relu,
        tanh,
        sigmoid,
        hard_sigmoid,
        hard_sigmoid_6,
        exponential,
        gelu,
        silu,
        linear,
    )
}
swish = silu
_KNOWN["swish"] = silu

#: Activation layers without weights, which may stand where a function does.
_LAYERS = ("ELU", "LeakyReLU", "ReLU", "Softmax", "ThresholdedReLU")


def serialize(activation: Any) -> Any:
    """The name of an activation function, or the configuration of an activation object.

    An object that was made known under a name, or that gives itself one as `__name__`, is written by it, since its
    configuration would ask for its class.
    """
    if hasattr(activation, "get_config"):
        for name, known in lookup.get_custom_objects().items():
            if known is activation:
                return name
        named = vars(activation).get("__name__")
        if isinstance(named, str):
            return named
    return lookup.serialize(activation)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The activation of this name or configuration; that may be one of a layer such as `LeakyReLU`."""
    known = _KNOWN
    if isinstance(name, Mapping):
        from multikeras.saving.keras3 import config

        # Files describe hard_sigmoid as Keras 3 computes it, and programs give what they find there to from_config.
        name = config.with_listed_inputs(name)
    if isinstance(name, Mapping) and name.get("class_name") in _LAYERS:
        from multikeras import layers

        known = {**_KNOWN, **{layer: getattr(layers, layer) for layer in _LAYERS}}
    return lookup.deserialize(name, known, "activation", custom_objects)


def get(identifier: Any) -> Any:
    """The activation meant by a name, a configuration or a callable; `linear` for None."""
    if identifier is None:
        return linear
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    return lookup.get(identifier, _KNOWN, "activation")
