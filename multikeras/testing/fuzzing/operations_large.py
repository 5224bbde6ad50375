"""More operations of fuzzed graphs: products, windows, layers' functions, loops, random numbers, state, gradients."""

from __future__ import annotations

from multikeras.testing.fuzzing.growing import Grower, Made, Operation, Unfit

# -- products and windows -------------------------------------------------------------------------


def product(g: Grower) -> str:
    """Matrix products."""
    x = g.float(fits=lambda name: g.rank(name) > 0 and g.shape(name)[-1] > 0)
    shape = g.shape(x)
    forms = [
        f"K.dot({x}, {g.leaf((shape[-1], g.number(1, 4)))})",
        f"K.dot({x}, {g.leaf((shape[-1],))})",
        f"K.dot({g.leaf((2, shape[0]))}, {x})" if len(shape) == 2 else f"K.dot({x}, {g.leaf((2, shape[-1], 3))})",
        f"{x} @ {g.leaf((shape[-1], 2))}",
        f"K.einsum('...i,ij->j...', {x}, {g.leaf((shape[-1], 3))})",
    ]
    if len(shape) == 2:
        forms += [f"K.einsum('ij,kj->ik', {x}, {g.like(x)})", f"K.batch_dot({x}, {g.like(x)}, axes=1)"]
    if len(shape) == 3:
        batch, rows, columns = shape
        forms += [
            f"K.batch_dot({x}, {g.leaf((batch, columns, 2))})",
            f"K.batch_dot({x}, {g.leaf((batch, 2, rows))}, axes=(1, 2))",
            f"K.matmul({x}, {g.leaf((1, columns, 2))})",
            f"K.einsum('bij,bkj->bik', {x}, {g.like(x)})",
            f"K.scaled_dot_product_attention({x}, {g.like(x)}, {g.like(x)}, causal={g.chance()})",
        ]
    return g.choice(forms)


def square_matrix(g: Grower) -> str:
    """Linear algebra of a matrix that has an inverse."""
    x = g.float(2, fits=lambda name: min(g.shape(name)) > 0 and g.shape(name)[0] <= 5)
    n = g.shape(x)[0]
    matrix = f"(0.2 * K.dot({x}, K.transpose({x})) + np.eye({n}))"
    right = g.leaf((n, 2))
    forms = (
        f"K.cholesky({matrix})",
        f"K.inv({matrix})",
        f"K.det({matrix})",
        f"K.solve({matrix}, {right})",
        f"K.solve_triangular({matrix}, {right}, lower={g.chance()})",
        f"K.slogdet({matrix})[{g.number(0, 1)}]",
    )
    return g.choice(forms)


def convolve(g: Grower) -> str:
    """Convolutions."""
    x = g.float(3, 4, 5, fits=lambda name: min(g.shape(name)) > 0)
    data_format = g.choice(("channels_last", "channels_last", "channels_first"))
    shape = g.shape(x)
    inward = shape[-1] if data_format == "channels_last" else shape[1]
    count = g.rank(x) - 2
    window = tuple(g.number(1, 3) for _ in range(count))
    strides = tuple(g.choice((1, 1, 2)) for _ in range(count))
    rates = tuple(g.choice((1, 1, 2)) if set(strides) == {1} else 1 for _ in range(count))
    word = g.choice(("valid", "same", "causal") if count == 1 else ("valid", "same"))
    rest = f"strides={strides if count > 1 else strides[0]}, padding={word!r}, data_format={data_format!r}"
    dilated = f"{rest}, dilation_rate={rates if count > 1 else rates[0]}"
    outward = g.number(1, 3)
    kind = g.number(0, 5)
    if kind == 0 and count == 2:
        return f"K.depthwise_conv2d({x}, {g.leaf((*window, inward, 2))}, {dilated})"
    if kind == 1 and count < 3 and word != "causal":
        point = g.leaf((*(1,) * count, inward * 2, outward))
        return f"K.separable_conv{count}d({x}, {g.leaf((*window, inward, 2))}, {point}, {dilated})"
    if kind in (2, 3) and count > 1:
        return _transposed(g, x, data_format, inward, window, strides, word)
    if kind == 4 and count == 2 and data_format == "channels_last":
        rows, columns = (n - w + 1 for n, w in zip(shape[1:3], window, strict=True))
        if min(rows, columns) < 1:
            raise Unfit
        kernel = g.leaf((rows * columns, window[0] * window[1] * inward, outward))
        return f"K.local_conv2d({x}, {kernel}, {window}, (1, 1), ({rows}, {columns}))"
    return f"K.conv{count}d({x}, {g.leaf((*window, inward, outward))}, {dilated})"


