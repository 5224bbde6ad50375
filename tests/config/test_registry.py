"""Finding, loading and switching backends."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from multikeras import config, registry
from multikeras.contract import Backend, DeviceError
from tests.conftest import Python

MODULE = """
from multikeras.contract import Backend

class SmallBackend(Backend):
    name = "small"
    title = "Small"
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend_restored: None) -> str:
    """The dotted name of a module with a backend."""
    (tmp_path / "some_package").mkdir()
    (tmp_path / "some_package" / "small.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    name = "some_package.small"
    yield name
    registry._state.loaded.pop(name, None)
    for module in ("some_package", name):
        sys.modules.pop(module, None)


def test_host_is_numpy_and_one() -> None:
    assert registry.host() is registry.load("numpy")
    assert registry.host().name == "numpy"
    assert registry.loaded()["numpy"] is registry.host()


def test_module_by_name(small: str) -> None:
    registry.set_backend(small)
    assert small not in registry.loaded()
    assert registry.current_name() == small
    assert registry.current().title == "Small"
    assert registry.current() is registry.load(small)
    assert registry.installed()[small].chosen == "set_backend"
    # Two backends live side by side.
    assert registry.host() is not registry.current()


def test_module_that_is_not_there() -> None:
    with pytest.raises(ImportError, match=r"'nowhere\.module'.*set by load"):
        registry.load("nowhere.module")


def test_module_without_a_backend() -> None:
    with pytest.raises(ImportError, match="should define one subclass"):
        registry.load("json.decoder")
    assert "json.decoder" not in registry.loaded()


def test_module_names_its_backend(small: str, tmp_path: Path) -> None:
    file = tmp_path / "some_package" / "small.py"
    file.write_text(MODULE + "class Other(SmallBackend):\n    title = 'Other'\nBACKEND = Other\n")
    assert registry.load(small).title == "Other"


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="Unknown backend 'jaxx' .*set by set_backend.* Installed: .*numpy"):
        registry.set_backend("jaxx")


def test_use_backend_restores(small: str) -> None:
    before = registry.current_name()
    with registry.use_backend(small):
        assert registry.current_name() == small
        with registry.use_backend("numpy"):
            assert registry.current().name == "numpy"
        assert registry.current().title == "Small"
    assert registry.current_name() == before
    with pytest.raises(KeyError), registry.use_backend(small):
        raise KeyError
    assert registry.current_name() == before


def test_hooks_hear_of_a_switch_and_may_refuse(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, str]] = []
    before = registry.current_name()

    def hook(old: str, new: str) -> None:
        heard.append((old, new))
        if len(heard) == 3:
            raise RuntimeError("a program runs")

    monkeypatch.setattr(registry, "on_switch", [hook])
    registry.set_backend(before)
    assert heard == []
    with registry.use_backend(small):
        pass
    assert heard == [(before, small), (small, before)]
    with pytest.raises(RuntimeError, match="a program runs"):
        registry.set_backend(small)
    assert registry.current_name() == before
    del heard[1:]
    with pytest.raises(RuntimeError, match="a program runs"), registry.use_backend(small):
        pass
    assert registry.current_name() == before


def test_choice_is_of_the_process(small: str) -> None:
    seen = []
    with registry.use_backend(small):
        thread = threading.Thread(target=lambda: seen.append(registry.current().title))
        thread.start()
        thread.join()
    assert seen == ["Small"]


def test_device_comes_before_the_backend(python: Python) -> None:
    code = """
from multikeras import config, registry
registry.set_device("cpu")
registry.host()
registry.set_device("auto no_preallocate")
print(config.device_settings().source, config.device_settings().preallocate)
registry.current()
try:
    registry.set_device("cpu")
except RuntimeError as error:
    print(error)
"""
    process = python(code, KERAS_DEVICE="gpu")
    lines = process.stdout.splitlines()
    assert lines[0] == "set_device False", process.stderr
    assert "too late" in lines[1]
    assert "numpy" in lines[1]


def test_numpy_has_no_gpu(python: Python) -> None:
    process = python("from multikeras import registry; registry.host(); registry.current()", KERAS_DEVICE="gpu:1")
    last = process.stderr.strip().splitlines()[-1]
    assert DeviceError.__name__ in last
    assert "KERAS_DEVICE" in last
    assert "'gpu:1'" in last


