"""`MultiHeadAttention`, with the arguments, the weights and the results of Keras 3."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod, sqrt
from typing import Any

from multikeras import backend as K
from multikeras.layers import arguments, windows
from multikeras.layers.attention_masks import earlier, seen_by
from multikeras.layers.base import Layer
from multikeras.layers.dropout import check_rate

#: Scores of keys that are left out, beside which the exponential of any other is large.
_LOWEST = {"float16": -6e4}


class MultiHeadAttention(Layer):
    """Weighted means of values, the weights by the likeness of queries and keys, in several heads.

    It is called as `layer(query, value)`, or `layer(query, value, key)`; for self-attention
    `layer(x, x)`. A list `[query, value, key]` will do as well. Masks of the inputs are heeded: keys
    that a mask leaves out have no weight; the output has the mask of the queries.

    Args:
        num_heads: Number of heads.
        key_dim: Length of queries and keys in each head.
        value_dim: Length of values in each head; `key_dim` if None.
        dropout: Share of the weights that training sets to 0.
        use_bias: Whether the projections have biases.
        output_shape: Shape of the output at each place; the length of a query if None.
        attention_axes: The axes over which attention goes, counted from 0 for the batch; all between
            batch and features if None.
        sliding_window: If given, a query sees keys less than so many places away only.
        flash_attention: Taken for the sake of programs that give it, and of no consequence: how
            attention is computed is the backend's business.
        kernel_initializer: First value of the kernels.
        bias_initializer: First value of the biases.
        kernel_regularizer: Penalty on the kernels.
        bias_regularizer: Penalty on the biases.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Bounds of the kernels.
        bias_constraint: Bounds of the biases.
        use_gate: Whether a sigmoid projection of the query multiplies what the heads give.
        seed: Fixes the sequence of dropout's masks.
        **kwargs: What every layer takes.

    Input shapes: query `(batch, …, n)`, value and key `(batch, …, m)`. Output shape:
    `(batch, …, n)`. Weights, in this order: `query/kernel` `(n, heads, key_dim)`, `query/bias`
    `(heads, key_dim)`, the same of `key`, of `gate` where there is one, and of `value` with
    `value_dim`; `attention_output/kernel` `(heads, value_dim, *output)`, `attention_output/bias`.

    Source: Vaswani et al., arXiv 1706.03762, section 3.2.2; Keras 3 `MultiHeadAttention`.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        kind = type(self).__name__
        self.num_heads = windows.numbers(kind, "num_heads", num_heads, 1)[0]
        self.key_dim = windows.numbers(kind, "key_dim", key_dim, 1)[0]
        self.value_dim = windows.numbers(kind, "value_dim", self.key_dim if value_dim is None else value_dim, 1)[0]
        self.dropout = check_rate(kind, dropout)
        self.use_bias = use_bias
        self._wanted = _listed(kind, "output_shape", output_shape)
        self._wanted_axes = _listed(kind, "attention_axes", attention_axes)
        self.sliding_window = (
            None if sliding_window is None else windows.numbers(kind, "sliding_window", sliding_window, 1)[0]
        )
        self.flash_attention = flash_attention
        self.use_gate = use_gate
        self.seed = seed
        arguments.look_up(
            self,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    # -- calling --------------------------------------------------------------------------------

    def __call__(  # type: ignore[override]
        self,
        query: Any,
        value: Any = None,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
        **others: Any,
    ) -> Any:
        """Calls the layer.

        Args:
            query: Tensor or array `(batch, …, n)`; or the list `[query, value]`, `[query, value, key]`.
            value: `(batch, …, m)`.
            key: As long as the values; the values themselves if None.
            query_mask: `(batch, queries)`: which queries count; that of the tensor if None.
            value_mask: `(batch, keys)`: which values count; that of the tensor if None.
            key_mask: `(batch, keys)`: which keys count; that of the tensor if None.
            attention_mask: `(batch, queries, keys)`, or with an axis for the heads behind the batch:
                which keys a query sees.
            return_attention_scores: Whether the weights `(batch, heads, queries, keys)` are given too.
            training: Whether there is dropout; the phase if None.
            use_causal_mask: Whether query i sees the keys up to i only.
            **others: `mask`, in place of those of the three inputs.

        Raises:
            TypeError: If there is no value.
        """
        if isinstance(query, (list, tuple)):
            inputs = [*query, *(x for x in (value, key) if x is not None)]
        else:
            inputs = [query] if value is None else [query, value] if key is None else [query, value, key]
        if len(inputs) not in (2, 3):
            raise TypeError(
                f"Layer {self.name!r} (MultiHeadAttention) takes a query and a value, and if need be a key; received "
                f"{len(inputs)} inputs. For self-attention call layer(x, x)."
            )
        given = {
            "query_mask": query_mask,
            "value_mask": value_mask,
            "key_mask": key_mask,
            "attention_mask": attention_mask,
            "training": training,
        }
        chosen = {name: argument for name, argument in given.items() if argument is not None}
        flags = {"return_attention_scores": return_attention_scores, "use_causal_mask": use_causal_mask}
        chosen.update((name, True) for name, on in flags.items() if on)
        return super().__call__(inputs, **chosen, **others)

    def build(self, input_shape: Any, *others: Any) -> None:
        query, value, key = _shapes(self.name, input_shape, others)
        projections = {"query": (query, self.key_dim), "key": (key, self.key_dim)}
        if self.use_gate:
            projections["gate"] = (query, self.value_dim)
        projections["value"] = (value, self.value_dim)
        for name, (shape, length) in projections.items():
            if shape[-1] is None:
                raise ValueError(
                    f"Layer {self.name!r} (MultiHeadAttention) needs to know the last axis of its {name}, received "
                    f"shape {tuple(shape)}."
                )
            self._add_projection(name, (shape[-1],), (self.num_heads, length))
        self._axes(len(query))
        output = self._wanted or (query[-1],)
        self._add_projection("attention_output", (self.num_heads, self.value_dim), output)
        self.built = True

    def _add_projection(self, name: str, before: Sequence[int], behind: Sequence[int]) -> None:
        kernel = arguments.add_weight(self, "kernel", (*before, *behind), called=f"{name}/kernel")
        bias = arguments.add_weight(self, "bias", behind, called=f"{name}/bias") if self.use_bias else None
        setattr(self, f"_{name}", (kernel, bias, len(before)))

    def _axes(self, ndim: int) -> list[int]:
        """The axes over which attention goes, for a query of so many axes."""
        axes = range(1, ndim - 1) if self._wanted_axes is None else self._wanted_axes
        made = sorted({a % ndim if -ndim <= a < ndim else 0 for a in axes})
        if not made or made[0] < 1 or made[-1] > ndim - 2:
            raise ValueError(
                f"Layer {self.name!r} (MultiHeadAttention): attention goes over axes between batch and features, "
                f"received attention_axes={self.attention_axes} for a query of {ndim} axes."
            )
        return made

    def _projected(self, name: str, x: Any) -> Any:
        """Each place of `x`, whose last axes are contracted, times a kernel, plus a bias."""
        kernel, bias, contracted = getattr(self, f"_{name}")
        shape: Any = K.int_shape(kernel)
        before, behind = shape[:contracted], shape[contracted:]
        places = _lengths(x)[: K.ndim(x) - contracted]
        flat = K.reshape(x, [*places, prod(before)])
        product = K.dot(flat, K.reshape(kernel, (prod(before), prod(behind))))
        outputs = K.reshape(product, [*places, *behind])
        return outputs if bias is None else outputs + bias

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        query, value, *rest = inputs
        key = rest[0] if rest else value
        of_inputs = [*(mask or ()), None, None, None][:3]
        masks = [
            of_inputs[0] if query_mask is None else query_mask,
            of_inputs[1] if value_mask is None else value_mask,
            (of_inputs[2] if rest else None) if key_mask is None else key_mask,
        ]
        ndim = K.ndim(query)
        axes = self._axes(ndim)
        free = [a for a in range(1, ndim - 1) if a not in axes]
        order = [0, *free, ndim - 1, *axes, ndim]
        asked = self._heads("query", query, order, len(axes))
        keys = self._heads("key", key, order, len(axes))
        values = self._heads("value", value, order, len(axes))
        places = K.shape(asked)[-2], K.shape(keys)[-2]
        seen = seen_by(self.name, masks, attention_mask, len(axes), K.ndim(asked), *places, self.sliding_window)
        attended, weights = self._attended(
            asked, keys, values, seen, use_causal_mask, training, return_attention_scores, len(axes)
        )
        # Back to (batch, …, heads, value_dim).
        lengths = _lengths(query)
        wide = [lengths[0], *(lengths[a] for a in free), self.num_heads, *(lengths[a] for a in axes), self.value_dim]
        heads = K.permute_dimensions(K.reshape(attended, wide), [order.index(i) for i in range(ndim + 1)])
        if self.use_gate:
            heads = heads * K.sigmoid(self._projected("gate", query))
        outputs = self._projected("attention_output", heads)
        if not return_attention_scores:
            return outputs
        others = _lengths(value)
        scores = [*wide[:-1], *(others[a] for a in axes)]
        return [outputs, K.reshape(weights, scores)]

    def _heads(self, name: str, x: Any, order: Sequence[int], count: int) -> Any:
        """The projection as `(batch, …, heads, places, length)`, the places of all attention axes as one axis."""
        moved = K.permute_dimensions(self._projected(name, x), order)
        if count == 1:
            return moved
        lengths = _lengths(moved)
        first = len(lengths) - 1 - count
        places = reduce(lambda a, b: a * b, lengths[first:-1])
        return K.reshape(moved, [*lengths[:first], places, lengths[-1]])

    def _attended(
        self, query: Any, key: Any, value: Any, seen: Any, causal: bool, training: Any, scores: bool, count: int
    ) -> tuple[Any, Any]:
        if causal and count > 1:
            raise ValueError(
                f"Layer {self.name!r} (MultiHeadAttention): use_causal_mask needs one attention axis, and there are "
                f"{count}. Give attention_mask instead."
            )
        scale = 1 / sqrt(self.key_dim)
        is_plain = not scores and not 0 < self.dropout < 1
        if causal and not (is_plain and seen is None):
            before = earlier(K.shape(query)[-2], K.shape(key)[-2])
            seen, causal = before if seen is None else K.logical_and(seen, before), False
        if is_plain:
            if seen is not None:
                # What sees nothing gets the mean of all values in Keras 3, unless there is dropout: equal logits.
                sees = K.any(seen, axis=-1, keepdims=True)
                query = query * K.cast(sees, K.dtype(query))
                seen = K.logical_or(seen, K.logical_not(sees))
            return K.scaled_dot_product_attention(query, key, value, mask=seen, causal=causal, scale=scale), None
        order = [*range(K.ndim(key) - 2), K.ndim(key) - 1, K.ndim(key) - 2]
        logits = K.matmul(query * scale, K.permute_dimensions(key, order))
        if seen is None:
            weights = K.softmax(logits)
        else:
            lowest = K.cast(K.ones_like(logits) * _LOWEST.get(K.dtype(logits), -1e30), K.dtype(logits))
            weights = K.where(seen, K.softmax(K.where(seen, logits, lowest)), K.zeros_like(logits))
        kept = weights
        if 0 < self.dropout < 1:
            kept = K.in_train_phase(lambda: K.dropout(weights, self.dropout, seed=self.seed), weights, training)
        return K.matmul(kept, value), weights

    # -- shapes, masks, configuration -------------------------------------------------------------

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return [mask[0] if mask else None, None]

    def compute_output_shape(self, input_shape: Any, *others: Any) -> Any:
        """The shape of the output for the shapes of query and value, and key, as a list or one by one."""
        query, _, _ = _shapes(self.name, input_shape, others)
        return (*query[:-1], *(self._wanted or query[-1:]))

    def _with_shapes(self, record: Any, values: Any, single: bool) -> Any:
        # Inferred shapes are all that there is, also where the weights are given.
        return values

    @property
    def attention_axes(self) -> Any:
        """The axes over which attention goes, as they were given."""
        return None if self._wanted_axes is None else list(self._wanted_axes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": None if self._wanted is None else list(self._wanted),
            "attention_axes": self.attention_axes,
            "sliding_window": self.sliding_window,
            "flash_attention": self.flash_attention,
            "use_gate": self.use_gate,
            "seed": self.seed,
            **arguments.serialized(
                self,
                "kernel_initializer",
                "bias_initializer",
                "kernel_regularizer",
                "bias_regularizer",
                "activity_regularizer",
                "kernel_constraint",
                "bias_constraint",
            ),
        }


def _listed(kind: str, name: str, value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    entries = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not entries or not all(isinstance(n, int) and not isinstance(n, bool) for n in entries):
        raise ValueError(f"{kind}: {name} is a whole number, several of them, or None; received {value!r}.")
    return entries


def _shapes(name: str, given: Any, others: Sequence[Any]) -> tuple[Any, Any, Any]:
    """The shapes of query, value and key."""
    listed = [given, *(s for s in others if s is not None)] if others else list(given)
    if len(listed) not in (2, 3) or not all(isinstance(s, (list, tuple)) for s in listed):
        raise ValueError(
            f"Layer {name!r} (MultiHeadAttention) takes a query and a value, and if need be a key; received shapes "
            f"{listed}."
        )
    query, value, key = (*listed, listed[1])[:3]
    alike = len(query) == len(value) == len(key) > 2
    pairs = zip(value[1:-1], key[1:-1], strict=False)
    if not alike or any(n is not None and m is not None and n != m for n, m in pairs):
        raise ValueError(
            f"Layer {name!r} (MultiHeadAttention): query, value and key have equal numbers of axes, 3 or more, and "
            f"values and keys the same lengths but for the last; received query {tuple(query)}, value {tuple(value)}, "
            f"key {tuple(key)}."
        )
    return query, value, key


def _lengths(x: Any) -> list[Any]:
    """The lengths of all axes, those unknown as integer scalars."""
    shape = K.shape(x)
    return [shape[i] if n is None else n for i, n in enumerate(K.int_shape(x))]
