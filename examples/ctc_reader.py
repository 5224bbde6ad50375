"""Connectionist temporal classification: a network learns to read lines of digits that nobody cut into digits.

    python examples/ctc_reader.py

After Graves and others ("Connectionist temporal classification", ICML 2006). A line is a noisy strip of glyphs of
different widths, set at random distances. The loss asks for the right digits in the right order, wherever in the
strip they are: `K.ctc_batch_cost` in a `Lambda` layer takes labels and lengths as inputs of the model, and `compile`
is given a loss that only passes it on. `K.ctc_decode` reads.
"""

import numpy as np

from multikeras import backend as K
from multikeras.layers import GRU, Bidirectional, Conv1D, Dense, Input, Lambda
from multikeras.models import Model
from multikeras.optimizers import Adam

# Five rows of each glyph, as drawn by seven-segment displays; 1 is narrower than the others.
GLYPHS = {
    "0": ["###", "#.#", "#.#", "#.#", "###"],
    "1": ["#", "#", "#", "#", "#"],
    "2": ["###", "..#", "###", "#..", "###"],
    "3": ["###", "..#", ".##", "..#", "###"],
    "4": ["#.#", "#.#", "###", "..#", "..#"],
    "5": ["###", "#..", "###", "..#", "###"],
    "6": ["###", "#..", "###", "#.#", "###"],
    "7": ["###", "..#", "..#", ".#.", ".#."],
}
BLANK = len(GLYPHS)  # the last class is CTC's blank
WIDTH, LONGEST = 24, 4

np.random.seed(10)


def paint(text):
    """A strip (columns, rows) with the text on it."""
    strip = np.random.normal(0, 0.15, (WIDTH, 5))
    spare = WIDTH - sum(len(GLYPHS[digit][0]) for digit in text) - len(text)
    column = 0
    for digit in text:
        skipped = np.random.randint(spare // 2 + 1)
        spare -= skipped
        glyph = np.array([[pixel == "#" for pixel in row] for row in GLYPHS[digit]]).T
        column += skipped
        strip[column : column + len(glyph)] += glyph
        column += len(glyph) + 1
    return strip


def make_lines(count):
    texts = ["".join(np.random.choice(list(GLYPHS), np.random.randint(2, LONGEST + 1))) for _ in range(count)]
    labels = np.array([[int(digit) for digit in text] + [0] * (LONGEST - len(text)) for text in texts])
    inputs = {
        "strip": np.array([paint(text) for text in texts]),
        "labels": labels,
        "input_length": np.full((count, 1), WIDTH),
        "label_length": np.array([[len(text)] for text in texts]),
    }
    return texts, inputs


strip = Input(name="strip", shape=(WIDTH, 5))
hidden = Conv1D(32, 3, padding="same", activation="relu")(strip)
hidden = Bidirectional(GRU(24, return_sequences=True), merge_mode="concat")(hidden)
reading = Dense(BLANK + 1, activation="softmax", name="reading")(hidden)

labels = Input(name="labels", shape=(LONGEST,))
input_length = Input(name="input_length", shape=(1,), dtype="int64")
label_length = Input(name="label_length", shape=(1,), dtype="int64")
cost = Lambda(lambda tensors: K.ctc_batch_cost(*tensors), output_shape=(1,), name="ctc")(
    [labels, reading, input_length, label_length]
)
model = Model([strip, labels, input_length, label_length], cost)
model.compile(loss={"ctc": lambda y_true, y_pred: y_pred}, optimizer=Adam(lr=0.01, clipnorm=5.0))

_, train_inputs = make_lines(1500)
history = model.fit(train_inputs, {"ctc": np.zeros(1500)}, batch_size=50, epochs=6, verbose=2)

reader = Model(strip, reading)
texts, test_inputs = make_lines(200)
lengths = K.constant(np.full(len(texts), WIDTH), dtype="int32")
decoded, _ = K.ctc_decode(K.constant(reader.predict(test_inputs["strip"])), lengths, greedy=True)
read = ["".join(str(digit) for digit in row if digit >= 0) for row in K.eval(decoded[0])]

for row in test_inputs["strip"][0].T:
    print("".join(" .:*#"[int(4.99 * np.clip(ink, 0, 1))] for ink in row))
for text, answer in list(zip(texts, read, strict=True))[:5]:
    print(text, "read as", answer)
print(f"Loss of the first epoch: {history.history['loss'][0]:.5f}")
print(f"Loss of the last epoch: {history.history['loss'][-1]:.5f}")
print(f"Lines read: {np.mean([text == answer for text, answer in zip(texts, read, strict=True)]):.4f}")
