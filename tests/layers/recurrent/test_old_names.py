"""What cells and layers of third parties take from Keras's module of recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from multikeras import backend as K
from multikeras.compat import names
from multikeras.layers import LSTM, RNN, LSTMCell


class Careful(LSTMCell):
    """A cell as third parties wrote it: it makes its masks by Keras's function and keeps them."""

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        if 0 < self.dropout < 1 and self._dropout_mask is None:
            ones = K.ones_like(inputs)
            self._dropout_mask = names._generate_dropout_mask(ones, self.dropout, training=training, count=4)
        return super().call(inputs, states, training=training)


def test_a_cell_with_masks_made_by_the_old_function() -> None:
    x = np.ones((2, 3, 4), "float32")
    values = []
    for kind in (Careful, LSTMCell):
        np.random.seed(1)
        layer = RNN(kind(3, dropout=0.5, implementation=1))
        values.append(layer(x, training=True).numpy())
        values.append(layer(x).numpy())
    np.testing.assert_array_equal(values[0], values[2])
    np.testing.assert_array_equal(values[1], values[3])
    assert np.any(values[0] != values[1])


def test_arguments_of_a_call() -> None:
    x, h, c, a = (K.ones((2, 3)) for _ in range(4))
    assert names._standardize_args([x, h, c, a], None, None, 1) == (x, [h, c], [a])
    assert names._standardize_args(x, h, None, None) == (x, [h], None)
    assert names._standardize_args([x], None, None, None) == (x, None, None)


def test_a_subclass_with_a_call_of_its_own() -> None:
    class Doubled(LSTM):
        def call(self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None) -> Any:
            return 2 * super().call(inputs, mask=mask, training=training, initial_state=initial_state)

    layer = Doubled(3)
    x = np.ones((2, 4, 5), "float32")
    plain = LSTM(3)
    plain.build((None, 4, 5))
    value = layer(x).numpy()
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(value, 2 * plain(x).numpy())
    h = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(layer(x, initial_state=[h, h]).numpy(), 2 * plain(x, initial_state=[h, h]).numpy())
