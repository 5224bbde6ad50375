"""What optimizers share: hyperparameters, gradients and their clipping, weights, configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.contract import Primitive
from multikeras.graph import Tensor, Variable
from multikeras.optimizers import forms
from multikeras.optimizers.schedules import LearningRateSchedule, deserialize, serialize
from multikeras.utils import own_variables

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
        learning_rate: The learning rate, also called `lr`: a variable, or the tensor that a schedule made.
        iterations: Number of finished steps.
    """

    updates: list[Any]
    weights: list[Any]
    learning_rate: Any
    decay: Any
    iterations: Any
    #: Copies in 32 bits of the parameters of 16.
    _masters: Mapping[Any, Any] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        own = cls.__dict__.get("get_updates")
        if isinstance(own, FunctionType):
            cls.get_updates = forms.either(own)  # type: ignore[method-assign]

    def __init__(self, **keywords: Any) -> None:
        """Keeps the settings that all optimizers have.

        Args:
            **keywords: `clipnorm`, the largest norm of all gradients together, and `clipvalue`, the largest size of
                any entry of a gradient; 0 is no limit. `name`, which tf.keras has in its files, is of no use here.

        Raises:
            TypeError: If there is another keyword.
            ValueError: If a limit is negative.
        """
        keywords.pop("name", None)
        unknown = sorted(keywords.keys() - {"clipnorm", "clipvalue"})
        if unknown:
            raise TypeError(
                f"{type(self).__name__} takes no argument {', '.join(map(repr, unknown))}. All optimizers take "
                "'learning_rate' (or 'lr'), 'decay', 'clipnorm' and 'clipvalue'."
            )
        for name, value in keywords.items():
            if value is not None and value < 0:
                raise ValueError(f"{type(self).__name__}: {name} is at least 0, received {value!r}.")
            if value is not None:
                setattr(self, name, float(value))
        self.updates = []
        self.weights = []

    def __setattr__(self, name: str, value: Any) -> None:
        kept = self.__dict__.get(name)
        if isinstance(value, (int, float, np.generic, np.ndarray)) and isinstance(kept, Tensor):
            if not isinstance(kept, Variable):
                raise ValueError(
                    f"{type(self).__name__}: {name} follows a schedule, so that a number cannot be set. Make the "
                    "optimizer with a number, which callbacks and assignments may change."
                )
            K.set_value(kept, value)
            return
        super().__setattr__(name, value)

    @property
    def lr(self) -> Any:
        """The learning rate under its short name."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def _make_hyperparameters(self, **values: Any) -> None:
        """Makes a variable for each value, and the step counter.

        Args:
            **values: Numbers; the learning rate may be a schedule or its configuration, and each may be a tensor.

        Raises:
            TypeError: If one of them is something else.
            ValueError: If there is a schedule as well as a decay.
        """
        dtype = slot_dtype(K.floatx())
        with K.name_scope(type(self).__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.iterations.trainable = False
            for name, value in values.items():
                if name == "learning_rate" and isinstance(value, (LearningRateSchedule, Mapping)):
                    if values.get("decay"):
                        raise ValueError(f"{type(self).__name__} takes a schedule or a decay, not both.")
                    self._schedule = deserialize(value) if isinstance(value, Mapping) else value
                    self._follow_schedule()
                    continue
                if isinstance(value, Tensor):
                    setattr(self, name, value)
                    continue
                if not isinstance(value, (int, float, np.generic, np.ndarray)):
                    raise TypeError(
                        f"{type(self).__name__}: {name} is a number"
                        f"{', a schedule' if name == 'learning_rate' else ''} or a tensor, received {value!r}."
                    )
                variable = K.variable(value, dtype=dtype, name=name)
                variable.trainable = False
                setattr(self, name, variable)

    def _follow_schedule(self) -> None:
        rate = self._schedule(self.iterations)
        self.learning_rate = rate if K.is_tensor(rate) else K.constant(rate, dtype=slot_dtype(K.floatx()))

    # -- the step -------------------------------------------------------------------------------

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The updates of one training step.

        It may also be called, and defined, in the form of Keras 1: `get_updates(params, constraints, loss)`.

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
        return self.clipped(gradients)

    def clipped(self, gradients: Sequence[Any]) -> list[Any]:
        """Gradients as `clipnorm` and `clipvalue` limit them."""
        gradients = list(gradients)
        clipnorm, clipvalue = getattr(self, "clipnorm", None), getattr(self, "clipvalue", None)
        if clipnorm is not None and clipnorm > 0 and gradients:
            gradients = _clip_norm(gradients, clipnorm)
        if clipvalue is not None and clipvalue > 0:
            gradients = [K.clip(g, -clipvalue, clipvalue) for g in gradients]
        return gradients

    def _begin(self, loss: Any, params: Sequence[Any]) -> tuple[list[Any], Any]:
        """Gradients and the learning rate of this step; starts the list of updates."""
        gradients = self.get_gradients(loss, params)
        self._masters = {}
        self.updates = [K.update_add(self.iterations, 1)]
        rate = self.learning_rate
        if getattr(self, "initial_decay", 0) > 0:
            rate = rate / (1.0 + self.decay * K.cast(self.iterations, K.dtype(self.decay)))
        return gradients, rate

    def _count(self) -> Any:
        """Number of this step, from 1, in the type of the hyperparameters."""
        return K.cast(self.iterations, K.dtype(self.learning_rate)) + 1.0

    def _slots(self, params: Sequence[Any], name: str, initial: float = 0.0) -> list[Any]:
        """A variable of zeros, or of another number, for each parameter."""
        return [self._slot(p, f"{name}_{number}", K.int_shape(p), initial) for number, p in enumerate(params)]

    def _slot(self, parameter: Any, name: str, shape: Any, initial: float = 0.0) -> Any:
        dtype = slot_dtype(K.dtype(parameter))
        with K.name_scope(type(self).__name__):
            slot: Any = (
                K.variable(np.full(shape, initial), dtype=dtype, name=name)
                if initial
                else K.zeros(shape, dtype=dtype, name=name)
            )
        slot.trainable = False
        return slot

    def _wide(self, params: Sequence[Any]) -> list[Any]:
        """The parameters in the type of their slots.

        Of a parameter of 16 bits there is a master copy of 32, which keeps what single steps add up to. Where the
        parameter has been set to something else meanwhile, the copy follows it; hence it begins with zeros.
        """
        values = []
        for number, parameter in enumerate(params):
            dtype = K.dtype(parameter)
            if dtype not in _SIXTEEN_BITS:
                values.append(parameter)
                continue
            master = self._slot(parameter, f"master_{number}", K.int_shape(parameter))
            self._masters = {**self._masters, parameter: master}
            unchanged = K.equal(K.cast(master, dtype), parameter)
            values.append(K.switch(unchanged, master, K.cast(parameter, "float32")))
        return values

    def _keep(self, *state: Any) -> list[Any]:
        """Makes the state, and the master copies after it, the `weights`; returns the updates."""
        self.weights = [self.iterations, *state, *self._masters.values()]
        return self.updates

    def _update_parameter(self, parameter: Any, value: Any) -> None:
        """Adds the update of one parameter, after its constraint, and that of its master copy."""
        value = _as(value, slot_dtype(K.dtype(parameter)))
        constraint = getattr(parameter, "constraint", None)
        if constraint is not None:
            value = constraint(value)
        if parameter in self._masters:
            self.updates.append(K.update(self._masters[parameter], value))
        self.updates.append(K.update(parameter, _as(value, K.dtype(parameter))))

    def _step(
        self,
        primitive: Primitive,
        scalars: Sequence[Any],
        params: Sequence[Any],
        gradients: Sequence[Any],
        *slots: Sequence[Any],
        values: Sequence[Any] | None = None,
        **attributes: Any,
    ) -> None:
        """Adds the updates that a multi-tensor primitive computes, in few calls.

        A call writes in place only if all its results are stored as they are; so parameters of 16 bits and those with
        a constraint go apart.

        Args:
            primitive: One of `graph.ops.optimizers`.
            scalars: Its numbers: tensors without axes, or Python numbers.
            params: The parameters.
            gradients: One for each.
            *slots: Lists of one variable for each parameter.
            values: What to start from in place of the parameters.
            **attributes: Static attributes of the primitive.
        """
        starts = self._wide(params) if values is None else values
        groups: dict[tuple[str, bool], list[int]] = {}
        for i, parameter in enumerate(params):
            plain = starts[i] is parameter and getattr(parameter, "constraint", None) is None
            groups.setdefault((slot_dtype(K.dtype(parameter)), plain), []).append(i)
        for (dtype, _), members in groups.items():
            results = primitive(
                *[_scalar(s, dtype) for s in scalars],
                *[_as(starts[i], dtype) for i in members],
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

        States that other versions of Keras wrote are understood: without the step counter, or without what they did
        not have. Master copies of 16-bit parameters may be missing; they then follow the parameters.

        Args:
            weights: Arrays as `get_weights` gives them.

        Raises:
            ValueError: If their number or shapes are not those of the state.
        """
        weights = self._completed([np.asarray(w) for w in weights])
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
                    f"{np.shape(value)}."
                )
        K.batch_set_value(list(zip(self.weights, weights, strict=True)))

    def _completed(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """A state of another version with what is missing in it."""
        masters = [np.zeros_like(K.get_value(m)) for m in self._masters.values()]
        wanted = len(self.weights)
        for candidate in (weights, self._older(weights)):
            if len(candidate) == wanted:
                return candidate
            if len(candidate) + len(masters) == wanted:
                return [*candidate, *masters]
        return weights

    def _older(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """A state as older versions of Keras wrote it, in the present order; the same if it is none."""
        return weights

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor; hyperparameters as they are now."""
        names = ("clipnorm", "clipvalue")
        return {name: getattr(self, name) for name in names if getattr(self, name, None) is not None}

    def _numbers(self, *names: str) -> dict[str, Any]:
        """Present values of hyperparameters, by name; of a learning rate that follows a schedule, that."""
        schedule = getattr(self, "_schedule", None)
        # The shortest decimal that means this value: 0.01 rather than 0.009999999776482582.
        return {
            name: serialize(schedule)
            if name == "learning_rate" and schedule is not None
            else float(str(K.get_value(getattr(self, name))))
            for name in names
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """An optimizer from what `get_config` gave; it starts without state."""
        return cls(**config)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = own_variables.deep_copy(self, memo, without=("updates",))
        if "_schedule" in made.__dict__:
            made._follow_schedule()
        return made

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "updates": [], "_masters": {}}
        if "_schedule" in state:
            del state["learning_rate"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_schedule" in state:
            self._follow_schedule()


def without_counter(weights: list[np.ndarray]) -> list[np.ndarray]:
    """A state that Keras 2.2 and older wrote without a step counter, with one at 0 before it."""
    return [np.zeros((), "int64"), *weights]


def learning_rate_of(lr: Any, keywords: dict[str, Any]) -> Any:
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
