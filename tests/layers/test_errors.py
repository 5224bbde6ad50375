"""Common mistakes with layers: the layer or its class, what it expects, what came, and the mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from multikeras import layers as L
from multikeras.layers import Input, Layer
from multikeras.models import Sequential


def masked() -> Any:
    return L.Masking()(Input((4, 3)))


class WithoutBuild(Layer):
    def call(self, inputs: Any) -> Any:
        return inputs * self.kernel


class BuildWithoutShape(Layer):
    def build(self) -> None:  # type: ignore[override]
        pass


class NoReturn(Layer):
    def call(self, inputs: Any) -> Any:
        inputs * 2


class BadWeight(Layer):
    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight("w", (input_shape[-1], "units"))


class CallWithoutInputs(Layer):
    def call(self) -> Any:  # type: ignore[override]
        return 3


class CallIsNone(Layer):
    call: Any = 3


class Nothing(Layer):
    def call(self, inputs: Any) -> Any:
        return []


class Table(Layer):
    def call(self, inputs: Any) -> Any:
        return {"a": inputs}


class ShapeIsNumber(Layer):
    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return 3


class OneShapeForTwo(ShapeIsNumber):
    def call(self, inputs: Any) -> Any:
        return [inputs, inputs]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return [input_shape]


class OneShapeInAList(ShapeIsNumber):
    def compute_output_shape(self, input_shape: Any) -> Any:
        return [input_shape]


class Scale(Layer):
    """Without a get_config."""

    def __init__(self, factor: float, offset: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor
        self.offset = offset

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor + self.offset


class ScaleByTwo(Scale):
    def __init__(self, offset: float = 0.0, **kwargs: Any) -> None:
        super().__init__(2.0, offset, **kwargs)


class ScaleHalfWritten(Scale):
    def get_config(self) -> Any:
        return {**super().get_config(), "offset": self.offset}


class ScaleUnwritten(Scale):
    def get_config(self) -> Any:
        pass


class ScaleClosed(Layer):
    """Takes nothing of what every layer takes."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def get_config(self) -> Any:
        return {**super().get_config(), "factor": self.factor}


def again(layer: Any) -> Any:
    """A layer made from the configuration of another."""
    return type(layer).from_config(layer.get_config())


class OwnError(Layer):
    """Its own AttributeErrors stay what they are."""

    @property
    def broken(self) -> Any:
        raise AttributeError("not this one")

    def call(self, inputs: Any) -> Any:
        return inputs * self.broken


