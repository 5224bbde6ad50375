"""Which tensors of a model have which masks, by the rules of Keras 3 and of here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: A tensor: layer, number of its call, number of the output.
Key = tuple[Any, int, int]

#: A mask that is computed by code, or inside another model.
UNKNOWN = -1

MERGING = frozenset({"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"})
RECURRENT = frozenset({"Bidirectional", "ConvLSTM2D", "GRU", "LSTM", "RNN", "SimpleRNN"})
#: Layers that pass the mask of their first input on, on both sides.
PASSING = frozenset(
    {
        "Activation",
        "ActivityRegularization",
        "AlphaDropout",
        "BatchNormalization",
        "Dense",
        "Dropout",
        "ELU",
        "GaussianDropout",
        "GaussianNoise",
        "GroupNormalization",
        "Identity",
        "LayerNormalization",
        "LeakyReLU",
        "MultiHeadAttention",
        "PReLU",
        "ReLU",
        "Softmax",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "TimeDistributed",
    }
)
#: Layers that take a mask, and whose outputs have none.
ENDING = frozenset({"Dot", "GlobalAveragePooling1D"})
#: Layers that compute with the mask of their first input.
USING = RECURRENT | {"GlobalAveragePooling1D", "TimeDistributed"}
#: Layers that put another value in the place of what is masked there.
FILLING = frozenset({"Maximum", "Minimum", "Multiply"})
#: Layers whose masks are not told from their configuration.
OPEN = frozenset({"Functional", "Lambda", "Model", "Operations", "Sequential"})


@dataclass
class Call:
    """A call.

    Attributes:
        first: The tensors of its first argument.
        others: All others.
        mask: The mask that it is given by name.
        constants: Numbers among the arguments of an operation.
        says_all: Whether it has no mask unless it is given one by name.
    """

    first: list[Key]
    others: list[Key]
    mask: Key | None = None
    constants: tuple[Any, ...] = ()
    says_all: bool = False

    @property
    def tensors(self) -> list[Key]:
        return [*self.first, *self.others, *([self.mask] if self.mask else [])]


@dataclass
class Layer:
    """A layer or operation of a model, and its calls."""

    kind: str
    name: str
    config: Mapping[str, Any]
    calls: list[Call]
    is_operation: bool = False


def call_of(kind: str, node: Sequence[Any]) -> Call:
    """A call as configurations of ours write it."""
    keys: list[Key] = [(source[0], source[1], source[2]) for source in node]
    given = node[0][3].get("mask") if node and len(node[0]) > 3 else None
    mask: Key | None = ("", 0, 0) if given is not None else None
    apart = kind in RECURRENT or kind == "MultiHeadAttention"
    return Call(keys[:1] if apart else keys, keys[1:] if apart else [], mask)


class Terms:
    """Masks as numbers: equal ones have the same."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._terms: list[Any] = []

    def made(self, *term: Any) -> int:
        if term not in self._numbers:
            self._numbers[term] = len(self._terms)
            self._terms.append(term)
        return self._numbers[term]

    def of(self, number: int) -> Any:
        return self._terms[number] if number >= 0 else ("unknown",)

    def joined(self, word: str, parts: Iterable[int]) -> int:
        """What `word`, "or" or "and", makes of several."""
        found: set[int] = set()
        for part in parts:
            if part == UNKNOWN:
                return UNKNOWN
            term = self.of(part)
            found |= term[1] if term[0] == word else {part}
        true = self.made("true")
        if true in found and word == "or":
            return true
        found.discard(true)
        return next(iter(found)) if len(found) == 1 else self.made(word, frozenset(found)) if found else true


