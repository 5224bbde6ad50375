"""What loops of one program share, and what need not be done at every step.

The gradient of a scan, as it is built, computes the forward body once more. Here, where all shapes
are known and a whole program is at hand:

* a scan that computes what an earlier one computed at the same step reads it from that one, which
  then stacks it, up to the backend's `stacked_bytes`; above, it is computed again;
* a sum over the steps that is a product of factors, such as the gradient of a weight, is one
  product of the stacked factors after the loop (`multikeras.programs.stacks`);
* what does not change from step to step is computed once, before the loop;
* carries, sequences and results that nobody reads are dropped.

Planning goes backwards, from what is asked for; rebuilding goes forwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from multikeras.contract import PRIMITIVES, SIZES
from multikeras.graph.bodies import SubGraph
from multikeras.graph.build import ITEM
from multikeras.graph.tensor import Constant, Tensor
from multikeras.programs import stacks

if TYPE_CHECKING:
    from multikeras.programs.specialise import Specialiser

#: Made again rather than stacked: they cost next to nothing, and a result may be larger than what it is made of.
_CHEAP = frozenset({"broadcast_to", "transpose", "reshape"})


def improve(results: Sequence[Tensor], spec: Specialiser) -> list[Tensor]:
    """The results with the scans beneath them improved.

    Args:
        results: Tensors of a specialised graph, which may be changed no more.
        spec: Who specialised it.
    """
    order = ordered(results)
    if not any(is_scan(t) for t in order):
        return list(results)
    plans = Planner(order, results, spec.backend.stacked_bytes).plans
    return _Rebuilding(plans, spec).run(order, results)


def is_scan(tensor: Tensor) -> bool:
    """Whether a tensor is a scan, of which others are the items."""
    return tensor.primitive is not None and tensor.primitive.name == "scan"


def ordered(results: Iterable[Tensor]) -> list[Tensor]:
    """All that results are made of, in the order of creation."""
    seen = set(results)
    stack = list(seen)
    while stack:
        for x in stack.pop().inputs:
            if x is not None and x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=lambda t: t.serial)


# -- one scan -------------------------------------------------------------------------------------


class Loop:
    """A scan taken apart.

    Attributes:
        node: The scan.
        sequences, carries, invariants: Its inputs.
        iteration, slices, states, fixed: What stands for them in the body.
        finals, ys: What the body returns.
        order: What the body is made of, in the order of creation.
        reach: For each node, which bindings it depends on, as bits.
        length: Number of steps.
    """

    def __init__(self, node: Tensor) -> None:
        self.node = node
        attributes = node.attributes
        body: SubGraph = attributes["body"]
        first, count = attributes["num_sequences"], attributes["num_carries"]
        self.body = body
        self.length: int = attributes["length"]
        self.sequences = node.inputs[:first]
        self.carries = node.inputs[first : first + count]
        self.invariants = node.inputs[first + count :]
        self.iteration = body.bindings[0]
        self.slices = body.bindings[1 : 1 + first]
        self.states = body.bindings[1 + first : 1 + first + count]
        self.fixed = body.bindings[1 + first + count :]
        self.finals, self.ys = body.outputs[:count], body.outputs[count:]
        self.order = ordered([*body.bindings, *body.outputs])
        self.place = {binding: number for number, binding in enumerate(body.bindings)}
        self.reach: dict[Tensor, int] = {}
        for tensor in self.order:
            bits = 1 << self.place[tensor] if tensor in self.place else 0
            for x in tensor.inputs:
                bits |= 0 if x is None else self.reach[x]
            self.reach[tensor] = bits
        self.changing = (1 << (1 + first + count)) - 1
        self.carried = self.changing & ~((1 << (1 + first)) - 1)

    def bit(self, binding: Tensor) -> int:
        """The bit of a binding in `reach`."""
        return 1 << self.place[binding]

    def is_fixed(self, tensor: Tensor) -> bool:
        """Whether a tensor of the body is the same at every step."""
        return not self.reach[tensor] & self.changing

    def is_movable(self, tensor: Tensor) -> bool:
        """Whether a tensor of the body is the same at every step and can be computed outside."""
        return self.is_fixed(tensor) and _can_move(tensor)

    def stacked_bytes(self, tensor: Tensor) -> int:
        """The size of a tensor of the body, of all steps."""
        return self.length * prod(tensor.shape) * SIZES.get(tensor.dtype, 8)  # type: ignore[arg-type]


class Matching:
    """Which nodes of a scan's body compute what a node of an earlier scan's body computes at the same step."""

    def __init__(self) -> None:
        self._bodies: dict[int, tuple[SubGraph, Any]] = {}
        self._tables: dict[Loop, tuple[dict[Any, Tensor], dict[Tensor, Tensor]]] = {}

    def match(self, loop: Loop, source: Loop) -> dict[Tensor, Tensor]:
        """The nodes of `loop`, its bindings included, that have equals in `source`."""
        if loop.length != source.length:
            return {}
        equal: dict[Tensor, Tensor] = {loop.iteration: source.iteration}
        sequences = dict(zip(source.sequences, source.slices, strict=True))
        carries, ys = len(source.carries), len(source.ys)
        for sequence, entry in zip(loop.sequences, loop.slices, strict=True):
            if sequence in sequences:
                equal[entry] = sequences[sequence]
            elif sequence.primitive is ITEM and sequence.inputs[0] is source.node:
                index = sequence.attributes["index"]
                if index >= carries + ys:
                    equal[entry] = source.states[index - carries - ys]
                elif index >= carries:
                    equal[entry] = source.ys[index - carries]
        invariants = dict(zip(source.invariants, source.fixed, strict=True))
        for invariant, binding in zip(loop.invariants, loop.fixed, strict=True):
            if invariant in invariants:
                equal[binding] = invariants[invariant]
        table, alias = self._table(source)
        for tensor in loop.order:
            if tensor.primitive is None or tensor.primitive.effect or tensor.primitive.keep:
                continue
            operands = []
            for x in tensor.inputs:
                if x in equal:
                    operands.append(alias.get(equal[x], equal[x]))
                elif isinstance(x, Constant):
                    operands.append(_constant_key(x))
                else:
                    break
            else:
                found = table.get(self._key(tensor, operands))
                if found is not None:
                    equal[tensor] = found
        return equal

    def _table(self, source: Loop) -> tuple[dict[Any, Tensor], dict[Tensor, Tensor]]:
        if source not in self._tables:
            table: dict[Any, Tensor] = {}
            alias: dict[Tensor, Tensor] = {}
            for tensor in source.order:
                primitive = tensor.primitive
                if primitive is None:
                    continue
                if primitive.name == "print_value":
                    # The copy in a gradient does not print, and is the value itself.
                    alias[tensor] = alias.get(tensor.inputs[0], tensor.inputs[0])
                elif not primitive.effect and not primitive.keep:
                    operands = [_constant_key(x) if isinstance(x, Constant) else alias.get(x, x) for x in tensor.inputs]
                    alias[tensor] = table.setdefault(self._key(tensor, operands), tensor)
            self._tables[source] = table, alias
        return self._tables[source]

    def _key(self, tensor: Tensor, operands: Sequence[Any]) -> Any:
        assert tensor.primitive is not None
        return tensor.primitive.name, tuple(operands), self._attributes(tensor.attributes)

    def _attributes(self, attributes: Mapping[str, Any]) -> Any:
        return tuple((name, self._attribute(value)) for name, value in sorted(attributes.items()))

    def _attribute(self, value: Any) -> Any:
        if isinstance(value, SubGraph):
            if id(value) not in self._bodies:
                self._bodies[id(value)] = value, self._body(value)
            return self._bodies[id(value)][1]
        if callable(value):
            return "function", id(value)
        return type(value).__name__, repr(value)

    def _body(self, body: SubGraph) -> Any:
        """What a body computes, without regard to whose nodes it is made of."""
        numbers: dict[Tensor, Any] = {binding: number for number, binding in enumerate(body.bindings)}
        lines: list[Any] = [(binding.shape, binding.dtype) for binding in body.bindings]
        for tensor in ordered(body.outputs):
            if tensor.primitive is None:
                if isinstance(tensor, Constant):
                    numbers[tensor] = _constant_key(tensor)
                continue
            if tensor.primitive.effect or tensor.primitive.keep:
                return "only itself", id(body)
            operands = tuple(None if x is None else numbers[x] for x in tensor.inputs)
            numbers[tensor] = len(lines)
            lines.append((tensor.primitive.name, operands, self._attributes(tensor.attributes)))
        return tuple(lines), tuple(numbers[t] for t in body.outputs)


def _constant_key(constant: Constant) -> Any:
    if constant.value.nbytes > 1 << 16:
        return "constant", id(constant)
    return "constant", constant.dtype, constant.shape, constant.value.tobytes()


# -- planning -------------------------------------------------------------------------------------


@dataclass
class Plan:
    """What becomes of a scan.

    Attributes:
        loop: The scan.
        carries: Numbers of the carries that stay.
        steady: Numbers of the carries that no step changes.
        sums: Carries that are sums to be taken after the loop, by number.
        stacks: Nodes of the body to be stacked.
        cut: Nodes of the body that are read from another scan: its node, and the node of its body.
        given: Those of `stacks` that another scan stacks, likewise.
        hoisted: Nodes of the body that are the same at every step, to be computed before the loop.
        after: Products to be computed for all steps after the loop.
        used: Bindings that the body still reads.
    """

    loop: Loop
    carries: list[int] = field(default_factory=list)
    steady: set[int] = field(default_factory=set)
    sums: dict[int, stacks.Sum] = field(default_factory=dict)
    stacks: dict[Tensor, None] = field(default_factory=dict)
    cut: dict[Tensor, tuple[Tensor, Tensor]] = field(default_factory=dict)
    given: dict[Tensor, tuple[Tensor, Tensor]] = field(default_factory=dict)
    hoisted: dict[Tensor, None] = field(default_factory=dict)
    after: dict[Tensor, None] = field(default_factory=dict)
    used: set[Tensor] = field(default_factory=set)


class Planner:
    """Goes backwards through a program, from what is asked for.

    Attributes:
        plans: A plan for each scan that is needed.
    """

    def __init__(self, order: Sequence[Tensor], results: Sequence[Tensor], limit: int) -> None:
        """Args:
        order: The tensors of the program, in order.
        results: What it is asked for.
        limit: Bytes that a scan may stack for its gradient.
        """
        self.plans: dict[Tensor, Plan] = {}
        self._limit = limit
        self._loops = {t: Loop(t) for t in order if is_scan(t)}
        self._matching = Matching()
        self._requests: dict[Tensor, dict[Tensor, None]] = {t: {} for t in self._loops}
        self._read: dict[Tensor, set[int]] = {t: set() for t in self._loops}
        self._needed = set(results)
        for tensor in reversed(order):
            if tensor not in self._needed:
                continue
            if is_scan(tensor):
                self._plan(self._loops[tensor])
                continue
            if tensor.primitive is ITEM and tensor.inputs[0] in self._loops:
                self._read[tensor.inputs[0]].add(tensor.attributes["index"])
            self._needed.update(x for x in tensor.inputs if x is not None)

    def _plan(self, loop: Loop) -> None:
        plan = self.plans[loop.node] = Plan(loop)
        count, read = len(loop.carries), self._read[loop.node]
        before = [i for i in range(count) if count + len(loop.ys) + i in read]
        plan.steady = {i for i in range(count) if loop.finals[i] is loop.states[i]}
        plan.stacks = dict.fromkeys(
            [
                *[y for j, y in enumerate(loop.ys) if count + j in read],
                *[loop.states[i] for i in before],
                *self._requests[loop.node],
            ]
        )
        candidates = {
            i: made
            for i in range(count)
            if i in read
            and i not in before
            and i not in plan.steady
            and (made := stacks.recognise(loop, i)) is not None
        }
        carries = self._live(loop, plan, [i for i in range(count) if i in read and i not in candidates])
        # What another carry or a result reads at every step has to be carried.
        while any(i in candidates for i in carries):
            candidates = {i: made for i, made in candidates.items() if i not in carries}
            carries = self._live(loop, plan, [i for i in range(count) if i in read and i not in candidates])
        matches = self._matches(loop)
        for i in stacks.worth(loop, candidates, [*plan.stacks, *loop.slices], self._limit):
            plan.sums[i] = candidates.pop(i)
        plan.carries = self._live(loop, plan, [*carries, *candidates])
        plan.stacks |= dict.fromkeys(f for made in plan.sums.values() for f in made.factors if f not in loop.slices)
        self._afterwards(plan)
        self._cut(plan, matches)
        if self._too_much(plan):
            self._cut(plan, {})
        self._demand(plan)

    def _afterwards(self, plan: Plan) -> None:
        """Takes products out of the loop that no step needs, where what is multiplied is stacked anyhow."""
        loop = plan.loop
        inside = {x for t in loop.order for x in t.inputs}
        for tensor in list(plan.stacks):
            if tensor in inside or tensor in loop.finals or tensor in self._requests[loop.node]:
                continue
            others = {*plan.stacks, *loop.slices} - {tensor}
            if stacks.is_product(loop, tensor, others):
                del plan.stacks[tensor]
                plan.after[tensor] = None

    def _live(self, loop: Loop, plan: Plan, finals: Iterable[int]) -> list[int]:
        """The carries that are needed for these finals, for what is stacked and for sums after the loop."""
        live: set[int] = set()
        bits = 0
        for root in [*plan.stacks, *[f for made in plan.sums.values() for f in made.factors]]:
            bits |= loop.reach[root]
        waiting = [i for i in finals if i not in plan.steady]
        while True:
            while waiting:
                i = waiting.pop()
                if i not in live:
                    live.add(i)
                    bits |= loop.reach[loop.finals[i]]
            reached = [i for i, s in enumerate(loop.states) if bits & loop.bit(s) and i not in plan.steady]
            waiting = [i for i in reached if i not in live]
            if not waiting:
                return sorted(live)

    def _matches(self, loop: Loop) -> dict[Tensor, tuple[Tensor, Tensor]]:
        found: dict[Tensor, tuple[Tensor, Tensor]] = {}
        for node, source in self._loops.items():
            if node.serial < loop.node.serial:
                for tensor, other in self._matching.match(loop, source).items():
                    found.setdefault(tensor, (node, other))
        return found

    def _cut(self, plan: Plan, matches: Mapping[Tensor, tuple[Tensor, Tensor]]) -> None:
        """Walks down from what the body has to compute, to what it can read instead."""
        loop = plan.loop
        plan.cut, plan.hoisted, plan.used = {}, {}, set()
        # What another scan stacks, or what comes in stacked, need not be stacked here.
        plan.given = {t: matches[t] for t in plan.stacks if t in matches and not _is_cheap(t) and not loop.is_fixed(t)}
        stack = [loop.finals[i] for i in plan.carries]
        stack += [t for t in plan.stacks if t not in plan.given and t not in loop.slices]
        seen = set(stack)
        while stack:
            tensor = stack.pop()
            if tensor in loop.place:
                plan.used.add(tensor)
                continue
            if tensor.primitive is None:
                continue
            if loop.is_fixed(tensor):
                if loop.reach[tensor] and _can_move(tensor):
                    plan.hoisted[tensor] = None
                    continue
            elif tensor in matches and not _is_cheap(tensor):
                plan.cut[tensor] = matches[tensor]
                continue
            for x in tensor.inputs:
                if x is not None and x not in seen:
                    seen.add(x)
                    stack.append(x)

    def _too_much(self, plan: Plan) -> bool:
        total = 0
        for source, tensor in {*plan.cut.values(), *plan.given.values()}:
            loop = self._loops[source]
            if tensor not in self._requests[source]:
                total += loop.stacked_bytes(tensor)
        return total > self._limit

    def _demand(self, plan: Plan) -> None:
        """Notes what the planned scan reads."""
        loop = plan.loop
        for source, tensor in [*plan.cut.values(), *plan.given.values()]:
            self._needed.add(source)
            self._requests[source][tensor] = None
        bindings = set(plan.used)
        for tensor in [*plan.hoisted, *plan.after]:
            outside = loop.fixed if tensor in plan.hoisted else (*loop.slices, *loop.fixed)
            bindings.update(b for b in outside if loop.reach[tensor] & loop.bit(b))
        for i in plan.steady & self._read[loop.node]:
            self._needed.add(loop.carries[i])
        for i, made in plan.sums.items():
            self._needed.add(loop.carries[i])
            bindings.update(f for f in made.factors if f in loop.slices)
        bindings.update(t for t in plan.stacks if t in loop.slices)
        for i in plan.carries:
            self._needed.add(loop.carries[i])
        given = zip(loop.body.bindings[1:], loop.node.inputs, strict=True)
        self._needed.update(x for binding, x in given if binding in bindings)


def _is_cheap(tensor: Tensor) -> bool:
    """Whether a node of a body is made again rather than read; bindings are there anyhow, and tuples cannot be read."""
    primitive = tensor.primitive
    return primitive is None or primitive.name in _CHEAP or tensor.dtype not in SIZES


def _can_move(tensor: Tensor) -> bool:
    """Whether a tensor that does not change may be computed before the loop, all it is made of included."""
    return (
        all(
            t.primitive is None or not (t.primitive.effect or t.primitive.keep or t.primitive.bodies)
            for t in ordered([tensor])
        )
        and tensor.dtype in SIZES
    )


# -- rebuilding -----------------------------------------------------------------------------------


class _Rebuilding:
    def __init__(self, plans: Mapping[Tensor, Plan], spec: Specialiser) -> None:
        self.plans = plans
        self.spec = spec
        self.made: dict[Tensor, Tensor] = {}
        self.items: dict[Tensor, dict[int, Tensor]] = {}
        self.stacked: dict[tuple[Tensor, Tensor], Tensor] = {}

    def run(self, order: Sequence[Tensor], results: Sequence[Tensor]) -> list[Tensor]:
        changed = False
        for tensor in order:
            if is_scan(tensor):
                if tensor in self.plans:
                    self.scan(self.plans[tensor])
                    changed = True
            elif tensor.primitive is ITEM and is_scan(tensor.inputs[0]):
                index = tensor.attributes["index"]
                made = self.items.get(tensor.inputs[0], {}).get(index)
                if made is not None:
                    self.made[tensor] = made
            elif tensor.primitive is None or not changed:
                self.made[tensor] = tensor
            elif all(x is None or x in self.made for x in tensor.inputs):
                # All that follows is copied, changed or not, since the order of creation is that of running.
                self.made[tensor] = _copy(tensor, self.made)
        return [self.made[t] for t in results]

    def scan(self, plan: Plan) -> None:
        loop, spec = plan.loop, self.spec
        outer = dict(zip(loop.body.bindings[1:], loop.node.inputs, strict=True))
        inside: dict[Tensor, Tensor] = {b: b for b in loop.body.bindings}
        slices = [s for s in loop.slices if s in plan.used]
        sequences = [self.made[outer[s]] for s in slices]
        for tensor, source in plan.cut.items():
            inside[tensor] = _place(tensor)
            slices.append(inside[tensor])
            sequences.append(self.stacked[source])
        fixed = [b for b in loop.fixed if b in plan.used]
        fixed += [s for i, s in enumerate(loop.states) if i in plan.steady and s in plan.used]
        invariants = [self.made[outer[b]] for b in fixed]
        for tensor in plan.hoisted:
            inside[tensor] = _place(tensor)
            fixed.append(inside[tensor])
            invariants.append(self.hoist(loop, tensor))
        for tensor in loop.order:
            if tensor not in inside and all(x is None or x in inside for x in tensor.inputs):
                inside[tensor] = tensor if tensor.primitive is None else _copy(tensor, inside)
        states = [loop.states[i] for i in plan.carries]
        for tensor in plan.stacks:
            if tensor in loop.slices:
                self.stacked[loop.node, tensor] = self.made[outer[tensor]]
            elif tensor in plan.given:
                self.stacked[loop.node, tensor] = self.stacked[plan.given[tensor]]
        ys = [t for t in plan.stacks if (loop.node, t) not in self.stacked]
        outputs = [*[inside[loop.finals[i]] for i in plan.carries], *[inside[t] for t in ys]]
        items: dict[int, Tensor] = {}
        self.items[loop.node] = items
        made: Sequence[Tensor] = ()
        if outputs:
            body = SubGraph([loop.iteration, *slices, *states, *fixed], outputs, loop.body.scope)
            node = _scan(
                loop.node,
                [*sequences, *[self.made[loop.carries[i]] for i in plan.carries], *invariants],
                body=body,
                num_sequences=len(slices),
                num_carries=len(states),
                length=loop.length,
                reverse=loop.node.attributes["reverse"],
            )
            made = [spec.emit(ITEM, (node,), {"index": i}) for i in range(len(outputs))]
        items.update(zip(plan.carries, made, strict=False))
        for tensor, stack in zip(ys, made[len(states) :], strict=True):
            self.stacked[loop.node, tensor] = stack
        count = len(loop.carries)
        for tensor in plan.after:
            self.stacked[loop.node, tensor] = self.at_once(loop, tensor)
        for j, y in enumerate(loop.ys):
            if y in plan.stacks or y in plan.after:
                items[count + j] = self.stacked[loop.node, y]
        for i, state in enumerate(loop.states):
            if state in plan.stacks:
                items[count + len(loop.ys) + i] = self.stacked[loop.node, state]
            if i in plan.steady and loop.carries[i] in self.made:
                items[i] = self.made[loop.carries[i]]

        def stacked(tensor: Tensor) -> Tensor:
            return self.made[outer[tensor]] if tensor in loop.slices else self.stacked[loop.node, tensor]

        for i, total in plan.sums.items():
            value = total.emit(spec, stacked)
            start = self.made[loop.carries[i]]
            items[i] = spec.emit(PRIMITIVES["add"], (start, value), {})

    def at_once(self, loop: Loop, tensor: Tensor) -> Tensor:
        """A product in a body, for all steps."""
        outer = dict(zip(loop.slices, loop.sequences, strict=True))

        def stacked(node: Tensor) -> Tensor | None:
            return self.made[outer[node]] if node in outer else self.stacked.get((loop.node, node))

        return stacks.at_once(self.spec, loop, tensor, stacked, lambda node: self.hoist(loop, node))

    def hoist(self, loop: Loop, tensor: Tensor) -> Tensor:
        """A tensor of a body that is the same at every step, computed outside."""
        made: dict[Tensor, Tensor] = {}
        for node in ordered([tensor]):
            if node in loop.place:
                made[node] = self.made[loop.node.inputs[loop.place[node] - 1]]
            elif node.primitive is None:
                made[node] = node
            else:
                made[node] = self.spec.emit(node.primitive, tuple(made[x] for x in node.inputs), node.attributes)
        return made[tensor]


def _place(tensor: Tensor) -> Tensor:
    from multikeras.programs.specialise import Argument

    return Argument(tensor, tensor.shape, tensor.dtype)


def _copy(tensor: Tensor, made: Mapping[Tensor, Tensor]) -> Tensor:
    copy = Tensor(tensor.shape, tensor.dtype)
    copy.primitive, copy.attributes, copy.known = tensor.primitive, tensor.attributes, tensor.known
    copy.inputs = tuple([x if x is None else made[x] for x in tensor.inputs])
    copy.origin = tensor.origin
    return copy


def _scan(old: Tensor, inputs: Sequence[Tensor], **attributes: Any) -> Tensor:
    """A scan like an old one, of which the shapes are known."""
    primitive = old.primitive
    assert primitive is not None
    # Without the states before each step: those that somebody reads are among what steps give.
    count = len(attributes["body"].outputs)
    node = Tensor(tuple(primitive.shape(*inputs, **attributes)[:count]), "tuple")
    node.primitive, node.inputs, node.attributes = primitive, tuple(inputs), attributes
    node.known = tuple(primitive.dtype(*inputs, **attributes)[:count])
    node.origin = old.origin
    return node
