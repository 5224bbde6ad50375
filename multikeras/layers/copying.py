"""A layer like another, with new weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multikeras import lookup
from multikeras.layers import sharing, versions

if TYPE_CHECKING:
    from multikeras.layers.base import Layer


def like(layer: Layer, **changes: Any) -> Any:
    """A layer made by the configuration of another.

    Classes of one's own among the layers inside, such as cells, are known by being at hand.

    Args:
        layer: The other layer.
        **changes: Entries of the configuration that are to be others.
    """
    own = own_classes(layer)
    with sharing.apart(), sharing.writing(), sharing.reading(), lookup.custom_object_scope(own):
        return type(layer).from_config({**layer.get_config(), **changes})


def own_classes(layer: Layer) -> dict[str, type]:
    """The classes of a layer and of the layers inside it, by the names that configurations have for them."""
    return {lookup.get_registered_name(type(inner)): type(inner) for inner in versions.inside(layer)}
