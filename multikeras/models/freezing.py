"""Freezing and unfreezing layers of a model, from one to another."""

from __future__ import annotations

from typing import Any

from multikeras.layers.input_layer import InputLayer


def freeze_weights(model: Any, from_: str | int | None = None, to: str | int | None = None) -> None:
    """Keeps training from changing the weights of layers. It counts from the next `compile`.

    Args:
        model: The model.
        from_: Name or index of the first layer, None for the first of the model.
        to: Name or index of the last layer, itself included; None for the last of the model.

    Raises:
        ValueError: If the model has no such layer, or `to` comes before `from_`.
    """
    for layer in _between(model, from_, to):
        layer.trainable = False


def unfreeze_weights(model: Any, from_: str | int | None = None, to: str | int | None = None) -> None:
    """Lets training change the weights of layers again. It counts from the next `compile`.

    A model that is frozen as a whole is unfrozen, and its other layers are frozen one by one.

    Args:
        model: The model.
        from_: Name or index of the first layer, None for the first of the model.
        to: Name or index of the last layer, itself included; None for the last of the model.

    Raises:
        ValueError: If the model has no such layer, or `to` comes before `from_`.
    """
    chosen = _between(model, from_, to)
    if not model.trainable:
        for layer in _between(model, None, None):
            layer.trainable = False
        model.trainable = True
    for layer in chosen:
        layer.trainable = True


def _between(model: Any, from_: str | int | None, to: str | int | None) -> list[Any]:
    layers = list(model.layers)
    first = 0 if from_ is None else _place(model, layers, from_)
    last = len(layers) - 1 if to is None else _place(model, layers, to)
    if last < first and layers:
        raise ValueError(
            f"Model {model.name!r}: to={to!r} (layer {last}) comes before from_={from_!r} (layer {first})."
        )
    return [layer for layer in layers[first : last + 1] if not isinstance(layer, InputLayer)]


def _place(model: Any, layers: list[Any], which: str | int) -> int:
    """The place of a layer in the model, by its name or index."""
    named = {"name": which} if isinstance(which, str) else {"index": which}
    found = model.get_layer(**named)
    return next(i for i, layer in enumerate(layers) if layer is found)
