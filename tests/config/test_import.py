"""What `import multikeras` does, each time in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from multikeras import registry
from tests.conftest import Python

NAME = "import multikeras; from multikeras import registry; print(registry.current_name())"
# Before multikeras looks for another Keras, in processes that must find none.
NO_OTHER_KERAS = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "keras" else real(name, package)
"""
HEAVY = ("jax", "torch", "cupy", "keras", "scipy", "sklearn", "h5py", "matplotlib", "PIL", "click", "rich")
LIBRARIES = {"numpy": set(), "jax": {"jax"}, "torch": {"torch"}, "cupy": {"cupy"}}


def put(file: Path, **content: object) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))


def succeeded(process: subprocess.CompletedProcess[str]) -> str:
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_one_line_on_stderr(python: Python) -> None:
    process = python("import multikeras")
    assert (process.stdout, process.stderr) == ("", "Using NumPy backend.\n")


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_title_of_each(python: Python, name: str) -> None:
    described = registry.BUILT_IN[name]
    if not described.installed:
        pytest.skip(f"{name} is not installed")
    assert python("import multikeras", KERAS_BACKEND=name).stderr == f"Using {described.title} backend.\n"


def test_order_of_choices(python: Python, keras_json: Path) -> None:
    # Only the word is looked up: these libraries are not imported.
    there = [name for name in ("jax", "torch", "cupy") if registry.BUILT_IN[name].installed]
    if len(there) < 2:
        pytest.skip("needs two libraries beside NumPy")
    first, second = there[:2]
    assert succeeded(python(NAME)) == "numpy"
    put(keras_json, backend=first)
    assert succeeded(python(NAME)) == first
    assert succeeded(python(NAME, KERAS_BACKEND="")) == first
    put(keras_json, backend=first, multikeras_backend=second)
    assert succeeded(python(NAME)) == second
    assert succeeded(python(NAME, KERAS_BACKEND="numpy")) == "numpy"
    code = f"from multikeras import registry; registry.set_backend({first!r}); print(registry.current_name())"
    assert succeeded(python(code, KERAS_BACKEND="numpy")) == first


def test_later_change_of_the_environment_is_no_switch(python: Python) -> None:
    code = "import multikeras, os; os.environ['KERAS_BACKEND'] = 'nonsense'\n" + NAME
    assert succeeded(python(code)) == "numpy"


def test_values_of_the_file_take_effect(python: Python, keras_json: Path) -> None:
    put(keras_json, epsilon=1e-3, floatx="float64", image_dim_ordering="th", multikeras_device="cpu")
    code = """
from multikeras import config
print(config.epsilon(), config.floatx(), config.image_data_format(), config.device_settings().device)
"""
    assert succeeded(python(code)) == "0.001 float64 channels_first cpu"
    assert "gpu:1 False" in succeeded(
        python(
            "from multikeras import config; s = config.device_settings(); print(s.device, s.preallocate)",
            KERAS_DEVICE="gpu:1 no_preallocate",
        )
    )


def test_created_file(python: Python, keras_json: Path) -> None:
    succeeded(python(NO_OTHER_KERAS + NAME))
    assert json.loads(keras_json.read_text()) == {
        "image_data_format": "channels_last",
        "epsilon": 1e-07,
        "floatx": "float32",
        "backend": "numpy",
    }
    assert [each.name for each in keras_json.parent.iterdir()] == ["keras.json"]


def test_created_file_beside_another_keras(python: Python, keras_json: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "keras").mkdir(parents=True)
    (tmp_path / "other" / "keras" / "__init__.py").write_text("raise RuntimeError('nobody asked for this')")
    succeeded(python(NAME, path=tmp_path / "other"))
    assert json.loads(keras_json.read_text()) == {
        "image_data_format": "channels_last",
        "epsilon": 1e-07,
        "floatx": "float32",
    }


def test_existing_file_is_never_rewritten(python: Python, keras_json: Path) -> None:
    keras_json.parent.mkdir()
    keras_json.write_text('{ "floatx":"float64" }')
    before = keras_json.stat()
    succeeded(python(NAME))
    after = keras_json.stat()
    assert keras_json.read_text() == '{ "floatx":"float64" }'
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


