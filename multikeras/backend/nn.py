"""Network pieces: activations, losses, normalization, dropout."""

from __future__ import annotations

from typing import Any

from multikeras.backend import common
from multikeras.backend.configuration import guard, normalize_data_format
from multikeras.backend.random import key_of
from multikeras.backend.shapes import is_class
from multikeras.graph import operands
from multikeras.graph.ops import algebra, elementwise, random, shapes, special
from multikeras.graph.ops.rules import where as select
from multikeras.graph.tensor import Tensor

# -- activations --------------------------------------------------------------------------------


def relu(x: Any, alpha: Any = 0.0, max_value: Any = None, threshold: float = 0.0) -> Tensor:
    """`x` from the threshold on, up to a ceiling, with a slope below.

    Args:
        x: Tensor.
        alpha: Slope below the threshold, a number or a tensor.
        max_value: Ceiling, or None.
        threshold: Where the slope begins.

    Returns:
        `max_value` where `x >= max_value`, `x` where `threshold <= x < max_value`, and
        `alpha * (x - threshold)` elsewhere.
    """
    number = common.tensor(x)
    sloped = isinstance(alpha, Tensor) or alpha != 0
    if not sloped and threshold == 0:
        made = elementwise.relu(number)
    else:
        number, below = operands.match(number, (number - threshold) * alpha if sloped else 0)
        made = select(operands.binary("greater_equal", number, threshold), number, below)
    return made if max_value is None else operands.binary("minimum", made, max_value)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) divided by its sum along an axis, without overflow.

    Args:
        x: Tensor.
        axis: Axis.
    """
    return _along(algebra.softmax, x, axis, "softmax")


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """Logarithm of softmax along an axis.

    Args:
        x: Tensor.
        axis: Axis.
    """
    return _along(algebra.log_softmax, x, axis, "log_softmax")


def _along(over_last: Any, x: Any, axis: int, function: str) -> Tensor:
    number = common.float_tensor(x)
    place = common.one_axis(number, axis, function)
    order = list(range(number.ndim))
    order[place], order[-1] = order[-1], order[place]
    return common.transpose(over_last(common.transpose(number, order)), order)


def softplus(x: Any) -> Tensor:
    """log(1 + exp(x)), finite for large `x`.

    Args:
        x: Tensor.
    """
    made: Tensor = special.softplus(common.float_tensor(x))
    return made


def softsign(x: Any) -> Tensor:
    """X / (1 + |x|).

    Args:
        x: Tensor.
    """
    number = common.float_tensor(x)
    made: Tensor = number / (elementwise.abs_(number) + 1)
    return made


def elu(x: Any, alpha: Any = 1.0) -> Tensor:
    """`x` above 0, `alpha * (exp(x) - 1)` below.

    Args:
        x: Tensor.
        alpha: Scale below 0.
    """
    number = common.float_tensor(x)
    # The exponent never gets a number above 0, so that neither it nor its gradient overflows.
    below = elementwise.expm1(-elementwise.relu(-number))
    if isinstance(alpha, Tensor) or alpha != 1:
        below = below * alpha
    return select(operands.binary("greater_equal", number, 0), number, below)


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x)).

    Args:
        x: Tensor.
    """
    made: Tensor = elementwise.sigmoid(common.float_tensor(x))
    return made


def hard_sigmoid(x: Any) -> Tensor:
    """0.2 x + 0.5, limited to the interval from 0 to 1.

    Args:
        x: Tensor.
    """
    line = common.float_tensor(x) * 0.2 + 0.5
    return operands.binary("minimum", operands.binary("maximum", line, 0), 1)