class Propagation:
    """The masks of all tensors of a model, by the rules of one side."""

    def __init__(self, layers: Mapping[Any, Layer], terms: Terms, theirs: bool, given: int | None = None) -> None:
        self._layers, self._terms, self._theirs, self._given = layers, terms, theirs, given
        self._values: dict[Key, int | None] = {}
        self._done: set[tuple[Any, int]] = set()
        self._entered: set[tuple[Any, int]] = set()
        for name, layer in layers.items():
            if not layer.calls:
                self._values[name, 0, 0] = self._layer(layer, Call([], []))
            for number in range(len(layer.calls)):
                self._compute(name, number)

    def mask(self, key: Key) -> int | None:
        """The mask of a tensor; of a mask, what it says."""
        layer = self._layers.get(key[0])
        if layer is not None and layer.kind in RECURRENT:
            both = layer.kind == "Bidirectional" and layer.config.get("merge_mode") is None
            if key[2] > int(both):
                return None
        return self._values.get((key[0], key[1], 0))

    def used(self, layer: Layer, call: Call) -> int | None:
        """The mask that a call computes with."""
        if self._theirs and (call.mask is not None or call.says_all):
            return self.mask(call.mask) if call.mask is not None else None
        if self._theirs and call.others:
            return None
        return self.mask(call.first[0]) if call.first else None

    def _compute(self, name: Any, number: int) -> None:
        stack = [(name, number)]
        while stack:
            here = stack[-1]
            if here in self._done:
                stack.pop()
                continue
            layer = self._layers[here[0]]
            call = layer.calls[here[1]]
            missing = [key[:2] for key in call.tensors if key[:2] not in self._done and self._exists(key)]
            if missing and here not in self._entered:
                self._entered.add(here)
                stack.extend(missing)
                continue
            made = self._operation(layer, here, call) if layer.is_operation else self._layer(layer, call)
            self._values[(*here, 0)] = made
            self._done.add(here)
            stack.pop()

    def _exists(self, key: Key) -> bool:
        layer = self._layers.get(key[0])
        return layer is not None and 0 <= key[1] < len(layer.calls)

    def _layer(self, layer: Layer, call: Call) -> int | None:
        terms, kind, config = self._terms, layer.kind, layer.config
        if kind == "InputLayer":
            return self._given
        masks = [self.mask(key) for key in call.first]
        if kind == "Embedding":
            return terms.made("differs", call.first[0], 0.0) if config.get("mask_zero") and call.first else None
        if kind == "Masking":
            return terms.made("any", terms.made("differs", call.first[0], float(config.get("mask_value") or 0.0)))
        if kind in MERGING:
            known = [mask for mask in masks if mask is not None]
            if not known or (self._theirs and len(known) < len(masks)):
                return None
            return terms.joined("or" if self._theirs else "and", known)
        if kind == "Concatenate":
            if all(mask is None for mask in masks):
                return None
            return self._concatenated([terms.made("true") if m is None else m for m in masks], config.get("axis", -1))
        if kind in ENDING:
            return None
        mask = masks[0] if masks else None
        if call.mask is not None and self._theirs:
            mask = self.mask(call.mask)
        if kind in RECURRENT:
            # A wrapper says it of what it wraps.
            inside = config.get("layer")
            own = inside.get("config", {}) if isinstance(inside, Mapping) else config
            return mask if own.get("return_sequences") else None
        if kind in PASSING:
            return mask
        if kind in OPEN or not is_builtin(kind):
            return UNKNOWN if any(m is not None for m in masks) or has_masks(config) else None
        return None

    def _concatenated(self, masks: Sequence[int], axis: Any) -> int:
        if UNKNOWN in masks:
            return UNKNOWN
        if axis in (-1, 2):
            return self._terms.joined("or" if self._theirs else "and", masks)
        return self._terms.made("joined", axis, tuple(masks))

    def _operation(self, layer: Layer, here: tuple[Any, int], call: Call) -> int | None:
        """What an operation says that computes a mask."""
        terms, kind = self._terms, layer.kind
        values = [self._values.get((*key[:2], 0)) for key in call.first]
        if kind == "NotEqual" and len(call.first) == 1 and len(call.constants) == 1:
            return terms.made("differs", call.first[0], float(call.constants[0]))
        if kind in ("ZerosLike", "OnesLike"):
            return terms.made("true" if kind == "OnesLike" else "false")
        if any(value is None for value in values):
            return terms.made("operation", *here) if kind not in MERGING else None
        known = [value for value in values if value is not None]
        if kind == "ExpandDims" and layer.config.get("axis") == -1:
            return known[0]
        if kind == "LogicalOr":
            return terms.joined("or", [value for value in known if value != terms.made("false")])
        if kind == "Concatenate":
            return terms.made("together", layer.config.get("axis", -1), tuple(known))
        if kind == "Any" and layer.config.get("axis") == -1 and known[0] >= 0:
            term = terms.of(known[0])
            return self._concatenated(term[2], term[1]) if term[0] == "together" else terms.made("any", known[0])
        return terms.made("operation", *here)


def is_builtin(kind: str) -> bool:
    """Whether a layer of this class is one of ours."""
    from multikeras import layers

    return isinstance(getattr(layers, kind, None), type)


def has_masks(config: Any) -> bool:
    """Whether a configuration has a layer inside that makes a mask."""
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            if value.get("class_name") == "Masking" or value.get("mask_zero") is True:
                return True
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return False
