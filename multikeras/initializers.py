"""Initializers: first values of weights.

They build an expression and draw nothing themselves: a weight computes it, with NumPy on every
backend, when its value is first needed. The seed is drawn when the expression is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod, sqrt
from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras import lookup
from multikeras.graph import operands
from multikeras.graph.ops.shapes import broadcast_to

#: Standard deviation of a standard normal cut at two standard deviations.
_CUT_NORMAL = 0.87962566103423978


def _filled(shape: Sequence[int], value: float, dtype: str | None) -> Any:
    # One number spread out: nothing is stored until the weight's own array is made.
    return broadcast_to(operands.scalar(value, dtype or K.floatx()), shape=tuple(shape))


class Initializer:
    """Base class: a callable from shape and data type to a tensor or an array."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__(shape, dtype=None).")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The initializer with these arguments."""
        # Files of other versions of Keras carry a data type here, which the weight decides.
        return cls(**{name: value for name, value in config.items() if name != "dtype"})


class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        return _filled(shape, 0, dtype)


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        return _filled(shape, 1, dtype)


class Constant(Initializer):
    """All one number, or a given array.

    Args:
        value: A number, or an array of the weight's shape.
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        if np.ndim(self.value) == 0:
            return _filled(shape, float(self.value), dtype)
        return K.constant(self.value, dtype=dtype, shape=shape)

    def get_config(self) -> dict[str, Any]:
        value = self.value
        return {"value": value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value}


class RandomNormal(Initializer):
    """Normal numbers.

    Args:
        mean: Mean.
        stddev: Standard deviation.
        seed: Fixes the numbers; None draws a seed from NumPy's generator.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        return K.random_normal(shape, self.mean, self.stddev, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class RandomUniform(Initializer):
    """Uniform numbers.

    Args:
        minval: Lower bound.
        maxval: Upper bound.
        seed: Fixes the numbers; None draws a seed from NumPy's generator.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        return K.random_uniform(shape, self.minval, self.maxval, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class TruncatedNormal(RandomNormal):
    """Normal numbers within two standard deviations of the mean.

    Args:
        mean: Mean.
        stddev: Standard deviation before the cut.
        seed: Fixes the numbers; None draws a seed from NumPy's generator.
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        return K.truncated_normal(shape, self.mean, self.stddev, dtype=dtype, seed=self.seed)


def _fans(shape: Sequence[int]) -> tuple[float, float]:
    """Numbers of inputs and outputs that one entry of a kernel of this shape connects."""
    if len(shape) == 2:
        return shape[0], shape[1]
    if 3 <= len(shape) <= 5:
        places = prod(shape[:-2])
        return places * shape[-2], places * shape[-1]
    size = sqrt(prod(shape))
    return size, size


class VarianceScaling(Initializer):
    """Random numbers of variance `scale / n`, n being a number of connections.

    Args:
        scale: Above zero.
        mode: What n counts: `'fan_in'` inputs, `'fan_out'` outputs, `'fan_avg'` their mean.
        distribution: `'normal'` (cut at two standard deviations; also called `'truncated_normal'`),
            `'untruncated_normal'` or `'uniform'`.
        seed: Fixes the numbers; None draws a seed from NumPy's generator.

    Raises:
        ValueError: If one of them is none of these.
    """

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "normal", seed: int | None = None
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"VarianceScaling: scale must be above zero, received {scale!r}.")
        mode, distribution = mode.lower(), distribution.lower()
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"VarianceScaling: mode is 'fan_in', 'fan_out' or 'fan_avg', received {mode!r}.")
        if distribution == "truncated_normal":
            distribution = "normal"
        if distribution not in ("normal", "untruncated_normal", "uniform"):
            raise ValueError(
                "VarianceScaling: distribution is 'normal', 'untruncated_normal' or 'uniform', received "
                f"{distribution!r}."
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        fan_in, fan_out = _fans(shape)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = self.scale / max(1.0, fans[self.mode])
        if self.distribution == "normal":
            return K.truncated_normal(shape, 0.0, sqrt(variance) / _CUT_NORMAL, dtype=dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return K.random_normal(shape, 0.0, sqrt(variance), dtype=dtype, seed=self.seed)
        limit = sqrt(3.0 * variance)
        return K.random_uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}


def _orthogonalized(matrix: np.ndarray) -> np.ndarray:
    """An orthogonal basis of the columns of a matrix, as columns."""
    q, r = np.linalg.qr(matrix)
    # Without the signs the distribution would depend on how the decomposition is computed.
    return np.ascontiguousarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))


#: First values are computed by NumPy, whatever backend runs; the composition is for those who evaluate one themselves.
_orthogonal = K.primitive(
    "initializers.orthogonal",
    shape=lambda x: x.shape,
    dtype=lambda x: x.dtype,
    gradient=None,
    kernels={"numpy": _orthogonalized},
    composition=lambda x: K.numpy_function(_orthogonalized, [x], x.shape, x.dtype),
    doc="An orthogonal basis of the columns of a matrix that has as many rows or more.",
)


class Orthogonal(Initializer):
    """A matrix with orthogonal rows or columns (Saxe et al. 2013); more axes are flattened to two.

    Args:
        gain: Factor.
        seed: Fixes the numbers; None draws a seed from NumPy's generator.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal makes weights of at least 2 axes, received shape {tuple(shape)}.")
        rows, columns = prod(shape[:-1]), shape[-1]
        wide = rows < columns
        drawn = K.random_normal((columns, rows) if wide else (rows, columns), dtype="float64", seed=self.seed)
        made = _orthogonal(drawn)
        made = K.transpose(made) if wide else made
        return K.cast(self.gain * K.reshape(made, tuple(shape)), dtype or K.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed}


