"""Grows scripts: one random operation after the other that the values at hand allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from multikeras import registry
from multikeras.contract import is_float, is_integer
from multikeras.graph.tensor import Tensor
from multikeras.testing.case import held_by
from multikeras.testing.fuzzing.script import Leaf, Line, Script, execute, float_type, make_leaf, namespace, quiet
from multikeras.testing.running import run

Choice = TypeVar("Choice")

#: Values of more entries, more axes or larger size than these are not used.
MOST_ENTRIES = 300
MOST_AXES = 5
LARGEST = 1e3
#: What an operation raises where the values at hand do not fit it.
UNFIT = (ValueError, TypeError, IndexError)


class Unfit(Exception):
    """No value at hand fits an operation."""


class Fault(Exception):
    """Something was raised that is no answer to wrong arguments.

    Attributes:
        script: What was grown up to the statement that raised.
    """

    def __init__(self, error: Exception, script: Script) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.script = script


@dataclass(frozen=True)
class Made:
    """What an operation adds.

    Attributes:
        expression: An expression of one tensor, or of several.
        count: How many values it gives.
        pattern: How they are unpacked, with {0}, {1} for their names; None for one after the other.
        before: Statements that come first.
        update: Whether it is an update.
    """

    expression: str
    count: int = 1
    pattern: str | None = None
    before: str = ""
    update: bool = False


Operation = Callable[["Grower"], Made | str]


@dataclass(frozen=True)
class Options:
    """What kind of script is grown.

    Attributes:
        size: How many operations.
        floatx: The float type in use.
        unknown: Whether first lengths of placeholders are unknown.
        odd: Whether infinities and NaN are allowed.
        phase: The learning phase.
    """

    size: int = 12
    floatx: str = "float64"
    unknown: bool = False
    odd: bool = False
    phase: int = 0


class Grower:
    """A script under construction, with the tensors and values of all its names.

    Attributes:
        random: Where choices come from.
        options: What kind of script it is.
        tensors: Tensors by name.
        values: Their values by name, floats as float64.
        refused: What was raised by operations that did not fit, counted.
        used: How often each operation was added.
    """

    def __init__(self, seed: int, options: Options, operations: Sequence[tuple[str, Operation, float]]) -> None:
        self.seed = seed
        self.random = np.random.default_rng(seed)
        self.options = options
        self.operations = operations
        weights = np.array([weight for *_, weight in operations])
        self._shares = weights / weights.sum()
        self.tensors: dict[str, Any] = namespace()
        self.values: dict[str, np.ndarray] = {}
        self.leaves: list[Leaf] = []
        self.lines: list[Line] = []
        self.refused: Counter[str] = Counter()
        self.used: Counter[str] = Counter()
        self._count = 0
        self._host = registry.host()

    # -- choices ----------------------------------------------------------------------------------

    def choice(self, entries: Sequence[Choice]) -> Choice:
        """One of some entries."""
        return entries[int(self.random.integers(len(entries)))]

    def chance(self, share: float = 0.5) -> bool:
        """True with a probability."""
        return bool(self.random.random() < share)

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        return int(self.random.integers(low, high + 1))

    def names(self, fits: Callable[[str], bool]) -> list[str]:
        """The values that fit, updates too."""
        return [name for name in self.values if fits(name)]

    def pick(self, fits: Callable[[str], bool]) -> str:
        """A value that fits, rather a late one.

        Raises:
            Unfit: If there is none.
        """
        fitting = self.names(fits)
        if not fitting:
            raise Unfit
        place = max(self.random.integers(len(fitting)), self.random.integers(len(fitting)))
        return fitting[int(place)]

    def float(self, *ranks: int, fits: Callable[[str], bool] | None = None) -> str:
        """A value of the float type in use, of one of the ranks where any are given."""

        def suits(name: str) -> bool:
            right = self.dtype(name) == self.options.floatx and (not ranks or self.rank(name) in ranks)
            return right and (fits is None or fits(name))

        return self.pick(suits)

    def integer(self, *ranks: int) -> str:
        """A value of whole numbers."""
        return self.pick(lambda name: is_integer(self.dtype(name)) and (not ranks or self.rank(name) in ranks))

    def boolean(self, *ranks: int) -> str:
        """A value of booleans."""
        return self.pick(lambda name: self.dtype(name) == "bool" and (not ranks or self.rank(name) in ranks))

    def like(self, name: str) -> str:
        """Another value of the same shape and type, perhaps the same one; a new leaf at times."""
        if self.chance(0.2):
            return self.leaf(self.shape(name), self.dtype(name))
        return self.pick(lambda other: self.shape(other) == self.shape(name) and self.dtype(other) == self.dtype(name))

    def beside(self, name: str) -> str:
        """A float value that broadcasts with one."""
        if self.chance(0.15):
            shape = tuple(1 if self.chance(0.3) else n for n in self.shape(name))
            return self.leaf(shape[self.number(0, len(shape)) :])
        return self.float(fits=lambda other: _broadcasts(self.shape(other), self.shape(name)))

    def shape(self, name: str) -> tuple[int, ...]:
        """The real shape of a value."""
        return self.values[name].shape

    def rank(self, name: str) -> int:
        """Its number of axes."""
        return self.values[name].ndim

    def dtype(self, name: str) -> str:
        """Its type."""
        kind: str = self.tensors[name].dtype
        return kind

    def axis(self, name: str, more: int = 0) -> int:
        """One of its axes, counted from either end."""
        ndim = self.rank(name) + more
        if not ndim:
            raise Unfit
        return self.number(-ndim, ndim - 1)

    def axes(self, name: str) -> int | tuple[int, ...] | None:
        """What reductions take."""
        kind = self.number(0, 2)
        if kind == 0 or not self.rank(name):
            return None
        if kind == 1:
            return self.axis(name)
        return tuple(i for i in range(self.rank(name)) if self.chance()) or None

    def leaf(
        self, shape: Sequence[int], dtype: str | None = None, low: int = -2, high: int = 2, word: str | None = None
    ) -> str:
        """A new placeholder, variable or constant.

        Args:
            shape: Its real shape.
            dtype: Its type; None for the float type in use.
            low: Smallest of the whole numbers, where it holds such.
            high: Largest of them.
            word: x for a placeholder, w for a variable, c for a constant; None for any.
        """
        dtype = dtype or self.options.floatx
        array: np.ndarray
        if is_float(dtype):
            array = np.round(self.random.normal(size=tuple(shape)), 3)
        else:
            array = self.random.integers(low, high + 1, size=tuple(shape))
        word = word or self.choice("xxwwc" if is_float(dtype) else "xc")
        static: tuple[int | None, ...] = tuple(shape)
        if word == "x" and self.options.unknown and shape:
            static = (None, *static[1:])
        leaf = Leaf(self.fresh(word), np.array(held_by(array, dtype)), dtype, static)
        self.leaves.append(leaf)
        self.tensors[leaf.name] = make_leaf(leaf)
        self.values[leaf.name] = leaf.array
        return leaf.name

    def fresh(self, letter: str) -> str:
        """A new name."""
        self._count += 1
        return f"{letter}{self._count}"

    # -- growing ----------------------------------------------------------------------------------

    def grow(self) -> Script:
        """The whole script.

        Raises:
            Fault: If something was raised that is no answer to wrong arguments.
        """
        with quiet(), float_type(self.options.floatx):
            np.random.seed(self.seed % 2**32)
            for shape in ((3, 4), (4,), (2, 3, 4), (4, 4), (), (2, 5, 4, 2)):
                self.leaf(shape)
            self.leaf((3, 4), "int32")
            for _ in range(self.options.size):
                self.add()
            for name, share in (("gradient", 0.7), ("gradient", 0.4)):
                if self.chance(share):
                    self.add(name)
        return self.finished()

    def add(self, wanted: str | None = None) -> None:
        """Adds one operation, if one is found that fits: any, or the one of a name."""
        for _ in range(60 if wanted is None else 5):
            number = int(self.random.choice(len(self.operations), p=self._shares))
            if wanted is not None:
                number = next(i for i, (name, *_) in enumerate(self.operations) if name == wanted)
            name, operation, _ = self.operations[number]
            if self.try_operation(name, operation):
                self.used[name] += 1
                return

    def try_operation(self, name: str, operation: Operation) -> bool:
        """Adds an operation if the values at hand fit it, and says whether they did."""
        held = len(self.leaves)
        try:
            made = operation(self)
        except Unfit:
            self._forget(held)
            return False
        except UNFIT as error:
            self._refuse(name, error)
            self._forget(held)
            return False
        made = Made(made) if isinstance(made, str) else made
        names = tuple(self.fresh("u" if made.update else "v") for _ in range(made.count))
        pattern = made.pattern or (", ".join(["{%d}"] * made.count) % tuple(range(made.count)))
        # A single result of several comes in a list.
        tail = "," if made.count == 1 and made.pattern is None and made.expression.startswith("K.gradients") else ""
        code = f"{made.before}{pattern.format(*names)}{tail} = {made.expression}"
        line = Line(names, code)
        taken = self._take(name, line)
        self._forget(held, line.uses if taken else frozenset())
        return taken

    def evaluated(self, expression: str) -> Any:
        """What an expression of the names at hand gives."""
        made = {**self.tensors}
        execute(f"result = {expression}", made)
        return made["result"]

    def _forget(self, held: int, used: frozenset[str] = frozenset()) -> None:
        """Removes the leaves after the first `held` that are not used."""
        for leaf in self.leaves[held:]:
            if leaf.name not in used:
                del self.tensors[leaf.name], self.values[leaf.name]
        self.leaves[held:] = [leaf for leaf in self.leaves[held:] if leaf.name in used]

    def _refuse(self, operation: str, error: Exception) -> None:
        self.refused[f"{operation}: {type(error).__name__}: {str(error)[:70]}"] += 1

    def _take(self, operation: str, line: Line) -> bool:
        tried = dict(self.tensors)
        try:
            execute(line.code, tried)
        except UNFIT as error:
            self._refuse(operation, error)
            return False
        except Exception as error:
            raise Fault(error, self._so_far(line)) from error
        made = [tried[name] for name in line.names]
        if not all(isinstance(t, Tensor) and len(t.shape) <= MOST_AXES for t in made):
            return False
        feeds = {self.tensors[name]: value for name, value in self.values.items()}
        try:
            found = run(made, feeds, backend=self._host)
        except Exception as error:
            if self.options.unknown and isinstance(error, UNFIT):
                # Unknown lengths turned out not to fit.
                self._refuse(f"{operation}, run", error)
                return False
            raise Fault(error, self._so_far(line)) from error
        if not all(self._usable(value) for value in found):
            return False
        self.lines.append(line)
        for name, tensor, value in zip(line.names, made, found, strict=True):
            self.tensors[name] = tensor
            self.values[name] = value
        return True

    def _usable(self, value: np.ndarray) -> bool:
        if value.size > MOST_ENTRIES:
            return False
        if value.dtype.kind == "b":
            return True
        size = np.abs(value.astype("float64"))
        if self.options.odd:
            size = size[np.isfinite(size)]
        return bool(np.all(size < LARGEST))

    def _so_far(self, line: Line) -> Script:
        outputs = tuple(name for name in line.names if name[0] == "v")
        updates = tuple(name for name in line.names if name[0] == "u")
        lines = (*self.lines, line)
        options = self.options
        made = Script(tuple(self.leaves), lines, outputs, updates, options.floatx, options.phase, self.seed)
        return made.without_unused()

    def finished(self) -> Script:
        """The script, asking for what nothing uses, for some other values and for all updates."""
        used = {name for line in self.lines for name in line.uses}
        values = [name for line in self.lines for name in line.names if name[0] == "v"]
        updates = tuple(name for line in self.lines for name in line.names if name[0] == "u")
        ends = [name for name in values if name not in used]
        others = [name for name in (*values, *self.values) if name not in ends and self.chance(0.15)]
        outputs = tuple(dict.fromkeys([*ends, *others[:4]])) or tuple(self.values)[:1]
        options = self.options
        made = Script(tuple(self.leaves), tuple(self.lines), outputs, updates, options.floatx, options.phase, self.seed)
        return made.without_unused()


def _broadcasts(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    return all(n == m or 1 in (n, m) for n, m in zip(reversed(x), reversed(y), strict=False))


def options_of(seed: int, base: Options | None = None) -> Options:
    """The kind of script that a seed stands for."""
    random = np.random.default_rng([seed, 7])
    made = base or Options()
    return replace(
        made,
        size=int(random.integers(3, made.size + 1)),
        floatx=str(random.choice(["float64", "float64", "float64", "float32", "float32", "float16"])),
        unknown=bool(random.random() < 0.4),
        odd=bool(random.random() < 0.1),
        phase=int(random.integers(2)),
    )
