"""Lambda layers of files from elsewhere: functions by name, or as byte code, which is refused.

Keras 1 and 2 write a Python lambda as marshalled byte code. Running it is running whatever the author
of the file wished, so that it happens only where the caller says `safe_mode=False`.
"""

from __future__ import annotations

import base64
import binascii
import marshal
import types
from collections.abc import Mapping
from typing import Any

from multikeras import backend as K
from multikeras.saving.reading import configurations
from multikeras.saving.reading.faults import CorruptFileError, UnsafeFileError, understanding

#: What older Keras writes beside a function, by the argument whose function it describes.
_BESIDE = ("type", "module")


def without_code(content: Any, safe_mode: bool, where: str) -> tuple[Any, dict[str, Any]]:
    """A configuration in which Lambda layers name their functions.

    Args:
        content: The configuration.
        safe_mode: Whether byte code is refused.
        where: Name of the file.

    Returns:
        The configuration, and functions made of byte code by the names that they have in it.

    Raises:
        UnsafeFileError: If it holds byte code, and `safe_mode` is True, or is too large.
        CorruptFileError: If the byte code cannot be read by this Python.
    """
    configurations.check(content, where)
    functions: dict[str, Any] = {}
    with understanding(where):
        return _walk(content, safe_mode, where, functions), functions


def _walk(content: Any, safe_mode: bool, where: str, functions: dict[str, Any]) -> Any:
    if isinstance(content, list):
        return [_walk(entry, safe_mode, where, functions) for entry in content]
    if not isinstance(content, Mapping):
        return content
    if content.get("class_name") == "__lambda__":
        _refuse(where, "a Lambda layer", safe_mode)
        return _named(content["config"], where, functions)
    made = {key: _walk(value, safe_mode, where, functions) for key, value in content.items()}
    if made.get("class_name") == "Lambda" and isinstance(made.get("config"), Mapping):
        made["config"] = _lambda(dict(made["config"]), safe_mode, where, functions)
    return made


def _lambda(config: dict[str, Any], safe_mode: bool, where: str, functions: dict[str, Any]) -> dict[str, Any]:
    layer = f"the Lambda layer {config.get('name')!r}"
    for key in ("function", "output_shape", "mask"):
        kind = config.pop(f"{key}_type", None)
        for word in _BESIDE:
            config.pop(f"{key}_{word}", None)
        value = config.get(key)
        is_code = kind == "lambda" or (key == "function" and value is not None and not isinstance(value, str))
        if is_code:
            _refuse(where, layer, safe_mode)
            config[key] = _named(value, where, functions)
    config.pop("module", None)
    if config.get("mask") is None:
        config.pop("mask", None)
    # Our own files hold the digest of the code beside its name; others do not.
    return config


def _refuse(where: str, layer: str, safe_mode: bool) -> None:
    if safe_mode:
        raise UnsafeFileError(
            f"{where} holds Python byte code for {layer}, which loading does not run. If you trust the file, pass "
            "safe_mode=False; better, pass the function by its name in custom_objects and save the model anew."
        )


def _named(value: Any, where: str, functions: dict[str, Any]) -> str:
    """Makes a function of byte code; its new name."""
    if isinstance(value, Mapping):
        code, defaults, closure = value.get("code"), value.get("defaults"), value.get("closure")
    else:
        code, defaults, closure = (*list(value if isinstance(value, (list, tuple)) else [value]), None, None)[:3]
    if not isinstance(code, str):
        raise CorruptFileError(f"{where}: the byte code of a Lambda layer is no text.")
    try:
        raw = base64.b64decode(code.replace("\n", ""), validate=True)
    except binascii.Error:
        # Keras 1 wrote the bytes as they are.
        raw = code.encode("raw_unicode_escape")
    try:
        found = marshal.loads(raw)
    except (ValueError, EOFError, TypeError) as error:
        raise CorruptFileError(
            f"{where}: the byte code of a Lambda layer was written by another Python ({error}). Pass the function in "
            "custom_objects."
        ) from error
    if not isinstance(found, types.CodeType):
        raise CorruptFileError(f"{where}: the byte code of a Lambda layer is none.")
    cells = tuple(types.CellType(entry) for entry in closure or ())
    name = f"byte_code_{len(functions) + 1}"
    space = {"K": K}
    made = types.FunctionType(found, space, name, tuple(defaults) if defaults else None, cells or None)
    made.__name__ = name
    functions[name] = made
    return name
