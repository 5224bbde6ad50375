"""A convolutional network learns to read handwritten digits, on whichever backend is chosen.

    python examples/digits_cnn.py
    KERAS_BACKEND=torch python examples/digits_cnn.py

It needs scikit-learn, which the digits come with, and takes a few seconds.
"""

import os

from multikeras import backend as K
from multikeras.datasets import digits
from multikeras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from multikeras.models import Sequential
from multikeras.optimizers import Adam
from multikeras.utils import set_random_seed

EPOCHS = int(os.environ.get("EPOCHS", "8"))

set_random_seed(1)

(x_train, y_train), (x_test, y_test) = digits.load_data()
# keras.json says where the channels go; here there is one, the ink.
picture = (1, 8, 8) if K.image_data_format() == "channels_first" else (8, 8, 1)
x_train = x_train.reshape(-1, *picture).astype("float32") / 16
x_test = x_test.reshape(-1, *picture).astype("float32") / 16

model = Sequential(
    [
        Conv2D(16, (3, 3), padding="same", activation="relu", input_shape=picture),
        Conv2D(32, (3, 3), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Dropout(0.25),
        Flatten(),
        Dense(64, activation="relu"),
        Dropout(0.5),
        Dense(10, activation="softmax"),
    ]
)
model.summary()
# Labels may stay numbers with the sparse loss; `digits_mlp.py` turns them into vectors of 0 and 1 instead.
model.compile(optimizer=Adam(lr=0.002), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=64, epochs=EPOCHS, verbose=2, validation_split=0.1)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Test loss: {loss:.4f}")
print(f"Test accuracy: {accuracy:.4f}")

predicted = model.predict(x_test[:10]).argmax(axis=-1)
print(f"The first ten are {y_test[:10].tolist()}, read as {predicted.tolist()}")
