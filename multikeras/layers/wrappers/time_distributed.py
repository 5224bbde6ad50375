"""`TimeDistributed`: one layer at every step of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multikeras import backend as K
from multikeras.graph.ops.elementwise import identity
from multikeras.graph.tensor import Tensor
from multikeras.layers import calls
from multikeras.layers.base import InputSpec
from multikeras.layers.calls import CallRecord
from multikeras.layers.recurrent.stepping import Loop
from multikeras.layers.wrappers.wrapper import Wrapper, build_inside


class TimeDistributed(Wrapper):
    """Calls a layer or model at every step of time, with the same weights.

    The steps become samples of one large batch for the layer inside. Only one that is stateful is
    called step by step, so that its states go from step to step.

    Args:
        layer: The layer inside.
        **kwargs: What every layer takes.

    Input shape: `(batch, time, ...)`. Output shape: `(batch, time, ...)`. A mask of shape
    `(batch, time)` is passed on; one with more axes is, step by step, the mask of the layer inside.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)

    @property
    def stateful(self) -> bool:  # type: ignore[override]
        """Whether the layer inside keeps a state from batch to batch."""
        return bool(self.layer.stateful)

    def reset_states(self) -> None:
        """Sets the states of the layer inside to their beginning."""
        inner: Any = self.layer
        inner.reset_states()

    def build(self, input_shape: Any) -> None:
        from multikeras.models.network import Network

        # A model names its own weights, and is built when it is called.
        if not isinstance(self.layer, Network):
            build_inside(self.layer, _step_shape(input_shape), self._weights_name)
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if self.stateful:
            return self._step_by_step(inputs, mask)
        folded = _folded(inputs)
        folded.__dict__["_keras_mask"] = _folded(mask) if mask is not None and K.ndim(mask) > 2 else None
        made = self.layer(folded)
        if isinstance(made, list):
            return [_unfolded(one, inputs, mask) for one in made]
        return _unfolded(made, inputs, mask)

    def _step_by_step(self, inputs: Any, mask: Any) -> Any:
        if mask is not None and K.ndim(mask) > 2:
            raise NotImplementedError(
                f"Layer {self.name!r}: the stateful layer {self.layer.name!r} inside gets no mask of its own; the mask "
                f"of the input has shape {K.int_shape(mask)}. Leave it out before this layer, or make the layer "
                "inside without stateful=True."
            )

        def step(entry: Any, states: Any) -> Any:
            entry = identity(entry)
            entry.__dict__["_keras_mask"] = None
            made = self.layer(entry)
            if isinstance(made, list):
                raise ValueError(
                    f"Layer {self.name!r}: a stateful layer inside gives one output, {self.layer.name!r} gives "
                    f"{len(made)}."
                )
            return made, []

        _, outputs, _ = Loop(self, None, step).run(inputs, [])
        outputs.__dict__["_keras_mask"] = mask
        return outputs

    def _output_masks(self, given: Any, record: CallRecord, values: Sequence[Tensor]) -> list[Any]:
        return [calls.mask_of(value) for value in values]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        with calls.scratch():
            outputs = self(inputs, mask=mask)
        return [calls.mask_of(t) for t in outputs] if isinstance(outputs, list) else calls.mask_of(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        made = self.layer.compute_output_shape(_step_shape(input_shape))
        several = any(isinstance(shape, (list, tuple)) for shape in made)
        shapes = [(input_shape[0], input_shape[1], *shape[1:]) for shape in (made if several else [made])]
        return shapes if several else shapes[0]


def _step_shape(shape: Sequence[Any]) -> tuple[Any, ...]:
    return (shape[0], *shape[2:])


def _lengths(x: Any, first: int) -> list[Any]:
    """The lengths of the axes from `first` on."""
    shape = K.int_shape(x)
    return [n if n is not None else K.shape(x)[i] for i, n in enumerate(shape) if i >= first]


def _folded(x: Any) -> Any:
    """The first two axes as one."""
    return K.reshape(x, (-1, *_lengths(x, 2)))


def _unfolded(x: Any, like: Any, mask: Any) -> Any:
    """The first axis as batch and time again, with the mask that belongs to it."""
    time = _lengths(like, 0)[:2]
    made = K.reshape(x, (*time, *_lengths(x, 1)))
    inner = calls.mask_of(x)
    if isinstance(inner, calls.LostMask):
        passed: Any = inner
    elif inner is not None:
        passed = K.reshape(inner, (*time, *_lengths(inner, 1)))
    else:
        passed = mask
        if mask is not None and K.ndim(mask) > 2:
            # A step counts where any of what is in it does.
            passed = K.any(mask, axis=list(range(2, K.ndim(mask))))
    made.__dict__["_keras_mask"] = passed
    return made
