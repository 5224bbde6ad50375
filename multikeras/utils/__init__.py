"""Utilities: seeds, labels, objects by name, data sets read in batches."""

from multikeras.utils import data_utils, generic_utils, io_utils, np_utils
from multikeras.utils.data_utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence, SequenceEnqueuer
from multikeras.utils.downloads import get_file
from multikeras.utils.generic_utils import (
    CustomObjectScope,
    Progbar,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    register_keras_serializable,
    serialize_keras_object,
)
from multikeras.utils.io_utils import HDF5Matrix
from multikeras.utils.np_utils import normalize, to_categorical
from multikeras.utils.random_seed import set_random_seed

__all__ = [
    "CustomObjectScope",
    "GeneratorEnqueuer",
    "HDF5Matrix",
    "OrderedEnqueuer",
    "Progbar",
    "Sequence",
    "SequenceEnqueuer",
    "custom_object_scope",
    "data_utils",
    "deserialize_keras_object",
    "generic_utils",
    "get_custom_objects",
    "get_file",
    "io_utils",
    "normalize",
    "np_utils",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]
