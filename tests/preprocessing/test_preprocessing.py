"""Sequences and texts, beside pip-installed Keras 3, which kept these modules."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multikeras.preprocessing import sequence, text
from multikeras.preprocessing.text import Tokenizer

TEXTS = [
    "The cat sat on the mat.",
    "The dog sat on the log; the log, the LOG!",
    "Dogs and cats\tliving together\nmass hysteria",
    "",
]
SEQUENCES = [[1, 2, 3, 4, 5], [6], [], [7, 8]]

#: A name, and an expression that both libraries can evaluate, with `S` the module sequence and `T` the module text.
CASES: dict[str, str] = {
    **{
        f"pad {padding} {truncating} {maxlen}": (
            f"S.pad_sequences(SEQUENCES, maxlen={maxlen}, padding={padding!r}, truncating={truncating!r}, value=9)"
        )
        for padding in ("pre", "post")
        for truncating in ("pre", "post")
        for maxlen in (None, 1, 3, 7)
    },
    "pad float": "S.pad_sequences([[0.5], [1.5, 2.5]], dtype='float32', value=-1.)",
    "pad vectors": "S.pad_sequences([[[1, 2]], [[3, 4], [5, 6]]], maxlen=3)",
    "pad empty": "S.pad_sequences([[], []], maxlen=2)",
    "table": "S.make_sampling_table(50)",
    "table factor": "S.make_sampling_table(50, sampling_factor=1e-3)",
    "skipgrams": "S.skipgrams([0, 1, 2, 0, 3, 4, 5], 6, window_size=2, negative_samples=0., shuffle=False)",
    "skipgrams pairs": "S.skipgrams([1, 2, 3], 6, 1, 0., False, True)",
    "words": "[T.text_to_word_sequence(t) for t in TEXTS]",
    "words kept": "T.text_to_word_sequence('Ab,cD;e', filters=',', lower=False, split=';')",
    "hashing": "[T.hashing_trick(t, 50, 'md5') for t in TEXTS]",
    "hash function": "T.hashing_trick('a bb ccc', 5, len)",
    **{
        f"tokenizer {name} {what}": f"fitted(T.Tokenizer({arguments})).{expression}"
        for name, arguments in {
            "plain": "",
            "limited": "num_words=5",
            "unknown": "num_words=5, oov_token='<?>'",
            "characters": "char_level=True, num_words=12",
            "capitals": "lower=False, filters='.;,', split='\\t'",
        }.items()
        for what, expression in {
            "index": "word_index",
            "counts": "word_counts",
            "docs": "word_docs",
            "index docs": "index_docs",
            "sequences": "texts_to_sequences(TEXTS + ['the unseen cat', ['The', 'log', 'zebra']])",
            "texts": "sequences_to_texts([[1, 2, 3], [4, 99, 6]])",
            **{mode: f"texts_to_matrix(TEXTS[:3], {mode!r})" for mode in ("binary", "count", "freq", "tfidf")},
        }.items()
    },
    "series": "list(S.TimeseriesGenerator(np.arange(30).reshape(15, 2), np.arange(15), 4, batch_size=3))",
    "series strided": (
        "list(S.TimeseriesGenerator(np.arange(15), np.arange(15), 4, 2, 3, 1, 13, reverse=True, batch_size=2))"
    ),
}

SHARED = """
def fitted(tokenizer):
    tokenizer.fit_on_texts(TEXTS)
    return tokenizer