class Identity(Initializer):
    """The identity matrix; 1 on the diagonal from the upper left corner where it is not square.

    Args:
        gain: Factor.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices, received shape {tuple(shape)}.")
        # Operations, which take no memory before the matrix is needed.
        rows, columns = K.arange(shape[0], dtype="int64"), K.arange(shape[1], dtype="int64")
        diagonal = K.equal(K.expand_dims(rows, 1), K.expand_dims(columns, 0))
        return K.cast(self.gain * K.cast(diagonal, "float64"), dtype or K.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


def glorot_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform, variance 2 / (inputs + outputs) (Glorot and Bengio 2010)."""
    return VarianceScaling(1.0, "fan_avg", "uniform", seed)


def glorot_normal(seed: int | None = None) -> VarianceScaling:
    """Normal, variance 2 / (inputs + outputs) (Glorot and Bengio 2010)."""
    return VarianceScaling(1.0, "fan_avg", "normal", seed)


def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform, variance 2 / inputs (He et al. 2015)."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


def he_normal(seed: int | None = None) -> VarianceScaling:
    """Normal, variance 2 / inputs (He et al. 2015)."""
    return VarianceScaling(2.0, "fan_in", "normal", seed)


def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform, variance 1 / inputs (LeCun et al. 1998)."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Normal, variance 1 / inputs (LeCun et al. 1998)."""
    return VarianceScaling(1.0, "fan_in", "normal", seed)


zero = zeros = Zeros
one = ones = Ones
constant = Constant
uniform = random_uniform = RandomUniform
normal = random_normal = RandomNormal
truncated_normal = TruncatedNormal
identity = Identity
orthogonal = Orthogonal

_MADE = (glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal)
_FUNCTIONS: dict[str, Any] = {f.__name__: f for f in _MADE}
_CLASSES: dict[str, Any] = {
    "Initializer": Initializer,
    "Zeros": Zeros,
    "zeros": Zeros,
    "zero": Zeros,
    "Ones": Ones,
    "ones": Ones,
    "one": Ones,
    "Constant": Constant,
    "constant": Constant,
    "RandomNormal": RandomNormal,
    "random_normal": RandomNormal,
    "normal": RandomNormal,
    "RandomUniform": RandomUniform,
    "random_uniform": RandomUniform,
    "uniform": RandomUniform,
    "TruncatedNormal": TruncatedNormal,
    "truncated_normal": TruncatedNormal,
    "VarianceScaling": VarianceScaling,
    "variance_scaling": VarianceScaling,
    "Orthogonal": Orthogonal,
    "orthogonal": Orthogonal,
    "Identity": Identity,
    "identity": Identity,
}
#: Classes of later versions, which files may name.
_LATER: dict[str, Any] = {
    "GlorotNormal": glorot_normal,
    "GlorotUniform": glorot_uniform,
    "HeNormal": he_normal,
    "HeUniform": he_uniform,
    "IdentityInitializer": Identity,
    "LecunNormal": lecun_normal,
    "LecunUniform": lecun_uniform,
    "OrthogonalInitializer": Orthogonal,
}
_KNOWN: dict[str, Any] = {**_CLASSES, **_FUNCTIONS, **_LATER}


def serialize(initializer: Any) -> Any:
    """The configuration of an initializer."""
    return lookup.serialize(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer of this name or configuration."""
    if isinstance(config, Mapping) and config.get("class_name") in _LATER and isinstance(config.get("config"), Mapping):
        config = {**config, "config": {k: v for k, v in config["config"].items() if k != "dtype"}}
    made = lookup.deserialize(config, _KNOWN, "initializer", custom_objects)
    return made() if made in _MADE else made


def get(identifier: Any) -> Any:
    """The initializer meant by a name, a configuration, a class or a callable; None for None."""
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    return lookup.get(identifier, _KNOWN, "initializer")
