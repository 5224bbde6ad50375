"""From a specialised graph to a straight line of kernel calls, and to Python source.

A line is one operation; values live in registers that are used again once their value is dead.
Nested expressions are never written, since Python's compiler limits their depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from threading import Lock
from types import FunctionType
from typing import Any
from weakref import WeakValueDictionary

from multikeras.contract import Backend
from multikeras.graph.bodies import SubGraph
from multikeras.graph.build import ITEM
from multikeras.graph.origin import Origin
from multikeras.graph.tensor import Constant, Tensor, Variable
from multikeras.programs.memory import owners
from multikeras.programs.specialise import Argument

#: Longer programs are generated in pieces of this many statements, since the time that Python
#: takes to compile a function grows faster than its length.
CHUNK = 5000

#: Attributes that describe a primitive to the graph and not to its kernel.
_GRAPH_ONLY = {"host_call": ("gradient",)}


#: What tracebacks call generated code.
FILE_NAME = "<multikeras program>"
#: Functions of bodies by the text of their source and all that it refers to, as long as a program holds them.
_BODIES: WeakValueDictionary[Any, Callable[..., tuple[Any, ...]]] = WeakValueDictionary()
_bodies_lock = Lock()


@dataclass
class Line:
    """The computation of one tensor.

    Attributes:
        tensor: What is computed.
        kernel: The function to call; None picks an entry of a tuple.
        attributes: Its keyword arguments, bodies as callables.
        origin: Where the user's code made it.
        dead: Inputs that nobody reads after it.
    """

    tensor: Tensor
    kernel: Callable[..., Any] | None
    attributes: dict[str, Any]
    origin: Origin | None
    dead: list[Tensor] = field(default_factory=list)


@dataclass
class Straight:
    """A straight line: arguments, lines and results, all as specialised tensors."""

    arguments: list[Argument]
    lines: list[Line]
    results: list[Tensor]


def straighten(
    results: Sequence[Tensor],
    backend: Backend,
    stores: dict[Variable, Tensor] | None = None,
    arguments: Sequence[Argument] = (),
    num_outputs: int = 0,
) -> Straight:
    """Orders a specialised graph, leaves out what nobody reads, and finds where values die.

    Args:
        results: The tensors to be returned, stores included.
        backend: Whose kernels are called.
        stores: New values by variable, for kernels that may work in place.
        arguments: Arguments that come first, used or not.
        num_outputs: How many of the results are outputs; the others are stored.
    """
    live = _live(results)
    order = sorted(live, key=lambda t: t.serial)
    leaves = [t for t in order if isinstance(t, Argument)]
    given = set(arguments)
    read_items = _items_read(order)
    lines = [_line(t, backend, read_items) for t in order if t.primitive is not None]
    _mark_deaths(lines, results)
    if stores and backend.in_place and not calls_python(results):
        _allow_in_place(lines, stores, results, num_outputs, arguments)
    return Straight([*arguments, *[t for t in leaves if t not in given]], lines, list(results))


def calls_python(results: Sequence[Tensor]) -> bool:
    """Whether a function of the user's is called on the way to `results`, in a body or outside of one."""
    for tensor in _live(results):
        primitive = tensor.primitive
        if primitive is None:
            continue
        bodies = [tensor.attributes[name] for name in primitive.bodies]
        if primitive.name == "host_call" or any(calls_python(b.outputs) for b in bodies if isinstance(b, SubGraph)):
            return True
    return False


def _live(results: Sequence[Tensor]) -> set[Tensor]:
    seen = set(results)
    stack = list(seen)
    while stack:
        for x in stack.pop().inputs:
            if x is not None and x not in seen:
                seen.add(x)
                stack.append(x)
    return seen


def _items_read(order: Sequence[Tensor]) -> dict[Tensor, set[int]]:
    read: dict[Tensor, set[int]] = {}
    for tensor in order:
        if tensor.primitive is ITEM:
            read.setdefault(tensor.inputs[0], set()).add(tensor.attributes["index"])
    return read


