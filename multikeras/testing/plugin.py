"""The pytest side of the conformance suite: which backends it is run on, and known differences.

`pytest --pyargs multikeras.testing --backend NAME` runs it, and so does
`python -m multikeras.testing NAME`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from multikeras import registry
from multikeras.contract import Backend, DeviceError
from multikeras.testing import differences
from multikeras.testing.asking import Answers
from multikeras.testing.matrix import Matrix, Recorder, gathered

#: A test that takes this fixture is run once for each backend.
FIXTURE = "tested_backend"

_MATRICES: pytest.StashKey[dict[str, Matrix]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of the suite."""
    group = parser.getgroup("multikeras", "conformance of multikeras backends")
    group.addoption(
        "--backend",
        action="append",
        metavar="NAME",
        help="a backend to test, by its word or a dotted module name; may be given several times "
        "(default: the one that KERAS_BACKEND or keras.json chooses)",
    )
    group.addoption(
        "--differences",
        metavar="MODULE",
        help="a module whose DIFFERENCES says where the backend is known to differ, and why",
    )
    group.addoption(
        "--examples",
        type=int,
        metavar="N",
        help="how many examples are drawn of each property (default: a few)",
    )


def usable_backends() -> dict[str, str]:
    """Every installed backend, with the reason why it cannot be loaded; an empty one where it can."""
    found = {}
    for name, description in registry.installed().items():
        if not description.installed:
            continue
        try:
            registry.load(name)
        except (DeviceError, ImportError) as error:
            found[name] = str(error)
        else:
            found[name] = ""
    return found


def _names(metafunc: pytest.Metafunc) -> list[str]:
    """The backends of a test: those asked for, all (a module says `BACKENDS = "all"`), or the current one."""
    asked = metafunc.config.getoption("--backend", None)
    if asked:
        return list(asked)
    if getattr(metafunc.module, "BACKENDS", None) == "all":
        return [name for name, reason in usable_backends().items() if not reason]
    return [registry.current_name()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs each test of the suite once for each backend."""
    if FIXTURE in metafunc.fixturenames:
        metafunc.parametrize(FIXTURE, _names(metafunc), indirect=True, scope="session")


@pytest.fixture(scope="session")
def tested_backend(request: pytest.FixtureRequest) -> Backend:
    """The backend under test."""
    return registry.load(request.param)


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest, tested_backend: Backend) -> Answers:
    """What the backend under test answers to the tests that are selected."""
    selected = []
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        asker = getattr(getattr(item, "function", None), "asker", None)
        if asker is not None and parameters.get(FIXTURE) == tested_backend.name:
            selected.append((asker, parameters["case"]))
    return Answers(tested_backend, selected)


@pytest.fixture
def cells(tested_backend: Backend, record_property: Callable[[str, Any], None]) -> Recorder:
    """Takes what a test found of a cell of the matrix."""
    return Recorder(tested_backend.name, record_property)


def pytest_configure(config: pytest.Config) -> None:
    """Makes room for what tests record."""
    config.stash[_MATRICES] = {}
    config.pluginmanager.register(_Gatherer(config.stash[_MATRICES]), "multikeras matrix")


class _Gatherer:
    """Reads the matrix off the reports of tests, also where other processes made them."""

    def __init__(self, matrices: dict[str, Matrix]) -> None:
        self._matrices = matrices

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            gathered(report.user_properties, self._matrices)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, matrix in self._matrices.items():
            terminalreporter.section(f"function x type x data format on {name}")
            for line in matrix.lines():
                terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what a backend is known to do differently."""
    extra = config.getoption("--differences", None)
    for item in items:
        parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        name = parameters.get(FIXTURE)
        if name is None:
            continue
        check = str(getattr(item, "originalname", item.name)).removeprefix("test_")
        case = getattr(parameters.get("case"), "id", "")
        key = f"{check} {case}".rstrip()
        reason = differences.reason(name, key, extra)
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