def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent.

    Args:
        x: Tensor.
    """
    made: Tensor = elementwise.tanh(common.float_tensor(x))
    return made


# -- losses -------------------------------------------------------------------------------------


def _made_by(output: Tensor, name: str) -> Tensor | None:
    """What the primitive of that name was applied to, where `output` is its result."""
    while output.primitive is not None and output.primitive.name == "identity":
        output = output.inputs[0]
    if output.primitive is None or output.primitive.name != name:
        return None
    return output.inputs[0]


def _log_probabilities(output: Tensor, from_logits: bool, axis: int) -> Tensor:
    """Logarithms of probabilities along an axis, accurate also where a probability rounds to 0 or 1."""
    last = axis == output.ndim - 1
    logits = output if from_logits else _made_by(output, "softmax") if last else None
    if logits is not None:
        return _along(algebra.log_softmax, common.wide(logits), axis, "log_softmax")
    held = common.wide(output)
    epsilon = operands.cast(guard(output.dtype), held.dtype)
    share = held / common.total(held, (axis,), True)
    return elementwise.log(elementwise.minimum(elementwise.maximum(share, epsilon), 1 - epsilon))


def _target(target: Any, output: Tensor) -> Tensor:
    return operands.cast(common.tensor(target), common.wide(output).dtype)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Minus the sum of target times logarithm of output along an axis.

    Where `output` is made by `K.softmax`, its argument is used, so that the loss stays accurate and
    its gradient alive where a probability rounds to 0 or 1.

    Args:
        target: Probabilities, of the shape of `output`.
        output: Probabilities, which are scaled to sum 1 and kept off 0 by epsilon; or scores.
        from_logits: Whether `output` holds scores.
        axis: Axis of the classes.

    Returns:
        Tensor of the shape of `output` without that axis.

    Raises:
        ValueError: If the shapes differ.
    """
    predicted = common.float_tensor(output)
    place = common.one_axis(predicted, axis, "categorical_crossentropy")
    logarithms = _log_probabilities(predicted, from_logits, place)
    wanted = _target(target, predicted)
    _check_shapes("categorical_crossentropy", wanted, predicted)
    return operands.cast(-common.total(wanted * logarithms, (place,), False), predicted.dtype)