def _line(tensor: Tensor, backend: Backend, read_items: dict[Tensor, set[int]]) -> Line:
    primitive = tensor.primitive
    assert primitive is not None
    if primitive is ITEM:
        return Line(tensor, None, tensor.attributes, tensor.origin)
    hidden = _GRAPH_ONLY.get(primitive.name, ())
    attributes = {name: value for name, value in tensor.attributes.items() if name not in hidden}
    if primitive.residuals:
        first = len(tensor.shape) - primitive.residuals
        attributes["residuals"] = any(i >= first for i in read_items.get(tensor, ()))
    if primitive.name == "scan":
        ys = attributes["body"].outputs[attributes["num_carries"] :]
        attributes["outputs"] = tuple((y.shape, y.dtype) for y in ys)
    for name in primitive.bodies:
        attributes[name] = body_function(attributes[name], backend)
    if primitive.in_place:
        attributes["in_place"] = False
    results = tensor.known if primitive.multiple else [tensor.dtype]
    types = frozenset([*results, *[x.dtype for x in tensor.inputs if x is not None]])
    kernel = backend.kernel(primitive.name, types) or primitive.kernels[backend.name]
    return Line(tensor, kernel, attributes, tensor.origin)


def body_function(graph: SubGraph, backend: Backend) -> Callable[..., tuple[Any, ...]]:
    """A body as a function from arrays to a tuple of arrays."""
    straight = straighten(graph.outputs, backend, arguments=graph.bindings)  # type: ignore[arg-type]
    source = Source(straight, backend)
    text = source.text()
    # The same function for equal bodies, so that programs that hold them are found equal too.
    key = (id(backend), text, tuple(source.key))
    with _bodies_lock:
        try:
            found = _BODIES.get(key)
        except TypeError:
            # Something unhashable among the attributes.
            return source.define(text, lambda function, piece: function)
        if found is None:
            found = _BODIES[key] = source.define(text, lambda function, piece: function)
    return found


def _mark_deaths(lines: list[Line], results: Sequence[Tensor]) -> None:
    needed = set(results)
    for line in reversed(lines):
        for x in dict.fromkeys(line.tensor.inputs):
            if x not in needed:
                needed.add(x)
                if x.primitive is not None:
                    line.dead.append(x)


def _allow_in_place(
    lines: list[Line],
    stores: dict[Variable, Tensor],
    results: Sequence[Tensor],
    num_outputs: int,
    fed: Sequence[Argument],
) -> None:
    """Lets a fused optimizer step write into variables that nobody reads after it."""
    if not any(line.tensor.primitive is not None and line.tensor.primitive.in_place for line in lines):
        return
    last_read: dict[Tensor, int] = {}
    for position, line in enumerate(lines):
        for x in line.tensor.inputs:
            for source in owners(x) if x is not None else ():
                last_read[source] = position
    # A result that may lie in a variable's memory is read after every line.
    for result in results:
        for source in owners(result):
            if isinstance(source, Argument):
                last_read[source] = len(lines)
    # The value that is stored must not be an output as well: the next run would write into it.
    given_out = {source for result in results[:num_outputs] for source in owners(result)}
    for position, line in enumerate(lines):
        primitive = line.tensor.primitive
        assert primitive is not None
        if not primitive.in_place:
            continue
        items = {
            later.tensor.attributes["index"]: later.tensor
            for later in lines[position:]
            if later.kernel is None and later.tensor.inputs[0] is line.tensor
        }
        written = _written_inputs(line.tensor)
        # What the step reads beside them must lie elsewhere, and they apart from each other.
        read = [source for x in line.tensor.inputs for source in owners(x)]
        line.attributes["in_place"] = all(
            isinstance(x, Argument)
            and x not in fed
            and isinstance(x.source, Variable)
            and x.source in stores
            and stores[x.source] is items.get(index)
            and last_read[x] == position
            and read.count(x) == 1
            and items.get(index) not in given_out
            for index, x in enumerate(written)
        )


def _written_inputs(tensor: Tensor) -> list[Tensor]:
    """Inputs of an optimizer step that its results replace: parameters, then slots."""
    results = len(tensor.shape)
    inputs = tensor.inputs
    for scalars in (2, 3, 4):
        for kinds in (3, 4):
            count, rest = divmod(len(inputs) - scalars, kinds)
            if not rest and results == count * (kinds - 1):
                name = tensor.primitive.name if tensor.primitive is not None else ""
                if (name, scalars, kinds) in _LAYOUTS:
                    return [*inputs[scalars : scalars + count], *inputs[scalars + 2 * count :]]
    return [tensor]


