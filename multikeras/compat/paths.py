"""Where the modules of older Keras versions are now: one table.

An old module is made of the modules on the right, in order: a name is looked up in each of them. Paths
are written below `keras`; those that exist in multikeras under the same name, with the same content,
need no entry.
"""

from __future__ import annotations

_LAYERS = ("multikeras.layers", "multikeras.compat.names")
_ENGINE = ("multikeras.layers", "multikeras.models", "multikeras.compat.names", "multikeras.compat.saving")
_BACKEND = ("multikeras.backend", "multikeras.compat.backends")

PATHS: dict[str, tuple[str, ...]] = {
    # The engine, of Keras 1 to 2.3.
    "engine": _ENGINE,
    "engine.base_layer": _ENGINE,
    "engine.input_layer": _ENGINE,
    "engine.network": _ENGINE,
    "engine.saving": ("multikeras.models", "multikeras.compat.saving", "multikeras.compat.names"),
    "engine.sequential": _ENGINE,
    "engine.topology": _ENGINE,
    "engine.training": _ENGINE,
    "engine.training_arrays": ("multikeras.compat.names",),
    "engine.training_generator": ("multikeras.compat.names",),
    "engine.training_utils": ("multikeras.compat.names",),
    # Layers, a file a family.
    "layers.advanced_activations": _LAYERS,
    "layers.convolutional": _LAYERS,
    "layers.convolutional_recurrent": _LAYERS,
    "layers.core": _LAYERS,
    "layers.cudnn_recurrent": _LAYERS,
    "layers.embeddings": _LAYERS,
    "layers.local": _LAYERS,
    "layers.merge": _LAYERS,
    "layers.noise": _LAYERS,
    "layers.normalization": _LAYERS,
    "layers.pooling": _LAYERS,
    "layers.recurrent": _LAYERS,
    "layers.wrappers": _LAYERS,
    # Backends.
    "backend.cntk_backend": _BACKEND,
    "backend.common": _BACKEND,
    "backend.numpy_backend": _BACKEND,
    "backend.tensorflow_backend": _BACKEND,
    "backend.theano_backend": _BACKEND,
    "backend.load_backend": _BACKEND,
    # What Keras 2 kept of Keras 1.
    "legacy": ("multikeras.compat.interfaces", "multikeras.layers", "multikeras.compat.names"),
    "legacy.interfaces": ("multikeras.compat.interfaces",),
    "legacy.layers": _LAYERS,
    "legacy.models": ("multikeras.models",),
    "initializations": ("multikeras.compat.initializations",),
    # Utilities.
    "callbacks.callbacks": ("multikeras.callbacks",),
    "callbacks.tensorboard_v1": ("multikeras.callbacks",),
    "callbacks.tensorboard_v2": ("multikeras.callbacks",),
    "utils.layer_utils": ("multikeras.models.summary", "multikeras.compat.names"),
    "utils.vis_utils": ("multikeras.utils",),
    "utils.visualize_util": ("multikeras.utils",),
    "utils.multi_gpu_utils": ("multikeras.utils",),
    "wrappers": ("multikeras.wrappers",),
}