def _transposed(
    g: Grower, x: str, data_format: str, inward: int, window: tuple[int, ...], strides: tuple[int, ...], word: str
) -> str:
    lengths = g.shape(x)[1:-1] if data_format == "channels_last" else g.shape(x)[2:]
    outward = g.number(1, 2)
    wanted = [
        (n - 1) * s + w + g.number(0, s - 1) if word == "valid" else n * s - g.number(0, s - 1)
        for n, s, w in zip(lengths, strides, window, strict=True)
    ]
    shape = (None, *wanted, outward) if data_format == "channels_last" else (None, outward, *wanted)
    kernel = g.leaf((*window, outward, inward))
    return (
        f"K.conv{len(window)}d_transpose({x}, {kernel}, {shape}, strides={strides}, padding={word!r}, "
        f"data_format={data_format!r})"
    )


def pool(g: Grower) -> str:
    """Pooling and its opposite."""
    x = g.float(4, 5)
    count = g.rank(x) - 2
    size, strides = (tuple(g.number(1, 3) for _ in range(count)) for _ in "ab")
    rest = f"data_format={g.choice(('channels_last', 'channels_first'))!r}"
    if g.chance(0.2) and count == 2:
        return f"K.resize_images({x}, {g.number(1, 2)}, {g.number(1, 2)}, {rest})"
    mode, word = g.choice(("max", "avg")), g.choice(("valid", "same"))
    return f"K.pool{count}d({x}, {size}, {strides}, {word!r}, pool_mode={mode!r}, {rest})"


# -- what layers use ------------------------------------------------------------------------------


def normalize(g: Grower) -> str:
    """Normalization, biases, losses."""
    x = g.float(2, 3, 4, fits=lambda name: min(g.shape(name)) > 0)
    n = g.shape(x)[-1]
    classes = g.leaf(g.shape(x)[:-1], "int32", 0, n - 1)
    ones = tuple(range(g.rank(x) - 1))
    forms: tuple[str, ...] = (
        f"K.batch_normalization({x}, {g.leaf((n,))}, K.square({g.leaf((n,))}), {g.leaf((n,))}, {g.leaf((n,))})",
        f"K.normalize_batch_in_training({x}, {g.leaf((n,))}, {g.leaf((n,))}, {ones})[{g.number(0, 2)}]",
        f"K.bias_add({x}, {g.leaf((n,))})",
        f"K.layer_normalization({x}, {g.leaf((n,))}, {g.leaf((n,))})",
        f"K.categorical_crossentropy(K.softmax({g.like(x)}), K.softmax({x}))",
        f"K.categorical_crossentropy(K.softmax({g.like(x)}), {x}, from_logits=True)",
        f"K.sparse_categorical_crossentropy({classes}, {x}, from_logits=True)",
        f"K.binary_crossentropy(K.sigmoid({g.like(x)}), K.sigmoid({x}))",
        f"K.binary_crossentropy(K.sigmoid({g.like(x)}), {x}, from_logits=True)",
    )
    if g.rank(x) == 3 and n > 1 and g.shape(x)[1] > 2:
        samples, time, _ = g.shape(x)
        lengths = f"np.full(({samples}, 1), {time}), np.full(({samples}, 1), 2)"
        forms += (f"K.ctc_batch_cost({g.leaf((samples, 2), 'int32', 0, n - 2)}, K.softmax({x}), {lengths})",)
    return g.choice(forms)


def phase(g: Grower) -> str:
    """What depends on the learning phase."""
    x = g.float()
    y = g.like(x)
    return g.choice(
        (
            f"K.in_train_phase({x}, {y})",
            f"K.in_test_phase(lambda: K.sin({x}), lambda: {y})",
            f"K.in_train_phase(lambda: {x} * 2, {y}, training={g.number(0, 1)})",
        )
    )


def random_numbers(g: Grower) -> str:
    """Draws of all kinds, seeded and not."""
    x = g.float()
    seed = g.choice(("", f", seed={g.number(0, 99)}"))
    shape = g.choice((str(g.shape(x)), f"K.shape({x})"))
    noise = tuple(1 if g.chance(0.3) else n for n in g.shape(x))
    forms = (
        f"{x} * K.random_uniform({shape}{seed})",
        f"K.random_uniform({shape}, -2.0, 3.0{seed})",
        f"K.random_uniform({shape}, 0, 7, dtype='int32'{seed})",
        f"{x} + K.random_normal({shape}{seed})",
        f"K.truncated_normal({shape}, 0.5, 0.1{seed})",
        f"K.random_binomial({shape}, 0.4{seed})",
        f"K.dropout({x}, 0.4{seed})",
        f"K.dropout({x}, 0.25, noise_shape={noise}{seed})",
    )
    return g.choice(forms)


