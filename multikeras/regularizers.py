"""Regularizers: penalties on weights or outputs, added to the training loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multikeras import backend as K
from multikeras import lookup


class Regularizer:
    """Base class: a callable from a tensor to a scalar penalty."""

    def __call__(self, x: Any) -> Any:
        return K.constant(0.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The regularizer with these arguments."""
        return cls(**config)


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x ** 2)`, computed in 32 bits for tensors of 16.

    Args:
        l1: Factor of the sum of absolute values; None is 0.
        l2: Factor of the sum of squares; None is 0.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        # 0-d arrays, which configurations may bring, are numbers here.
        self.l1 = float(0.0 if l1 is None else l1)
        self.l2 = float(0.0 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        dtype = K.dtype(x)
        wide = K.cast(x, "float32") if dtype in ("float16", "bfloat16") else x
        terms = []
        if self.l1:
            terms.append(self.l1 * K.sum(K.abs(wide)))
        if self.l2:
            terms.append(self.l2 * K.sum(K.square(wide)))
        if not terms:
            return K.constant(0.0, dtype=dtype)
        total = terms[0] if len(terms) == 1 else terms[0] + terms[1]
        return total if wide is x else K.cast(total, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


def l1(l: float = 0.01) -> L1L2:  # noqa: E741 (Keras's name)
    """`l * sum(|x|)`."""
    return L1L2(l1=l)


def l2(l: float = 0.01) -> L1L2:  # noqa: E741 (Keras's name)
    """`l * sum(x ** 2)`."""
    return L1L2(l2=l)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """`l1 * sum(|x|) + l2 * sum(x ** 2)`."""
    return L1L2(l1=l1, l2=l2)


def _l1_only(l1: float = 0.01) -> L1L2:
    return L1L2(l1=l1)


def _l2_only(l2: float = 0.01) -> L1L2:
    return L1L2(l2=l2)


_FUNCTIONS: dict[str, Any] = {"l1": l1, "l2": l2, "l1_l2": l1_l2}
_KNOWN: dict[str, Any] = {
    "Regularizer": Regularizer,
    "L1L2": L1L2,
    **_FUNCTIONS,
    # Classes of later versions, which files may name.
    "L1": _l1_only,
    "L2": _l2_only,
}


def serialize(regularizer: Any) -> Any:
    """The configuration of a regularizer."""
    return lookup.serialize(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer of this name or configuration."""
    made = lookup.deserialize(config, _KNOWN, "regularizer", custom_objects)
    return made() if made in (*_FUNCTIONS.values(), _l1_only, _l2_only) else made


def get(identifier: Any) -> Any:
    """The regularizer meant by a name, a configuration or a callable; None for None."""
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    return lookup.get(identifier, _KNOWN, "regularizer")