def _check_shapes(function: str, target: Tensor, output: Tensor) -> None:
    pairs = zip(target.shape, output.shape, strict=False)
    if target.ndim != output.ndim or any(a != b and a is not None and b is not None for a, b in pairs):
        raise ValueError(
            f"K.{function}: target of shape {target.shape} and output of shape {output.shape} must have one shape."
        )


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Minus the logarithm of the output at the class that an integer names.

    Args:
        target: Class numbers, of any integer or float type, of the shape of `output` without the
            axis of the classes (an axis of length 1 in its place is understood).
        output: Probabilities or scores.
        from_logits: Whether `output` holds scores.
        axis: Axis of the classes.

    Returns:
        Tensor of the shape of `output` without that axis.
    """
    predicted = common.float_tensor(output)
    place = common.one_axis(predicted, axis, "sparse_categorical_crossentropy")
    order = [*[i for i in range(predicted.ndim) if i != place], place]
    logarithms = common.transpose(_log_probabilities(predicted, from_logits, place), order)
    classes = common.tensor(target)
    column = classes.ndim == predicted.ndim and classes.shape[place] in (1, None)
    if classes.ndim not in (1, predicted.ndim - 1) and not column:
        raise ValueError(
            f"K.sparse_categorical_crossentropy: target of shape {classes.shape} and output of shape "
            f"{predicted.shape}: the target has one class number for each line of the output along axis {axis}. "
            "Targets of 0 and 1 are for K.categorical_crossentropy."
        )
    if classes.ndim != predicted.ndim - 1:
        classes = common.reshape(classes, common.lengths(logarithms)[:-1])
    chosen = select(is_class(classes, common.length_of(logarithms, logarithms.ndim - 1)), logarithms, 0)
    return operands.cast(-common.total(chosen, (chosen.ndim - 1,), False), predicted.dtype)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """Crossentropy of independent yes-or-no questions, entry by entry.

    Where `output` is made by `K.sigmoid`, its argument is used.

    Args:
        target: Probabilities.
        output: Probabilities, which are kept off 0 and 1 by epsilon; or scores.
        from_logits: Whether `output` holds scores.

    Returns:
        Tensor of the shape of `output`.
    """
    predicted = common.float_tensor(output)
    wanted = _target(target, predicted)
    logits = predicted if from_logits else _made_by(predicted, "sigmoid")
    if logits is not None:
        scores = common.wide(logits)
        return operands.cast(special.softplus(scores) - scores * wanted, predicted.dtype)
    held = common.wide(predicted)
    epsilon = operands.cast(guard(predicted.dtype), held.dtype)
    held = elementwise.minimum(elementwise.maximum(held, epsilon), 1 - epsilon)
    yes, no = elementwise.log(held), elementwise.log(1 - held)
    return operands.cast(-(wanted * yes + (1 - wanted) * no), predicted.dtype)


def in_top_k(predictions: Any, targets: Any, k: int) -> Tensor:
    """Whether the class named by a target is among the `k` likeliest; equal ones count as well.

    Args:
        predictions: Tensor (samples, classes).
        targets: Integers (samples,).
        k: How many.

    Returns:
        Bool tensor (samples,).

    Raises:
        ValueError: If the shapes are others.
    """
    scores, classes = common.float_tensor(predictions), common.tensor(targets)
    if scores.ndim != 2 or classes.ndim != 1:
        raise ValueError(
            f"K.in_top_k takes predictions (samples, classes) and targets (samples,), received shapes {scores.shape} "
            f"and {classes.shape}."
        )
    named = is_class(classes, common.length_of(scores, 1))
    own = common.total(select(named, scores, 0), (1,), True)
    above = operands.cast(elementwise.greater(scores, own), "int32")
    return operands.binary("less", common.total(above, (1,), False), common.whole(k, "k"))


# -- normalization ------------------------------------------------------------------------------


def l2_normalize(x: Any, axis: Any = None) -> Tensor:
    """`x` divided by its L2 norm along an axis; zeros stay zeros.

    Args:
        x: Tensor.
        axis: Axis or list of axes; None for all.
    """
    number = common.float_tensor(x)
    wide = common.wide(number)
    squares = common.total(wide * wide, common.all_axes(wide, axis, "l2_normalize"), True)
    return operands.cast(wide / elementwise.sqrt(operands.binary("maximum", squares, 1e-12)), number.dtype)


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-4
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalization by the mean and variance of the batch.

    Args:
        x: Tensor.
        gamma: Scale, a vector over the axes that are not reduced, wherever they sit; None for 1.
        beta: Shift, likewise; None for 0.
        reduction_axes: The axes over which mean and variance are taken.
        epsilon: Added to the variance.

    Returns:
        The normalized tensor, the mean and the variance, these without the reduced axes.
    """
    number = common.float_tensor(x)
    axes = common.all_axes(number, list(reduction_axes), "normalize_batch_in_training")
    mean, variance = common.moments(common.wide(number), axes)
    normalized = _normalized(number, mean, variance, _spread(beta, number, axes), _spread(gamma, number, axes), epsilon)
    return (
        normalized,
        operands.cast(shapes.squeeze(mean, axis=axes), number.dtype),
        operands.cast(shapes.squeeze(variance, axis=axes), number.dtype),
    )


def _spread(vector: Any, x: Tensor, reduced: tuple[int, ...]) -> Tensor | None:
    """A vector over the axes that are not reduced, as a tensor that broadcasts against `x`."""
    if vector is None:
        return None
    given = common.tensor(vector)
    kept = [i for i in range(x.ndim) if i not in reduced]
    if given.ndim == x.ndim or not reduced or (given.ndim <= 1 and kept[-1:] == [x.ndim - 1] and len(kept) == 1):
        return given
    entries = [1 if i in reduced else common.length_of(x, i) for i in range(x.ndim)]
    return common.reshape(given, entries)


def _normalized(
    x: Tensor, mean: Tensor, variance: Tensor, beta: Tensor | None, gamma: Tensor | None, epsilon: float
) -> Tensor:
    scale = 1 / elementwise.sqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * operands.cast(gamma, scale.dtype)
    # Subtracting the mean first keeps the digits that `x * scale + shift` would lose.
    result = (operands.cast(x, mean.dtype) - mean) * scale
    if beta is not None:
        result = result + operands.cast(beta, scale.dtype)
    return operands.cast(result, x.dtype)


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-4
) -> Tensor:
    """(x - mean) / sqrt(var + epsilon) * gamma + beta.

    Args:
        x: Tensor.
        mean: Vector over one axis of `x`, or a tensor that broadcasts against it.
        var: Likewise.
        beta: Likewise; None for 0.
        gamma: Likewise; None for 1.
        axis: The axis over which vectors run.
        epsilon: Added to the variance.
    """
    number = common.float_tensor(x)
    place = common.one_axis(number, axis, "batch_normalization")
    others = tuple(i for i in range(number.ndim) if i != place)
    centre, variance = _spread(mean, number, others), _spread(var, number, others)
    if centre is None or variance is None:
        raise ValueError("K.batch_normalization needs a mean and a variance, received None.")
    kind = common.wide(number).dtype
    return _normalized(
        number,
        operands.cast(centre, kind),
        operands.cast(variance, kind),
        _spread(beta, number, others),
        _spread(gamma, number, others),
        epsilon,
    )