def doors(g: Grower) -> Made:
    """Gradients and functions of one's own."""
    x = g.float()
    name = f"own{g.number(0, 999)}"
    if g.chance():
        before = (
            f"@K.custom_gradient\ndef {name}(a):\n    made = K.sin(a) * a\n"
            f"    return made, lambda g: g * K.cos(a) * {g.choice(('1.0', 'made', 'a'))}\n\n"
        )
        return Made(f"{name}({x})", before=before)
    shape = tuple(None if n is None else n for n in g.tensors[x].shape)
    return Made(
        f"K.numpy_function(lambda a: a * a, [{x}], {shape}, {g.dtype(x)!r}, gradient=lambda g, out, a: [g * a * 2])"
    )


# -- loops and branches ---------------------------------------------------------------------------


def recurrent(g: Grower) -> Made:
    """`K.rnn` with states, constants, masks, effects."""
    x = g.float(3, 4, fits=lambda name: 0 < g.shape(name)[1] <= 6)
    step = f"step{g.number(0, 999)}"
    shape = g.shape(x)
    n = shape[-1]
    state = f"{x}[:, 0] * {g.choice(('0.0', '0.5'))}"
    inner = g.choice(
        (
            f"K.tanh(a + s[0] * {g.leaf((n,))})",
            f"K.tanh(K.dot(s[0], {g.leaf((n, n))}) + a)",
            "K.sin(a) * s[0] + a",
            f"K.dropout(a, 0.3, seed={g.number(0, 99)}) + s[0] * 0.5",
            f"a * K.random_uniform({(shape[0], *shape[2:])}, seed={g.number(0, 99)}) + s[0]",
            "K.switch(K.greater(K.sum(s[0]), 0.0), lambda: K.cos(a), lambda: a * s[0])",
            "K.sum(a * s[-1], axis=-1, keepdims=True) + s[0] * 0.5",
            f"K.tanh(a) * K.update_add({g.leaf((), word='w')}, K.mean(a)) + s[0]",
        )
    )
    keywords = [f"go_backwards={g.chance()}"]
    if g.chance(0.3):
        keywords.append(f"constants=[{x}[:, -1]]")
    if g.chance(0.3):
        word = g.choice(("int32", "bool"))
        keywords.append(f"mask={g.leaf((*shape[:2], *g.choice(((), (1,)))), word, 0, 1)}")
    if g.chance(0.2):
        keywords.append("unroll=True")
    output = g.choice(("h", "h * 2", "K.sum(h, axis=-1)", "a + h"))
    before = f"def {step}(a, s):\n    h = {inner}\n"
    two = g.chance(0.3)
    if two:
        before += f"    return {output}, [h, s[1] * 0.5 + h]\n\n"
    else:
        before += f"    return {output}, [h]\n\n"
    states = f"[{state}, {state}]" if two else f"[{state}]"
    pattern = "{0}, {1}, ({2}, {3})" if two else "{0}, {1}, ({2},)"
    return Made(
        f"K.rnn({step}, {x}, {states}, {', '.join(keywords)})", count=4 if two else 3, pattern=pattern, before=before
    )


def fold(g: Grower) -> str:
    """Maps and folds over the first axis."""
    x = g.float(fits=lambda name: g.rank(name) > 1 and 0 < g.shape(name)[0] <= 6)
    forms = (
        f"K.map_fn(lambda a: K.sin(a) * {g.leaf((g.shape(x)[-1],))}, {x})",
        f"K.foldl(lambda t, a: K.tanh(t + a), {x})",
        f"K.foldr(lambda t, a: t * 0.5 + a * a, {x})",
        f"K.foldl(lambda t, a: t + K.sum(a), {x}, {g.leaf(())})",
    )
    return g.choice(forms)


def loop(g: Grower) -> Made:
    """`K.while_loop` of a length that its values decide."""
    x = g.float()
    condition = g.choice(("K.less(i, 3)", "K.less(K.sum(K.abs(a)), 20.0)", "K.logical_and(K.less(i, 4), K.any(a > 0))"))
    body = g.choice(("K.tanh(a) * 1.5", "a * 1.5 + 0.1", f"a + K.sin({x})"))
    limit = g.choice((", maximum_iterations=4", ", maximum_iterations=2", ""))
    if not limit and "i" not in condition:
        limit = ", maximum_iterations=4"
    return Made(
        f"K.while_loop(lambda i, a: {condition}, lambda i, a: [i + 1, {body}], [K.constant(0, dtype='int32'), {x}]"
        f"{limit})",
        count=2,
    )


