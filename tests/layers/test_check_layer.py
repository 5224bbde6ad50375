"""`check_layer` passes sound layers, and finds every fault planted in an unsound one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from multikeras import backend as K
from multikeras import layers
from multikeras.layers import Layer
from multikeras.testing import LayerFault, check_layer
from multikeras.testing.layers import RULES


class Scaled(Layer):
    """A sound layer: the mean over time of what a mask keeps, scaled, with noise in training."""

    def __init__(self, factor: float = 1.0, noise: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor
        self.noise = noise
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")
        self.largest = self.add_weight("largest", (), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        if mask is not None:
            inputs = K.switch(mask, inputs, K.zeros_like(inputs))
        self.add_update(K.update(self.largest, K.max(inputs)))
        scaled = inputs * self.scale * self.factor
        noisy = K.in_train_phase(lambda: scaled + K.random_normal(K.shape(scaled), 0.0, self.noise, K.dtype(scaled)),
                                 scaled, training=training)  # fmt: skip
        return K.sum(noisy, axis=1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], input_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "noise": self.noise}


def test_a_sound_layer_of_ones_own() -> None:
    before, state = (K.floatx(), K.image_data_format()), np.random.get_state()[1].copy()
    report = check_layer(Scaled, {"factor": 2.0}, (3, 4, 5))
    assert sorted([*report.kept, *report.left_out]) == sorted(RULES)
    assert report.left_out == {"formats": "it has no data_format"}
    assert (K.floatx(), K.image_data_format()) == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)


# -- planted faults -------------------------------------------------------------------------------


class Forgetful(Scaled):
    def get_config(self) -> dict[str, Any]:
        return {**Layer.get_config(self), "factor": self.factor}


class NotPlain(Scaled):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "extra": {1, 2}}


class TakesLess(Scaled):
    def __init__(self, factor: float = 1.0) -> None:
        super().__init__(factor)


class Rounded(Scaled):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": int(self.factor)}


class Hidden(Layer):
    def build(self, input_shape: Any) -> None:
        self.hidden = frozenset([K.variable(np.ones(input_shape[-1]), name="deep")])
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        (weight,) = self.hidden
        return inputs * weight


class BuildsInCall(Layer):
    def call(self, inputs: Any) -> Any:
        return inputs * self.add_weight("w", (1,))


class Unfreezable(Scaled):
    def __init__(self, factor: float = 1.0, noise: float = 0.1, trainable: bool = True, **kwargs: Any) -> None:
        super().__init__(factor, noise, **kwargs)


class WrongShape(Layer):
    def call(self, inputs: Any) -> Any:
        return K.concatenate([inputs, inputs])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class NeedsLengths(Layer):
    def call(self, inputs: Any) -> Any:
        return K.sum(inputs, axis=1) / K.int_shape(inputs)[1]


class OtherWithoutLengths(Layer):
    def call(self, inputs: Any) -> Any:
        return inputs * (K.int_shape(inputs)[1] or 1)


class Single(Layer):
    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight("w", (input_shape[-1],), dtype="float32")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return K.cast(inputs, "float32") * self.w


class Overflows(Layer):
    """Numbers on the way are larger than a short type has."""

    def call(self, inputs: Any) -> Any:
        return K.log(K.exp(inputs * 20.0)) / 20.0


class Counting(Layer):
    calls = 0

    def call(self, inputs: Any) -> Any:
        self.calls += 1
        return inputs * self.calls


class Overwriting(Layer):
    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inputs, np.ndarray):
            inputs *= 2
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Any) -> Any:
        return inputs


class StoresItself(Layer):
    def build(self, input_shape: Any) -> None:
        self.count = self.add_weight("count", (), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs + 0 * K.update_add(self.count, 1.0)


class DeafToTraining(Layer):
    def call(self, inputs: Any, training: Any = None) -> Any:
        return K.in_train_phase(inputs * 2, inputs)


class LongMask(Layer):
    """Half as many steps, with the whole mask."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs[:, ::2]


class DeafToMask(Scaled):
    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        return super().call(inputs, None, training)


class DeafToFormat(Layer):
    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = K.normalize_data_format(data_format)

    def call(self, inputs: Any) -> Any:
        return K.sum(inputs, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class OwnFormat(DeafToFormat):
    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format or "channels_last", **kwargs)

    def call(self, inputs: Any) -> Any:
        return inputs


class Crosses(Layer):
    def call(self, inputs: Any) -> Any:
        return inputs - K.mean(inputs)


class Detached(Layer):
    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight("w", (input_shape[-1],))
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs * K.stop_gradient(self.w)


class WrongSlope(Layer):
    def call(self, inputs: Any) -> Any:
        return K.custom_gradient(lambda x: (K.square(x), lambda g: g * x))(inputs)


class Unused(Layer):
    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight("w", (input_shape[-1],))
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs * 2


class Infinite(Layer):
    def call(self, inputs: Any) -> Any:
        return inputs / 0.0


class Asks(Layer):
    def call(self, inputs: Any) -> Any:
        return inputs * 2 if K.backend() == "numpy" else inputs * 3


class NoLayer:
    pass


class WithoutSuper(Layer):
    def __init__(self) -> None:
        self.rate = 1


