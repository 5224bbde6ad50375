"""The pytest side of the conformance suite: which backends it is run on, and known differences.

`pytest -p multikeras.testing.plugin --pyargs multikeras.testing --backend NAME` runs it, and so does
`python -m multikeras.testing NAME`.
"""

from __future__ import annotations

from typing import Any

import pytest

from multikeras import registry
from multikeras.contract import Backend, DeviceError
from multikeras.testing import differences

#: A test that takes this fixture is run once for each backend.
FIXTURE = "tested_backend"


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
