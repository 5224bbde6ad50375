"""A stateful LSTM remembers across batches what no batch holds in itself.

    python examples/stateful_lstm.py

Eight streams of 0 and 1 are cut into pieces of five steps, and the task is to repeat what came three steps before.
For the first three steps of a piece that was in the piece before. With `stateful=True` row i of a batch goes on where
row i of the last batch ended, until `reset_states()`; an LSTM without states starts anew and has to guess three times
out of five.
"""

import numpy as np

from multikeras.layers import LSTM, Dense, TimeDistributed
from multikeras.models import Sequential
from multikeras.optimizers import Adam

STREAMS = 8
PIECE = 5
DELAY = 3
PIECES = 60
EPOCHS = 20


def make_streams():
    """Inputs and targets in the order that a stateful network reads them: piece 0 of all streams, then piece 1, ..."""
    streams = np.random.randint(2, size=(STREAMS, PIECES * PIECE + DELAY))

    def cut(values):
        pieces = values.reshape(STREAMS, PIECES, PIECE, 1)
        return pieces.transpose(1, 0, 2, 3).reshape(-1, PIECE, 1)

    return cut(streams[:, DELAY:]), cut(streams[:, :-DELAY])


def train(stateful):
    np.random.seed(6)
    x_train, y_train = make_streams()
    x_test, y_test = make_streams()
    model = Sequential()
    model.add(LSTM(20, return_sequences=True, stateful=stateful, batch_input_shape=(STREAMS, PIECE, 1)))
    model.add(TimeDistributed(Dense(1, activation="sigmoid")))
    model.compile(optimizer=Adam(lr=0.01), loss="binary_crossentropy", metrics=["accuracy"])
    losses = []
    for epoch in range(EPOCHS):
        # Not shuffled: the order of the pieces is what carries the states.
        history = model.fit(x_train, y_train, batch_size=STREAMS, epochs=1, shuffle=False, verbose=0)
        model.reset_states()
        losses.append(history.history["loss"][0])
        if (epoch + 1) % 10 == 0:
            print(f"stateful={stateful}, epoch {epoch + 1}: loss {losses[-1]:.4f}")
    _, accuracy = model.evaluate(x_test, y_test, batch_size=STREAMS, verbose=0)
    return losses, accuracy


losses, accuracy = train(stateful=True)
_, guessed = train(stateful=False)
print(f"Loss of the first epoch: {losses[0]:.5f}")
print(f"Loss of the last epoch: {losses[-1]:.5f}")
print(f"Accuracy with states: {accuracy:.4f}")
print(f"Accuracy without: {guessed:.4f}")
