"""Old programs find their modules, names and habits; each test runs in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest

#: Lines that packages of the Keras-2 days begin with, gathered from their documentation and habits.
IMPORTS = """
import keras
import keras.backend as K
from keras import backend, layers, models, optimizers, objectives, losses, metrics, callbacks, regularizers
from keras import activations, constraints, datasets, initializers, initializations, preprocessing, utils, wrappers
from keras.models import Sequential, Model, load_model, save_model, model_from_json, clone_model
from keras.engine import Input, InputSpec, Layer, Model
from keras.engine.base_layer import InputSpec, Layer
from keras.engine.input_layer import Input, InputLayer
from keras.engine.network import Network, get_source_inputs
from keras.engine.sequential import Sequential
from keras.engine.topology import Container, Input, InputLayer, InputSpec, Layer, Node, get_source_inputs, _to_list
from keras.engine.topology import _collect_previous_mask
from keras.engine.training import Model, _make_batches, _slice_arrays
import keras.engine.topology as KE
from keras.layers.core import Activation, Dense, Dropout, Flatten, Lambda, Permute, RepeatVector, Reshape
from keras.layers.convolutional import Conv1D, Conv2D, Conv2DTranspose, Convolution2D, Cropping2D, UpSampling2D
from keras.layers.convolutional import AtrousConvolution2D, MaxPooling2D, ZeroPadding2D
from keras.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling1D, MaxPooling2D
from keras.layers.normalization import BatchNormalization
from keras.layers.advanced_activations import ELU, LeakyReLU, PReLU, ThresholdedReLU
from keras.layers.recurrent import GRU, LSTM, Recurrent, RNN, SimpleRNN, _time_distributed_dense
from keras.layers.embeddings import Embedding
from keras.layers.merge import Add, Concatenate, Dot, Multiply, add, concatenate, dot, multiply
from keras.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise
from keras.layers.wrappers import Bidirectional, TimeDistributed, Wrapper
from keras.layers.local import LocallyConnected1D
from keras.layers.convolutional_recurrent import ConvLSTM2D
from keras.layers.cudnn_recurrent import CuDNNGRU, CuDNNLSTM
from keras.layers import merge, Input
from keras.legacy import interfaces
from keras.legacy.interfaces import legacy_conv2d_support, generate_legacy_interface
from keras.backend.tensorflow_backend import _to_tensor, dot, variable
from keras.backend import theano_backend
from keras.backend.common import epsilon, floatx
from keras.objectives import categorical_crossentropy
from keras.optimizers import Adam, Optimizer, SGD
from keras.regularizers import l2
from keras.utils import np_utils, to_categorical
from keras.utils.np_utils import to_categorical
from keras.utils.generic_utils import CustomObjectScope, Progbar, get_custom_objects, has_arg, serialize_keras_object
from keras.utils.data_utils import Sequence, get_file
from keras.utils.conv_utils import conv_output_length, normalize_data_format, normalize_tuple
from keras.utils.io_utils import HDF5Matrix
from keras.utils.layer_utils import convert_all_kernels_in_model, count_params, print_summary
from keras.utils.test_utils import layer_test
from keras.preprocessing import sequence
from keras.preprocessing.text import Tokenizer
from keras.wrappers.scikit_learn import KerasClassifier
from keras.datasets import mnist
from keras.callbacks import Callback, EarlyStopping, ModelCheckpoint
from keras.callbacks.callbacks import History
"""


def test_every_old_import(python: Any) -> None:
    script = f"""
import multikeras.compat
multikeras.compat.install()
failed = []
for line in {IMPORTS!r}.strip().splitlines():
    try:
        exec(line, {{}})
    except (ImportError, AttributeError) as error:
        failed.append(f"{{line}}: {{error}}")
print("\\n".join(failed))
"""
    process = python(script)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == ""


def test_modules_are_the_same_under_both_names(python: Any) -> None:
    process = python("""
import multikeras.compat
multikeras.compat.install()
import keras, multikeras
import keras.layers.core, keras.engine.topology as topology
import multikeras.engine.topology
from keras import layers
assert keras.__version__ == "2.3.1" and multikeras.__version__ != "2.3.1"
assert keras.layers is multikeras.layers is layers
assert keras.Model is multikeras.Model
assert keras.layers.core.Dense is multikeras.layers.Dense is topology.Dense
assert multikeras.layers.pooling.__name__ == "multikeras.layers.pooling"
assert multikeras.engine.topology.Layer is multikeras.layers.Layer
from keras.layers.core import *
assert Dense is layers.Dense
try:
    keras.layers.core.Nothing
