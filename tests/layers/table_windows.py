"""Layers whose windows move over space: references with channels last, each also run with channels first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F

from multikeras import layers
from tests.layers.layer_case import Case, both_formats, conv, pool, same


def transposed(
    padding: str = "valid", strides: int = 1, dilation: int = 1, extra: Sequence[int] = ()
) -> Callable[..., Any]:
    """The adjoint of a convolution: all that the entries put into the output, cut or lengthened to its length."""

    def run(x: Any, kernel: Any, bias: Any = None) -> Any:
        rank = x.ndim - 2
        weight = kernel.permute(-1, -2, *range(rank))
        full = getattr(F, f"conv_transpose{rank}d")(x.movedim(-1, 1), weight, stride=strides, dilation=dilation)
        spans: list[Any] = [slice(None), slice(None)]
        pads: list[int] = []
        more = extra or [None] * rank
        for n, k, whole, e in zip(x.shape[1:-1], kernel.shape[:rank], full.shape[2:], more, strict=True):
            reach = (k - 1) * dilation + 1
            if e is not None:
                length = (n - 1) * strides + reach + e - (2 * (reach // 2) if padding == "same" else 0)
            else:
                length = n * strides + (max(reach - strides, 0) if padding == "valid" else 0)
            cut = max((n - 1) * strides + reach - length, 0) // 2 if padding == "same" else 0
            spans.append(slice(cut, cut + length))
            pads = [0, max(length - (whole - cut), 0), *pads]
        y = F.pad(full[tuple(spans)], pads).movedim(1, -1)
        return y if bias is None else y + bias

    return run


def depthwise(padding: str = "valid", strides: int = 1, dilation: int = 1) -> Callable[..., Any]:
    """Each channel by itself."""

    def run(x: Any, kernel: Any, bias: Any = None) -> Any:
        rank, channels = x.ndim - 2, x.shape[-1]
        x = x.movedim(-1, 1)
        weight = kernel.permute(rank, rank + 1, *range(rank)).flatten(0, 1)[:, None]
        if padding == "same":
            x = same(x, kernel.shape[:rank], [strides] * rank, [dilation] * rank)
        if padding == "causal":
            x = F.pad(x, [(kernel.shape[0] - 1) * dilation, 0])
        y = getattr(F, f"conv{rank}d")(x, weight, bias, stride=strides, dilation=dilation, groups=channels)
        return y.movedim(1, -1)

    return run


def separable(padding: str = "valid", strides: int = 1, dilation: int = 1) -> Callable[..., Any]:
    """Each channel by itself, then all of them place by place."""

    def run(x: Any, apart: Any, together: Any, bias: Any) -> Any:
        return depthwise(padding, strides, dilation)(x, apart) @ together.flatten(0, -3)[0] + bias

    return run


def local(window: Sequence[int], strides: int = 1, padding: str = "valid", turned: bool = False) -> Callable[..., Any]:
    """Weights for each place, place by place; `turned` where the channels come before the window in a patch."""

    def run(x: Any, kernel: Any, bias: Any = None) -> Any:
        if padding == "same":
            x = same(x.movedim(-1, 1), window, [strides] * len(window), [1] * len(window)).movedim(1, -1)
        counts = [(n - k) // strides + 1 for n, k in zip(x.shape[1:-1], window, strict=True)]
        made = []
        for number, place in enumerate(product(*map(range, counts))):
            spans = [slice(p * strides, p * strides + k) for p, k in zip(place, window, strict=True)]
            patch = x[(slice(None), *spans)]
            made.append((patch.movedim(-1, 1) if turned else patch).flatten(1) @ kernel[number])
        y = torch.stack(made, 1).unflatten(1, counts)
        return y if bias is None else y + bias

    return run


def repeated(*factors: int) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for axis, factor in enumerate(factors, 1):
            x = x.repeat_interleave(factor, axis)
        return x

    return run


def bordered(*pairs: tuple[int, int]) -> Callable[[Any], Any]:
    """Zeros put around, or entries cut off where numbers are negative."""
    return lambda x: F.pad(x, [0, 0, *(n for pair in reversed(pairs) for n in pair)])


SEQUENCE, PICTURE, VOLUME = [(2, 6, 3)], [(2, 5, 4, 3)], [(2, 3, 4, 3, 2)]

_BOTH = [
    Case(
        "conv1d, strides",
        lambda **f: layers.Conv1D(3, 2, strides=2, padding="same", **f),
        SEQUENCE,
        conv("same", strides=2),
    ),
    Case("conv2d, strides", lambda **f: layers.Conv2D(2, (3, 2), strides=2, **f), PICTURE, conv(strides=2)),
    Case("conv3d, same", lambda **f: layers.Conv3D(2, 2, padding="same", **f), VOLUME, conv("same")),
    Case("conv2d transpose", lambda **f: layers.Conv2DTranspose(2, (3, 2), **f), PICTURE, transposed()),
    Case(
        "conv2d transpose, same, strides",
        lambda **f: layers.Conv2DTranspose(2, (3, 2), strides=2, padding="same", activation="tanh", **f),
        PICTURE,
        lambda x, k, b: torch.tanh(transposed("same", 2)(x, k, b)),
    ),
    Case(
        "conv2d transpose, steps beyond the window",
        lambda **f: layers.Conv2DTranspose(2, 2, strides=3, use_bias=False, **f),
        PICTURE,
        transposed(strides=3),
    ),
    Case(
        "conv2d transpose, output padding",
        lambda **f: layers.Conv2DTranspose(2, 3, strides=2, padding="same", output_padding=(1, 0), **f),
        PICTURE,
        transposed("same", 2, extra=(1, 0)),
    ),
    Case(
        "conv2d transpose, output padding, valid",
        lambda **f: layers.Conv2DTranspose(2, 2, strides=3, output_padding=2, **f),
        PICTURE,
        transposed(strides=3, extra=(2, 2)),
    ),
    Case(
        "conv2d transpose, dilated",
        lambda **f: layers.Conv2DTranspose(2, 2, dilation_rate=2, **f),
        PICTURE,
        transposed(dilation=2),
    ),
    Case(
        "conv3d transpose",
        lambda **f: layers.Conv3DTranspose(2, 2, strides=2, padding="same", **f),
        VOLUME,
        transposed("same", 2),
    ),
    Case(
        "conv3d transpose, dilated",
        lambda **f: layers.Conv3DTranspose(2, 2, dilation_rate=2, **f),
        VOLUME,
        transposed(dilation=2),
    ),
    Case(
        "separable conv1d",
        lambda **f: layers.SeparableConv1D(4, 3, strides=2, padding="same", depth_multiplier=2, **f),
        SEQUENCE,
        separable("same", 2),
    ),
    Case(
        "separable conv2d",
        lambda **f: layers.SeparableConv2D(4, (3, 2), depth_multiplier=2, **f),
        PICTURE,
        separable(),
    ),
    Case(
        "separable conv2d, dilated",
        lambda **f: layers.SeparableConv2D(2, 2, padding="same", dilation_rate=2, **f),
        PICTURE,
        separable("same", dilation=2),
    ),
    Case(
        "depthwise conv2d",
        lambda **f: layers.DepthwiseConv2D((3, 2), strides=2, padding="same", depth_multiplier=2, **f),
        PICTURE,
        depthwise("same", 2),
    ),
    Case(
        "depthwise conv2d, dilated",
        lambda **f: layers.DepthwiseConv2D(2, dilation_rate=2, use_bias=False, **f),
        PICTURE,
        depthwise(dilation=2),
    ),
    Case("locally connected 1d", lambda **f: layers.LocallyConnected1D(2, 3, strides=2, **f), SEQUENCE, local([3], 2)),
    Case(
        "locally connected 1d, same",
        lambda **f: layers.LocallyConnected1D(2, 2, padding="same", implementation=3, **f),
        SEQUENCE,
        local([2], padding="same"),
    ),
    Case(
        "max pooling 1d, same", lambda **f: layers.MaxPooling1D(3, 2, "same", **f), SEQUENCE, pool("max", 3, 2, "same")
    ),
    Case(
        "average pooling 1d, same",
        lambda **f: layers.AveragePooling1D(3, 2, "same", **f),
        SEQUENCE,
        pool("avg", 3, 2, "same"),
    ),
    Case("average pooling 2d", lambda **f: layers.AveragePooling2D(**f), PICTURE, pool("avg", 2, 2)),
    Case("max pooling 3d, same", lambda **f: layers.MaxPooling3D(2, 2, "same", **f), VOLUME, pool("max", 2, 2, "same")),
    Case(
        "average pooling 3d, same",
        lambda **f: layers.AveragePooling3D(2, 2, "same", **f),
        VOLUME,
        pool("avg", 2, 2, "same"),
    ),
    Case("global max pooling 1d", lambda **f: layers.GlobalMaxPooling1D(**f), SEQUENCE, lambda x: x.amax(1)),
    Case("global max pooling 2d", lambda **f: layers.GlobalMaxPooling2D(**f), PICTURE, lambda x: x.amax((1, 2))),
    Case("global max pooling 3d", lambda **f: layers.GlobalMaxPooling3D(**f), VOLUME, lambda x: x.amax((1, 2, 3))),
    Case("global average pooling 1d", lambda **f: layers.GlobalAveragePooling1D(**f), SEQUENCE, lambda x: x.mean(1)),
    Case(
        "global average pooling 2d", lambda **f: layers.GlobalAveragePooling2D(**f), PICTURE, lambda x: x.mean((1, 2))
    ),
    Case(
        "global average pooling 3d", lambda **f: layers.GlobalAveragePooling3D(**f), VOLUME, lambda x: x.mean((1, 2, 3))
    ),
    Case("zero padding 2d", lambda **f: layers.ZeroPadding2D(((1, 2), (0, 3)), **f), PICTURE, bordered((1, 2), (0, 3))),
    Case("zero padding 3d", lambda **f: layers.ZeroPadding3D((1, 0, 2), **f), VOLUME, bordered((1, 1), (0, 0), (2, 2))),
    Case("cropping 2d", lambda **f: layers.Cropping2D(((1, 0), (0, 2)), **f), PICTURE, bordered((-1, 0), (0, -2))),
    Case("cropping 3d", lambda **f: layers.Cropping3D(1, **f), VOLUME, bordered((-1, -1), (-1, -1), (-1, -1))),
    Case("up-sampling 2d", lambda **f: layers.UpSampling2D((2, 3), **f), PICTURE, repeated(2, 3)),
    Case("up-sampling 3d", lambda **f: layers.UpSampling3D((2, 1, 3), **f), VOLUME, repeated(2, 1, 3)),
    Case("spatial dropout 2d in test", lambda **f: layers.SpatialDropout2D(0.5, **f), PICTURE, lambda x: x),
    Case("spatial dropout 3d in test", lambda **f: layers.SpatialDropout3D(0.5, **f), VOLUME, lambda x: x),
]

WINDOW_CASES: list[Case] = [
    *(case for each in _BOTH for case in both_formats(each)),
    Case(
        "separable conv1d, causal",
        lambda: layers.SeparableConv1D(2, 3, padding="causal", dilation_rate=2),
        SEQUENCE,
        separable("causal", dilation=2),
    ),
    # The entries of a patch are ordered as the axes of the input are.
    Case(
        "locally connected 2d",
        lambda: layers.LocallyConnected2D(2, (3, 2), strides=(1, 1), data_format="channels_last"),
        PICTURE,
        local([3, 2]),
    ),
    Case(
        "locally connected 2d, same",
        lambda: layers.LocallyConnected2D(2, (2, 3), strides=2, padding="same", use_bias=False),
        PICTURE,
        local([2, 3], 2, "same"),
    ),
    Case(
        "locally connected 2d, channels first",
        lambda: layers.LocallyConnected2D(2, (3, 2), data_format="channels_first"),
        [(2, 3, 5, 4)],
        lambda x, k, b: local([3, 2], turned=True)(x.movedim(1, -1), k, b).movedim(-1, 1),
    ),
    Case("zero padding 1d", lambda: layers.ZeroPadding1D((2, 1)), SEQUENCE, bordered((2, 1))),
    Case("cropping 1d", lambda: layers.Cropping1D((1, 2)), SEQUENCE, bordered((-1, -2))),
    Case("cropping 1d, one number", lambda: layers.Cropping1D(1), SEQUENCE, bordered((-1, -1))),
    Case("up-sampling 1d", lambda: layers.UpSampling1D(3), SEQUENCE, repeated(3)),
]
