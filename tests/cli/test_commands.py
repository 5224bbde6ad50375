"""The command line, as its users start it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multikeras import registry
from tests.conftest import Python

CONSOLE = ("-c", "import multikeras_command; multikeras_command.main()")
MODULE = ("-m", "multikeras")


@pytest.mark.parametrize("start", [CONSOLE, MODULE], ids=["console", "module"])
def test_starts_under_a_broken_configuration(python: Python, keras_json: Path, start: tuple[str, ...]) -> None:
    keras_json.parent.mkdir()
    keras_json.write_text("{ broken")
    process = python(*start, "--version", KERAS_BACKEND="jaxx", KERAS_DEVICE="tpu")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("multikeras, version ")
    process = python(*start, "config")
    assert process.returncode == 1
    assert str(keras_json) in process.stderr
    assert "Traceback" not in process.stderr
    process = python(*start, "backends")
    assert process.returncode == 0
    assert "numpy" in process.stdout
    assert str(keras_json) in process.stderr


def test_import_of_the_command_alone_is_no_start(python: Python) -> None:
    process = python("import multikeras_command, multikeras", KERAS_BACKEND="jaxx")
    assert process.returncode == 1
    assert "ValueError" in process.stderr


def test_another_module_run_by_name_is_no_command(python: Python, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import multikeras, sys; print(sys.argv[1:])")
    assert python("-m", "program", "multikeras").stderr == "Using NumPy backend.\n"
    assert python("-m", "program", "multikeras", KERAS_BACKEND="jaxx").returncode == 1


def test_no_command_shows_help(python: Python) -> None:
    process = python(*MODULE)
    assert "Usage: multikeras" in process.stdout + process.stderr
    for command in ("backends", "config", "run", "bench"):
        assert command in process.stdout + process.stderr
    process = python(*MODULE, "nonsense")
    assert process.returncode == 2
    assert "nonsense" in process.stderr


@pytest.mark.slow
def test_backends(python: Python) -> None:
    process = python(*MODULE, "backends", "--json", KERAS_BACKEND="numpy")
    assert process.returncode == 0, process.stderr
    answer = json.loads(process.stdout)
    assert answer["problem"] == ""
    rows = {row["name"]: row for row in answer["backends"]}
    assert set(rows) >= set(registry.BUILT_IN)
    assert rows["numpy"]["device"] == "cpu"
    assert rows["numpy"]["devices"] == ["cpu"]
    assert rows["numpy"]["versions"]["numpy"]
    for name, row in rows.items():
        assert row["installed"] == registry.BUILT_IN[name].installed
        assert bool(row["install"]) != row["installed"]
        assert row["chosen_by"] == ("the environment variable KERAS_BACKEND" if name == "numpy" else "")
        # One that cannot run here says why.
        assert row["device"] or row["error"] or not row["installed"]


def test_config_shows_values_and_where_they_come_from(python: Python, keras_json: Path) -> None:
    keras_json.parent.mkdir()
    keras_json.write_text(json.dumps({"floatx": "float64", "image_dim_ordering": "th"}))
    for command in (["config"], ["config", "show"]):
        process = python(*MODULE, *command, KERAS_DEVICE="cpu")
        assert process.returncode == 0, process.stderr
        lines = {line.split()[1]: line for line in process.stdout.splitlines() if line.startswith("│")}
        assert "float64" in lines["floatx"]
        assert 'key "floatx"' in lines["floatx"]
        assert "1e-07" in lines["epsilon"]
        assert "the default" in lines["epsilon"]
        assert "channels_first" in lines["image_data_format"]
        assert "image_dim_ordering" in lines["image_data_format"]
        assert "KERAS_DEVICE" in lines["device"]
        assert "numpy" in lines["backend"]


def test_config_set_is_what_the_next_import_uses(python: Python, keras_json: Path) -> None:
    there = [name for name in ("jax", "torch", "cupy") if registry.BUILT_IN[name].installed]
    if not there:
        pytest.skip("needs a library beside NumPy")
    # The tool that mends the configuration starts under the broken one.
    process = python(*MODULE, "config", "set", "backend", there[0], KERAS_BACKEND="jaxx")
    assert process.returncode == 0, process.stderr
    assert str(keras_json) in process.stdout
    assert "KERAS_BACKEND is 'jaxx' and goes before the file" in process.stderr
    title = registry.BUILT_IN[there[0]].title
    assert python("import multikeras").stderr == f"Using {title} backend.\n"
    assert python(*MODULE, "config", "set", "epsilon", "1e-3").returncode == 0
    assert python("from multikeras import config; print(config.epsilon())").stdout == "0.001\n"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("backend", "jaxx", ("Unknown backend 'jaxx'", "numpy")),
        ("backend", "some.module", ("may not name a module",)),
        ("backend", "tensorflow", ("Unknown backend 'tensorflow'",)),
        ("colour", "red", ("'colour'", "floatx")),
        ("floatx", "float99", ("'float99'", "float32")),
        ("epsilon", "small", ("'small'",)),
        ("multikeras_device", "tpu", ("'tpu'", "gpu:N")),
    ],
)
def test_config_set_refuses(python: Python, keras_json: Path, key: str, value: str, words: tuple[str, ...]) -> None:
    keras_json.parent.mkdir()
    keras_json.write_text('{"floatx": "float16"}')
    process = python(*MODULE, "config", "set", key, value)
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    for word in words:
        assert word in process.stderr
    assert keras_json.read_text() == '{"floatx": "float16"}'