def test_info(backend_restored: None) -> None:
    registry.set_backend("numpy")
    info = registry.backend_info()
    assert info["name"] == "numpy"
    assert info["chosen_by"] == "set_backend"
    assert info["device"] == "cpu"
    assert "CPU" in info["device_reason"]
    assert "numpy" in info["loaded"]


def test_description_of_what_is_missing() -> None:
    described = registry.Description("x", "X", "json", ("surely_not_there",), install="pip install x")
    assert not described.installed
    assert described.missing == ("surely_not_there",)
    assert set(registry.installed()) >= {"numpy", "jax", "torch", "cupy"}
    assert registry.BUILT_IN["numpy"].versions.keys() == {"numpy"}


@pytest.mark.parametrize("checkout", [True, False], ids=["clone", "installed"])
@pytest.mark.parametrize(
    ("name", "missing", "mends"),
    [
        ("jax", "jax", ("-e '.[jax]' in {root}, or pip install jax.", "'multikeras[jax]', or pip install jax.")),
        ("torch", "torch", ("-e '.[torch]' in {root}, or pip", "'multikeras[torch]', or pip install torch.")),
        (
            "cupy",
            "cupy",
            ("-e '.[cupy-cuda13x]' or '.[cupy-cuda12x]' in {root}, or", "cupy-cuda12x]', or pip install cupy-"),
        ),
        (
            "jax",
            "multikeras_jax",
            ("pip install -e . there, or add {root}/backends to PYTHONPATH", "install that again"),
        ),
        ("numpy", "multikeras_numpy", ("pip install -e . there, or add {root}/backends to", "install that again")),
    ],
)
def test_mend_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkout: bool, name: str, missing: str, mends: tuple[str, str]
) -> None:
    (tmp_path / ("backends" if checkout else "multikeras_jax")).mkdir()
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "multikeras" / "registry.py"))
    monkeypatch.setattr(registry, "_module_exists", lambda module: module != missing)
    with pytest.raises(ImportError) as raised:
        registry.resolve(config.BackendChoice(name, "the environment variable KERAS_BACKEND"))
    text = str(raised.value)
    assert (
        f"The backend {name!r} (set by the environment variable KERAS_BACKEND) needs {missing!r}, which is not" in text
    )
    assert mends[not checkout].format(root=tmp_path) in text


def test_backends_of_other_distributions(python: Python, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for distribution, points in (("other", "other = other_backend:SmallBackend"), ("wrong", "wrong = json:loads")):
        metadata = site / f"{distribution}_backend-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}-backend\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[multikeras.backends]\n{points}\n")
    (site / "other_backend.py").write_text(MODULE)
    process = python(
        """
from multikeras import registry
print(registry.current().title, registry.installed()["other"].versions)
registry.set_backend("wrong")
registry.current()
""",
        path=site,
        KERAS_BACKEND="other",
    )
    assert process.stdout.strip() == "Small {'other-backend': '1.0'}", process.stderr
    assert "TypeError: The backend 'wrong' is given as json:loads" in process.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks")
def test_forked_child_is_kept_from_the_backend(python: Python) -> None:
    code = """
import os, sys
from multikeras import registry
def child():
    try:
        registry.current()
    except RuntimeError as error:
        print(error, flush=True)
    print(registry.host().name, flush=True)
if sys.argv[1:] == ["warm"]:
    registry.current()
pid = os.fork()
if not pid:
    child()
    os._exit(0)
os.waitpid(pid, 0)
print(registry.current().name)
"""
    cold = python("-c", code)
    assert cold.stdout.splitlines() == ["numpy", "numpy"], cold.stderr
    warm = python("-c", code, "warm")
    first, host, parent = warm.stdout.splitlines()
    assert first.startswith("K cannot run in a worker process; use threads or start_method='spawn'")
    assert (host, parent) == ("numpy", "numpy")


def test_class_of_the_contract_is_no_backend() -> None:
    assert not registry._is_backend(Backend)
    assert config.DEFAULT_BACKEND in registry.BUILT_IN
