"""Graphs as plain data, and back: primitives with their attributes, by number.

This is how raw operations of K between layers are written into a configuration, and how a whole model
is written for prediction. A graph is a list of entries, each made of earlier ones:

    {"input": i, "shape": …, "dtype": …}            what is passed in
    {"variable": i}                                 a variable, by its place in a list
    {"constant": …, "shape": …, "dtype": …}         base64 of the bytes, least significant first
    {"random": seed, "runs": n}                     a stream of random numbers
    {"setting": "learning_phase"}
    {"op": name, "of": [entries], "attributes": …}  one primitive; an attribute may be {"entry": i},
                                                    {"graph": …} for a body, {"tuple": …} or a plain value
    {"item": i, "of": entry}                        one result of a primitive that has several
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from multikeras.contract import DTYPES, PRIMITIVES
from multikeras.graph.bodies import SubGraph
from multikeras.graph.build import ITEM, all_attributes, apply
from multikeras.graph.context import body
from multikeras.graph.tensor import (
    Constant,
    Parameter,
    Placeholder,
    RandomKey,
    Setting,
    Tensor,
    ValueTensor,
    Variable,
)
from multikeras.graph.updates import Update
from multikeras.saving.graphs.attributes import check, checked_name
from multikeras.saving.reading.limits import LIMITS
from multikeras.saving.reading.reader import CorruptFileError, UnsafeFileError

#: Primitives that do something beside their result, run Python, or are steps of training: no file asks for them.
_REFUSED = frozenset(
    [
        *("host_call", "print_value", "custom_gradient"),
        *("assign", "assign_add", "assign_average", "assign_moved"),
        *("sgd_update", "rmsprop_update", "adam_update"),
    ]
)

# -- writing ------------------------------------------------------------------------------------


def to_data(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], variables: Sequence[Variable], where: str
) -> dict[str, Any]:
    """The graph between inputs and outputs.

    Args:
        inputs: Where it begins.
        outputs: Where it ends.
        variables: The variables that it may read; they are named by their places here.
        where: What it belongs to, for messages.

    Raises:
        NotImplementedError: If it stores, prints or calls Python, or uses a primitive of another package.
    """
    return Writer(inputs, variables, where).graph(outputs)


class Writer:
    """Writes one graph; see `to_data`."""

    def __init__(self, inputs: Sequence[Tensor], variables: Sequence[Variable], where: str) -> None:
        self.where = where
        self.variables = list(variables)
        self.inputs = list(inputs)
        self.entries: list[dict[str, Any]] = []
        self.numbers: dict[Tensor, int] = {}

    def same(self, tensor: Tensor) -> Tensor:
        """What a tensor is written as: itself, where all of the graph is written."""
        return tensor

    def read(self, tensor: Tensor) -> Sequence[Tensor]:
        """The inputs of a tensor that are written."""
        return tensor.inputs

    def passed(self, tensor: Tensor, body: SubGraph) -> Sequence[Tensor]:
        """What is passed into a body."""
        return body.bindings

    def inner(self, places: Sequence[Tensor], where: str) -> Writer:
        """Writes a body."""
        return Writer(places, [], where)

    def graph(self, outputs: Sequence[Tensor]) -> dict[str, Any]:
        """The graph up to its outputs."""
        for i, tensor in enumerate(self.inputs):
            self._add(tensor, {"input": i, "shape": list(tensor.shape), "dtype": tensor.dtype})
        for tensor in self._needed(outputs):
            self._add(tensor, self._entry(tensor))
        return {"entries": self.entries, "outputs": [self._number(t) for t in outputs]}

    def _number(self, tensor: Tensor) -> int:
        return self.numbers[self.same(tensor)]

    def _add(self, tensor: Tensor, entry: dict[str, Any]) -> None:
        self.numbers[tensor] = len(self.entries)
        self.entries.append(entry)

    def _needed(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """Everything the outputs are made of beside the inputs, in creation order."""
        return sorted(self.reached(outputs) - set(self.inputs), key=lambda t: t.serial)

    def reached(self, outputs: Sequence[Tensor]) -> set[Tensor]:
        """Everything the outputs are made of, up to the inputs."""
        ends = set(self.inputs)
        stack = [self.same(t) for t in outputs]
        seen = set(stack)
        while stack:
            tensor = stack.pop()
            if tensor in ends:
                continue
            for x in map(self.same, self.read(tensor)):
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return seen

    def _entry(self, tensor: Tensor) -> dict[str, Any]:
        if isinstance(tensor, Variable):
            for i, variable in enumerate(self.variables):
                if variable is tensor:
                    return {"variable": i}
            raise NotImplementedError(f"{self.where} reads the variable {tensor.name!r}, which is none of its weights.")
        if isinstance(tensor, (Constant, ValueTensor)):
            value = tensor.value if isinstance(tensor, Constant) else np.asarray(tensor)
            return {"constant": _encoded(value), "shape": list(value.shape), "dtype": tensor.dtype}
        if isinstance(tensor, RandomKey):
            return {"random": tensor.seed, "runs": tensor.runs}
        if isinstance(tensor, Setting):
            return {"setting": tensor.key}
        if isinstance(tensor, (Placeholder, Parameter)) or tensor.primitive is None:
            raise NotImplementedError(f"{self.where} needs {tensor!r}, which is none of its inputs.")
        if tensor.primitive is ITEM:
            return {"item": tensor.attributes["index"], "of": self._number(tensor.inputs[0])}
        return self._operation(tensor)

    def _operation(self, tensor: Tensor) -> dict[str, Any]:
        primitive = tensor.primitive
        assert primitive is not None
        if isinstance(tensor, Update) or primitive.name in _REFUSED or "." in primitive.name:
            raise NotImplementedError(
                f"{self.where} uses {primitive.name!r}, which a file cannot hold: it stores, prints, trains, calls "
                "Python, or belongs to another package. Put it into a layer of your own."
            )
        attributes = {
            name: self._body(tensor, value) if isinstance(value, SubGraph) else self._attribute(name, value)
            for name, value in all_attributes(tensor).items()
        }
        inputs = self.read(tensor)[: len(self.read(tensor)) - len(tensor.host)]
        made: dict[str, Any] = {"op": primitive.name, "of": [self._number(x) for x in inputs]}
        return {**made, "attributes": attributes} if attributes else made

    def _body(self, tensor: Tensor, value: SubGraph) -> dict[str, Any]:
        inner = self.inner(self.passed(tensor, value), f"{self.where}, {value.scope.label}")
        return {"graph": inner.graph(value.outputs), "label": value.scope.label}

    def _attribute(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Tensor):
            return {"entry": self._number(value)}
        if isinstance(value, (tuple, list)):
            return {"tuple": [self._attribute(name, entry) for entry in value]}
        raise NotImplementedError(f"{self.where} has the attribute {name}={value!r}, which a file cannot hold.")


def _encoded(value: np.ndarray) -> str:
    array = np.ascontiguousarray(value)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return base64.b64encode(array.tobytes()).decode("ascii")


# -- reading ------------------------------------------------------------------------------------


def from_data(
    data: Any, inputs: Sequence[Tensor] | None, variables: Sequence[Variable], where: str
) -> tuple[list[Tensor], list[Tensor]]:
    """Builds a graph anew.

    Args:
        data: What `to_data` gave.
        inputs: What to pass in; new placeholders if None.
        variables: The variables, by place.
        where: What it belongs to, for messages.

    Returns:
        The inputs and the outputs.

    Raises:
        CorruptFileError: If it is no graph.
        UnsafeFileError: If it asks for what no file may.
    """
    try:
        return _Reader(inputs, variables, where).graph(data)
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError, binascii.Error) as error:
        raise CorruptFileError(f"{where}: the graph cannot be read: {error!r}") from error


class _Reader:
    def __init__(self, inputs: Sequence[Tensor] | None, variables: Sequence[Variable], where: str) -> None:
        self.given = None if inputs is None else list(inputs)
        self.variables = list(variables)
        self.where = where
        self.inputs: dict[int, Tensor] = {}
        self.made: list[Any] = []

    def graph(self, data: Mapping[str, Any], depth: int = 0) -> tuple[list[Tensor], list[Tensor]]:
        entries = data["entries"]
        if len(entries) > LIMITS.names or depth > LIMITS.depth:
            raise UnsafeFileError(f"{self.where}: the graph has {len(entries):,} entries at depth {depth}.")
        for entry in entries:
            self.made.append(self._entry(entry, depth))
        outputs = [self._tensor(i) for i in data["outputs"]]
        if any(output.dtype not in DTYPES for output in outputs):
            raise CorruptFileError(f"{self.where}: what only gradients read is a result of the graph.")
        return [self.inputs[i] for i in range(len(self.inputs))], outputs

    def _tensor(self, number: Any) -> Tensor:
        found = self.made[_count(number, len(self.made))]
        if not isinstance(found, Tensor):
            raise CorruptFileError(f"{self.where}: entry {number} has several results and is used as one.")
        return found

    def _entry(self, entry: Mapping[str, Any], depth: int) -> Any:
        if "op" in entry:
            return self._operation(entry, depth)
        if "item" in entry:
            found = self.made[_count(entry["of"], len(self.made))]
            return found[_count(entry["item"], len(found))]
        if "input" in entry:
            return self._input(entry)
        if "variable" in entry:
            return self.variables[_count(entry["variable"], len(self.variables))]
        if "constant" in entry:
            return _constant(entry, self.where)
        if "random" in entry:
            key = RandomKey(_count(entry["random"], 1 << 64))
            key.runs = _count(entry.get("runs", 0), 1 << 64)
            return key
        if "setting" in entry:
            return _setting(entry["setting"], self.where)
        raise CorruptFileError(f"{self.where}: an entry of the graph is none: {sorted(entry)}.")

    def _input(self, entry: Mapping[str, Any]) -> Tensor:
        number = _count(entry["input"], len(self.made) + 1)
        if self.given is not None:
            tensor = self.given[number]
        else:
            tensor = Placeholder(_shape(entry["shape"], self.where), _dtype(entry["dtype"], self.where))
        self.inputs[number] = tensor
        return tensor

    def _operation(self, entry: Mapping[str, Any], depth: int) -> Any:
        name = entry["op"]
        primitive = PRIMITIVES.get(name)
        if primitive is None or name in _REFUSED or "." in name or primitive is ITEM:
            raise UnsafeFileError(f"{self.where}: a file may not ask for the primitive {name!r}.")
        inputs = tuple(self._tensor(i) for i in entry["of"])
        given = {checked_name(key, self.where): value for key, value in entry.get("attributes", {}).items()}
        attributes = {key: self._attribute(value, depth) for key, value in given.items()}
        check(primitive, inputs, attributes, self.where)
        made = apply(primitive, inputs, attributes)
        for tensor in made if isinstance(made, list) else [made]:
            _check_size(tensor, self.where)
        return made

    def _attribute(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            if "entry" in value:
                return self._tensor(value["entry"])
            if "tuple" in value:
                return tuple(self._attribute(entry, depth) for entry in value["tuple"])
            return self._body(value, depth)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise CorruptFileError(f"{self.where}: {type(value).__name__} is no attribute.")

    def _body(self, value: Mapping[str, Any], depth: int) -> SubGraph:
        with body(str(value["label"])) as scope:
            inner = _BodyReader(None, [], self.where)
            bindings, outputs = inner.graph(value["graph"], depth + 1)
            return SubGraph(bindings, outputs, scope)


class _BodyReader(_Reader):
    """Reads a body, whose inputs are parameters."""

    def _input(self, entry: Mapping[str, Any]) -> Tensor:
        number = _count(entry["input"], len(self.made) + 1)
        tensor = self.inputs[number] = Parameter(_shape(entry["shape"], self.where), _dtype(entry["dtype"], self.where))
        return tensor


def _check_size(tensor: Tensor, where: str) -> None:
    """Refuses results that no run could hold, as far as lengths are known."""
    _check_axes(tensor.shape, where)
    if tensor.dtype not in DTYPES:
        # What only gradients read.
        return
    size = prod(n for n in tensor.shape if n is not None) * itemsize(tensor.dtype)
    if size > LIMITS.array_bytes:
        raise UnsafeFileError(
            f"{where}: the graph makes an array of shape {tensor.shape} and type {tensor.dtype} of {size:,} bytes; at "
            f"most {LIMITS.array_bytes:,} are made."
        )


def itemsize(dtype: str) -> int:
    """Bytes of an entry."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _count(number: Any, below: int) -> int:
    if type(number) is not int or not 0 <= number < below:
        raise CorruptFileError(f"a graph names entry {number!r} of {below}.")
    return number


