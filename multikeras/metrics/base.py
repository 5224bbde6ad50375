"""Metrics that keep a state over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import initializers
from multikeras.contract import check_dtype
from multikeras.utils import own_variables


class Metric:
    """Base class: a subclass defines `update_state`, which returns updates of its weights, and `result`.

    Calling a metric gives its result after an update: a tensor that stores when it is evaluated, so that
    `K.eval(metric(y_true, y_pred))` counts a batch.

    Attributes:
        name: Its name in logs.
        dtype: Type of its state and result.
        weights: The variables of its state.
        stateful: True: its value is one of all batches since `reset_states`.
    """

    stateful = True
    trainable = False

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        """Makes a metric without state.

        Args:
            name: Its name; that of the class with a running number, such as `'auc_1'`, if None.
            dtype: Type of its state; floatx, and at least float32, if None.
        """
        if name is None:
            from multikeras.layers import naming

            name = naming.unique_name(naming.snake_case(type(self).__name__))
        self.name = name
        if dtype is None:
            dtype = K.floatx() if K.floatx() == "float64" else "float32"
        self.dtype = check_dtype(dtype)
        self.weights: list[Any] = []

    def add_weight(
        self, name: str, shape: Sequence[int] = (), initializer: Any = "zeros", dtype: Any = None, **ignored: Any
    ) -> Any:
        """Makes a variable of the state.

        Args:
            name: Its name.
            shape: Its shape.
            initializer: Its first value.
            dtype: Its type; that of the metric if None.
            **ignored: What layers take here, such as `trainable`.
        """
        dtype = check_dtype(dtype or self.dtype)
        value = initializers.get(initializer or "zeros")(tuple(shape), dtype=dtype)
        with K.name_scope(self.name):
            variable = K.variable(value, dtype=dtype, name=name)
        variable.trainable = False
        self.weights.append(variable)
        return variable

    @property
    def variables(self) -> list[Any]:
        """The same as `weights`."""
        return self.weights

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The same as `weights`."""
        return self.weights

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """An update, or a list of them, that takes a batch into the state."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state.")

    def result(self) -> Any:
        """The value of the state as a tensor."""
        raise NotImplementedError(f"{type(self).__name__} does not define result.")

    def reset_states(self) -> None:
        """Forgets all batches: sets every variable of the state to 0."""
        K.batch_set_value([(v, np.zeros(K.int_shape(v), K.dtype(v))) for v in self.weights])

    def listed_updates(self, *args: Any, **kwargs: Any) -> list[Any]:
        """What `update_state` returns for these arguments, as a list.

        Raises:
            ValueError: If it returned nothing, so that a batch would be lost.
        """
        updates = self.update_state(*args, **kwargs)
        if isinstance(updates, (list, tuple)):
            # An Update unpacks as a pair, and so is no list.
            updates = [u for u in updates if u is not None]
        else:
            updates = [] if updates is None else [updates]
        if not updates and self.weights:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: update_state returned no updates, so the batch would be lost. "
                "Return what K.update and K.update_add gave, one or a list."
            )
        return updates

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with K.control_dependencies(self.listed_updates(*args, **kwargs)):
            # A variable is replaced where it is an operand, and a result may be the bare variable.
            result: Any = K.identity(self.result())
        result._metric_obj = self
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return own_variables.deep_copy(self, memo)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """A metric from what `get_config` gave."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<metric {type(self).__name__} {self.name!r}>"


def as_values(values: Any, dtype: str | None) -> Any:
    """A tensor of that type; of its own if None."""
    if not K.is_tensor(values):
        return K.constant(values, dtype=dtype)
    return values if dtype is None or K.dtype(values) == dtype else K.cast(values, dtype)


def share(part: Any, whole: Any) -> Any:
    """`part / whole`, and 0 where `whole` is 0."""
    nothing = K.cast(K.equal(whole, 0.0), K.dtype(whole))
    return part * (1.0 - nothing) / (whole + nothing)