MISTAKES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    # Inputs.
    "rank": (
        lambda: L.Conv2D(2, 3)(Input((28, 28))),
        ValueError,
        r"input of layer 'conv2d_1' does not fit: expected 4 axes \(batch, rows, columns, channels\), received shape "
        r"\(None, 28, 28\) \(3 axes\). The batch axis counts; Reshape",
    ),
    "rank, channels first": (
        lambda: L.MaxPooling3D(data_format="channels_first")(Input((5,))),
        ValueError,
        r"expected 5 axes \(batch, channels, d1, d2, d3\), received shape \(None, 5\)",
    ),
    "rank of a sequence": (
        lambda: L.UpSampling1D()(Input((5,))),
        ValueError,
        r"'up_sampling1d_1' does not fit: expected 3 axes \(batch, steps, channels\), received shape \(None, 5\)",
    ),
    "rank of a vector": (
        lambda: L.RepeatVector(3)(Input((2, 3))),
        ValueError,
        r"'repeat_vector_1' does not fit: expected 2 axes \(batch, features\), received shape \(None, 2, 3\)",
    ),
    "other length": (
        lambda: [(d := L.Dense(2))(Input((3,))), d(Input((4,)))],
        ValueError,
        r"expected length 3 on axis -1, received shape \(None, 4\) .* make another layer for others",
    ),
    "number of inputs": (
        lambda: L.Dense(2)([Input((3,)), Input((3,))]),
        ValueError,
        r"Layer 'dense_1' expects 1 inputs, received 2: shapes \(None, 3\), \(None, 3\)",
    ),
    "layer for a tensor": (
        lambda: L.Dense(2)(L.Dense(3)),
        TypeError,
        r"Layer 'dense_1' is called on a tensor, .*; received the layer <Dense 'dense_2'>. Call that on a tensor first",
    ),
    "class for a tensor": (
        lambda: L.Dense(2)(L.Dense),
        TypeError,
        r"received the class <class '.*Dense'>. Call that on a tensor first",
    ),
    "class in a Sequential": (
        lambda: Sequential([L.Flatten]),
        TypeError,
        r"Sequential holds layers, received <class '.*Flatten'>. Make one of the class: Flatten\(…\)",
    ),
    "unknown channels": (
        lambda: L.Conv2D(2, 3)(Input((5, 5, None))),
        ValueError,
        r"Layer 'conv2d_1' needs to know the channels of its input \(channels_last\), received shape"
        r" \(None, 5, 5, None\)."
        r" Give them in input_shape=",
    ),
    "unknown features": (
        lambda: L.Dense(2)(Input((None,))),
        ValueError,
        r"Dense layer 'dense_1' needs to know the last axis of its input, received shape \(None, None\)."
        r" Give it in input",
    ),
    "unknown lengths": (
        lambda: L.LocallyConnected1D(2, 3)(Input((None, 3))),
        ValueError,
        r"Layer 'locally_connected1d_1' has weights for each place and needs to know all lengths .* \(None, None, 3\)",
    ),
    "window beyond the input": (
        lambda: L.Conv2D(2, 9)(Input((5, 5, 1))),
        ValueError,
        r"Layer 'conv2d_1': .*window of \(9, 9\).* spatial shape \(5, 5\) with padding 'valid'. Use padding='same'",
    ),
    "window beyond the places": (
        lambda: L.LocallyConnected2D(2, 9)(Input((5, 5, 3))),
        ValueError,
        r"'locally_connected2d_1': a window of \(9, 9\) does not fit into an input of shape \(None, 5, 5, 3\)",
    ),
    "nothing left": (
        lambda: L.Cropping1D(3)(Input((5, 2))),
        ValueError,
        r"Layer 'cropping1d_1' \(Cropping1D\) cuts 3 \+ 3 entries off an axis of 5: nothing is left",
    ),
    "entries do not fit": (
        lambda: L.Reshape((2, 2))(Input((5,))),
        ValueError,
        r"Layer 'reshape_1': an input of shape \(None, 5\) \(5 entries each\) cannot become \(2, 2\)",
    ),
    # Merging.
    "merged shapes": (
        lambda: L.add([Input((3,)), Input((4,))]),
        ValueError,
        r"Layer 'add_1' \(Add\) cannot merge inputs of shapes \(None, 3\), \(None, 4\): lengths at one"
        r" place must be equal",
    ),
    "joined shapes": (
        lambda: L.concatenate([Input((3, 2)), Input((4, 5))]),
        ValueError,
        r"Layer 'concatenate_1' \(Concatenate\) cannot join inputs of shapes \(None, 3, 2\), \(None, 4,"
        r" 5\) along axis -1",
    ),
    "contracted lengths": (
        lambda: L.dot([Input((3,)), Input((4,))], axes=1),
        ValueError,
        r"Layer 'dot_1' \(Dot\) cannot merge .*: the axes 1 of the two must have equal lengths",
    ),
    "batch axis": (
        lambda: L.dot([Input((3,)), Input((3,))], axes=0),
        ValueError,
        r"Layer 'dot_1' \(Dot\): axes 0 are not among those behind the batch axis of inputs of 2 and 2 axes",
    ),
    "one input": (
        lambda: L.Multiply()(Input((3,))),
        ValueError,
        r"Layer 'multiply_1' \(Multiply\) merges a list of at least 2 inputs, received one tensor",
    ),
    "three inputs": (
        lambda: L.subtract([Input((3,))] * 3),
        ValueError,
        r"Layer 'subtract_1' \(Subtract\) takes 2 inputs, received 3",
    ),
    "attention without values": (
        lambda: L.MultiHeadAttention(2, 3)(Input((3, 4))),
        TypeError,
        r"Layer 'multi_head_attention_1' .* takes a query and a value.*received 1 inputs. For"
        r" self-attention call layer\(x, x\)",
    ),
    "attention over other lengths": (
        lambda: L.MultiHeadAttention(2, 3)(Input((3, 4)), Input((4, 4)), Input((5, 4))),
        ValueError,
        r"values and keys the same lengths but for the last; received query .*value \(None, 4, 4\), key \(None, 5, 4\)",
    ),
    # Masks.
    "mask": (
        lambda: L.Conv1D(2, 2)(masked()),
        TypeError,
        r"Layer 'conv1d_1' does not support masking, and its input has a mask: .* put Lambda\(lambda x: x\) before",
    ),
    # Layers of one's own.
    "no build": (
        lambda: WithoutBuild()(Input((3,))),
        AttributeError,
        r"Layer 'without_build_1' \(WithoutBuild\) has no attribute 'kernel', .* self.add_weight in"
        r" build\(self, input_shape",
    ),
    "build without a shape": (
        lambda: BuildWithoutShape()(Input((3,))),
        TypeError,
        r"Layer 'build_without_shape_1' .*: build takes the shape of the input, build\(self, input_shape\)",
    ),
    "no return": (
        lambda: NoReturn()(Input((3,))),
        TypeError,
        r"call of layer 'no_return_1' \(NoReturn\) must return a tensor or a list of tensors, received"
        r" None. Is a return",
    ),
    "shape of a weight": (
        lambda: BadWeight()(Input((3,))),
        ValueError,
        r"Weight 'w' of layer 'bad_weight_1' has a shape of whole numbers from 0 on, received \(3, 'units'\)",
    ),
    "call without inputs": (
        lambda: CallWithoutInputs()(Input((3,))),
        TypeError,
        r"Layer 'call_without_inputs_1' \(CallWithoutInputs\): call takes the inputs, call\(self, inputs\)",
    ),
    "call is no method": (
        lambda: CallIsNone()(np.ones((1, 3))),
        TypeError,
        r"Layer 'call_is_none_1' \(CallIsNone\): call is a method, call\(self, inputs\); received 3",
    ),
    "nothing returned": (
        lambda: Nothing()(Input((3,))),
        TypeError,
        r"call of layer 'nothing_1' \(Nothing\) must return a tensor or a list of tensors, received \[\]",
    ),
    "dictionary returned": (
        lambda: Table()(Input((3,))),
        TypeError,
        r"call of layer 'table_1' \(Table\) must return a tensor or a list of tensors, received {'a': <tensor",
    ),
    "no shape of the output": (
        lambda: ShapeIsNumber()(Input((3,))),
        TypeError,
        r"compute_output_shape of layer 'shape_is_number_1' \(ShapeIsNumber\) must return the shape of the output, "
        r"batch axis included, such as \(None, 3\); received 3",
    ),
    "one shape for two outputs": (
        lambda: OneShapeForTwo()(Input((3,))),
        TypeError,
        r"'one_shape_for_two_1' .* a list of 2 shapes, batch axis .* \[\(None, 3\), \(None, 3\)\]; received"
        r" \[\(None, 3\)\]",
    ),
    "configuration half written": (
        lambda: again(ScaleHalfWritten(2.0)),
        TypeError,
        r"ScaleHalfWritten cannot be made from its configuration, which lacks 'factor'. Define get_config on "
        r"ScaleHalfWritten: return {\*\*super\(\).get_config\(\), 'factor': self.factor}, with all of",
    ),
    "configuration of None": (
        lambda: again(ScaleUnwritten(2.0)),
        TypeError,
        r"configuration of a ScaleUnwritten is a dictionary of its constructor's arguments, received None. Its get_con",
    ),
    "closed constructor": (
        lambda: again(ScaleClosed(2.0)),
        TypeError,
        r"ScaleClosed cannot be made .*: its constructor does not take 'name', 'trainable', 'dtype'. Let it take "
        r"\*\*kwargs and pass them on by super\(\).__init__\(\*\*kwargs\)",
    ),
    "error in a constructor": (lambda: Scale.from_config({"factor": 1.0, "name": 3}), TypeError, r"^Scale: name is a"),
    "an error of its own": (lambda: OwnError()(Input((3,))), AttributeError, "^not this one$"),
    # Arguments.
    "kernel size": (
        lambda: L.Conv2D(2, (3, 3, 3)),
        ValueError,
        r"Conv2D: kernel_size is a whole number above 0, or 2 of them, received \(3, 3, 3\)",
    ),
    "filters": (lambda: L.Conv2D(0, 3), ValueError, r"Conv2D: filters is a whole number above 0, received 0"),
    "padding": (
        lambda: L.SeparableConv2D(2, 3, padding="causal"),
        ValueError,
        r"SeparableConv2D: padding is 'valid' or 'same', received 'causal'",
    ),
    "causal": (
        lambda: L.SeparableConv1D(2, 3, padding="causal", data_format="channels_first"),
        ValueError,
        r"SeparableConv1D: padding='causal' needs data_format='channels_last', received 'channels_first'",
    ),
    "output padding": (
        lambda: L.Conv2DTranspose(2, 3, strides=2, output_padding=2),
        ValueError,
        r"Conv2DTranspose: output_padding is None, or .* below the strides \(2, 2\); received 2",
    ),
    "sides": (
        lambda: L.ZeroPadding2D((1, 2, 3)),
        ValueError,
        r"ZeroPadding2D: padding is a whole number from 0 on, or 2 numbers or 2 pairs .*, received \(1, 2, 3\)",
    ),
    "implementation": (
        lambda: L.LocallyConnected2D(2, 2, implementation=4),
        ValueError,
        r"LocallyConnected2D: implementation is 1, 2 or 3, received 4",
    ),
    "interpolation": (
        lambda: L.UpSampling2D(interpolation="cubic"),
        ValueError,
        r"UpSampling2D: interpolation is 'nearest' or 'bilinear', received 'cubic'",
    ),
    "activation": (
        lambda: L.Conv2D(2, 3, activation="rely"),
        ValueError,
        r"Conv2D: activation='rely' cannot be used. Unknown activation 'rely'. .*Known: elu, .*custom_objects",
    ),
    "initializer": (
        lambda: L.LayerNormalization(gamma_initializer="one_s"),
        ValueError,
        r"LayerNormalization: gamma_initializer='one_s' cannot be used. Unknown initializer 'one_s'",
    ),
    "regularizer": (
        lambda: L.PReLU(alpha_regularizer=3),
        ValueError,
        r"PReLU: alpha_regularizer=3 cannot be used. Cannot read 3 as regularizer: pass a name \(.*l1_l2, l2\)",
    ),
    "rate": (
        lambda: L.GaussianDropout("a"),
        ValueError,
        r"GaussianDropout: rate is a share between 0 and 1, received 'a'",
    ),
    "deviation": (lambda: L.GaussianNoise(-1), ValueError, r"GaussianNoise: stddev is a number from 0 on, received -1"),
    "slope": (lambda: L.LeakyReLU("a"), ValueError, r"LeakyReLU: alpha is a number, received 'a'"),
    "ceiling": (lambda: L.ReLU(max_value=-1), ValueError, r"ReLU: max_value is a number from 0 on, received -1"),
    "units": (lambda: L.Dense("3"), ValueError, r"Dense: units is a whole number above 0, received '3'"),
    "number of words": (
        lambda: L.Embedding(0, 3),
        ValueError,
        r"Embedding: input_dim is a whole number above 0, received 0",
    ),
    "shared axes": (
        lambda: L.PReLU(shared_axes=[0])(Input((3, 4))),
        ValueError,
        r"Layer 'p_re_lu_1' \(PReLU\): shared_axes are axes from 1 to 2 of an input of shape \(None, 3,"
        r" 4\), received \[0\]",
    ),
    "groups": (
        lambda: L.GroupNormalization(4)(Input((6,))),
        ValueError,
        r"Layer 'group_normalization_1' \(GroupNormalization\): 4 groups do not divide the 6 channels of"
        r" axis -1. Choose",
    ),
    "axis of the batch": (
        lambda: L.LayerNormalization(axis=0)(Input((6,))),
        ValueError,
        r"Layer 'layer_normalization_1' \(LayerNormalization\): axis 0 is not among the axes from 1 to 1",
    ),
    "noise shape": (
        lambda: L.Dropout(0.5, noise_shape=(1, 2))(Input((3, 4)), training=True),
        ValueError,
        r"Layer 'dropout_1' \(Dropout\): noise_shape \(1, 2\) needs one entry for each axis of its"
        r" input, .*\(None, 3, 4\)",
    ),
    "unknown argument": (
        lambda: L.GlobalMaxPooling2D(keepdim=True),
        TypeError,
        r"GlobalMaxPooling2D does not take 'keepdim'. Every layer takes batch_input_shape",
    ),
    "name": (lambda: L.Dense(2, name=3), TypeError, r"Dense: name is a string, received 3"),
    "shape of the first input": (
        lambda: L.Dense(2, input_shape="3"),
        ValueError,
        r"input_shape is a tuple of lengths, None for unknown ones, received '3'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake: str) -> None:
    make, error, text = MISTAKES[mistake]
    with pytest.raises(error, match=text):
        make()


def test_an_argument_that_changes_nothing_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="DepthwiseConv2D has no kernel over all channels: kernel_initializer changes"):
        L.DepthwiseConv2D(3, kernel_initializer="zeros")
    with pytest.warns(UserWarning, match=r"SeparableConv1D .*Its arguments begin with depthwise_ or pointwise_"):
        L.SeparableConv1D(2, 3, kernel_regularizer="l2")


def test_arguments_that_no_configuration_holds_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"of layer 'scale_1' lacks 'factor', and .* Define get_config on Scale: ret"):
        Scale(2.0).get_config()
    with pytest.warns(UserWarning, match=r"of layer 'scale_by_two_1' lacks 'offset', and a layer made from it will"):
        ScaleByTwo(1.0).get_config()
    # Nothing is lost.
    assert again(ScaleByTwo()).offset == 0
    assert OneShapeInAList()(Input((3,))).shape == (None, 3)


def test_a_failed_call_leaves_a_layer_usable() -> None:
    layer = L.Dense(2)
    with pytest.raises(ValueError, match="needs to know the last axis"):
        layer(Input((None,)))
    assert layer(np.ones((1, 3))).shape == (1, 2)
    assert len(layer.weights) == 2
