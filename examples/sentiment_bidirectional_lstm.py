"""A bidirectional LSTM tells good reviews from bad ones, in a made-up language of twenty words.

    python examples/sentiment_bidirectional_lstm.py

Some words praise, some blame, most say nothing, and "not" turns the next praise or blame into its opposite. Counting
words gets 60 % of the reviews right; the others are a matter of order. Reviews differ in length: with
`Embedding(mask_zero=True)` everything behind it passes over the padding.
"""

import numpy as np

from multikeras.layers import LSTM, Bidirectional, Dense, Dropout, Embedding
from multikeras.models import Sequential
from multikeras.optimizers import Adam
from multikeras.preprocessing import sequence

NOT = 1  # 0 is the padding
PRAISE = [2, 3, 4, 5]
BLAME = [6, 7, 8, 9]
SILENT = list(range(10, 21))
VOCABULARY = 21
LONGEST = 12

np.random.seed(1337)


def score_of(review):
    score, sign = 0, 1
    for word in review:
        if word == NOT:
            sign = -1
        elif word in PRAISE or word in BLAME:
            score += sign if word in PRAISE else -sign
            sign = 1
    return score


def write_reviews(count):
    reviews, labels = [], []
    while len(reviews) < count:
        kinds = np.random.choice(4, size=np.random.randint(5, LONGEST + 1), p=[0.2, 0.2, 0.2, 0.4])
        review = [int(np.random.choice(([NOT], PRAISE, BLAME, SILENT)[kind])) for kind in kinds]
        if score_of(review) != 0:
            reviews.append(review)
            labels.append(int(score_of(review) > 0))
    return reviews, np.array(labels)


x_train, y_train = write_reviews(3000)
x_test, y_test = write_reviews(500)
x_train = sequence.pad_sequences(x_train, maxlen=LONGEST)
x_test = sequence.pad_sequences(x_test, maxlen=LONGEST)

model = Sequential()
model.add(Embedding(VOCABULARY, 16, input_length=LONGEST, mask_zero=True))
model.add(Bidirectional(LSTM(16)))
model.add(Dropout(0.2))
model.add(Dense(1, activation="sigmoid"))
model.compile(optimizer=Adam(lr=0.01), loss="binary_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=64, epochs=6, validation_data=(x_test, y_test), verbose=2)

_, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Loss of the first epoch: {history.history['loss'][0]:.5f}")
print(f"Test accuracy: {accuracy:.4f}")
