"""Cases: sums of products by labels, attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.testing.functions.case import Drawn, case

_drawn = Drawn(4)
bits, normal = _drawn.bits, _drawn.normal


def labelled(equation: str, *feeds: np.ndarray, **rest: Any) -> None:
    """A case of einsum."""
    case(
        "einsum",
        *feeds,
        build=lambda *xs: K.einsum(equation, *xs),
        expect=lambda *xs: np.einsum(equation, *xs),
        note=rest.pop("note", equation),
        **rest,
    )


labelled("ij,jk->ik", normal(3, 4), normal(4, 2))
labelled("bij,bjk->bik", normal(2, 3, 4), normal(2, 4, 5))
labelled("bij, kj -> bki", normal(2, 3, 4), normal(5, 4))
labelled("i,i->", normal(4), normal(4))
labelled("i,j->ij", normal(4), normal(3))
labelled("ij->ji", normal(3, 4))
labelled("ij->", normal(3, 4))
labelled("ij->i", normal(3, 4))
labelled("ij->ij", normal(3, 4))
labelled("ba", normal(3, 4))
labelled("ij,jk", normal(3, 4), normal(4, 2))
labelled("ii->i", normal(4, 4))
labelled("ii", normal(4, 4))
labelled("bii,ij->bj", normal(2, 3, 3), normal(3, 4))
labelled("iji->j", normal(3, 2, 3))
labelled("iii->i", normal(3, 3, 3))
labelled("...ij,...jk->...ik", normal(2, 1, 3, 4), normal(5, 4, 2))
labelled("...ij,j->i...", normal(2, 5, 3, 4), normal(4))
labelled("...,...", normal(2, 3), normal(3))
labelled("i...->...", normal(2, 3))
labelled("...ii->...i", normal(2, 3, 3))
labelled("ab,ab->ab", normal(2, 3), normal(1, 3), note="length 1", known=True)
labelled("abc,abd->cd", normal(2, 3, 4), normal(2, 3, 5))
labelled("abcd,ecd->abe", normal(2, 3, 4, 5), normal(6, 4, 5))
labelled("bhqd,bhkd->bhqk", normal(2, 2, 3, 4), normal(2, 2, 5, 4))
labelled("ij,jk,kl->il", normal(2, 3), normal(3, 4), normal(4, 2))
labelled("ij,kj,lj,j->ikl", normal(2, 3), normal(4, 3), normal(2, 3), normal(3))
labelled("i,j,k->", normal(2), normal(3), normal(4))
labelled("ij,jk->ik", np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2), dtype="int32", note="integers")
case(
    "einsum",
    normal(3, 4),
    build=lambda x: K.einsum("ij,j->i", x, [1, 2, 3, 4]),
    expect=lambda x: x @ [1, 2, 3, 4],
    note="list",
)
case(
    "einsum",
    np.array([[1.0, np.nan], [np.inf, 2.0]]),
    build=lambda x: K.einsum("ii", x),
    expect=np.trace,
    note="nan beside the diagonal",
    smooth=False,
)

# -- attention ----------------------------------------------------------------------------------


def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, seen: Any = True, added: Any = 0.0, scale: float | None = None
) -> np.ndarray:
    """Averages of v, weighted by the likeness of q and k."""
    scores = q @ np.swapaxes(k, -1, -2) * (1 / np.sqrt(q.shape[-1]) if scale is None else scale) + added
    weights = np.where(seen, np.exp(scores - scores.max(-1, keepdims=True)), 0)
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ v


_q, _k, _v = normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2)
_seen = bits(2, 3, 5)
_seen[0, 1] = False
_name = "scaled_dot_product_attention"
case(_name, _q, _k, _v, build=K.scaled_dot_product_attention, expect=attention)
case(
    _name,
    _q,
    _k,
    _v,
    build=lambda q, k, v: K.scaled_dot_product_attention(q, k, v, causal=True),
    expect=lambda q, k, v: attention(q, k, v, np.tril(np.ones((3, 5), bool))),
    note="causal",
)
case(
    _name,
    _q,
    _k,
    _v,
    _seen,
    build=lambda q, k, v, m: K.scaled_dot_product_attention(q, k, v, m, scale=0.3),
    expect=lambda q, k, v, m: attention(q, k, v, m, scale=0.3),
    note="mask that hides all keys of one query",
)
case(
    _name,
    _q,
    _k,
    _v,
    _seen.astype(int),
    build=lambda q, k, v, m: K.scaled_dot_product_attention(q, k, v, m, causal=True),
    expect=lambda q, k, v, m: attention(q, k, v, (m > 0) & np.tril(np.ones((3, 5), bool))),
    note="mask of integers, causal",
)
case(
    _name,
    _q,
    _k,
    _v,
    normal(2, 3, 5),
    build=K.scaled_dot_product_attention,
    expect=lambda q, k, v, m: attention(q, k, v, added=m),
    whole=False,
    note="mask that is added",
)
case(
    _name,
    normal(2, 3, 4, 6),
    normal(2, 1, 5, 6),
    normal(2, 1, 5, 6),
    build=K.scaled_dot_product_attention,
    expect=attention,
    note="heads that share keys",
)
