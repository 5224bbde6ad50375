"""`keras.legacy.interfaces`: decorators by which third-party layers understood Keras-1 arguments.

A decorated function understands the old argument names of the layer that the decorator is named
after; `multikeras.layers.keras1` knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from multikeras.layers.keras1 import shape_first, translated

F = TypeVar("F", bound=Callable[..., Any])

#: The decorators, and the layer whose arguments they translate.
_OF_LAYERS = {
    "legacy_batchnorm_support": "BatchNormalization",
    "legacy_conv1d_support": "Conv1D",
    "legacy_conv2d_support": "Conv2D",
    "legacy_conv3d_support": "Conv3D",
    "legacy_convlstm2d_support": "ConvLSTM2D",
    "legacy_cropping2d_support": "Cropping2D",
    "legacy_cropping3d_support": "Cropping3D",
    "legacy_deconv2d_support": "Conv2DTranspose",
    "legacy_dense_support": "Dense",
    "legacy_dropout_support": "Dropout",
    "legacy_embedding_support": "Embedding",
    "legacy_gaussiandropout_support": "GaussianDropout",
    "legacy_gaussiannoise_support": "GaussianNoise",
    "legacy_global_pooling_support": "GlobalMaxPooling2D",
    "legacy_pooling1d_support": "MaxPooling1D",
    "legacy_pooling2d_support": "MaxPooling2D",
    "legacy_pooling3d_support": "MaxPooling3D",
    "legacy_prelu_support": "PReLU",
    "legacy_recurrent_support": "LSTM",
    "legacy_separable_conv2d_support": "SeparableConv2D",
    "legacy_spatialdropout1d_support": "SpatialDropout1D",
    "legacy_spatialdropoutNd_support": "SpatialDropout2D",
    "legacy_upsampling1d_support": "UpSampling1D",
    "legacy_upsampling2d_support": "UpSampling2D",
    "legacy_upsampling3d_support": "UpSampling3D",
    "legacy_zeropadding2d_support": "ZeroPadding2D",
    "legacy_zeropadding3d_support": "ZeroPadding3D",
}

#: Decorators of what understands its old arguments by itself.
_OF_OTHERS = frozenset(
    {
        "legacy_generator_methods_support",
        "legacy_get_updates_support",
        "legacy_input_support",
        "legacy_lambda_support",
        "legacy_model_constructor_support",
    }
)


def _translating(name: str) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        @wraps(function)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return function(self, *args, **translated(name, args, kwargs))

        return call  # type: ignore[return-value]

    return decorate


def _unchanged(function: F) -> F:
    return function


def __getattr__(name: str) -> Any:
    if name in _OF_LAYERS:
        return _translating(_OF_LAYERS[name])
    if name in _OF_OTHERS:
        return _unchanged
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


#: Lets `add_weight(shape, …, name=…)` of Keras 1 mean `add_weight(name, shape, …)`.
legacy_add_weight_support = shape_first


def generate_legacy_interface(
    allowed_positional_args: Iterable[str] | None = None,
    conversions: Iterable[tuple[str, str]] | None = None,
    preprocessor: Callable[..., Any] | None = None,
    value_conversions: Mapping[str, Mapping[Any, Any]] | None = None,
    object_type: str = "class",
) -> Callable[[F], F]:
    """A decorator that renames arguments.

    Args:
        allowed_positional_args: Accepted; positions are left to the function.
        conversions: Pairs of old and present names.
        preprocessor: Function of (args, kwargs) that gives both anew, and a list of renamed pairs.
        value_conversions: By present name: old values, and the present ones.
        object_type: Accepted.
    """
    renamed = dict(conversions or ())
    values = value_conversions or {}

    def decorate(function: F) -> F:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if preprocessor is not None:
                args, kwargs, _ = preprocessor(args, kwargs)
            for old, present in renamed.items():
                if old in kwargs:
                    if present in kwargs:
                        raise_duplicate_arg_error(old, present)
                    kwargs[present] = kwargs.pop(old)
            for present, table in values.items():
                if present in kwargs:
                    kwargs[present] = table.get(kwargs[present], kwargs[present])
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def raise_duplicate_arg_error(old_arg: str, new_arg: str) -> None:
    """Raises TypeError: an argument was given under both of its names."""
    raise TypeError(f"{old_arg!r} is the old name of {new_arg!r}; both were given.")


__all__ = ["generate_legacy_interface", "legacy_add_weight_support", "raise_duplicate_arg_error"]
__all__.extend([*_OF_LAYERS, *_OF_OTHERS])
