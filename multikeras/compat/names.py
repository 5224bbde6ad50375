"""Names that old modules had and that have no place of their own in multikeras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.layers.base import Layer
from multikeras.layers.calls import CallRecord
from multikeras.layers.recurrent.cell import dropout_masks
from multikeras.layers.recurrent.inputs import taken_apart
from multikeras.models import Network
from multikeras.training.sources import bounds_of
from multikeras.utils.conv_utils import convert_kernel
from multikeras.utils.generic_utils import slice_arrays, to_list, unpack_singleton

#: Names of Keras 1 and 2 for what is there under another name.
Container = Network
Node = CallRecord
ConvRecurrent2D: Any
Recurrent: Any


def __getattr__(name: str) -> Any:
    if name == "Recurrent":
        from multikeras.layers import RNN

        return RNN
    if name == "ConvRecurrent2D":
        from multikeras.layers import ConvRNN2D

        return ConvRNN2D
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def time_distributed_dense(
    x: Any,
    w: Any,
    b: Any = None,
    dropout: Any = None,
    input_dim: int | None = None,
    output_dim: int | None = None,
    timesteps: int | None = None,
    training: Any = None,
) -> Any:
    """`x . w + b` at every time step, as recurrent layers of Keras 1 and 2.0 used it.

    Args:
        x: Tensor of shape `(samples, time, input)`.
        w: Matrix of shape `(input, output)`.
        b: Vector of length output.
        dropout: Rate of a mask that all steps share.
        input_dim: Ignored; the shape is known.
        output_dim: Ignored.
        timesteps: Ignored.
        training: Phase.
    """
    if dropout is not None and 0.0 < dropout < 1.0:
        shape = (None, 1, None)
        x = K.in_train_phase(K.dropout(x, dropout, noise_shape=shape), x, training=training)
    product = K.dot(x, w)
    return product if b is None else K.bias_add(product, b)


def make_batches(size: int, batch_size: int) -> list[tuple[int, int]]:
    """First row and the row after the last one of every batch."""
    return bounds_of(size, batch_size)


def batch_shuffle(index_array: np.ndarray, batch_size: int) -> np.ndarray:
    """Row numbers shuffled by whole batches; what does not fill a batch stays at the end."""
    whole = len(index_array) // batch_size * batch_size
    rows = np.asarray(index_array)[:whole].reshape(-1, batch_size)
    rows = rows[np.random.permutation(len(rows))]
    return np.append(rows.reshape(-1), index_array[whole:])


def count_params(weights: Sequence[Any]) -> int:
    """Number of scalars in all of them, each counted once."""
    return sum(K.count_params(w) for w in {id(w): w for w in weights}.values())


#: Layers whose kernels Theano turned around, of those that Keras 2 converted.
_CONVERTED = frozenset({"Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D"})


def convert_all_kernels_in_model(model: Any) -> None:
    """Turns the kernels of convolutions around, from Theano's order to that of all backends here.

    Weights whose file names its backend are in order once they are loaded; this is for files that do not. Where
    programs are told that they run on Theano it does nothing, since they ask for kernels in Theano's order then.

    Args:
        model: The model; layers of models inside it stay as they are.

    Source: Keras 2.3 `keras.utils.layer_utils.convert_all_kernels_in_model`.
    """
    if K.__dict__.get("_BACKEND") == "theano":
        return
    kernels = [layer.kernel for layer in model.layers if type(layer).__name__ in _CONVERTED]
    K.batch_set_value([(kernel, convert_kernel(K.get_value(kernel))) for kernel in kernels])


def convert_dense_weights_data_format(
    dense: Any, previous_feature_map_shape: Sequence[int], target_data_format: str = "channels_first"
) -> None:
    """Brings the rows of the kernel of a Dense layer behind a Flatten into the order of another data format.

    Args:
        dense: The layer.
        previous_feature_map_shape: Shape of what is flattened, without the batch axis, in the target format.
        target_data_format: `'channels_first'` or `'channels_last'`; the kernel is in the other one.

    Raises:
        ValueError: If the format is another word, or the kernel has another number of rows.

    Source: Keras 2.3 `keras.utils.layer_utils.convert_dense_weights_data_format`.
    """
    if target_data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"The format is 'channels_first' or 'channels_last', received {target_data_format!r}.")
    first = target_data_format == "channels_first"
    shape = tuple(previous_feature_map_shape)
    kernel = K.get_value(dense.kernel)
    if len(shape) != 3 or int(np.prod(shape)) != len(kernel):
        raise ValueError(f"The kernel of {dense.name!r} has {len(kernel)} rows, which shape {shape} does not give.")
    given = (shape[1], shape[2], shape[0]) if first else (shape[2], shape[0], shape[1])
    moved = kernel.reshape(*given, -1).transpose((2, 0, 1, 3) if first else (1, 2, 0, 3))
    K.set_value(dense.kernel, moved.reshape(kernel.shape))


def object_list_uid(object_list: Any) -> str:
    """A text that tells lists of objects apart by identity."""
    return ", ".join(str(abs(id(x))) for x in to_list(object_list))


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether everything in it is None."""
    entries = iterable_or_element if isinstance(iterable_or_element, (list, tuple)) else [iterable_or_element]
    return all(entry is None for entry in entries)


def shape_or_none(tensor: Any) -> Any:
    """Static shape of a tensor, or None."""
    return getattr(tensor, "_keras_shape", None)


_to_list = to_list
_object_list_uid = object_list_uid
_is_all_none = is_all_none
_make_batches = make_batches
_slice_arrays = slice_arrays
_time_distributed_dense = time_distributed_dense


def _collect_previous_mask(input_tensors: Any) -> Any:
    """Masks of tensors, one or a list."""
    from multikeras.layers import calls

    masks = [calls.mask_of(x) for x in to_list(input_tensors)]
    return unpack_singleton(masks)


def _collect_input_shape(input_tensors: Any) -> Any:
    """Static shapes of tensors, one or a list."""
    return unpack_singleton([K.int_shape(x) for x in to_list(input_tensors)])


def _generate_dropout_mask(ones: Any, rate: float, training: Any = None, count: int = 1) -> Any:
    """Dropout masks of the shape of a tensor, as cells of Keras 2 make them: one, or a list of `count`."""
    masks = dropout_masks(ones, rate, training, count)
    return masks if count > 1 else masks[0]


def _standardize_args(inputs: Any, initial_state: Any, constants: Any, num_constants: int | None) -> tuple[Any, ...]:
    """The sequence, the first states and the constants that a recurrent layer was called with."""
    return taken_apart("recurrent", inputs, initial_state, constants, num_constants)


__all__ = [
    "Container",
    "Layer",
    "Node",
    "batch_shuffle",
    "convert_all_kernels_in_model",
    "convert_dense_weights_data_format",
    "count_params",
    "is_all_none",
    "make_batches",
    "object_list_uid",
    "shape_or_none",
    "slice_arrays",
    "time_distributed_dense",
    "to_list",
    "unpack_singleton",
]
