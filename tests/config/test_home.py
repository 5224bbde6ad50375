"""Where `.keras` is: KERAS_HOME, the home directory, or a temporary one that can be trusted."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from multikeras import config

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes of files are POSIX's")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No KERAS_HOME, no home directory, and a temporary directory of the test's own."""
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "nobody"))
    monkeypatch.setattr(config, "TEMPORARY", tmp_path)
    monkeypatch.setattr(config, "_home", None)
    return tmp_path


def test_named_directory_is_made(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(places / "a" / "b"))
    assert config.home() == places / "a" / "b"
    assert config.home().is_dir()


def test_named_directory_that_cannot_be_made(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(places / "file"))
    with pytest.raises(ValueError, match="KERAS_HOME holds '.*file'"):
        config.home()


def test_home_directory(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "me").mkdir()
    monkeypatch.setenv("HOME", str(places / "me"))
    monkeypatch.setenv("USERPROFILE", str(places / "me"))
    assert config.home() == places / "me" / ".keras"


@posix
def test_home_that_cannot_be_written(places: Path) -> None:
    assert config.home() == places / ".keras"
    assert stat.S_IMODE((places / ".keras").stat().st_mode) == 0o700


@posix
def test_home_that_refuses(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "me").mkdir()
    monkeypatch.setenv("HOME", str(places / "me"))
    monkeypatch.setattr(os, "access", lambda path, mode: "me" not in Path(path).parts)
    assert config.home() == places / ".keras"


@posix
@pytest.mark.parametrize("how", ["owner", "mode", "link"])
def test_temporary_directory_of_somebody_else(places: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    shared = places / ".keras"
    if how == "link":
        (places / "elsewhere").mkdir(mode=0o700)
        shared.symlink_to(places / "elsewhere")
        shared = places / "elsewhere"
    else:
        shared.mkdir(mode=0o700)
    (shared / "keras.json").write_text(json.dumps({"multikeras_backend": "wicked.module", "floatx": "float64"}))
    if how == "mode":
        shared.chmod(0o777)
    real = config._owned
    monkeypatch.setattr(config, "_owned", lambda path: real(path) and not (how == "owner" and path.name == ".keras"))
    with pytest.warns(UserWarning, match="belongs to another user"):
        home = config.home()
    assert home == places / f".keras-{os.getuid()}"
    assert config.read(config.configuration_file()) == config.Settings()


@posix
def test_temporary_file_that_others_can_write(places: Path) -> None:
    file = config.configuration_file()
    file.write_text(json.dumps({"floatx": "float64"}))
    file.chmod(0o600)
    assert config.read(file).floatx == "float64"
    file.chmod(0o666)
    settings = config.read(file)
    assert settings.floatx == "float32"
    (message,) = settings.warnings
    assert str(file) in message
    with pytest.raises(config.ConfigurationError, match="KERAS_HOME"):
        config.write("floatx", "float16")


@posix
def test_owner_and_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    assert config._owned(tmp_path)
    tmp_path.chmod(0o775)
    assert not config._owned(tmp_path)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert not config._owned(tmp_path)
