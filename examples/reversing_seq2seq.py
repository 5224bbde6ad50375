"""Sequence to sequence: an encoder reads a word, a decoder writes it backwards.

    python examples/reversing_seq2seq.py

The encoder keeps only its last states (`return_state`), and the decoder starts from them (`initial_state`). While
training, the decoder is given the right letter before the one it has to write. To write by itself it gets its own last
letter instead: the same layers make two more models, one a step of the decoder with its states as inputs and outputs.
"""

import numpy as np

from multikeras.layers import LSTM, Dense, Input
from multikeras.models import Model
from multikeras.optimizers import Adam

LETTERS = "abcdefgh"
START, END = "<", ">"
CHARACTERS = START + END + LETTERS
LENGTH = 4
UNITS = 64

np.random.seed(7)


def one_hot(words):
    return np.array([[[float(letter == each) for each in CHARACTERS] for letter in word] for word in words])


words = ["".join(np.random.choice(list(LETTERS), LENGTH)) for _ in range(2500)]
words_train, words_test = words[:2400], words[2400:]
mirrored = [word[::-1] for word in words_train]
encoder_data = one_hot(words_train)
decoder_data = one_hot([START + word for word in mirrored])
target_data = one_hot([word + END for word in mirrored])

# For training.
encoder_inputs = Input(shape=(None, len(CHARACTERS)))
_, state_h, state_c = LSTM(UNITS, return_state=True)(encoder_inputs)
encoder_states = [state_h, state_c]
decoder_inputs = Input(shape=(None, len(CHARACTERS)))
decoder_lstm = LSTM(UNITS, return_sequences=True, return_state=True)
decoder_dense = Dense(len(CHARACTERS), activation="softmax")
outputs, _, _ = decoder_lstm(decoder_inputs, initial_state=encoder_states)
model = Model([encoder_inputs, decoder_inputs], decoder_dense(outputs))
model.compile(optimizer=Adam(lr=0.01), loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit([encoder_data, decoder_data], target_data, batch_size=64, epochs=8, verbose=2)

# For writing.
encoder_model = Model(encoder_inputs, encoder_states)
state_inputs = [Input(shape=(UNITS,)), Input(shape=(UNITS,))]
outputs, state_h, state_c = decoder_lstm(decoder_inputs, initial_state=state_inputs)
decoder_model = Model([decoder_inputs] + state_inputs, [decoder_dense(outputs), state_h, state_c])


def write_backwards(words):
    states = encoder_model.predict(one_hot(words))
    written = [START] * len(words)
    for _ in range(LENGTH):
        letters, *states = decoder_model.predict([one_hot([word[-1] for word in written]), *states])
        written = [word + CHARACTERS[best] for word, best in zip(written, letters[:, -1].argmax(axis=-1), strict=True)]
    return [word[1:] for word in written]


answers = write_backwards(words_test)
right = np.mean([word[::-1] == answer for word, answer in zip(words_test, answers, strict=True)])
for word, answer in list(zip(words_test, answers, strict=True))[:5]:
    print(word, "->", answer)
print(f"Loss of the first epoch: {history.history['loss'][0]:.5f}")
print(f"Words reversed: {right:.4f}")
