"""CTC: the cost against all alignments and against PyTorch, decoding against all label sequences."""

from __future__ import annotations

import sys
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from k_derivatives import check_second_derivative

from multikeras import backend as K


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """A path without repetitions and then without blanks."""
    return tuple(a for i, a in enumerate(path) if a != blank and (i == 0 or a != path[i - 1]))


def sequences(rows: np.ndarray) -> dict[tuple[int, ...], float]:
    """The probability of every label sequence, by going through all paths."""
    made: dict[tuple[int, ...], float] = defaultdict(float)
    classes = rows.shape[1]
    for path in product(range(classes), repeat=len(rows)):
        made[collapsed(path, classes - 1)] += float(np.prod([row[a] for row, a in zip(rows, path, strict=True)]))
    return made


def cost_of(places: list[Any]) -> Any:
    labels, output, steps, counts = places
    return K.ctc_batch_cost(labels, output, steps, counts)


def inputs(dtype: str | None = None) -> list[Any]:
    return [
        K.placeholder((None, None), dtype="int32"),
        K.placeholder((None, None, None), dtype=dtype),
        K.placeholder((None, 1), dtype="int32"),
        K.placeholder((None, 1), dtype="int32"),
    ]


LABELS = [(), (0,), (1, 2), (1, 1), (0, 1, 0), (2, 2, 2), (0, 1, 2, 0)]


@pytest.mark.parametrize("floatx", ["float32", "float64"])
def test_cost_against_all_alignments(each_backend: str, floatx: str) -> None:
    K.set_floatx(floatx)
    random = np.random.RandomState(0)
    rows, labels, steps, counts, expected = [], [], [], [], []
    for length in (0, 1, 2, 5):
        for entry in LABELS:
            output = softmax(2 * random.randn(5, 4))
            rows.append(output)
            # What follows a sample's own labels is not looked at.
            labels.append([*entry, *random.randint(-5, 99, 4 - len(entry))])
            steps.append([length])
            counts.append([len(entry)])
            likelihood = sequences(output[:length])[entry]
            expected.append([-np.log(likelihood) if likelihood else np.inf])
    places = inputs()
    cost = cost_of(places)
    assert K.int_shape(cost) == (None, 1)
    assert K.dtype(cost) == floatx
    feeds = [np.array(labels), np.array(rows), np.array(steps), np.array(counts)]
    value, slope = K.function(places, [cost, *K.gradients(cost, [places[1]])])(feeds)
    np.testing.assert_allclose(value, expected, rtol=1e-5 if floatx == "float32" else 1e-13, atol=1e-6)
    impossible = np.isinf(np.array(expected)[:, 0])
    assert 5 < impossible.sum() < 20
    assert np.isfinite(slope).all()
    assert not slope[impossible].any()


