"""A Siamese network learns a distance between digits: small for two of a kind, large otherwise.

    python examples/siamese_digits.py

One network is called on both pictures of a pair, so that both are mapped by the same weights. A `Lambda` layer
measures how far apart the two come to lie, and the contrastive loss of Hadsell, Chopra and LeCun ("Dimensionality
reduction by learning an invariant mapping", CVPR 2006) pulls the pairs of a kind together and pushes the others past
a margin.
"""

import numpy as np

from multikeras import backend as K
from multikeras.datasets import digits
from multikeras.layers import Dense, Dropout, Input, Lambda
from multikeras.models import Model, Sequential
from multikeras.optimizers import RMSprop

np.random.seed(3)


def euclidean_distance(vectors):
    x, y = vectors
    squares = K.sum(K.square(x - y), axis=1, keepdims=True)
    return K.sqrt(K.maximum(squares, K.epsilon()))


def contrastive_loss(y_true, y_pred):
    margin = 1
    return K.mean(y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(margin - y_pred, 0)))


def accuracy(y_true, y_pred):
    return K.mean(K.equal(y_true, K.cast(y_pred < 0.5, K.dtype(y_true))))


def make_pairs(x, labels):
    """Each picture beside one of its kind, and beside one of another."""
    pairs, same = [], []
    for index, label in enumerate(labels):
        for alike in (1.0, 0.0):
            others = np.flatnonzero((labels == label) == bool(alike))
            pairs.append([x[index], x[np.random.choice(others)]])
            same.append(alike)
    return np.array(pairs), np.array(same)


(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train = x_train.astype("float32") / 16
x_test = x_test.astype("float32") / 16
pairs_train, same_train = make_pairs(x_train.reshape(-1, 64), y_train)
pairs_test, same_test = make_pairs(x_test.reshape(-1, 64), y_test)

shared = Sequential(
    [
        Dense(128, activation="relu", input_shape=(64,)),
        Dropout(0.1),
        Dense(128, activation="relu"),
        Dropout(0.1),
        Dense(32, activation="relu"),
    ]
)
left = Input(shape=(64,))
right = Input(shape=(64,))
distance = Lambda(euclidean_distance, output_shape=(1,))([shared(left), shared(right)])
model = Model([left, right], distance)
model.compile(loss=contrastive_loss, optimizer=RMSprop(), metrics=[accuracy])
history = model.fit(
    [pairs_train[:, 0], pairs_train[:, 1]],
    same_train,
    batch_size=64,
    epochs=10,
    validation_data=([pairs_test[:, 0], pairs_test[:, 1]], same_test),
    verbose=2,
)

distances = model.predict([pairs_test[:, 0], pairs_test[:, 1]])[:, 0]
print(f"Loss of the first epoch: {history.history['loss'][0]:.5f}")
print(f"Mean distance of two of a kind: {distances[same_test == 1].mean():.4f}")
print(f"Mean distance of two others: {distances[same_test == 0].mean():.4f}")
print(f"Test accuracy: {np.mean((distances < 0.5) == same_test):.4f}")
