"""Graphs as text: what a fuzzed graph is made, printed and cut down as."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import optimizers
from multikeras.graph.tensor import Tensor

_NAME = re.compile(r"\b[cuvwx]\d+\b")


@dataclass(frozen=True, eq=False)
class Leaf:
    """A placeholder, variable or constant.

    Attributes:
        name: Its name: x and a number, w and a number, c and a number.
        array: Its entries; floats as float64 numbers that the type can hold.
        dtype: Its type.
        shape: Its static shape, in which lengths of a placeholder may be None.
    """

    name: str
    array: np.ndarray
    dtype: str
    shape: tuple[int | None, ...]

    @property
    def code(self) -> str:
        """The statement that makes it."""
        if self.name[0] == "x":
            return f"{self.name} = K.placeholder({self.shape}, dtype={self.dtype!r})"
        function = "variable" if self.name[0] == "w" else "constant"
        return f"{self.name} = K.{function}({_array(self.array)}, dtype={self.dtype!r})"


def _array(array: np.ndarray) -> str:
    """An expression for an array."""
    listed = re.sub(r"\b(nan|inf)\b", r"np.\1", repr(array.tolist()))
    return f"np.zeros({array.shape})" if not array.size else f"np.array({listed})"


@dataclass(frozen=True, eq=False)
class Line:
    """A statement that makes tensors.

    Attributes:
        names: What it makes: v and a number for values, u and a number for updates.
        code: The statement, which may have several lines.
    """

    names: tuple[str, ...]
    code: str

    @property
    def uses(self) -> frozenset[str]:
        """The names that it reads."""
        return frozenset(_NAME.findall(self.code)) - set(self.names)


@dataclass(frozen=True, eq=False)
class Script:
    """A graph with the values that it is run on.

    Attributes:
        leaves: What it starts from.
        lines: What is made, in order.
        outputs: Names of what is computed.
        updates: Names of what is stored.
        floatx: The float type in use.
        phase: The learning phase.
        seed: What it was grown from, and the seed of NumPy's generator while it is built.
    """

    leaves: tuple[Leaf, ...]
    lines: tuple[Line, ...]
    outputs: tuple[str, ...]
    updates: tuple[str, ...] = ()
    floatx: str = "float32"
    phase: int = 0
    seed: int = 0

    @property
    def variables(self) -> list[str]:
        """Names of the variables."""
        return [leaf.name for leaf in self.leaves if leaf.name[0] == "w"]

    def without_unused(self) -> Script:
        """Without the lines and leaves that nothing asked for needs."""
        wanted = {*self.outputs, *self.updates}
        lines = []
        for line in reversed(self.lines):
            if wanted & set(line.names):
                wanted |= line.uses
                lines.append(line)
        leaves = tuple(leaf for leaf in self.leaves if leaf.name in wanted)
        return Script(leaves, tuple(reversed(lines)), self.outputs, self.updates, self.floatx, self.phase, self.seed)

    def build(self) -> dict[str, Any]:
        """Makes the graph, and gives its tensors by name."""
        made = namespace()
        with float_type(self.floatx):
            np.random.seed(self.seed % 2**32)
            for leaf in self.leaves:
                made[leaf.name] = make_leaf(leaf)
            for line in self.lines:
                execute(line.code, made)
        return made

    def __str__(self) -> str:
        """A program of its own that shows the results of two backends."""
        fed = [leaf for leaf in self.leaves if leaf.name[0] == "x"]
        names = ", ".join(leaf.name for leaf in fed)
        values = "".join(f"        {_array(leaf.array)},\n" for leaf in fed)
        body = [leaf.code for leaf in self.leaves] + [line.code for line in self.lines]
        indented = "\n".join(f"    {text}" for statement in body for text in statement.splitlines())
        return (
            "import sys\n\n"
            "import numpy as np\n\n"
            "from multikeras import backend as K\n"
            "from multikeras import optimizers\n\n"
            f"K.set_floatx({self.floatx!r})\n"
            f"K.set_learning_phase({self.phase})\n\n\n"
            "def results():\n"
            f"    np.random.seed({self.seed % 2**32})\n"
            f"{indented}\n"
            f"    function = K.function([{names}], [{', '.join(self.outputs)}], updates=[{', '.join(self.updates)}])\n"
            f"    values = [\n{values}    ]\n"
            f"    runs = [function(values) for _ in range(2)]\n"
            f"    return [*runs, [K.get_value(w) for w in [{', '.join(self.variables)}]]]\n\n\n"
            'for name in sys.argv[1:] or ["numpy"]:\n'
            "    with K.use_backend(name):\n"
            "        print(name, *results(), sep='\\n')\n"
        )


def namespace() -> dict[str, Any]:
    """The names that lines may use beside those of tensors."""
    return {"K": K, "np": np, "optimizers": optimizers}


def make_leaf(leaf: Leaf) -> Tensor:
    """The tensor of a leaf."""
    if leaf.name[0] == "x":
        return K.placeholder(leaf.shape, dtype=leaf.dtype)
    return (K.variable if leaf.name[0] == "w" else K.constant)(leaf.array, dtype=leaf.dtype)


def execute(code: str, made: dict[str, Any]) -> None:
    """Runs one statement of a script, which this package itself wrote."""
    exec(code, made)  # noqa: S102


@contextmanager
def float_type(name: str) -> Iterator[None]:
    """Another float type in use, for a while."""
    before = K.floatx()
    K.set_floatx(name)
    try:
        yield
    finally:
        K.set_floatx(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings: of numbers out of range, and that a variable is updated twice."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