def layer_normalization(x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float = 1e-3) -> Tensor:
    """Normalization of each sample by its own mean and variance.

    Args:
        x: Tensor.
        gamma: Scale, a tensor over the normalized axes; None for 1.
        beta: Shift, likewise; None for 0.
        axis: Axis or list of axes over which mean and variance are taken.
        epsilon: Added to the variance.
    """
    number = common.float_tensor(x)
    axes = common.all_axes(number, axis, "layer_normalization")
    mean, variance = common.moments(common.wide(number), axes)
    others = tuple(i for i in range(number.ndim) if i not in axes)
    return _normalized(number, mean, variance, _spread(beta, number, others), _spread(gamma, number, others), epsilon)


# -- bias and dropout ---------------------------------------------------------------------------


def bias_add(x: Any, bias: Any, data_format: Any = None) -> Tensor:
    """`x` plus a bias over its channels.

    Args:
        x: Tensor.
        bias: Vector over the channels, or a tensor of the shape of `x` without the batch, channels
            last.
        data_format: Where the channels of `x` are; None for the global setting.

    Raises:
        ValueError: If `bias` has neither form.
    """
    number, shift = common.tensor(x), common.tensor(bias)
    word = normalize_data_format(data_format)
    if shift.ndim not in (1, number.ndim - 1):
        raise ValueError(
            f"K.bias_add: the bias is a vector or has the shape of x without the batch, received shapes {shift.shape} "
            f"and {number.shape}."
        )
    if word == "channels_first" and number.ndim > 2:
        if shift.ndim == 1:
            shift = common.reshape(shift, [common.length_of(shift, 0), *[1] * (number.ndim - 2)])
        else:
            shift = common.transpose(shift, [shift.ndim - 1, *range(shift.ndim - 1)])
    return operands.binary("add", number, shift)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Tensor:
    """Zeroes entries at random and divides the others by 1 - level.

    Args:
        x: Tensor.
        level: Share of entries that become 0, at least 0 and below 1.
        noise_shape: Shape of the mask, 1 where entries share their fate along an axis and None
            where the length is that of `x`; None for the shape of `x`.
        seed: Fixes the sequence of masks; None draws it from NumPy's generator now. Every run
            draws another mask.

    Raises:
        ValueError: If `level` is outside.
    """
    number = common.float_tensor(x)
    if isinstance(level, Tensor):
        raise TypeError("K.dropout: the level is a number, received a tensor. Use K.in_train_phase to switch it off.")
    if not 0 <= common.number(level, "the level") < 1:
        raise ValueError(f"K.dropout: the level is at least 0 and below 1, received {level}.")
    if level == 0:
        return common.fresh(number)
    if noise_shape is None:
        shape = common.shape_of(number)
    elif isinstance(noise_shape, Tensor):
        shape = noise_shape
    else:
        if len(noise_shape) != number.ndim:
            raise ValueError(
                f"K.dropout: noise_shape {tuple(noise_shape)} needs one entry for each axis of {number!r}."
            )
        shape = operands.pack([common.length_of(number, i) if n is None else n for i, n in enumerate(noise_shape)])
    mask = random.dropout_mask(key_of(seed), shape=shape, rate=float(level), dtype=number.dtype)
    return operands.binary("multiply", number, mask)


def silu(x: Any) -> Tensor:
    """X times sigmoid(x).

    Args:
        x: Tensor.
    """
    number = common.float_tensor(x)
    made: Tensor = number * elementwise.sigmoid(number)
    return made
