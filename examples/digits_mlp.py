"""A dense network learns to read handwritten digits, on whichever backend is chosen.

    python examples/digits_mlp.py
    KERAS_BACKEND=jax python examples/digits_mlp.py

It needs scikit-learn, which the digits come with, and takes a few seconds.
"""

import os

from multikeras.datasets import digits
from multikeras.layers import Dense, Dropout
from multikeras.models import Sequential
from multikeras.optimizers import RMSprop
from multikeras.utils import set_random_seed, to_categorical

EPOCHS = int(os.environ.get("EPOCHS", "15"))

set_random_seed(1)

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train = x_train.reshape(-1, 64).astype("float32") / 16
x_test = x_test.reshape(-1, 64).astype("float32") / 16
y_train = to_categorical(y_train, 10)
y_test = to_categorical(y_test, 10)

model = Sequential(
    [
        Dense(128, activation="relu", input_shape=(64,)),
        Dropout(0.2),
        Dense(64, activation="relu"),
        Dropout(0.2),
        Dense(10, activation="softmax"),
    ]
)
model.summary()
model.compile(optimizer=RMSprop(lr=0.001), loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=EPOCHS, verbose=2, validation_split=0.1)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Test loss: {loss:.4f}")
print(f"Test accuracy: {accuracy:.4f}")
