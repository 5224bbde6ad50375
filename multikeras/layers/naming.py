"""Names of layers and of their weights."""

from __future__ import annotations

import re

from multikeras import backend as K

# Before a capital that starts a word, and between a small letter and a capital: conv2d, p_re_lu.
_WORDS = re.compile(r"(?<=.)(?=[A-Z][a-z0-9])|(?<=[a-z])(?=[A-Z])")


def snake_case(name: str) -> str:
    """`'MaxPooling2D'` as `'max_pooling2d'`, as Keras names layers after their class."""
    words = _WORDS.sub("_", name).lower()
    # A scope of names cannot begin with an underscore.
    return "private" + words if words.startswith("_") else words


def unique_name(kind: str) -> str:
    """`kind` with the next number of this session: `'dense_1'`, `'dense_2'`."""
    return f"{kind}_{K.get_uid(kind)}"
