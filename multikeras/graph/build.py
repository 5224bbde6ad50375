"""How a primitive is applied to tensors: checks, shape, data type, partial values, provenance."""

from __future__ import annotations

from typing import Any

from multikeras.contract import PRIMITIVES, Primitive, primitive, set_builder
from multikeras.graph import known, naming
from multikeras.graph.context import context
from multikeras.graph.origin import describe
from multikeras.graph.tensor import Tensor


def _host_attributes(attributes: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Names of the attributes given as tensors, and the attributes as the rules see them."""
    names = tuple(name for name, value in attributes.items() if isinstance(value, Tensor))
    if not names:
        return names, attributes
    seen = dict(attributes)
    for name in names:
        seen[name] = known.of(attributes[name])
    return names, seen


def _check_body(primitive: Primitive, tensor: Tensor) -> None:
    body = context.body
    if tensor.body is not None and (body is None or not body.within(tensor.body)):
        raise ValueError(
            f"{tensor!r} was made inside {tensor.body} and is used outside it by {primitive.name!r}, where it "
            "does not exist. Return it from the function, as an output or a state."
        )


def apply(primitive: Primitive, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    """The tensor that `primitive` makes of `inputs`, or the list of tensors.

    An attribute may be an integer tensor that is known when a program is specialised (made of
    shapes and constants); it becomes an input.

    Raises:
        TypeError: If an input is not a tensor.
        ValueError: If the inputs do not fit; the message names the shapes and the layer.
    """
    if context.replaced is not None:
        replaced = context.replaced
        inputs = tuple([replaced.get(x, x) for x in inputs])
    body = context.body
    for x in inputs:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{primitive.name}: expected tensors, received {type(x).__name__}. Make a tensor with "
                "K.constant(...), or call the function of K, which does so itself."
            )
        if x.body is not body:
            _check_body(primitive, x)
    host, seen = _host_attributes(attributes)
    try:
        shape = primitive.shape(*inputs, **seen)
        dtype = primitive.dtype(*inputs, **seen)
    except ValueError as error:
        raise ValueError(naming.located(str(error))) from None
    if primitive.multiple:
        node = _node(primitive, inputs, attributes, host, tuple(shape), "tuple")
        node.known = tuple(dtype)
        return [item(node, i) for i in range(len(shape))]
    node = _node(primitive, inputs, attributes, host, shape, dtype)
    rule = known.RULES.get(primitive.name)
    if rule is not None and dtype in known.DTYPES:
        node.known = rule(*inputs, **seen)
    return node


def _node(
    primitive: Primitive,
    inputs: tuple[Tensor, ...],
    attributes: dict[str, Any],
    host: tuple[str, ...],
    shape: Any,
    dtype: str,
) -> Tensor:
    node = Tensor(shape, dtype)
    node.primitive = primitive
    if host:
        node.host = host
        node.inputs = (*inputs, *[attributes[name] for name in host])
        node.attributes = {name: value for name, value in attributes.items() if name not in host}
    else:
        node.inputs = inputs
        node.attributes = attributes
    node.on_host = primitive.host or (
        not primitive.effect and not primitive.keep and all(x.on_host for x in node.inputs)
    )
    return node


def item(node: Tensor, index: int) -> Tensor:
    """One result of a primitive that has several."""
    made = _node(ITEM, (node,), {"index": index}, (), node.shape[index], node.known[index])
    made.body = node.body
    return made


def data_inputs(node: Tensor) -> tuple[Tensor, ...]:
    """The inputs that are not attributes."""
    return node.inputs[: len(node.inputs) - len(node.host)] if node.host else node.inputs


def all_attributes(node: Tensor) -> dict[str, Any]:
    """The attributes, those that are tensors included."""
    if not node.host:
        return node.attributes
    return {**node.attributes, **dict(zip(node.host, node.inputs[-len(node.host) :], strict=True))}


def located(node: Tensor) -> str:
    """Where a node was made, for messages."""
    return describe(node.origin)


#: Picks one result of a primitive with several; every backend gets it as plain indexing.
ITEM: Primitive = primitive(
    "item",
    shape=lambda node, index: node.shape[index],
    dtype=lambda node, index: node.known[index],
    gradient=None,
    doc="One result of a primitive that has several.",
)

set_builder(apply)

__all__ = ["ITEM", "PRIMITIVES", "all_attributes", "apply", "data_inputs", "item", "located"]
