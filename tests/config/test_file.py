"""keras.json: reading, creating, changing."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from multikeras import config


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(config, "_home", None)
    monkeypatch.setattr(config, "_chosen_backend", None)
    return tmp_path / "keras.json"


def put(file: Path, **content: Any) -> Path:
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_every_key_takes_effect(file: Path) -> None:
    settings = config.read(
        put(
            file,
            epsilon=1e-5,
            floatx="float64",
            image_data_format="channels_first",
            backend="jax",
            multikeras_device="gpu:1 no_preallocate",
        )
    )
    assert settings.epsilon == 1e-5
    assert settings.floatx == "float64"
    assert settings.image_data_format == "channels_first"
    assert settings.backend is not None
    assert (settings.backend.name, settings.backend.source) == ("jax", f'{file}, key "backend"')
    assert settings.device is not None
    assert (settings.device.device, settings.device.preallocate) == ("gpu:1", False)


def test_own_key_goes_before_the_shared_one(file: Path) -> None:
    settings = config.read(put(file, backend="jax", multikeras_backend="torch"))
    assert settings.backend is not None
    assert settings.backend.name == "torch"


def test_keys_of_others_are_left_alone(file: Path) -> None:
    assert config.read(put(file, nnx_enabled=False, max_epochs=3)) == config.Settings()


@pytest.mark.parametrize(("ordering", "data_format"), [("tf", "channels_last"), ("th", "channels_first")])
def test_older_word_for_the_data_format(file: Path, ordering: str, data_format: str) -> None:
    settings = config.read(put(file, image_dim_ordering=ordering))
    assert settings.image_data_format == data_format
    assert not settings.warnings


def test_data_formats_that_differ_are_told(file: Path) -> None:
    settings = config.read(put(file, image_dim_ordering="th", image_data_format="channels_last"))
    assert settings.image_data_format == "channels_last"
    assert len(settings.warnings) == 1
    assert "image_dim_ordering" in settings.warnings[0]


@pytest.mark.parametrize("word", ["tensorflow", "theano", "cntk"])
@pytest.mark.parametrize("key", ["backend", "multikeras_backend"])
def test_backend_of_another_keras_gives_one_warning(file: Path, word: str, key: str) -> None:
    settings = config.read(put(file, **{key: word}))
    assert settings.backend is not None
    assert settings.backend.name == "numpy"
    (message,) = settings.warnings
    assert str(file) in message
    assert key in message
    assert word in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epsilon", "small"),
        ("epsilon", -1.0),
        ("epsilon", True),
        ("epsilon", None),
        ("epsilon", [1]),
        ("floatx", "float99"),
        ("floatx", 32),
        ("image_data_format", "channels_middle"),
        ("image_dim_ordering", "channels_last"),
        ("backend", 3),
        ("backend", ""),
        ("multikeras_backend", ["jax"]),
        ("multikeras_device", "tpu"),
        ("multikeras_device", 1),
    ],
)
def test_wrong_value_names_file_key_and_value(file: Path, key: str, value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        config.read(put(file, **{key: value}))
    message = str(caught.value)
    assert str(file) in message
    assert f'"{key}"' in message
    assert repr(value) in message


@pytest.mark.parametrize("text", ["{", "", '{"backend": numpy}', "[]", '"numpy"', "\xff"])
def test_broken_file_is_named(file: Path, text: str) -> None:
    file.write_text(text, encoding="latin-1")
    with pytest.raises(config.ConfigurationError) as caught:
        config.read(file)
    assert str(file) in str(caught.value)


def test_byte_order_mark_is_no_error(file: Path) -> None:
    file.write_text('{"floatx": "float16"}', encoding="utf-8-sig")
    assert config.read(file).floatx == "float16"


def test_write_changes_one_key(file: Path) -> None:
    put(file, backend="tensorflow", multikeras_backend="numpy", strange={"a": [1]})
    file.chmod(0o640)
    assert config.write("floatx", "float64") == (file, "floatx")
    content = json.loads(file.read_text())
    assert content == {
        "backend": "tensorflow",
        "multikeras_backend": "numpy",
        "strange": {"a": [1]},
        "floatx": "float64",
    }
    assert os.listdir(file.parent) == ["keras.json"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_write_of_backend_takes_effect(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(file, backend="tensorflow", multikeras_backend="numpy")
    assert config.write("backend", "jax") == (file, "multikeras_backend")
    put(file, backend="numpy")
    monkeypatch.setattr(config, "other_keras_installed", lambda: True)
    assert config.write("backend", "jax") == (file, "multikeras_backend")
    put(file, backend="numpy")
    monkeypatch.setattr(config, "other_keras_installed", lambda: False)
    assert config.write("backend", "jax") == (file, "backend")
    assert json.loads(file.read_text()) == {"backend": "jax"}


def test_write_keeps_both_words_for_the_data_format_agreeing(file: Path) -> None:
    put(file, image_dim_ordering="tf", image_data_format="channels_last")
    config.write("image_dim_ordering", "th")
    assert json.loads(file.read_text()) == {"image_dim_ordering": "th", "image_data_format": "channels_first"}
    config.write("image_data_format", "channels_last")
    assert json.loads(file.read_text()) == {"image_dim_ordering": "tf", "image_data_format": "channels_last"}


@pytest.mark.parametrize(("key", "value"), [("floatx", "float99"), ("colour", "red"), ("epsilon", "x")])
def test_refused_write_changes_nothing(file: Path, key: str, value: str) -> None:
    put(file, floatx="float16")
    with pytest.raises(config.ConfigurationError):
        config.write(key, value)
    assert json.loads(file.read_text()) == {"floatx": "float16"}
    assert os.listdir(file.parent) == ["keras.json"]


def test_write_mends_a_wrong_value(file: Path) -> None:
    put(file, floatx="float99")
    config.write("floatx", "float32")
    assert config.read(file).floatx == "float32"


def test_values_in_use_are_checked() -> None:
    before = (config.epsilon(), config.floatx(), config.image_data_format())
    for setter, wrong in (
        (config.set_epsilon, "x"),
        (config.set_floatx, "float99"),
        (config.set_image_data_format, "tf"),
        (config.set_image_dim_ordering, "channels_last"),
    ):
        with pytest.raises(ValueError, match=setter.__name__):
            setter(wrong)  # type: ignore[operator]
    assert before == (config.epsilon(), config.floatx(), config.image_data_format())


def test_both_words_for_the_data_format_agree() -> None:
    before = config.image_data_format()
    try:
        config.set_image_dim_ordering("th")
        assert config.image_data_format() == "channels_first"
        config.set_image_data_format("channels_last")
        assert config.image_dim_ordering() == "tf"
    finally:
        config.set_image_data_format(before)