FAULTS: list[tuple[Any, str, str]] = [
    (Forgetful, "configuration", r"get_config leaves out 'noise', so that a saved model comes back with defaults"),
    (NotPlain, "configuration", r"get_config holds what JSON cannot: .*\{1, 2\}"),
    (TakesLess, "configuration", r"from_config does not take what .*: its constructor does not take .*'noise'"),
    (Rounded, "configuration", r"has another one: 'factor' \[2\] became|computes something else with the same weights"),
    (Hidden, "weights", r"depends on '.*deep.*', which is not among its weights.*add_weight"),
    (BuildsInCall, "weights", r"A second call made 1 more weights: make weights in build"),
    (Unfreezable, "weights", r"With trainable=False it still has 1 trainable weights: pass \*\*kwargs on"),
    (WrongShape, "shapes", r"compute_output_shape says \(None, 4, 5\), and the value has shape \(3, 4, 10\)"),
    (NeedsLengths, "lengths", r"With axis 1 of unknown length it fails: .*K.shape\(inputs\)\[1\]"),
    (OtherWithoutLengths, "lengths", r"With axis 1 of unknown length it computes something else"),
    (Single, "dtypes", r"with floatx float16 the weight 'single_\d+/w' is of type float32: leave dtype= of add_weight"),
    (Overflows, "dtypes", r"with floatx float16 its values are .* from those in float64"),
    (Counting, "arrays", r"Called on arrays it gives something else than its graph does"),
    (Overwriting, "arrays", r"It changes the arrays that it is called on"),
    (
        StoresItself,
        "state",
        r"In the test phase computing the output stores 'stores_itself_\d+/count': give updates to",
    ),
    (DeafToTraining, "phases", r"Called with training=False it does not do in training what it does in test"),
    (LongMask, "masks", r"The mask of the output has shape \(3, 4\) and the output \(3, 2, 5\)"),
    (DeafToMask, "masks", r"What stands at the steps that the mask leaves out changes the output"),
    (DeafToFormat, "formats", r"With channels first it gives something else on the same entries"),
    (OwnFormat, "formats", r"data_format=None is not the global setting"),
    (Crosses, "samples", r"depends on the other samples of its batch"),
    (
        Detached,
        "gradients",
        r"In the test phase no gradient reaches weight 'detached_\d+/w', though the output depends",
    ),
    (
        WrongSlope,
        "gradients",
        r"In the test phase the gradient by the input is .* along a direction, and the difference",
    ),
    (Unused, "gradients", r"the output does not depend on weight 'unused_\d+/w'"),
    (Infinite, "training", r"The loss of a training step is (inf|nan)"),
    (Asks, "backends", r"The backends numpy and \w+ differ by .*never ask which backend runs"),
    (NoLayer, "made", r"it makes <.*NoLayer.*>, which is no layer: subclass Layer"),
    (WithoutSuper, "made", r"it fails with RuntimeError: WithoutSuper.__init__ did not call super"),
]


@pytest.mark.parametrize(("cls", "rule", "text"), FAULTS, ids=[cls.__name__ for cls, _, _ in FAULTS])
def test_planted_faults_are_found(cls: type, rule: str, text: str) -> None:
    arguments = {"factor": 2.5} if issubclass(cls, Scaled) and cls is not NoLayer else {}
    # Backends are compared where that is what has to be found.
    backends = None if rule == "backends" else []
    with pytest.raises(LayerFault) as caught:
        check_layer(cls, arguments, (3, 4, 5), backends=backends)
    assert rule in caught.value.faults
    assert str(caught.value).startswith(f"{cls.__name__} breaks ")
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(caught.value.faults[rule])


def test_every_rule_has_a_planted_fault() -> None:
    assert {rule for _, rule, _ in FAULTS} == {*RULES, "made"}


def test_what_it_is_asked() -> None:
    with pytest.raises(ValueError, match="has no rule 'shape'. It has: configuration, weights, shapes"):
        check_layer(Scaled, {}, (3, 4, 5), leave_out=["shape"])
    with pytest.raises(ValueError, match="needs input_shape=, with the batch axis, or inputs="):
        check_layer(Scaled)
    with pytest.raises(ValueError, match="needs two samples or more, received input_shape"):
        check_layer(Scaled, {}, (1, 4, 5))
    with pytest.raises(ValueError, match="lengths of input_shape are whole numbers above 0"):
        check_layer(Scaled, {}, (None, 4, 5))
    with pytest.raises(ValueError, match="formats is 'equal' or 'apart', received 'same'"):
        check_layer(Scaled, {}, (3, 4, 5), formats="same")
    report = check_layer(Forgetful, {}, (3, 4, 5), backends=[], leave_out=["configuration"])
    assert report.left_out["configuration"] == "as asked"


# -- layers of the package --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "arguments", "shape"),
    [
        (layers.BatchNormalization, {"momentum": 0.5}, (4, 3, 5)),
        (layers.AlphaDropout, {"rate": 0.3}, (3, 8)),
        (layers.MultiHeadAttention, {"num_heads": 2, "key_dim": 3, "dropout": 0.2}, [(2, 4, 5), (2, 3, 5)]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_on_all_backends(cls: Any, arguments: dict[str, Any], shape: Any) -> None:
    assert "backends" in check_layer(cls, arguments, shape).kept


def test_layers_made_of_layers_and_integers_and_states() -> None:
    check_layer(layers.TimeDistributed, lambda: {"layer": layers.Dense(3)}, (3, 4, 5), backends=[])
    ids = np.array([[1, 0, 3], [2, 2, 0]], "int32")
    check_layer(layers.Embedding, {"input_dim": 4, "output_dim": 3, "mask_zero": True}, inputs=ids, backends=[])
    report = check_layer(layers.SimpleRNN, {"units": 3, "stateful": True}, (2, 4, 5), fixed_batch=True, backends=[])
    assert {"samples", "state"} <= set(report.left_out)
