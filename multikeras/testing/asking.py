"""Questions to a backend, and their answers: many at a time where a backend compiles programs.

A compiler takes long over each small program. So a test says by `asks` what it will want to know, and
the first test of thirty that are selected has the questions of all of them answered in one program. If
that program fails, each is asked alone, kernel by kernel, so that the fault is found where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from multikeras.contract import Backend
from multikeras.graph.tensor import Tensor
from multikeras.testing.running import Observed, observe

#: So many cases are answered by one program; larger ones gain nothing.
_TOGETHER = 30

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a backend, and what is thought of the answer.

    Attributes:
        outputs: Tensors that are to be computed.
        feeds: Values by tensor.
        judge: Gets the answer; raises AssertionError where it is wrong.
        name: What tells it from the other questions of a case, such as a type.
    """

    outputs: Sequence[Tensor]
    feeds: Mapping[Tensor, Any]
    judge: Callable[[list[Observed]], Any]
    name: str = ""

    def ask(self, backend: Backend) -> Any:
        """Asks a backend this one question, kernel by kernel, and judges the answer."""
        return self.judge(observe(self.outputs, self.feeds, backend=backend))


#: Makes the questions of a case for a backend.
Asker = Callable[[Any, Backend], list[Question]]


def asks(asker: Asker) -> Callable[[Test], Test]:
    """Declares that a test, whose case is the parameter `case`, asks the questions that `asker` makes."""

    def declare(test: Test) -> Test:
        test.asker = asker  # type: ignore[attr-defined]
        return test

    return declare


def compiles(backend: Backend) -> bool:
    """Whether a backend compiles programs, which takes its time over each."""
    return type(backend).compile is not Backend.compile


class Answers:
    """The answers of one backend."""

    def __init__(self, backend: Backend, selected: Iterable[tuple[Asker, Any]]) -> None:
        """Args:
        backend: Who is asked.
        selected: What tests that are going to run will ask, in their order.
        """
        self.backend = backend
        self.compiles = compiles(backend)
        self._order: dict[Asker, dict[int, Any]] = {}
        self._questions: dict[tuple[Asker, int], list[Question]] = {}
        self._made: dict[tuple[Asker, int], list[tuple[Question, list[Observed]]] | Exception] = {}
        for asker, case in selected:
            self._order.setdefault(asker, {})[id(case)] = case

    def of(self, asker: Asker, case: Any) -> Iterator[tuple[Question, Callable[[], Any]]]:
        """The questions of a case, each with a function that judges the answer to it."""
        key = asker, id(case)
        if not self.compiles:
            if key not in self._questions:
                self._questions[key] = asker(case, self.backend)
            for question in self._questions[key]:
                yield question, partial(question.ask, self.backend)
            return
        if key not in self._made:
            self._answer(asker, case)
        made = self._made[key]
        if isinstance(made, Exception):
            raise made
        for question, found in made:
            yield question, partial(question.judge, found)

    def check(self, asker: Asker, case: Any, *names: str) -> None:
        """Judges the answers to the questions of a case, or to those of certain names."""
        for question, judge in self.of(asker, case):
            if not names or question.name in names:
                judge()

    def _answer(self, asker: Asker, case: Any) -> None:
        """Answers the questions of a case and of those that come after it."""
        order = self._order.get(asker, {})
        if id(case) not in order:
            order = {id(case): case}
        places = {name: place for place, name in enumerate(order)}
        cases = islice(order.values(), places[id(case)], places[id(case)] + _TOGETHER)
        asked: dict[int, list[Question]] = {}
        for each in cases:
            try:
                asked[id(each)] = asker(each, self.backend)
            except Exception as error:  # noqa: BLE001 - it belongs to the test of that case
                self._made[asker, id(each)] = error
        questions = [question for made in asked.values() for question in made]
        try:
            found = self._together(questions)
        except Exception:  # noqa: BLE001 - asked alone, the one at fault shows itself
            for name, made in asked.items():
                try:
                    answers = [(q, observe(q.outputs, q.feeds, backend=self.backend)) for q in made]
                except Exception as error:  # noqa: BLE001 - likewise
                    self._made[asker, name] = error
                else:
                    self._made[asker, name] = answers
            return
        for name, made in asked.items():
            self._made[asker, name] = [(question, found[id(question)]) for question in made]

    def _together(self, questions: Sequence[Question]) -> dict[int, list[Observed]]:
        outputs = [tensor for question in questions for tensor in question.outputs]
        feeds = {tensor: value for question in questions for tensor, value in question.feeds.items()}
        found = iter(observe(outputs, feeds, backend=self.backend, compiled=True)) if questions else iter(())
        return {id(question): list(islice(found, len(question.outputs))) for question in questions}