def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value.tolist() if hasattr(value, "tolist") else value
"""

THEIRS = """
import json, sys
import numpy as np
from keras.utils import pad_sequences
from keras.src.legacy.preprocessing import sequence as S, text as T
S.pad_sequences = pad_sequences
cases, TEXTS, SEQUENCES = json.loads(sys.stdin.read())
exec(SHARED)
print(json.dumps({name: plain(eval(case)) for name, case in cases.items()}))
"""


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What Keras 3 gives."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"SHARED = {SHARED!r}\n{THEIRS}"],
        input=json.dumps([CASES, TEXTS, SEQUENCES]),
        env={**os.environ, "KERAS_BACKEND": "numpy", "KERAS_HOME": os.environ["KERAS_HOME"] + "/keras3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", CASES)
def test_as_in_keras(name: str, expected: dict[str, Any]) -> None:
    space: dict[str, Any] = {"S": sequence, "T": text, "TEXTS": TEXTS, "SEQUENCES": SEQUENCES, "np": np}
    exec(SHARED, space)
    ours = json.loads(json.dumps(space["plain"](eval(CASES[name], space))))
    if "matrix" in CASES[name] or name.startswith("table"):
        np.testing.assert_allclose(ours, expected[name], rtol=1e-6)
    else:
        assert ours == expected[name]


def test_padding_keeps_the_type_and_takes_texts() -> None:
    assert sequence.pad_sequences(SEQUENCES).dtype == np.int32
    assert sequence.pad_sequences(SEQUENCES, dtype="float64").dtype == np.float64
    padded = sequence.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-")
    assert padded.tolist() == [["-", "a"], ["b", "c"]]


MISTAKES = {
    "padding": (lambda: sequence.pad_sequences([[1]], padding="before"), "padding is 'pre' or 'post'.*'before'"),
    "truncating": (lambda: sequence.pad_sequences([[1]], truncating="left"), "truncating is 'pre' or 'post'.*'left'"),
    "number": (lambda: sequence.pad_sequences(3), "takes a list of sequences, received int"),
    "entry": (lambda: sequence.pad_sequences([[1], 2]), "number 1 is 2"),
    "shapes": (lambda: sequence.pad_sequences([[[1, 2]], [[1, 2, 3]]]), "sequence 1 have shape"),
    "text": (lambda: sequence.pad_sequences([["a"]], value="-"), "dtype=object"),
    "series": (lambda: sequence.TimeseriesGenerator([1, 2], [1], 1), "2 steps of data and 1 targets"),
    "window": (lambda: sequence.TimeseriesGenerator([1, 2], [1, 2], 5), "no window of length 5"),
    "mode": (lambda: Tokenizer(3).sequences_to_matrix([[1]], "sum"), "one of binary, count.*'sum'"),
    "width": (lambda: Tokenizer().sequences_to_matrix([[1]]), "give num_words"),
    "tfidf": (lambda: Tokenizer(3).sequences_to_matrix([[1]], "tfidf"), "fit_on_sequences before"),
    "hash": (lambda: text.hashing_trick("a", 5, "sha"), "'md5', a function or None, received 'sha'"),
    "numbers": (lambda: text.hashing_trick("a", 1), "at least 2; received 1"),
    "json": (lambda: text.tokenizer_from_json("{}"), "no 'word_index'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_answered(name: str) -> None:
    call, words = MISTAKES[name]
    with pytest.raises(ValueError, match=words):
        call()


def test_arguments_that_do_not_exist() -> None:
    assert Tokenizer(nb_words=7).num_words == 7
    with pytest.raises(TypeError, match="old name of 'num_words'"):
        Tokenizer(5, nb_words=7)
    with pytest.raises(TypeError, match="takes no argument 'num_word'"):
        Tokenizer(num_word=7)


def test_skipgrams_with_random_pairs() -> None:
    words = [1, 2, 3, 4, 5, 6, 7, 8]
    pairs, labels = sequence.skipgrams(words, 9, window_size=2, negative_samples=2.0, seed=4)
    assert (pairs, labels) == sequence.skipgrams(words, 9, window_size=2, negative_samples=2.0, seed=4)
    assert labels.count(0) == 2 * labels.count(1)
    near = {(a, b) for a in words for b in words if a != b and abs(a - b) <= 2}
    assert {tuple(p) for p, label in zip(pairs, labels, strict=True) if label} == near
    random_pairs = [p for p, label in zip(pairs, labels, strict=True) if not label]
    assert all(1 <= b <= 8 for _, b in random_pairs)
    # Each word begins as many random pairs as near ones, doubled.
    first = Counter(a for a, _ in near)
    assert Counter(a for a, _ in random_pairs) == {word: 2 * count for word, count in first.items()}


def test_skipgrams_leaves_frequent_words_out() -> None:
    words = [1, 2] * 200
    random.seed(1)
    pairs, _ = sequence.skipgrams(words, 3, 1, 0.0, sampling_table=[0, 0.1, 1.0])
    share = sum(a == 1 for a, _ in pairs) / sum(a == 2 for a, _ in pairs)
    assert 0.03 < share < 0.25


def test_shuffled_windows_fit_their_targets() -> None:
    np.random.seed(0)
    generator = sequence.TimeseriesGenerator(np.arange(50), np.arange(50), 3, shuffle=True, batch_size=40)
    windows, targets = generator[0]
    np.testing.assert_array_equal(windows + [3, 2, 1], targets[:, None].repeat(3, 1))
    assert len(set(targets.tolist())) > 10


def test_a_tokenizer_comes_back_from_its_file(tmp_path: Path) -> None:
    tokenizer = Tokenizer(num_words=6, oov_token="ö")
    tokenizer.fit_on_texts(TEXTS)
    text.save_text_tokenizer(tokenizer, tmp_path / "words.json")
    loaded = text.load_text_tokenizer(tmp_path / "words.json")
    (tmp_path / "other.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"other\.json: .*can't decode"):
        text.load_text_tokenizer(tmp_path / "other.json")
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"other\.json: tokenizer_from_json takes"):
        text.load_text_tokenizer(tmp_path / "other.json")
    assert vars(loaded) == vars(tokenizer)
    np.testing.assert_array_equal(loaded.texts_to_matrix(TEXTS, "tfidf"), tokenizer.texts_to_matrix(TEXTS, "tfidf"))


def test_sequences_alone_are_enough_for_a_matrix() -> None:
    tokenizer = Tokenizer(num_words=5)
    tokenizer.fit_on_sequences([[1, 2, 2], [2, 3]])
    assert tokenizer.document_count == 2
    expected = np.zeros(5)
    expected[1], expected[2] = np.log(1 + 2 / 2), (1 + np.log(2)) * np.log(1 + 2 / 3)
    np.testing.assert_allclose(tokenizer.sequences_to_matrix([[1, 2, 2]], "tfidf")[0], expected)