def branch(g: Grower) -> str:
    """One of two, of which one runs."""
    x = g.float()
    y = g.like(x)
    condition = f"K.greater(K.sum({g.float()}), {g.choice(('0.0', '0.5'))})"
    forms = (
        f"K.switch({condition}, lambda: K.sin({x}) * {y}, lambda: {x})",
        f"K.switch({condition}, {x}, {y})",
        f"K.switch({condition}, lambda: K.switch({condition}, lambda: {x}, lambda: K.exp(-K.abs({y}))), lambda: {y})",
        f"K.switch({condition}, lambda: K.dropout({x}, 0.5, seed=3), lambda: {y} * 2)",
        f"K.switch({condition}, lambda: {x} * K.update_add({g.leaf((), word='w')}, 0.5), lambda: {y} + 0.1)",
    )
    return g.choice(forms)


# -- state ----------------------------------------------------------------------------------------


def update(g: Grower) -> Made:
    """What is stored at the end of a run."""
    w = g.pick(lambda name: name[0] == "w")
    x = g.pick(lambda name: g.shape(name) == g.shape(w) and g.dtype(name) == g.dtype(w))
    forms = (
        f"K.update({w}, K.tanh({x}))",
        f"K.update({w}, {x})",
        f"K.update_add({w}, K.sin({x}))",
        f"K.update_sub({w}, 0.1 * {x})",
        f"K.moving_average_update({w}, {x}, 0.75)",
    )
    return Made(g.choice(forms), update=True)


def dependent(g: Grower) -> Made:
    """A variable as it will be."""
    u = g.pick(lambda name: name[0] == "u")
    w = g.tensors[u].variable
    name = next((leaf.name for leaf in g.leaves if g.tensors[leaf.name] is w), None)
    if name is None:
        raise Unfit
    before = f"with K.control_dependencies([{u}]):\n    changed = K.cos({name}) + {g.beside(name)}\n"
    return Made("changed", before=before)


def optimize(g: Grower) -> Made:
    """A step of an optimizer."""
    v = g.float(fits=lambda name: name[0] == "v")
    ws = g.names(lambda name: name[0] == "w")
    if not ws:
        raise Unfit
    chosen = [ws[int(i)] for i in sorted(g.random.permutation(len(ws))[: g.number(1, 3)])]
    rule = g.choice(
        (
            "SGD(0.1)",
            "SGD(0.1, momentum=0.9, nesterov=True)",
            "SGD(0.1, momentum=0.5, decay=0.1)",
            "RMSprop(0.01)",
            "Adam(0.01)",
            "Adam(0.01, amsgrad=True, clipnorm=1.0)",
            "Adagrad(0.05)",
            "Nadam(0.01)",
        )
    )
    terms = " + ".join(f"K.sum({w} * {w})" for w in chosen)
    expression = f"optimizers.{rule}.get_updates(K.sum(K.tanh({v})) + {terms}, [{', '.join(chosen)}])"
    return Made(expression, count=len(g.evaluated(expression)), update=True)


# -- gradients ------------------------------------------------------------------------------------


def gradient(g: Grower) -> Made:
    """Gradients of some values by others, gradients themselves among them."""
    values = g.names(lambda name: name[0] == "v" and g.dtype(name) == g.options.floatx)
    if not values:
        raise Unfit
    sources = [values[-1 - int(i)] for i in g.random.permutation(min(len(values), 6))[: g.number(1, 3)]]
    terms = [g.choice(("K.sum(K.tanh({0}))", "K.sum(K.sin({0}))", "K.mean(K.square({0}))")).format(v) for v in sources]
    targets = [
        name
        for name in g.names(lambda name: name[0] in "xwv" and g.dtype(name) == g.options.floatx)
        if name not in sources and g.chance(0.7 if name[0] in "xw" else 0.15)
    ]
    loss = " + ".join(terms)
    made = g.evaluated(f"K.gradients({loss}, [{', '.join(targets)}])") if targets else []
    reached = [name for name, slope in zip(targets, made, strict=True) if slope is not None]
    if not reached:
        raise Unfit
    return Made(f"K.gradients({loss}, [{', '.join(reached)}])", count=len(reached))


OPERATIONS: list[tuple[str, Operation, float]] = [
    ("product", product, 1.5),
    ("square_matrix", square_matrix, 0.3),
    ("convolve", convolve, 1.2),
    ("pool", pool, 0.8),
    ("normalize", normalize, 1),
    ("phase", phase, 0.4),
    ("random_numbers", random_numbers, 1),
    ("doors", doors, 0.2),
    ("recurrent", recurrent, 0.8),
    ("fold", fold, 0.4),
    ("loop", loop, 0.4),
    ("branch", branch, 0.5),
    ("update", update, 0.8),
    ("dependent", dependent, 0.4),
    ("optimize", optimize, 0.3),
    ("gradient", gradient, 1.5),
]