@pytest.mark.slow
def test_many_first_imports_at_once(python: Python, keras_json: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        for process in pool.map(lambda _: python(NAME), range(6)):
            assert succeeded(process) == "numpy"
            assert process.stderr == "Using NumPy backend.\n"
    assert [each.name for each in keras_json.parent.iterdir()] == ["keras.json"]


def test_other_words_in_the_file_warn_once(python: Python, keras_json: Path) -> None:
    put(keras_json, backend="tensorflow")
    process = python(NAME)
    assert succeeded(process) == "numpy"
    assert process.stderr.count("UserWarning") == 1
    assert str(keras_json) in process.stderr
    assert '"backend": "tensorflow"' in process.stderr
    assert "Using NumPy backend." in process.stderr
    # The environment decides, so the word in the file is nobody's concern.
    assert python(NAME, KERAS_BACKEND="numpy").stderr == "Using NumPy backend.\n"


@pytest.mark.parametrize("word", ["jaxx", "tensorflow", "NUMPY"])
def test_unknown_word_in_the_environment(python: Python, word: str) -> None:
    process = python(NAME, KERAS_BACKEND=word)
    assert process.returncode == 1
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError")
    assert repr(word) in last
    assert "KERAS_BACKEND" in last
    assert "numpy" in last


def test_unknown_word_in_the_file(python: Python, keras_json: Path) -> None:
    put(keras_json, multikeras_backend="some.module")
    process = python(NAME)
    last = process.stderr.strip().splitlines()[-1]
    assert process.returncode == 1
    assert last.startswith("ValueError")
    assert f'{keras_json}, key "multikeras_backend"' in last
    assert "may not name a module" in last


@pytest.mark.parametrize("name", ["jax", "torch", "cupy"])
def test_library_that_is_not_installed(python: Python, name: str) -> None:
    hide = f"""
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda each, package=None: None if each == {name!r} else real(each, package)
import multikeras
"""
    process = python(hide, KERAS_BACKEND=name)
    assert process.returncode == 1
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError")
    assert repr(name) in last
    assert "KERAS_BACKEND" in last
    assert f"pip install {name}" in last


@pytest.mark.parametrize(("name", "value"), [("KERAS_DEVICE", "tpu"), ("KERAS_HOME", "/dev/null")])
def test_wrong_variable_is_named(python: Python, name: str, value: str) -> None:
    process = python("import multikeras", **{name: value})
    last = process.stderr.strip().splitlines()[-1]
    assert process.returncode == 1
    assert name in last
    assert repr(value) in last


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_only_the_library_chosen_is_imported(python: Python, name: str) -> None:
    if not registry.BUILT_IN[name].installed:
        pytest.skip(f"{name} is not installed")
    code = f"""
import sys, multikeras
heavy = lambda: ",".join(sorted(set({HEAVY!r}) & set(sys.modules)))
print("imported:", heavy())
from multikeras import registry
from multikeras.contract import DeviceError
try:
    registry.current()
except DeviceError:
    print("no device")
backends = sorted(m for m in sys.modules if m.startswith("multikeras_") and "." not in m and m != "multikeras_arrays")
print("used:", heavy(), *backends)
"""
    lines = succeeded(python(code, KERAS_BACKEND=name)).splitlines()
    assert lines[0] == "imported: "
    used = set(lines[-1].removeprefix("used: ").split()[0].split(",")) if name != "numpy" else set()
    # What the library itself imports is its own affair; no other backend's library may be there.
    others = set().union(*(libraries for other, libraries in LIBRARIES.items() if other != name))
    assert not used & others
    assert used >= LIBRARIES[name]
    assert f"multikeras_{name}" in lines[-1]
    for other in LIBRARIES:
        assert other in (name, "numpy") or f"multikeras_{other}" not in lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers_say_nothing(python: Python, tmp_path: Path, method: str) -> None:
    if sys.platform == "win32" and method != "spawn":
        pytest.skip("Windows only spawns")
    script = tmp_path / "script.py"
    script.write_text(f"""
import multiprocessing
import multikeras

def work(number):
    import multikeras
    from multikeras import config
    return number, config.floatx()

if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(1) as pool:
        print(pool.map(work, [1, 2]))
""")
    process = python(str(script), "")
    assert succeeded(process) == "[(1, 'float32'), (2, 'float32')]"
    assert process.stderr == "Using NumPy backend.\n"


def test_names_at_the_top(python: Python) -> None:
    code = """
import multikeras
assert multikeras.__version__
assert set(multikeras.__all__) <= set(dir(multikeras))
try:
    multikeras.nonsense
except AttributeError as error:
    print(error)
"""
    assert succeeded(python(code)) == "module 'multikeras' has no attribute 'nonsense'"


def test_import_of_a_backend_first(python: Python) -> None:
    assert succeeded(python("import multikeras_numpy; print(multikeras_numpy.NumpyBackend.name)")) == "numpy"
