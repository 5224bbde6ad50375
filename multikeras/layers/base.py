"""`Layer`: what every layer is made of."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.contract import check_dtype
from multikeras.graph import operands
from multikeras.graph.context import building, context, outside_bodies
from multikeras.graph.naming import named_errors
from multikeras.graph.ops.elementwise import identity
from multikeras.graph.origin import capture, describe
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.layers import arrays, calls, configs, signatures, versions
from multikeras.layers.calls import CallRecord, Entries, LossTerm, LostMask
from multikeras.layers.effects import Effects, Filed
from multikeras.layers.input_spec import InputSpec, check_inputs
from multikeras.layers.naming import snake_case, unique_name
from multikeras.layers.nodes import Nodes
from multikeras.layers.weights import Weighted
from multikeras.saving.copies import Copied

_ARGUMENTS = frozenset(
    {"batch_input_shape", "batch_size", "dtype", "input_dim", "input_shape", "name", "trainable", "weights"}
)
#: What Keras 1 called `dtype`.
_OLD_ARGUMENTS = frozenset({"input_dtype"})


class Layer(Weighted, Effects, Nodes, Copied):
    """Base class of all layers.

    A layer of one's own defines `build(input_shape)`, which makes weights by `add_weight`, and
    `call(inputs)`, which computes; `call` may also take `training` and `mask`. Where the shape of
    the result cannot be inferred, `compute_output_shape(input_shape)` says it.

    Args:
        **kwargs: `name`; `trainable`; `dtype`; `weights`, first values; and on the first layer of a
            model `input_shape` or `input_dim` (without the batch axis, whose length `batch_size`
            may give) or `batch_input_shape`.

    Attributes:
        name: Unique in a model.
        dtype: Data type of its weights.
        trainable: Whether training changes its weights.
        built: Whether its weights exist.
        stateful: Whether its updates belong to every run rather than to training.
        supports_masking: Whether it passes masks on.
        input_spec: An `InputSpec`, or a list with one for each input.
    """

    name: str
    dtype: str
    trainable: bool
    built: bool = False
    stateful: bool = False
    supports_masking: bool = False
    input_spec: Any = None
    activity_regularizer: Any = None

    def __init__(self, **kwargs: Any) -> None:
        unknown = sorted(set(kwargs) - _ARGUMENTS - _OLD_ARGUMENTS)
        if unknown:
            raise TypeError(
                f"{type(self).__name__} does not take {', '.join(map(repr, unknown))}. Every layer takes "
                f"{', '.join(sorted(_ARGUMENTS))} beside its own arguments."
            )
        self._trainable_weights = []
        self._non_trainable_weights = []
        self._weight_losses: list[LossTerm] = []
        self._unconditional = Entries()
        self._filed = Filed()
        self._inbound_nodes: list[CallRecord] = []
        self.built = False
        self.trainable = kwargs.get("trainable", True)
        name = kwargs.get("name")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: name is a string, received {name!r}.")
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.dtype = check_dtype(kwargs.get("dtype") or kwargs.get("input_dtype") or K.floatx())
        self._initial_weights = kwargs.get("weights")
        shape = _first_shape(kwargs)
        if shape is not None:
            self.batch_input_shape = shape

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        self.__dict__["_version"] = versions.tick()
        if isinstance(value, Variable) and "_trainable_weights" in self.__dict__:
            self._track(value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__dict__.get('name', 'without a name')!r}>"

    # -- what a layer of one's own defines ------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Makes the weights; called once, before the first `call`.

        Args:
            input_shape: The shape of the input, batch axis included, or a list of shapes.
        """
        self.built = True

    def call(self, *inputs: Any, **arguments: Any) -> Any:
        """Computes the output from the inputs; here the inputs themselves.

        A layer of one's own defines `call(self, inputs)`, where `inputs` is a tensor or a list.
        """
        return inputs[0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for a shape of the input, or lists of them."""
        single = _is_shape(input_shape)
        shapes = [input_shape] if single else list(input_shape)
        inputs: list[Any] = [Placeholder(tuple(shape), self.dtype) for shape in shapes]
        with calls.scratch():
            outputs = self(inputs[0] if single else inputs)
        return [t.shape for t in outputs] if isinstance(outputs, list) else outputs.shape

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output.

        Raises:
            TypeError: If there is a mask and the layer does not support masking.
        """
        if self.supports_masking:
            return mask
        if any(m is not None for m in (mask if isinstance(mask, list) else [mask])):
            raise TypeError(
                f"Layer {self.name!r} does not support masking, and its input has a mask: {mask!r}. To go on without "
                "it put Lambda(lambda x: x) before the layer; a layer of one's own supports masks by "
                "supports_masking = True, or by compute_mask."
            )
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        if "batch_input_shape" in self.__dict__:
            config["batch_input_shape"] = list(self.batch_input_shape)
        if type(self).get_config is Layer.get_config and type(self).__init__ is not Layer.__init__:
            configs.warn_of_losses(self, config)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer with these arguments, without weights."""
        return configs.layer_from(cls, config)

    # -- calling --------------------------------------------------------------------------------

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer.

        On tensors it builds graph and gives tensors; on arrays it computes, with a program that is
        kept, and gives tensors that have their values.
        """
        if args or kwargs:
            self._check_initialized()
            kwargs = signatures.bind(self, args, kwargs)
        if arrays.in_graph(inputs, kwargs):
            with calls.uninterrupted():
                return self._call_in_graph(inputs, kwargs)
        self._check_initialized()
        return arrays.call(self, inputs, kwargs)

    def _check_initialized(self) -> None:
        if "_inbound_nodes" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ did not call super().__init__(): do so before anything else in it."
            )

    def _call_in_graph(self, inputs: Any, arguments: dict[str, Any]) -> Any:
        self._check_initialized()
        tensors, single = calls.as_tensors(self.name, inputs)
        if not self.built:
            self._build_for(tensors, single)
        check_inputs(self.name, self._input_specs(len(tensors)), tensors)
        record = CallRecord(self, tensors, single, arguments)
        record.input_masks = [calls.mask_of(t) for t in tensors]
        record.settled = self._is_settled()
        outer = calls.enclosing()
        record.training = arguments.get("training")
        if record.training is None and outer is not None:
            record.training = outer.training
        given: Any = tensors[0] if single else tensors
        with calls.opened(self, record), building(self.name), named_errors():
            result = self._called(given, self._passed(record))
            values, single_output = self._as_values(result)
            if self.activity_regularizer is not None:
                for value in values:
                    self._file(LossTerm(self.activity_regularizer(value), regularizer=True), record.losses)
            masks = self._output_masks(given, record, values)
            values = self._with_shapes(record, values, single_output)
        record.finish(values, single_output, masks)
        if outer is None:
            self._inbound_nodes.append(record)
            outputs = record.publish(len(self._inbound_nodes) - 1)
        else:
            if not context.trial:
                outer.children.append((self, record))
            outputs = record.publish(None)
        return outputs[0] if single_output else outputs

    def _build_for(self, tensors: Sequence[Tensor], single: bool) -> None:
        check_inputs(self.name, self._input_specs(len(tensors)), tensors)
        self._check_known()
        shapes = [t.shape for t in tensors]
        before = context.layer
        context.layer = self.name
        try:
            with outside_bodies(), calls.apart():
                self.build(shapes[0] if single else shapes)
        except TypeError as error:
            if not inspect.signature(self.build).parameters:
                raise TypeError(
                    f"Layer {self.name!r} ({type(self).__name__}): build takes the shape of the input, build(self, "
                    f"input_shape); {error}."
                ) from error
            raise
        finally:
            context.layer = before
        self.built = True
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def _called(self, given: Any, arguments: dict[str, Any]) -> Any:
        """What `call` returns."""
        try:
            return self.call(given, **arguments)
        except AttributeError as error:
            if error.obj is not self or error.name is None or hasattr(type(self), error.name):
                raise
            raise AttributeError(
                f"Layer {self.name!r} ({type(self).__name__}) has no attribute {error.name!r}, which its call uses. "
                "Make weights by self.add_weight in build(self, input_shape), and all else in __init__, after "
                "super().__init__()."
            ) from error
        except TypeError as error:
            if signatures.takes_inputs(self.call):
                raise
            raise TypeError(
                f"Layer {self.name!r} ({type(self).__name__}): call takes the inputs, call(self, inputs); {error}."
            ) from error

    def _input_specs(self, count: int) -> Any:
        """The demands on this number of inputs."""
        return self.input_spec

    def _is_settled(self) -> bool:
        """Whether the layers inside are known, because it is a model that was called before."""
        return False

    def _check_known(self) -> None:
        """Refuses to make weights in the second call of a model that does not know this layer.

        It was made inside the model's `call`, where every trace makes another, with other weights.
        """
        for model, record in calls.in_progress():
            if record.settled and not any(layer is self for layer in versions.inside(model)):
                raise ValueError(
                    f"Layer {self.name!r} would make new weights in every call of model {model.name!r}, and none of "
                    f"them would be trained: it is made in its call ({describe(capture(None))}). Make layers in "
                    "__init__, after super().__init__(), and keep them as attributes."
                )

    def _passed(self, record: CallRecord) -> dict[str, Any]:
        """The arguments for `call`: those given, with the mask and the phase where it takes them."""
        signature = signatures.of(self)
        passed = {
            name: value
            for name, value in record.arguments.items()
            if name not in ("mask", "training") or signature.takes(name) or signature.any_name
        }
        if self._uses_mask() and passed.get("mask") is None:
            for mask in record.input_masks:
                if isinstance(mask, LostMask):
                    raise ValueError(
                        f"Layer {self.name!r} would use a mask, and {mask.primitive} between the layers lost it. Make "
                        "that operation a Lambda layer with mask=, or pass mask= to this layer."
                    )
            if any(mask is not None for mask in record.input_masks):
                passed["mask"] = record.input_masks[0] if record.single_input else record.input_masks
        if signature.takes("training") and passed.get("training") is None:
            passed["training"] = K.learning_phase() if record.training is None else record.training
        return passed

    def _uses_mask(self) -> bool:
        """Whether `call` is given the mask of the input."""
        return signatures.of(self).takes("mask")

    def _as_values(self, result: Any) -> tuple[list[Tensor], bool]:
        single = not isinstance(result, (list, tuple))
        values = [result] if single else list(result)
        if not values:
            raise TypeError(
                f"call of layer {self.name!r} ({type(self).__name__}) must return a tensor or a list of tensors, "
                f"received {result!r}."
            )
        for i, value in enumerate(values):
            if isinstance(value, (np.ndarray, np.generic, int, float)):
                values[i] = operands.convert(value)
            elif not isinstance(value, Tensor):
                raise TypeError(
                    f"call of layer {self.name!r} ({type(self).__name__}) must return a tensor or a list of tensors, "
                    f"received {value!r}." + (" Is a return missing?" if value is None else "")
                )
        return values, single

    def _output_masks(self, given: Any, record: CallRecord, values: Sequence[Tensor]) -> list[Any]:
        known: list[Any] = [None if isinstance(m, LostMask) else m for m in record.input_masks]
        passed = record.arguments.get("mask")
        if passed is None:
            passed = (known[0] if known else None) if record.single_input else known
        made = self.compute_mask(given, passed)
        masks = list(made) if isinstance(made, (list, tuple)) else [made]
        if len(masks) < len(values):
            masks = masks + [masks[0] if len(masks) == 1 else None] * (len(values) - len(masks))
        lost = next((m for m in record.input_masks if isinstance(m, LostMask)), None)
        if lost is not None and self.supports_masking:
            masks = [lost if m is None else m for m in masks]
        return masks[: len(values)]

    def _with_shapes(self, record: CallRecord, values: list[Tensor], single: bool) -> list[Tensor]:
        """The values with unknown lengths filled in from `compute_output_shape`."""
        if type(self).compute_output_shape is Layer.compute_output_shape:
            return values
        if all(None not in v.shape[1:] for v in values) and type(self).__module__.startswith("multikeras.layers"):
            return values
        shapes = record.input_shapes
        stated = self.compute_output_shape(shapes[0] if record.single_input else shapes)
        listed = [stated] if single and not _is_list_of_one(stated) else stated
        if not isinstance(listed, (list, tuple)) or len(listed) != len(values) or not all(map(_is_stated, listed)):
            raise TypeError(
                f"compute_output_shape of layer {self.name!r} ({type(self).__name__}) must return "
                + ("the shape of the output" if single else f"a list of {len(values)} shapes")
                + f", batch axis included, such as {values[0].shape if single else [v.shape for v in values]}; "
                f"received {stated!r}."
            )
        return [self._with_shape(v, s) for v, s in zip(values, listed, strict=True)]

    def _with_shape(self, value: Tensor, stated: Any) -> Tensor:
        stated = tuple(stated)
        known = [a if a is not None else b for a, b in zip(value.shape, stated, strict=False)]
        if len(stated) != len(value.shape) or any(b is not None and a != b for a, b in zip(known, stated, strict=True)):
            if not self.__dict__.get("_warned_about_shape"):
                self.__dict__["_warned_about_shape"] = True
                warnings.warn(
                    f"compute_output_shape of layer {self.name!r} says {stated}, and what call returns has shape "
                    f"{value.shape}, which counts.",
                    stacklevel=6,
                )
            return value
        if tuple(known) == value.shape:
            return value
        filled: Tensor = identity(value)
        filled.shape = tuple(known)
        return filled

    def _input_dtype(self, position: int) -> str | None:
        """The data type that arrays given as this input are cast to; None leaves it to the array."""
        return None

    # -- counting -------------------------------------------------------------------------------

    def count_params(self) -> int:
        """Number of scalars in all weights.

        Raises:
            RuntimeError: If the layer is not built yet.
        """
        if not self.built:
            raise RuntimeError(
                f"Layer {self.name!r} has no weights to count before it is built: call it on a tensor or an array, or "
                "give it an input_shape."
            )
        return super().count_params()


def _is_shape(shape: Any) -> bool:
    return all(entry is None or isinstance(entry, (int, np.integer)) for entry in shape)


def _is_stated(shape: Any) -> bool:
    return isinstance(shape, (list, tuple)) and _is_shape(shape)


def _is_list_of_one(shape: Any) -> bool:
    return isinstance(shape, (list, tuple)) and len(shape) == 1 and _is_stated(shape[0])


def _first_shape(kwargs: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """`batch_input_shape` from the arguments of a first layer."""
    if kwargs.get("batch_input_shape") is not None:
        return tuple(kwargs["batch_input_shape"])
    shape = kwargs.get("input_shape")
    if shape is None and kwargs.get("input_dim") is not None:
        shape = (kwargs["input_dim"],)
    if shape is None:
        return None
    shape = (shape,) if isinstance(shape, (int, np.integer)) else shape
    if isinstance(shape, str) or not _is_shape(shape):
        raise ValueError(f"input_shape is a tuple of lengths, None for unknown ones, received {shape!r}.")
    return (kwargs.get("batch_size"), *shape)


__all__ = ["InputSpec", "Layer"]