def test_cost_and_gradient_against_pytorch(each_backend: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    K.set_floatx("float64")
    random = np.random.RandomState(1)
    logits = 3 * random.randn(4, 30, 7)
    labels = random.randint(0, 6, (4, 9))
    labels[1, 3:5] = 2
    steps, counts = np.array([[30], [25], [18], [30]]), np.array([[9], [7], [1], [0]])
    x = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.ctc_loss(
        torch.log_softmax(x, -1).transpose(0, 1),
        torch.tensor(labels),
        torch.tensor(steps[:, 0]),
        torch.tensor(counts[:, 0]),
        blank=6,
        reduction="none",
    )
    expected.sum().backward()
    places = inputs()
    for made in (K.softmax(places[1]), K.identity(K.exp(K.log_softmax(places[1])))):
        cost = K.ctc_batch_cost(places[0], made, places[2], places[3])
        value, slope = K.function(places, [cost, *K.gradients(cost, [places[1]])])([labels, logits, steps, counts])
        np.testing.assert_allclose(value[:, 0], expected.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(slope, x.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_derivatives(each_backend: str) -> None:
    K.set_floatx("float64")
    labels, steps, counts = np.array([[0, 0, 1], [2, 1, 0]]), np.array([[5], [4]]), np.array([[3], [2]])

    def build(x: Any) -> Any:
        return K.ctc_batch_cost(labels, x, steps, counts)

    x = softmax(np.random.RandomState(2).randn(2, 5, 4))
    place = K.placeholder((None, 5, 4))
    run = K.function([place], [K.sum(build(place)), *K.gradients(build(place), [place])])
    direction = np.random.RandomState(3).randn(*x.shape) * x
    ahead, behind = run([x + 1e-5 * direction])[0], run([x - 1e-5 * direction])[0]
    assert np.sum(run([x])[1] * direction) == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)
    check_second_derivative(build, (x * 3,))


def test_probabilities_of_zero_and_one(each_backend: str) -> None:
    """Finite cost and gradient where the best path has a probability of 0 in float32."""
    output = np.zeros((1, 3, 3))
    output[0, :, 2] = 1
    places = inputs("float32")
    run = K.function(places, [cost_of(places), *K.gradients(cost_of(places), [places[1]])])
    feeds = [np.array([[0, 1]]), output, np.array([[3]]), np.array([[2]])]
    value, slope = run(feeds)
    # Two labels at the smallest normal number each, placed in one of three ways with one blank.
    np.testing.assert_allclose(value, -2 * np.log(float(np.finfo("float32").tiny)) - np.log(3), rtol=1e-4)
    assert np.isfinite(slope).all()
    logits = K.placeholder((None, 3, 3), dtype="float32")
    made = K.ctc_batch_cost(places[0], K.softmax(logits), places[2], places[3])
    value, slope = K.function([places[0], logits, *places[2:]], [made, *K.gradients(made, [logits])])(
        [feeds[0], output * 300, *feeds[2:]]
    )
    np.testing.assert_allclose(value, 600 - np.log(3), rtol=1e-6)
    np.testing.assert_allclose(slope.sum((0, 1)), [-1, -1, 2], atol=1e-5)


def test_many_steps_and_half_precision(each_backend: str) -> None:
    random = np.random.RandomState(4)
    output, labels = softmax(random.randn(2, 400, 6)), random.randint(0, 5, (2, 40))
    steps, counts = np.full((2, 1), 400), np.full((2, 1), 40)
    values = {}
    for dtype in ("float64", "float32", "float16"):
        places = inputs(dtype)
        cost = cost_of(places)
        assert K.dtype(cost) == dtype
        values[dtype] = K.function(places, [cost])([labels, output, steps, counts])[0]
    np.testing.assert_allclose(values["float32"], values["float64"], rtol=1e-5)
    np.testing.assert_allclose(values["float16"], values["float64"], rtol=2e-3)


def test_lengths_and_labels_of_other_kinds(each_backend: str) -> None:
    output = K.constant(softmax(np.random.RandomState(5).randn(2, 5, 4)))
    expected = K.eval(K.ctc_batch_cost([[0, 1], [2, 0]], output, [[5], [4]], [[2], [1]]))
    labels = K.variable([[0.0, 1.0], [2.0, 7.0]])
    made = K.ctc_batch_cost(labels, output, K.variable([5.0, 4.0]), K.constant([2, 1], dtype="int64"))
    np.testing.assert_allclose(K.eval(made), expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"received shapes \(2,\) and \(2, 5, 4\)"):
        K.ctc_batch_cost([0, 1], output, [5, 4], [1, 1])
    with pytest.raises(ValueError, match=r"lengths have shape \(samples, 1\)"):
        K.ctc_batch_cost([[0], [1]], output, [[5, 4]], [1, 1])


def test_sparse_labels_are_dense_ones(each_backend: str) -> None:
    made = K.ctc_label_dense_to_sparse(K.constant([[3, 4, 5], [6, 7, 8]], dtype="int32"), [[2], [0]])
    assert K.is_sparse(made)
    assert K.dtype(made) == "int32"
    np.testing.assert_array_equal(K.eval(K.to_dense(made)), [[3, 4, 0], [0, 0, 0]])


# -- decoding -----------------------------------------------------------------------------------


def trimmed(value: np.ndarray) -> list[list[int]]:
    """Labels without the -1 behind them."""
    rows = [row[row >= 0].tolist() for row in value]
    for row, labels in zip(value, rows, strict=True):
        assert (row[len(labels) :] == -1).all()
    return rows


def test_greedy(each_backend: str) -> None:
    best = np.array([[0, 0, 3, 0, 1, 1], [3, 2, 2, 1, 3, 0], [3, 3, 3, 3, 3, 3]])
    output = softmax(3 * np.eye(4)[best])
    steps = np.array([6, 3, 6])
    (labels,), scores = K.ctc_decode(K.constant(output), steps)
    assert (K.dtype(labels), K.int_shape(labels), K.int_shape(scores)) == ("int64", (3, 6), (3, 1))
    for value in (K.eval(labels), K.get_value(labels)):
        np.testing.assert_array_equal(value, [[0, 0, 1], [2, -1, -1], [-1, -1, -1]])
    assert K.eval(K.ctc_decode(K.constant(output[2:]), [6])[0][0]).shape == (1, 0)
    np.testing.assert_allclose(K.eval(scores)[:, 0], -np.log(output.max(-1)[0, 0]) * steps, rtol=1e-5)
    x = K.placeholder((None, None, 4))
    n = K.placeholder((None, 1), dtype="int32")
    (labels,), scores = K.ctc_decode(x, n)
    value, inside = K.function([x, n], [labels, labels * 1])([output, steps[:, None]])
    assert trimmed(inside) == [[0, 0, 1], [2], []]
    # As wide as the longest sequence where it is handed out, as wide as the input inside.
    np.testing.assert_array_equal(value, [[0, 0, 1], [2, -1, -1], [-1, -1, -1]])
    assert inside.shape == (3, 6)


def test_beam_against_all_sequences(each_backend: str) -> None:
    """With a beam that loses nothing, the search finds all sequences with their probabilities."""
    output = softmax(np.random.RandomState(6).randn(3, 5, 3))
    steps = np.array([[5], [4], [0]])
    x = K.placeholder((None, None, 3), dtype="float64")
    labels, scores = K.ctc_decode(x, steps, greedy=False, beam_width=200, top_paths=4)
    *found, values = K.function([x], [*labels, scores])([output])
    assert [K.int_shape(t) for t in (*labels, scores)] == [(3, None)] * 4 + [(3, 4)]
    for sample, length in enumerate(steps[:, 0]):
        expected = sorted(sequences(output[sample, :length]).items(), key=lambda pair: -pair[1])[:4]
        for path, (entry, probability) in enumerate(expected):
            assert trimmed(found[path])[sample] == list(entry)
            assert values[sample, path] == pytest.approx(np.log(probability), rel=1e-12, abs=1e-12)
    assert trimmed(found[1])[2] == []
    assert values[2].tolist() == [0.0, -np.inf, -np.inf, -np.inf]


def test_narrow_beam() -> None:
    """A search of width 2 in which prefixes leave the beam and come back."""
    output = np.array(
        [
            [0.30999, 0.309938, 0.0679938, 0.0673362, 0.0708352, 0.173908],
            [0.215136, 0.439699, 0.0370931, 0.0393967, 0.0381581, 0.230517],
            [0.199959, 0.489485, 0.0233221, 0.0251417, 0.0233289, 0.238763],
            [0.279611, 0.452966, 0.0204795, 0.0209126, 0.0194803, 0.20655],
            [0.51286, 0.288951, 0.0243026, 0.0220788, 0.0219297, 0.129878],
            [0.155251, 0.164444, 0.173517, 0.176138, 0.169979, 0.160671],
        ]
    )
    # Inputs and results are those by which Keras 2.3 tests its decoder. The TensorFlow of that time counted each
    # step relative to its largest probability.
    labels, scores = K.ctc_decode(K.constant(output[None]), [5], greedy=False, beam_width=2, top_paths=2)
    assert [trimmed(K.eval(t))[0] for t in labels] == [[1, 0], [0, 1, 0]]
    relative = K.eval(scores)[0] - np.log(output[:5].max(1)).sum()
    np.testing.assert_allclose(relative, [0.584855, 0.389139], rtol=1e-5)


def test_merged_results(each_backend: str) -> None:
    output = np.full((1, 5, 3), 0.05)
    output[0, range(5), [0, 2, 0, 1, 1]] = 0.9
    both = [K.ctc_decode(K.constant(output), [5], greedy=False, merge_repeated=merged) for merged in (False, True)]
    assert [trimmed(K.eval(labels))[0] for (labels,), _ in both] == [[0, 0, 1], [0, 1]]
    np.testing.assert_array_equal(K.eval(both[0][1]), K.eval(both[1][1]))


def test_dictionary(each_backend: str) -> None:
    output = softmax(np.random.RandomState(7).randn(2, 4, 4))
    words = [[0, 1], [2], [1, 1], [0, 1, 2, 0, 1], []]
    expected = [sequences(rows) for rows in output]
    x = K.constant(output, dtype="float64")
    labels, scores = K.ctc_decode(x, [4, 4], greedy=False, top_paths=4, dict_values=words)
    found = [trimmed(K.eval(t)) for t in labels]
    for sample in range(2):
        order = sorted((w for w in words if len(w) < 5), key=lambda w: -expected[sample][tuple(w)])
        assert [row[sample] for row in found] == order
        np.testing.assert_allclose(
            K.eval(scores)[sample], [np.log(expected[sample][tuple(w)]) for w in order], rtol=1e-12
        )
    padded = np.array([[0, 1, 9], [2, 9, 9]])
    short = K.ctc_decode(x, [4, 4], False, dict_seq_lens=[2, 1], dict_values=padded)
    joined = K.ctc_decode(x, [4, 4], False, dict_seq_lens=[2, 1], dict_values=[0, 1, 2])
    np.testing.assert_array_equal(K.eval(short[0][0]), K.eval(joined[0][0]))


def test_calls_that_do_not_fit() -> None:
    x = K.constant(softmax(np.zeros((1, 3, 4))))
    with pytest.raises(ValueError, match="top_paths is at least 1 and at most beam_width"):
        K.ctc_decode(x, [3], greedy=False, beam_width=2, top_paths=3)
    with pytest.raises(ValueError, match=r"takes probabilities \(samples, time, classes\)"):
        K.ctc_decode(K.constant(np.ones((3, 4))), [3])
    with pytest.raises(ValueError, match="3 is the blank"):
        K.eval(K.ctc_decode(x, [3], greedy=False, dict_values=[[3]])[1])
    with pytest.raises(ValueError, match="needs as many lengths"):
        K.ctc_decode(x, [3], greedy=False, dict_values=[[1], [2]], dict_seq_lens=[1])
