"""`Bidirectional`: a recurrent layer in both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from multikeras import backend as K
from multikeras.layers import copying, sharing
from multikeras.layers.base import InputSpec, Layer, _is_shape
from multikeras.layers.calls import CallRecord
from multikeras.layers.recurrent import inputs as called_with
from multikeras.layers.wrappers.wrapper import Wrapper, build_inside

_MERGED: dict[str | None, Callable[[Any, Any], Any]] = {
    "sum": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "ave": lambda x, y: (x + y) / 2,
    "concat": lambda x, y: K.concatenate([x, y]),
    None: lambda x, y: [x, y],
}


class Bidirectional(Wrapper):
    """Runs a recurrent layer and a second one backwards, and joins their outputs.

    Args:
        layer: A recurrent layer. Two like it are made, called `forward_` and `backward_` and its name.
        merge_mode: `'concat'` along the last axis, `'sum'`, `'mul'` or `'ave'`; None for a list of both outputs.
        weights: First values: those of the layer forwards, then those of the one backwards.
        backward_layer: The layer for the other direction, if it shall not be like `layer`: it is used itself, may be
            of another class or size, and goes the other way (`go_backwards`). What it returns and whether it is
            stateful has to be the same.
        **kwargs: What every layer takes.

    Raises:
        ValueError: If `merge_mode` is unknown, a layer is not recurrent, or the two do not go together.

    The outputs of all steps are in the order of time in both. States, where they are returned or
    given as `initial_state`, are those forwards, then those backwards; constants go to both.

    Source: Schuster and Paliwal 1997.
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        if merge_mode not in _MERGED:
            raise ValueError(
                f"Bidirectional: merge_mode is 'sum', 'mul', 'ave', 'concat' or None, received {merge_mode!r}."
            )
        _check_recurrent(layer)
        if backward_layer is not None:
            _check_pair(layer, backward_layer)
        num_constants = kwargs.pop("num_constants", None)
        trainable = kwargs.pop("trainable", layer.trainable)
        super().__init__(layer, weights=weights, **kwargs)
        self.merge_mode = merge_mode
        self.forward_layer = _copy(layer, "forward_", False)
        self.backward_layer = _copy(layer, "backward_", True) if backward_layer is None else backward_layer
        self._is_like_forward = backward_layer is None
        self.trainable = trainable
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.stateful = layer.stateful
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)
        self._num_constants: int | None = None
        if num_constants is not None:
            self._set_num_constants(num_constants)
        _share_first_weights(layer, self.forward_layer, self.backward_layer)

    def _inside(self) -> list[Layer]:
        return [self.__dict__[name] for name in ("layer", "forward_layer", "backward_layer") if name in self.__dict__]

    def _set_num_constants(self, count: int) -> None:
        self._num_constants = count
        for inner in (self.forward_layer, self.backward_layer):
            inner._num_constants = count

    def reset_states(self) -> None:
        """Sets the states of both layers to zero."""
        self.forward_layer.reset_states()
        self.backward_layer.reset_states()

    # -- building and calling -------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        shapes = [input_shape] if _is_shape(input_shape) else list(input_shape)
        end = len(shapes) - (self._num_constants or 0)
        states, constants = shapes[1:end], shapes[end:]
        first = self._states_forwards(len(states))
        for inner, part in ((self.forward_layer, states[:first]), (self.backward_layer, states[first:])):
            given = [shapes[0], *part, *constants]
            build_inside(inner, given if len(given) > 1 else given[0], f"{self._weights_name}/{inner.name}")
        self.compute_output_shape(shapes[0])
        self.built = True

    def _input_specs(self, count: int) -> Any:
        return [self.input_spec, *[None] * (count - 1)]

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        """Calls the layer.

        Args:
            inputs: The sequence, or the list `[sequence, *initial_state, *constants]`.
            initial_state: States to begin with, those forwards, then those backwards.
            constants: What every step of both gets.
            **kwargs: `mask` and `training`.
        """
        self._check_initialized()
        inputs, states, constants = called_with.taken_apart(
            self.name, inputs, initial_state, constants, self._num_constants
        )
        if states is not None and self._is_like_forward and len(states) % 2:
            raise ValueError(
                f"Layer {self.name!r} takes as many states forwards as backwards, received {len(states)} together."
            )
        if constants is not None or self._num_constants is not None:
            if self._num_constants is None:
                self._set_num_constants(len(constants or ()))
            called_with.check_count(self.name, "constants", constants or (), self._num_constants or 0)
        given, others = called_with.joined(inputs, states, constants, kwargs)
        return super().__call__(given, **others)

    def _passed(self, record: CallRecord) -> dict[str, Any]:
        # States and constants are used whole, whatever masks they have.
        record.input_masks[1:] = [None] * (len(record.input_masks) - 1)
        return super()._passed(record)

    def call(self, inputs: Any, mask: Any = None, initial_state: Any = None, constants: Any = None) -> Any:
        inputs, states, constants = called_with.taken_apart(
            self.name, inputs, initial_state, constants, self._num_constants
        )
        others: dict[str, Any] = {}
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if mask is not None:
            others["mask"] = mask
        if constants is not None:
            others["constants"] = constants
        listed = list(states or ())
        first = self._states_forwards(len(listed))
        made = []
        for inner, part in ((self.forward_layer, listed[:first]), (self.backward_layer, listed[first:])):
            made.append(inner(inputs, **({"initial_state": part} if part else {}), **others))
        forward, backward = made
        last: list[Any] = []
        if self.return_state:
            last = [*forward[1:], *backward[1:]]
            forward, backward = forward[0], backward[0]
        if self.return_sequences:
            backward = K.reverse(backward, 1)
        merged = _MERGED[self.merge_mode](forward, backward)
        if not last:
            return merged
        return [*(merged if isinstance(merged, list) else [merged]), *last]

    # -- shapes, masks, configuration -----------------------------------------------------------

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape if _is_shape(input_shape) else input_shape[0])
        made = [inner.compute_output_shape(shape) for inner in (self.forward_layer, self.backward_layer)]
        states = [state for each in made for state in each[1:]] if self.return_state else []
        outputs = [tuple(each[0]) if self.return_state else tuple(each) for each in made]
        forward, backward = outputs
        if self.merge_mode == "concat":
            outputs = [(*forward[:-1], forward[-1] + backward[-1])]
        elif self.merge_mode is not None:
            if forward != backward:
                raise ValueError(
                    f"Layer {self.name!r}: merge_mode {self.merge_mode!r} needs outputs of one shape; that forwards is "
                    f"{forward}, that backwards {backward}. Use 'concat' or None, or layers of one size."
                )
            outputs = [forward]
        every = [*outputs, *states]
        return every if len(every) > 1 else every[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        passed = mask if self.return_sequences else None
        masks = [passed] if self.merge_mode is not None else [passed, passed]
        if self.return_state:
            for inner in (self.forward_layer, self.backward_layer):
                masks += [None] * len(inner.compute_mask(inputs, None)[1:])
        return masks if len(masks) > 1 else masks[0]

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "merge_mode": self.merge_mode}
        if not self._is_like_forward:
            config["backward_layer"] = sharing.described(self.backward_layer)
        if self._num_constants is not None:
            config["num_constants"] = self._num_constants
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A layer with these arguments, without weights; arguments as of `Wrapper.from_config`."""
        from multikeras.layers import deserialize

        config = dict(config)
        if config.get("backward_layer") is not None:
            config["backward_layer"] = deserialize(config["backward_layer"], custom_objects)
        return super().from_config(config, custom_objects)

    def _states_forwards(self, count: int) -> int:
        """How many of the states given belong to the layer forwards.

        Raises:
            ValueError: If there are others than both layers have together.
        """
        if self._is_like_forward or not count:
            return count // 2
        first, second = (len(inner.states) for inner in (self.forward_layer, self.backward_layer))
        if first + second != count:
            raise ValueError(
                f"Layer {self.name!r} has {first} states forwards and {second} backwards, received {count} together."
            )
        return first


def _check_recurrent(layer: Any) -> None:
    for name in ("go_backwards", "return_sequences", "return_state"):
        if not hasattr(layer, name):
            raise ValueError(f"Bidirectional is made around a recurrent layer; {layer!r} has no {name}.")


def _check_pair(layer: Any, backward: Any) -> None:
    """Makes sure that two layers go together: in opposite directions, and otherwise alike."""
    if not isinstance(backward, Layer):
        raise TypeError(f"Bidirectional: backward_layer is a recurrent layer, received {backward!r}.")
    _check_recurrent(backward)
    if layer.go_backwards == backward.go_backwards:  # type: ignore[attr-defined]
        raise ValueError(
            f"Bidirectional: layer {layer.name!r} and backward_layer {backward.name!r} both have "
            f"go_backwards={layer.go_backwards}; make one of them with go_backwards={not layer.go_backwards}."
        )
    for name in ("stateful", "return_sequences", "return_state"):
        one, other = getattr(layer, name), getattr(backward, name)
        if one != other:
            raise ValueError(
                f"Bidirectional: {name} is {one} for layer {layer.name!r} and {other} for backward_layer "
                f"{backward.name!r}; it has to be the same."
            )


def _copy(layer: Layer, prefix: str, turned: bool) -> Any:
    """A layer like another, in the other direction if `turned`."""
    backwards: bool = layer.go_backwards != turned  # type: ignore[attr-defined]
    # Keras 3 describes the layer by its copy, whose name begins so already.
    return copying.like(layer, name=prefix + layer.name.removeprefix(prefix), go_backwards=backwards)


def _share_first_weights(layer: Layer, forward: Layer, backward: Layer) -> None:
    """Lets both layers begin with the values that the layer given was to begin with."""
    values = layer._initial_weights
    if values is not None:
        # As Keras has it: half of the list for each.
        half = len(values) // 2
        forward._initial_weights, backward._initial_weights = list(values[:half]), list(values[half:])
    elif layer.weights:
        forward._initial_weights = layer.get_weights()
