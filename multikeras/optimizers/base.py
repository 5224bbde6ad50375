"""What optimizers share: hyperparameters, gradients and their clipping, weights, configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.contract import Primitive
from multikeras.graph import Variable

_SIXTEEN_BITS = ("float16", "bfloat16")


def slot_dtype(dtype: str) -> str:
    """The type in which updates of a variable are computed: sixteen bits would lose small steps."""
    return "float32" if dtype in _SIXTEEN_BITS else dtype


class Optimizer:
    """Base class: a subclass defines `get_updates(loss, params)`.

    Hyperparameters are variables, so that `K.set_value(optimizer.lr, 0.01)` counts at the next step; assigning a
    number to one of them does the same.

    Attributes:
        updates: What `get_updates` returned last.
        weights: State that a saved model needs in order to go on: the step counter and the slots.
    """

    updates: list[Any]
    weights: list[Any]
    learning_rate: Any
    decay: Any
    iterations: Any

    def __init__(self, **keywords: Any) -> None:
        """Keeps the settings that all optimizers have.

        Args:
            **keywords: `clipnorm`, the largest norm of all gradients together, and `clipvalue`, the largest size of
                any entry of a gradient.

        Raises:
            TypeError: If there is another keyword.
        """
        unknown = sorted(keywords.keys() - {"clipnorm", "clipvalue"})
        if unknown:
            raise TypeError(
                f"{type(self).__name__} takes no argument {', '.join(map(repr, unknown))}. All optimizers take "
                "'learning_rate' (or 'lr'), 'decay', 'clipnorm' and 'clipvalue'."
            )
        for name, value in keywords.items():
            if value is not None:
                setattr(self, name, float(value))
        self.updates = []
        self.weights = []

    def __setattr__(self, name: str, value: Any) -> None:
        name = "learning_rate" if name == "lr" else name
        kept = self.__dict__.get(name)
        if isinstance(kept, Variable) and isinstance(value, (int, float, np.generic, np.ndarray)):
            K.set_value(kept, value)
            return
        super().__setattr__(name, value)

    @property
    def lr(self) -> Any:
        """The learning rate under its short name."""
        return self.learning_rate

    def _make_hyperparameters(self, **values: float) -> None:
        """Makes a variable for each value, and the step counter."""
        dtype = slot_dtype(K.floatx())
        with K.name_scope(type(self).__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.iterations.trainable = False
            for name, value in values.items():
                variable = K.variable(value, dtype=dtype, name=name)
                variable.trainable = False
                setattr(self, name, variable)

    # -- the step -------------------------------------------------------------------------------

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The updates of one training step.

        Args:
            loss: A scalar tensor.
            params: The variables to train.

        Returns:
            Updates of the parameters, of the slots and of the step counter.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define get_updates(loss, params).")

    def get_gradients(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """Gradients of the loss, clipped as the optimizer says.

        Raises:
            ValueError: If the loss does not depend on one of the parameters.
        """
        gradients = K.gradients(loss, list(params))
        missing = [p.name for p, g in zip(params, gradients, strict=True) if g is None]
        if missing:
            raise ValueError(
                f"{type(self).__name__}: the loss does not depend on {', '.join(missing)}, or passes through an "
                "operation without a gradient (such as K.argmax, K.round or a cast to integers). Make the layers of "
                "these weights trainable=False, or let the loss depend on them."
            )
        clipnorm, clipvalue = getattr(self, "clipnorm", None), getattr(self, "clipvalue", None)
        if clipnorm is not None and clipnorm > 0:
            gradients = _clip_norm(gradients, clipnorm)
        if clipvalue is not None and clipvalue > 0:
            gradients = [K.clip(g, -clipvalue, clipvalue) for g in gradients]
        return gradients

    def _begin(self, loss: Any, params: Sequence[Any]) -> tuple[list[Any], Any]:
        """Gradients and the learning rate of this step; starts the list of updates."""
        gradients = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        rate = self.learning_rate
        if getattr(self, "initial_decay", 0) > 0:
            rate = rate / (1.0 + self.decay * K.cast(self.iterations, K.dtype(self.decay)))
        return gradients, rate

    def _count(self) -> Any:
        """Number of this step, from 1, in the type of the hyperparameters."""
        return K.cast(self.iterations, K.dtype(self.learning_rate)) + 1.0

    def _slots(self, params: Sequence[Any], name: str) -> list[Any]:
        """A variable of zeros for each parameter."""
        slots = []
        with K.name_scope(type(self).__name__):
            for number, parameter in enumerate(params):
                dtype = slot_dtype(K.dtype(parameter))
                slot: Any = K.zeros(K.int_shape(parameter), dtype=dtype, name=f"{name}_{number}")
                slot.trainable = False
                slots.append(slot)
        return slots

    def _update_parameter(self, parameter: Any, value: Any) -> None:
        """Adds the update of one parameter, after its constraint."""
        value = K.cast(value, K.dtype(parameter)) if K.dtype(value) != K.dtype(parameter) else value
        constraint = getattr(parameter, "constraint", None)
        if constraint is not None:
            value = constraint(value)
        self.updates.append(K.update(parameter, value))

    def _step(
        self,
        primitive: Primitive,
        scalars: Sequence[Any],
        params: Sequence[Any],
        gradients: Sequence[Any],
        *slots: Sequence[Any],
        **attributes: Any,
    ) -> None:
        """Adds the updates that a multi-tensor primitive computes, in one call for each data type.

        Args:
            primitive: One of `graph.ops.optimizers`.
            scalars: Its numbers: tensors without axes, or Python numbers.
            params: The parameters.
            gradients: One for each.
            *slots: Lists of one variable for each parameter.
            **attributes: Static attributes of the primitive.
        """
        groups: dict[str, list[int]] = {}
        for i, parameter in enumerate(params):
            groups.setdefault(slot_dtype(K.dtype(parameter)), []).append(i)
        for dtype, members in groups.items():
            results = primitive(
                *[_scalar(s, dtype) for s in scalars],
                *[_as(params[i], dtype) for i in members],
                *[_as(gradients[i], dtype) for i in members],
                *[slot[i] for slot in slots for i in members],
                **attributes,
            )
            moved = iter(results[len(members) :])
            for slot in slots:
                self.updates += [K.update(slot[i], next(moved)) for i in members]
            for i, value in zip(members, results, strict=False):
                self._update_parameter(params[i], value)

    # -- state and configuration ----------------------------------------------------------------

    def get_weights(self) -> list[np.ndarray]:
        """The state as arrays, in the order of `weights`."""
        return K.batch_get_value(self.weights)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the state.

        Args:
            weights: Arrays as `get_weights` gives them.

        Raises:
            ValueError: If their number or shapes are not those of the state.
        """
        if len(weights) != len(self.weights):
            hint = " It has none before its first training step." if not self.weights else ""
            raise ValueError(
                f"{type(self).__name__}.set_weights: expected {len(self.weights)} arrays, received {len(weights)}."
                f"{hint}"
            )
        for variable, value in zip(self.weights, weights, strict=True):
            if np.shape(value) != K.int_shape(variable):
                raise ValueError(
                    f"{type(self).__name__}.set_weights: {variable.name} has shape {K.int_shape(variable)}, received "
                    f"an array of shape {np.shape(value)}."
                )
        K.batch_set_value(list(zip(self.weights, weights, strict=True)))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor; hyperparameters as they are now."""
        names = ("clipnorm", "clipvalue")
        return {name: getattr(self, name) for name in names if getattr(self, name, None) is not None}

    def _numbers(self, *names: str) -> dict[str, float]:
        """Present values of hyperparameters, by name."""
        # The shortest decimal that means this value: 0.01 rather than 0.009999999776482582.
        return {name: float(str(K.get_value(getattr(self, name)))) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """An optimizer from what `get_config` gave; it starts without state."""
        return cls(**config)


def learning_rate_of(lr: float, keywords: dict[str, Any]) -> float:
    """The learning rate, which is also called `learning_rate`; takes that out of `keywords`."""
    return keywords.pop("learning_rate", lr)


def _clip_norm(gradients: Sequence[Any], largest: float) -> list[Any]:
    """Gradients scaled down so that the norm of all together is at most `largest`."""
    dtype = slot_dtype(K.dtype(gradients[0]))
    norm = K.sqrt(sum(K.sum(K.square(_as(g, dtype))) for g in gradients))
    # Not largest / norm, which is infinite where all gradients are 0.
    factor = largest / K.maximum(norm, largest)
    return [_as(_as(g, dtype) * factor, K.dtype(g)) for g in gradients]


def clip_norm(gradient: Any, largest: float, norm: Any) -> Any:
    """A gradient scaled down where `norm` exceeds `largest`; 0 stands for no limit."""
    if largest <= 0:
        return gradient
    return gradient * (largest / K.maximum(norm, largest))


def _as(x: Any, dtype: str) -> Any:
    return x if K.dtype(x) == dtype else K.cast(x, dtype)


def _scalar(x: Any, dtype: str) -> Any:
    return K.constant(x, dtype=dtype) if isinstance(x, (int, float)) else _as(x, dtype)
