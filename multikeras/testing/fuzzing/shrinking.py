"""Makes a failing script small: fewer results, fewer operations, simpler numbers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from multikeras import registry
from multikeras.contract import is_float
from multikeras.testing.case import held_by
from multikeras.testing.fuzzing.growing import UNFIT
from multikeras.testing.fuzzing.running import Crash, results
from multikeras.testing.fuzzing.script import Leaf, Line, Script, quiet

Fails = Callable[[Script], bool]


def shrink(script: Script, fails: Fails, seconds: float = 60.0) -> Script:
    """The smallest script that is found and still fails.

    Args:
        script: One that fails.
        fails: Says whether one does, in the way that is looked for.
        seconds: When to stop looking.
    """
    end = time.monotonic() + seconds
    smaller = True
    while smaller:
        smaller = False
        for step in (_results, _cuts, _bypasses, _gradients, _leaves):
            found = _step(script, step, fails, end)
            smaller = smaller or found is not script
            script = found
        if time.monotonic() > end:
            break
    return script


def _step(script: Script, step: Callable[[Script], Iterator[Script]], fails: Fails, end: float) -> Script:
    """Takes the first smaller script that fails, again and again."""
    again = True
    while again and time.monotonic() < end:
        again = False
        for candidate in step(script):
            if time.monotonic() > end:
                break
            candidate = candidate.without_unused()
            if _builds(candidate) and fails(candidate):
                script, again = candidate, True
                break
    return script


def _builds(script: Script) -> bool:
    """Whether a smaller script still makes sense."""
    if not script.outputs and not script.updates:
        return False
    try:
        with quiet():
            script.build()
    except UNFIT:
        return False
    return True


def _results(script: Script) -> Iterator[Script]:
    """Half of the results, then one less, then what one is made of; fewer updates."""
    outputs, updates = script.outputs, script.updates
    if updates:
        yield replace(script, updates=())
        for name in updates:
            yield replace(script, updates=tuple(u for u in updates if u != name))
    middle = len(outputs) // 2
    if middle > 1:
        yield replace(script, outputs=outputs[:middle])
        yield replace(script, outputs=outputs[middle:])
    for name in outputs:
        if len(outputs) > 1 or updates:
            yield replace(script, outputs=tuple(o for o in outputs if o != name))
    for name in outputs:
        for line in script.lines:
            inner = sorted(used for used in line.uses if used[0] == "v")
            if name in line.names and inner:
                yield replace(script, outputs=tuple(dict.fromkeys([*inner, *(o for o in outputs if o != name)])))


def _cuts(script: Script) -> Iterator[Script]:
    """A placeholder in the place of what a statement makes, the last statement first."""
    values = _values(script)
    for number in range(len(script.lines) - 1, -1, -1):
        line = script.lines[number]
        if not all(name in values for name in line.names):
            continue
        rest = (*script.lines[:number], *script.lines[number + 1 :])
        made = [_placeholder(name, *values[name]) for name in line.names]
        renamed = {name: leaf.name for name, leaf in zip(line.names, made, strict=True)}
        yield _renamed(replace(script, lines=rest, leaves=(*script.leaves, *made)), renamed)


def _values(script: Script) -> dict[str, tuple[np.ndarray, str]]:
    """Value and type of whatever NumPy can compute in the first run."""
    names = tuple(name for line in script.lines for name in line.names if name[0] == "v")
    try:
        found = results(replace(script, outputs=names), registry.host(), False, runs=1)
    except Crash:
        return {}
    return {name: (each.value, each.dtype) for name, each in zip(names, found, strict=False)}


def _placeholder(name: str, value: np.ndarray, dtype: str) -> Leaf:
    return Leaf(f"x{name[1:]}", np.array(held_by(value, dtype)), dtype, value.shape)


def _renamed(script: Script, names: dict[str, str]) -> Script:
    if not names:
        return script
    pattern = re.compile(r"\b(" + "|".join(names) + r")\b")
    lines = tuple(Line(line.names, pattern.sub(lambda m: names[m[0]], line.code)) for line in script.lines)
    outputs = tuple(dict.fromkeys(names.get(name, name) for name in script.outputs))
    return replace(script, lines=lines, outputs=outputs)


def _bypasses(script: Script) -> Iterator[Script]:
    """An earlier value of the same shape and type in the place of a later one."""
    values = _values(script)
    known = {leaf.name: (leaf.array, leaf.dtype) for leaf in script.leaves}
    for number, line in enumerate(script.lines):
        for name in line.names:
            if name not in values:
                continue
            value, dtype = values[name]
            for other, (array, kind) in known.items():
                if array.shape == value.shape and kind == dtype:
                    rest = (*script.lines[:number], *script.lines[number + 1 :])
                    if len(line.names) == 1:
                        yield _renamed(replace(script, lines=rest), {name: other})
                    break
        known |= {name: values[name] for name in line.names if name in values}


def _gradients(script: Script) -> Iterator[Script]:
    """Gradients of fewer terms, by fewer values."""
    for number, line in enumerate(script.lines):
        match = re.fullmatch(r"(.*) = K\.gradients\((.*), \[(.*)\]\)", line.code)
        if match is None:
            continue
        terms, targets = match[2].split(" + "), match[3].split(", ")
        tried = [(terms[:i] + terms[i + 1 :], targets, line.names) for i in range(len(terms)) if len(terms) > 1]
        for i in range(len(targets) if len(targets) > 1 else 0):
            tried.append((terms, targets[:i] + targets[i + 1 :], line.names[:i] + line.names[i + 1 :]))
        for kept, by, names in tried:
            code = f"{', '.join(names)}, = K.gradients({' + '.join(kept)}, [{', '.join(by)}])"
            lines = (*script.lines[:number], Line(names, code), *script.lines[number + 1 :])
            yield replace(
                script, lines=lines, outputs=tuple(o for o in script.outputs if o in names or o not in line.names)
            )


def _leaves(script: Script) -> Iterator[Script]:
    """Simpler leaves: known shapes, ones, whole numbers, placeholders for variables."""
    for number, leaf in enumerate(script.leaves):

        def instead(other: Leaf, number: int = number) -> Script:
            return replace(script, leaves=(*script.leaves[:number], other, *script.leaves[number + 1 :]))

        if None in leaf.shape:
            yield instead(replace(leaf, shape=leaf.array.shape))
        if leaf.name[0] != "x" and not script.updates:
            other = f"x{leaf.name[1:]}"
            yield _renamed(instead(replace(leaf, name=other)), {leaf.name: other})
        for simple in (np.ones_like(leaf.array), np.zeros_like(leaf.array), np.round(leaf.array), _short(leaf)):
            # Each number becomes simpler at most once.
            if _length(simple) < _length(leaf.array):
                yield instead(replace(leaf, array=simple))


def _short(leaf: Leaf) -> np.ndarray:
    return np.array(held_by(np.round(leaf.array, 2), leaf.dtype)) if is_float(leaf.dtype) else leaf.array


def _length(array: np.ndarray) -> int:
    return len(repr(np.asarray(array).tolist())) + 2 * int(np.count_nonzero(array)) + 4 * len(np.unique(array))