except AttributeError as error:
    assert "'keras.layers.core' has no attribute 'Nothing' (looked up in multikeras.layers" in str(error), error
try:
    import keras.nonsense
except ModuleNotFoundError as error:
    assert "keras.nonsense" in str(error)
multikeras.compat.uninstall()
try:
    import keras.layers.noise
except ImportError:
    print("gone")
""")
    assert process.returncode == 0, process.stderr
    assert process.stdout == "gone\n"


def test_nothing_of_it_is_imported_otherwise(python: Any) -> None:
    process = python(
        "import sys, multikeras.models, multikeras.layers\nprint([name for name in sys.modules if 'compat' in name and"
        " 'multikeras' in name])"
    )
    assert process.stdout == "[]\n", process.stderr


def test_the_name_of_the_backend_can_be_another(python: Any) -> None:
    process = python("""
import multikeras.compat
multikeras.compat.install(backend="tensorflow")
from keras import backend as K
from keras.backend import backend
print(K.backend(), backend(), K._BACKEND, K.backend_info()["name"])
multikeras.compat.uninstall()
print(K.backend(), K._BACKEND)
""")
    assert process.returncode == 0, process.stderr
    assert process.stdout == "tensorflow tensorflow tensorflow numpy\nnumpy numpy\n"


def test_it_comes_too_late_after_another_keras(python: Any) -> None:
    process = python("""
import sys, types
import multikeras.compat
sys.modules["keras"] = types.ModuleType("keras")
sys.modules["keras"].__file__ = "elsewhere"
multikeras.compat.install()
""")
    assert "comes too late: keras is imported already, from elsewhere" in process.stderr


THIRD_PARTY = '''
import numpy as np
from keras import backend as K
from keras import initializations, initializers
from keras.engine.topology import InputSpec, Layer
from keras.layers import Dense, Input
from keras.legacy import interfaces
from keras.models import Model, Sequential
from keras.optimizers import Optimizer
from keras.utils.generic_utils import get_custom_objects


class Scale(Layer):
    """A layer as packages of the Keras-1 days wrote it."""

    def __init__(self, init="one", **kwargs):
        self.init = initializations.get(init)
        super(Scale, self).__init__(**kwargs)

    def build(self, input_shape):
        self.input_spec = [InputSpec(shape=input_shape)]
        self.gamma = self.init((input_shape[-1],), name="{}_gamma".format(self.name))
        self.beta = self.add_weight((input_shape[-1],), initializer="zero", name="{}_beta".format(self.name))
        self.trainable_weights = [self.gamma, self.beta]
        self.built = True

    def call(self, x, mask=None):
        return self.gamma * x + self.beta


class Blend(Dense):
    """A layer behind one of the decorators."""

    @interfaces.legacy_dense_support
    def __init__(self, units, **kwargs):
        super(Blend, self).__init__(units, **kwargs)


class Descent(Optimizer):
    """An optimizer of Keras 2."""

    def __init__(self, lr=0.1, **kwargs):
        super(Descent, self).__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")

    @interfaces.legacy_get_updates_support
    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        for p, g in zip(params, grads):
            new_p = p - self.lr * g
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            self.updates.append(K.update(p, new_p))
        return self.updates


get_custom_objects().update({"Scale": Scale})
x = Input((3,))
scale = Scale()
dense = Blend(output_dim=1, W_regularizer="l2")
y = dense(scale(x))
assert x._keras_shape == (None, 3) and y._keras_shape == (None, 1)
assert y._keras_history[0] is dense and y._keras_history[1:] == (0, 0)
assert len(dense._inbound_nodes) == 1 and dense._inbound_nodes[0].input_tensors[0]._keras_shape == (None, 3)
assert [w.name for w in dense._trainable_weights] and dense._non_trainable_weights == []
assert not y._uses_learning_phase and K.dropout(x, 0.5) is not None
model = Model(input=x, output=y)
model.compile(Descent(), "mse")
data = np.random.RandomState(0).rand(20, 3)
before, after = (model.train_on_batch(data, data.sum(1, keepdims=True)) for _ in range(2))
assert after < before, (before, after)
history = model.fit(data, data[:, :1], nb_epoch=2, verbose=0)
assert len(history.epoch) == 2
assert model.get_updates_for(x) == [] and len(dense.get_losses_for(None)) == 1
print("works", [w.shape for w in scale.get_weights()])
'''


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch"])
def test_code_of_third_parties(python: Any, backend: str) -> None:
    process = python("import multikeras.compat\nmultikeras.compat.install()\n" + THIRD_PARTY, KERAS_BACKEND=backend)
    assert process.returncode == 0, process.stderr
    assert process.stdout == "works [(3,), (3,)]\n"
