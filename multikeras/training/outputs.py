"""What `compile` was told, spread over the outputs of a model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from multikeras import backend as K
from multikeras import losses as losses_module
from multikeras import metrics as metrics_module
from multikeras.graph import operands
from multikeras.graph.ops.control import host_select
from multikeras.graph.ops.rules import length_of
from multikeras.graph.ops.shapes import broadcast_to
from multikeras.graph.tensor import Placeholder
from multikeras.layers import calls
from multikeras.losses import Loss, LossFunctionWrapper
from multikeras.metrics import MeanMetricWrapper, Metric
from multikeras.training.places import Place
from multikeras.utils.losses_utils import match_weights

_ACCURACY = ("accuracy", "acc")
_CROSSENTROPY = ("crossentropy", "ce")


class Output:
    """An output, with its loss and metrics.

    Attributes:
        name: Its name.
        tensor: The output.
        loss: The loss object, or None: the output then has neither targets nor weights.
        loss_weight: The factor of its loss: a number or a tensor.
        target: The targets: a placeholder, or the tensor that compile was given.
        is_fed: Whether the targets are a placeholder.
        weight: The placeholder of the sample weights; an array without entries stands for no weights.
        temporal: Whether there is a weight for every time step.
        metrics: Pairs (metric, whether sample weights count for it).
    """

    def __init__(self, name: str, tensor: Any, loss: Any, loss_weight: Any, temporal: bool, target: Any = None) -> None:
        self.name = name
        self.tensor = tensor
        self.loss = loss
        self.loss_weight = loss_weight
        self.temporal = temporal
        self.metrics: list[tuple[Metric, bool]] = []
        self.target: Any = target
        self.weight: Any = None
        if loss is None:
            return
        shape = K.int_shape(tensor)
        if target is None:
            self.target = K.placeholder(
                shape=(*([None] * (len(shape) - 1)), self.place.shape[-1] if self.place.shape else None),
                dtype="int32" if self.is_sparse else K.dtype(tensor),
                name=f"{name}_target",
            )
        else:
            self._check_target(target)
        self.is_fed = isinstance(self.target, Placeholder)
        self.weight = K.placeholder(
            shape=(None, None) if temporal else (None,), dtype=K.dtype(tensor), name=f"{name}_sample_weights"
        )

    def _check_target(self, target: Any) -> None:
        """Refuses a target tensor whose shape would be stretched over the output in silence."""
        place, shape = self.place, K.int_shape(target)
        if place.shape is None or (self.is_sparse and len(shape) == len(place.shape) - 1):
            return
        if len(shape) != len(place.shape) or any(
            a is not None and b is not None and a != b for a, b in zip(shape[1:], place.shape[1:], strict=True)
        ):
            raise ValueError(
                f"The target tensor of {self.name!r} has shape {shape}, and the loss `{place.loss}` expects "
                f"{tuple(place.shape)}."
            )

    @property
    def function(self) -> Any:
        """The loss function, where the loss is one of functions."""
        return getattr(self.loss, "fn", None)

    @property
    def is_sparse(self) -> bool:
        """Whether targets are class numbers."""
        return self.function is losses_module.sparse_categorical_crossentropy

    @property
    def place(self) -> Place:
        """What targets have to look like."""
        shape = K.int_shape(self.tensor)
        name = getattr(self.function, "__name__", None)
        if self.is_sparse:
            return Place(self.name, (*shape[:-1], 1), name, shape)
        built_in = name is not None and getattr(losses_module, name, None) is self.function
        return Place(self.name, shape if built_in else None, name, shape)

    @property
    def mask(self) -> Any:
        """The mask that came with the output, or None.

        Operations of K between the last layer and the output may have used a mask up, as a mean over time does.
        """
        mask = calls.mask_of(self.tensor)
        return None if isinstance(mask, calls.LostMask) else mask

    def weights(self) -> Any:
        """Weights of the samples: what is fed, or 1 where that is empty, times the mask.

        Whether it is empty is known when a program is specialised: without weights nothing is multiplied.
        """
        lengths = [length_of(self.tensor, axis) for axis in range(2 if self.temporal else 1)]
        ones = broadcast_to(operands.scalar(1, K.dtype(self.tensor)), shape=operands.pack(lengths))
        none = K.equal(K.shape(self.weight)[0], 0)
        return self._masked(host_select(none, ones, self.weight))

    def _masked(self, weights: Any) -> Any:
        if self.mask is None:
            return weights
        mask = K.cast(self.mask, K.dtype(self.tensor))
        if weights is None:
            return mask
        mask, weights = match_weights(mask, weights)
        return mask * weights

    def loss_value(self) -> Any:
        """The loss of a batch as a scalar."""
        value = self.loss(self.target, self.tensor, sample_weight=self.weights())
        return K.mean(value) if K.ndim(value) else value

    def metric_updates(self, metric: Metric, weighted: bool) -> tuple[list[Any], Any]:
        """The updates of a metric by a batch, and its result after them."""
        weights = self.weights() if weighted else self._masked(None)
        listed = metric.listed_updates(self.target, self.tensor, sample_weight=weights)
        with K.control_dependencies(listed):
            return listed, K.identity(metric.result())

    def add_metrics(self, metrics: Any, weighted: bool) -> None:
        """Adds the metrics asked for."""
        for metric in metrics if isinstance(metrics, (list, tuple)) else [metrics]:
            self.metrics.append((self._metric(metric), weighted))

    def _metric(self, metric: Any) -> Metric:
        if isinstance(metric, Metric):
            return metric
        if metric in _ACCURACY:
            return MeanMetricWrapper(getattr(metrics_module, f"{self._kind('accuracy')}_accuracy"), name=metric)
        if metric in _CROSSENTROPY:
            return MeanMetricWrapper(getattr(losses_module, f"{self._kind('crossentropy')}_crossentropy"), name=metric)
        found = metrics_module.get(metric)
        if isinstance(found, Metric):
            return found
        return MeanMetricWrapper(found, name=metric if isinstance(metric, str) else None)

    def _kind(self, what: str) -> str:
        """Which accuracy or crossentropy fits the output and its loss."""
        if K.int_shape(self.tensor)[-1] == 1 or self.function is losses_module.binary_crossentropy:
            return "binary"
        return "sparse_categorical" if self.is_sparse else "categorical"


def loss_object(loss: Any) -> Any:
    """A loss as an object that is called with targets, predictions and weights; None stays None."""
    if loss is None:
        return None
    found = losses_module.get(loss)
    return found if isinstance(found, Loss) else LossFunctionWrapper(found, name=getattr(found, "__name__", None))


def losses_of(loss: Any, names: Sequence[str]) -> list[Any]:
    """One loss for each output, None where there is none.

    Args:
        loss: What compile got: one for all, a list, or a dictionary by name.
        names: Names of the outputs.
    """
    if isinstance(loss, Mapping) and "class_name" not in loss:
        _check_names(loss, names, "loss")
        missing = [name for name in names if name not in loss]
        if missing:
            warnings.warn(
                f"No loss is given for the outputs {missing}: they are not trained, and expect no targets.",
                stacklevel=5,
            )
        return [loss_object(loss.get(name)) for name in names]
    if isinstance(loss, (list, tuple)):
        if len(loss) != len(names):
            raise ValueError(
                f"A list of losses needs one for each output: there are {len(names)} ({', '.join(names)}), received "
                f"{len(loss)}: {loss!r}."
            )
        return [loss_object(one) for one in loss]
    return [loss_object(loss) for _ in names]


def loss_weights_of(loss_weights: Any, names: Sequence[str]) -> list[Any]:
    """One factor for each output."""
    if loss_weights is None:
        return [1.0] * len(names)
    if isinstance(loss_weights, Mapping):
        _check_names(loss_weights, names, "loss_weights")
        return [loss_weights.get(name, 1.0) for name in names]
    if not isinstance(loss_weights, (list, tuple)):
        raise TypeError(f"`loss_weights` is a list or a dictionary by output, received {loss_weights!r}.")
    if len(loss_weights) != len(names):
        raise ValueError(
            f"`loss_weights` needs one entry for each of the {len(names)} outputs, received {len(loss_weights)}."
        )
    return list(loss_weights)


def metrics_of(metrics: Any, names: Sequence[str], what: str = "metrics") -> list[list[Any]]:
    """A list of metrics for each output.

    Args:
        metrics: A list for all outputs, a list of lists, or a dictionary by name.
        names: Names of the outputs.
        what: The argument's name.
    """
    if not metrics:
        return [[] for _ in names]
    if isinstance(metrics, Mapping):
        _check_names(metrics, names, what)
        found = [metrics.get(name) or [] for name in names]
        return [list(one) if isinstance(one, (list, tuple)) else [one] for one in found]
    if not isinstance(metrics, (list, tuple)):
        raise TypeError(f"`{what}` is a list such as ['accuracy'], or a dictionary by output, received {metrics!r}.")
    if any(isinstance(one, (list, tuple)) for one in metrics):
        if len(metrics) != len(names):
            raise ValueError(
                f"A list of lists as `{what}` needs one list for each of the {len(names)} outputs, received "
                f"{len(metrics)}."
            )
        return [list(one) if isinstance(one, (list, tuple)) else [one] for one in metrics]
    # Every output counts for itself, also where a metric object is given: it would mix them otherwise.
    first = list(metrics)
    return [first, *[metrics_module.clone_metrics(first) for _ in names[1:]]]


def temporal_of(mode: Any, names: Sequence[str]) -> list[bool]:
    """Whether each output has weights for time steps."""
    if isinstance(mode, Mapping):
        _check_names(mode, names, "sample_weight_mode")
        modes = [mode.get(name) for name in names]
    elif isinstance(mode, (list, tuple)):
        if len(mode) != len(names):
            raise ValueError(f"`sample_weight_mode` needs one entry for each of the {len(names)} outputs.")
        modes = list(mode)
    else:
        modes = [mode] * len(names)
    for one in modes:
        if one not in (None, "temporal", "samplewise"):
            raise ValueError(f"`sample_weight_mode` is None or 'temporal', received {one!r}.")
    return [one == "temporal" for one in modes]


def target_tensors_of(target_tensors: Any, names: Sequence[str]) -> list[Any]:
    """A tensor as target of each output, None where targets are fed."""
    if target_tensors is None:
        return [None] * len(names)
    if isinstance(target_tensors, Mapping):
        _check_names(target_tensors, names, "target_tensors")
        found = [target_tensors.get(name) for name in names]
    else:
        found = list(target_tensors) if isinstance(target_tensors, (list, tuple)) else [target_tensors]
        if len(found) != len(names):
            raise ValueError(
                f"`target_tensors` needs one tensor for each of the {len(names)} outputs ({', '.join(names)}), "
                f"received {len(found)}."
            )
    for tensor in found:
        if tensor is not None and not K.is_tensor(tensor):
            raise TypeError(
                f"`target_tensors` takes tensors of K, received {type(tensor).__name__}: pass arrays as `y` to fit, or "
                "make a tensor with K.constant or K.variable."
            )
    return found


def _check_names(given: Mapping[str, Any], names: Sequence[str], what: str) -> None:
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(f"`{what}` names outputs that the model does not have: {unknown}. It has {list(names)}.")
