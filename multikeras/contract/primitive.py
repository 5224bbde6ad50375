"""What a primitive is: one declaration of name, rules and meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Rule = Callable[..., Any]

#: Every primitive declared so far, by name.
PRIMITIVES: dict[str, Primitive] = {}

#: How a primitive is applied to tensors; the graph sets it when it is imported.
_apply: Callable[..., Any] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Primitive:
    """An operation that backends implement.

    Rules get the inputs by position and the static attributes by keyword. Inputs offer `.shape`
    (a tuple in which None is unknown) and `.dtype`.

    Attributes:
        name: The key of its kernel in `Backend.kernels`.
        shape: Rule giving the result's shape, or a list of shapes where there are several results.
            It raises ValueError where the inputs do not fit.
        dtype: Rule giving the result's data type, or a list likewise.
        gradient: Rule `(g, out, *inputs, **attributes)` giving the gradient for each input, None
            where there is none; with several results `g` and `out` are lists, and missing `g` are
            None. Sums over broadcast axes are left to the caller. `'composition'`: through
            the composition. None: the primitive is constant almost everywhere, or has integers as its result.
        doc: What it computes, in a sentence.
        multiple: Whether it has several results (its kernel then returns a tuple).
        residuals: How many of the last results exist only for the gradient's kernel. A kernel of
            such a primitive takes `residuals=True` or `False` and leaves them out where nobody reads
            them. A residual of dtype `'opaque'` may be any Python object.
        composition: The same function in terms of other primitives, for backends without a kernel
            and for gradients of the gradient.
        kernels: Kernels that the declaring package brings itself, by backend name.
        in_place: Whether the kernel accepts `in_place=True` and then may write into those inputs
            that are updated variables.
        effect: Whether it does something beside its result, and so is never merged, folded or
            dropped while reachable.
        keep: Whether equal applications must stay apart although there is no effect.
        host: Whether its result is known when a program is specialised (shapes and settings).
        bodies: Names of the attributes that hold sub-graphs.
        resolve: Rule `(*inputs, **attributes)` giving the attributes as the kernel gets them, asked
            once the shapes of the inputs are known: a `-1` becomes a length, `'same'` a padding.
        broadcasts: Whether inputs of different shapes meet by NumPy's broadcasting.
        elementwise: Whether entry i of the result depends on entries i of the inputs alone.
    """

    name: str
    shape: Rule
    dtype: Rule
    gradient: Rule | str | None
    doc: str
    multiple: bool = False
    residuals: int = 0
    composition: Rule | None = None
    kernels: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    in_place: bool = False
    effect: bool = False
    keep: bool = False
    host: bool = False
    bodies: tuple[str, ...] = ()
    resolve: Rule | None = None
    broadcasts: bool = False
    elementwise: bool = False

    def __call__(self, *inputs: Any, **attributes: Any) -> Any:
        """The tensor (or list of tensors) that this primitive makes of `inputs`."""
        if _apply is None:
            raise RuntimeError("Primitives build graph only after `import multikeras.graph`.")
        return _apply(self, inputs, attributes)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def primitive(name: str, **fields: Any) -> Primitive:
    """Declares a primitive and makes it known by its name.

    Args:
        name: A new name; a package outside multikeras writes `'package.name'`.
        **fields: The other fields of `Primitive`.

    Raises:
        ValueError: If the name is taken, or there is neither a kernel nor a composition where the
            name is not one that backends are asked for.
    """
    if name in PRIMITIVES:
        raise ValueError(f"A primitive named {name!r} exists already; choose another name.")
    if "." in name and not fields.get("composition") and not fields.get("kernels"):
        raise ValueError(
            f"Primitive {name!r} needs a composition, or kernels by backend name: the backends do not know it."
        )
    made = Primitive(name=name, **fields)
    PRIMITIVES[name] = made
    return made


def set_builder(apply: Callable[..., Any]) -> None:
    """Says how primitives are applied to tensors; called by the graph alone."""
    global _apply
    _apply = apply
