"""Normalizations of each sample, and attention, against PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F

from multikeras import layers
from tests.layers.layer_case import Case


def by_layer(x: Any, gamma: Any, beta: Any) -> Any:
    return F.layer_norm(x, gamma.shape, gamma, beta, 1e-3)


def by_group(groups: int) -> Callable[..., Any]:
    return lambda x, gamma, beta: F.group_norm(x.movedim(-1, 1), groups, gamma, beta, 1e-3).movedim(1, -1)


def attention(
    causal: bool = False, window: int | None = None, gate: bool = False, bias: bool = True
) -> Callable[..., Any]:
    """Attention over one axis, for inputs (query, value) or (query, value, key)."""

    def run(*tensors: Any) -> Any:
        per = 2 if bias else 1
        count = len(tensors) - per * (5 if gate else 4)
        (query, value, *rest), weights = tensors[:count], list(tensors[count:])

        def projected(x: Any, pattern: str) -> Any:
            y = torch.einsum(pattern, x, weights.pop(0))
            return y + weights.pop(0) if bias else y

        q = projected(query, "bti,inh->btnh")
        k = projected(rest[0] if rest else value, "bti,inh->btnh")
        g = torch.sigmoid(projected(query, "bti,inh->btnh")) if gate else 1.0
        v = projected(value, "bti,inh->btnh")
        logits = torch.einsum("btnh,bsnh->bnts", q, k) / sqrt(q.shape[-1])
        here, there = torch.arange(q.shape[1])[:, None], torch.arange(k.shape[1])
        seen = torch.ones(len(here), len(there), dtype=torch.bool)
        if causal:
            seen &= there <= here
        if window is not None:
            seen &= (there - here).abs() < window
        shares = logits.masked_fill(~seen, -torch.inf).softmax(-1)
        attended = torch.einsum("bnts,bsnh->btnh", shares, v) * g
        y = torch.tensordot(attended, weights.pop(0), 2)
        return y + weights.pop(0) if bias else y

    return run


def over_rows(x: Any, y: Any, *weights: Any) -> Any:
    """Attention over the last of two places, each row by itself."""
    made = attention()(x.flatten(0, 1), y.flatten(0, 1), *weights)
    return made.unflatten(0, x.shape[:2])


def over_both(x: Any, y: Any, *weights: Any) -> Any:
    """Attention over two axes at once."""
    return attention()(x.flatten(1, 2), y.flatten(1, 2), *weights).unflatten(1, x.shape[1:3])


PAIR = [(2, 4, 3), (2, 5, 6)]

ATTENTION_CASES: list[Case] = [
    Case("layer normalization", layers.LayerNormalization, [(3, 4, 5)], by_layer),
    Case("layer normalization, two axes", lambda: layers.LayerNormalization([1, 2]), [(3, 4, 5)], by_layer),
    Case(
        "layer normalization, axis 1, no shift",
        lambda: layers.LayerNormalization(1, 1e-5, center=False),
        [(3, 4, 5)],
        lambda x, gamma: F.layer_norm(x.mT, gamma.shape, gamma, None, 1e-5).mT,
    ),
    Case("group normalization", lambda: layers.GroupNormalization(2), [(3, 4, 5, 6)], by_group(2)),
    Case(
        "group normalization, axis 1",
        lambda: layers.GroupNormalization(3, axis=1),
        [(3, 6, 4)],
        lambda x, gamma, beta: F.group_norm(x, 3, gamma, beta, 1e-3),
    ),
    Case("group normalization, each channel", lambda: layers.GroupNormalization(-1), [(3, 4, 6)], by_group(6)),
    Case("attention", lambda: layers.MultiHeadAttention(2, 3), PAIR, attention()),
    Case(
        "attention with keys",
        lambda: layers.MultiHeadAttention(2, 3, value_dim=4, output_shape=5, use_bias=False),
        [(2, 4, 3), (2, 5, 6), (2, 5, 2)],
        attention(bias=False),
    ),
    Case(
        "attention, causal",
        lambda: layers.MultiHeadAttention(2, 3, output_shape=(2, 4)),
        [(2, 4, 3), (2, 4, 3)],
        attention(causal=True),
        arguments={"use_causal_mask": True},
    ),
    Case(
        "attention, a window and a gate",
        lambda: layers.MultiHeadAttention(1, 3, value_dim=2, sliding_window=2, use_gate=True),
        [(2, 4, 3), (2, 4, 3)],
        attention(window=2, gate=True),
    ),
    Case(
        "attention, dropout in test",
        lambda: layers.MultiHeadAttention(2, 3, dropout=0.5),
        [(2, 4, 3), (2, 4, 3)],
        attention(causal=True),
        arguments={"use_causal_mask": True},
    ),
    Case(
        "attention over rows",
        lambda: layers.MultiHeadAttention(2, 3, attention_axes=2),
        [(2, 3, 4, 5), (2, 3, 4, 5)],
        over_rows,
    ),
    Case(
        "attention over two axes",
        lambda: layers.MultiHeadAttention(2, 3, attention_axes=(1, 2)),
        [(2, 3, 2, 5), (2, 2, 2, 5)],
        over_both,
    ),
]