_LAYOUTS = {("sgd_update", 2, 3), ("rmsprop_update", 3, 3), ("adam_update", 4, 4)}


class Source:
    """Python source for a straight line, and the names that it uses."""

    def __init__(self, straight: Straight, backend: Backend) -> None:
        self.straight = straight
        self.backend = backend
        self.names: dict[str, Any] = {}
        self.key: list[Any] = []
        self.pieces = 0
        self._constants: dict[Tensor, str] = {}
        self._kernels: dict[int, str] = {}

    def define(
        self, text: str, compile_piece: Callable[[Callable[..., Any], int | None], Callable[..., Any]]
    ) -> Callable[..., tuple[Any, ...]]:
        """Makes the function that `text` defines.

        Args:
            text: What `text()` gave.
            compile_piece: Called with the whole function and None, or with each of its pieces and
                their number; gives what is to be called instead.
        """
        namespace = dict(self.names)
        exec(compile(text, FILE_NAME, "exec"), namespace)  # noqa: S102 - the text is ours, from a validated graph
        # A function among its own globals would die by the cyclic collector alone, and with it what it holds.
        whole = namespace.pop("program")
        if not self.pieces:
            return compile_piece(whole, None)
        names = [f"piece{number}" for number in range(self.pieces)]
        pieces = {name: compile_piece(namespace.pop(name), number) for number, name in enumerate(names)}
        return FunctionType(whole.__code__, {**self.names, **pieces})

    @property
    def limit(self) -> int:
        """Most statements of one piece."""
        return min(CHUNK, self.backend.longest_program or CHUNK)

    def text(self) -> str:
        """The source; afterwards `names` holds what it refers to and `key` what tells it from others."""
        registers: dict[Tensor, str] = {t: f"a{i}" for i, t in enumerate(self.straight.arguments)}
        arguments = ", ".join(registers.values())
        free: list[str] = []
        count = 0
        body: list[Statement] = []
        for line in self.straight.lines:
            reads = [registers[x] for x in line.tensor.inputs if x in registers]
            released = [registers[x] for x in line.dead]
            if released:
                target = released[0]
            elif free:
                target = free.pop()
            else:
                target, count = f"r{count}", count + 1
            expression = self._expression(line, registers)
            free.extend(released[1:])
            body.append(Statement(target, f"{target} = {expression}", reads, released[1:]))
            registers[line.tensor] = target
        results = "".join(f"{self._operand(t, registers)}, " for t in self.straight.results)
        kept = {registers[t] for t in self.straight.results if t in registers}
        limit = self.limit
        if len(body) <= limit:
            return _function("program", arguments, body, results)
        self.pieces = -(-len(body) // limit)
        return _in_pieces(arguments, [body[i : i + limit] for i in range(0, len(body), limit)], results, kept)

    def _expression(self, line: Line, registers: dict[Tensor, str]) -> str:
        if line.kernel is None:
            return f"{registers[line.tensor.inputs[0]]}[{line.attributes['index']}]"
        operands = [self._operand(x, registers) for x in line.tensor.inputs]
        keywords = [f"{_keyword(name)}={self._literal(value)}" for name, value in line.attributes.items()]
        return f"{self._kernel(line)}({', '.join([*operands, *keywords])})"

    def _kernel(self, line: Line) -> str:
        name = self._kernels.get(id(line.kernel))
        if name is None:
            assert line.tensor.primitive is not None
            name = f"k{len(self._kernels)}_{line.tensor.primitive.name.replace('.', '_')}"
            self._kernels[id(line.kernel)] = name
            self._bind(name, line.kernel, line.kernel)
        return name

    def _operand(self, tensor: Tensor | None, registers: dict[Tensor, str]) -> str:
        if tensor is None:
            return "None"
        name = registers.get(tensor) or self._constants.get(tensor)
        if name is None:
            assert isinstance(tensor, Constant)
            name = self._constants[tensor] = f"c{len(self._constants)}"
            value = constant_array(tensor, self.backend)
            self._bind(name, value, (tensor.dtype, tensor.value.shape, tensor.value.tobytes()))
        return name

    def _literal(self, value: Any) -> str:
        if _is_plain(value):
            return repr(value)
        name = f"v{len(self.names)}"
        self._bind(name, value, value)
        return name

    def _bind(self, name: str, value: Any, key: Any) -> None:
        self.names[name] = value
        self.key.append((name, key))


def _keyword(name: str) -> str:
    """A name that goes into source as it is: nothing else may stand there, wherever the graph came from."""
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no name of an attribute.")
    return name


def constant_array(tensor: Constant, backend: Backend) -> Any:
    """A constant as an array of the backend, made once."""
    array = tensor.copies.get(backend.name)
    if array is None:
        with backend.scope():
            array = backend.constant(tensor.value, tensor.dtype)
        tensor.copies[backend.name] = array
    return array


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return isfinite(value)
    return value is None or type(value) in (int, str, bool)


@dataclass
class Statement:
    """One line of generated source: what it writes, reads, and leaves dead."""

    target: str
    text: str
    reads: list[str]
    dead: list[str]


def _function(name: str, arguments: str, body: list[Statement], results: str) -> str:
    lines = [f"def {name}({arguments}):"]
    for statement in body:
        lines.append(f"    {statement.text}")
        lines.extend(f"    del {register}" for register in statement.dead)
    lines.append(f"    return ({results})")
    return "\n".join(lines) + "\n"


def _in_pieces(arguments: str, pieces: list[list[Statement]], results: str, kept: set[str]) -> str:
    """A long program as functions that pass on the registers that are read later."""
    text: list[str] = []
    calls: list[str] = []
    live = set(kept)
    for number in range(len(pieces) - 1, -1, -1):
        piece = pieces[number]
        written = {s.target for s in piece}
        passed = "".join(f"{register}, " for register in sorted(written & live))
        needed = live - written
        # What is read before the piece writes it comes from outside.
        inside: set[str] = set()
        outside: set[str] = set()
        for statement in piece:
            outside.update(r for r in statement.reads if r not in inside)
            inside.add(statement.target)
        taken = ", ".join(sorted(outside))
        # A register that came from outside dies with the call, not in it.
        body = [Statement(s.target, s.text, s.reads, [d for d in s.dead if d in written]) for s in piece]
        text.append(_function(f"piece{number}", taken, _without_early_deaths(body, outside), passed))
        calls.append(f"    {passed}= piece{number}({taken})" if passed else f"    piece{number}({taken})")
        live = needed | outside
    calls.reverse()
    driver = "\n".join([f"def program({arguments}):", *calls, f"    return ({results})"]) + "\n"
    return "".join(text) + driver


def _without_early_deaths(body: list[Statement], outside: set[str]) -> list[Statement]:
    """Statements that delete only what the function owns at that point."""
    owned = set(outside)
    result = []
    for statement in body:
        owned.add(statement.target)
        dead = [register for register in statement.dead if register in owned]
        owned.difference_update(dead)
        result.append(Statement(statement.target, statement.text, statement.reads, dead))
    return result


def interpret(straight: Straight, backend: Backend, values: Sequence[Any]) -> list[Any]:
    """Runs a straight line once, without generating anything.

    Args:
        straight: What to run.
        backend: Whose constants are used.
        values: Arrays for its arguments, in order.
    """
    held: dict[Any, Any] = dict(zip(straight.arguments, values, strict=True))

    def operand(tensor: Tensor | None) -> Any:
        if tensor is None:
            return None
        if tensor in held:
            return held[tensor]
        assert isinstance(tensor, Constant)
        return constant_array(tensor, backend)

    for line in straight.lines:
        tensor = line.tensor
        if line.kernel is None:
            held[tensor] = held[tensor.inputs[0]][line.attributes["index"]]
        else:
            held[tensor] = line.kernel(*[operand(x) for x in tensor.inputs], **line.attributes)
        for x in line.dead:
            held.pop(x, None)
    return [operand(t) for t in straight.results]


__all__ = [
    "CHUNK",
    "FILE_NAME",
    "Line",
    "Source",
    "Straight",
    "body_function",
    "calls_python",
    "constant_array",
    "interpret",
    "straighten",
]