def _check_axes(shape: Any, where: str) -> None:
    if len(shape) > LIMITS.axes:
        raise UnsafeFileError(f"{where}: the graph makes an array of {len(shape):,} axes; at most {LIMITS.axes} exist.")


def _shape(shape: Any, where: str) -> tuple[int | None, ...]:
    _check_axes(shape, where)
    return tuple(None if n is None else _count(n, 1 << 62) for n in shape)


def _dtype(dtype: Any, where: str) -> str:
    if dtype not in DTYPES:
        raise CorruptFileError(f"{where}: a graph has no type {dtype!r}.")
    return str(dtype)


def _constant(entry: Mapping[str, Any], where: str) -> Constant:
    dtype, shape = _dtype(entry["dtype"], where), _shape(entry["shape"], where)
    stored = np.dtype("uint16" if dtype == "bfloat16" else dtype)
    content = base64.b64decode(entry["constant"], validate=True)
    count = 1
    for n in shape:
        count *= n if n is not None else -1
    if count < 0 or len(content) != count * stored.itemsize:
        raise CorruptFileError(f"{where}: a constant of shape {shape} and type {dtype} holds {len(content)} bytes.")
    value = np.frombuffer(content, stored.newbyteorder("<")).astype(stored).reshape([n or 0 for n in shape])
    if dtype == "bfloat16":
        import ml_dtypes

        value = value.view(ml_dtypes.bfloat16)
    value.flags.writeable = False
    return Constant(value, dtype=dtype)


def _setting(key: Any, where: str) -> Tensor:
    from multikeras.programs import settings

    found = {"learning_phase": settings.learning_phase, "epsilon": settings.epsilon}.get(key)
    if found is None:
        raise CorruptFileError(f"{where}: there is no setting {key!r}.")
    return found()


__all__ = ["from_data", "to_data"]
