"""What the filters of a convolutional network look for: pictures that excite them most.

    python examples/filter_visualisation.py

A network learns to read digits. Then its weights stay and a picture changes: beginning with grey noise, it climbs along
the gradient of one filter's mean activation by the input, which `K.gradients` gives and `K.function` computes.
"""

import numpy as np

from multikeras import backend as K
from multikeras.datasets import digits
from multikeras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from multikeras.models import Sequential

FILTERS = 8
STEPS = 40
INK = 0.3  # mean brightness, that of a digit

np.random.seed(4)

(x_train, y_train), (x_test, y_test) = digits.load_data()
x_train = x_train.reshape(-1, 8, 8, 1).astype("float32") / 16
x_test = x_test.reshape(-1, 8, 8, 1).astype("float32") / 16

model = Sequential(
    [
        Conv2D(8, (3, 3), activation="relu", padding="same", input_shape=(8, 8, 1), name="strokes"),
        Conv2D(FILTERS, (3, 3), activation="relu", padding="same", name="shapes"),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=8, verbose=2)
_, accuracy = model.evaluate(x_test, y_test, verbose=0)


def climber(activation):
    """A function from a picture to the activation's mean, and its gradient by the picture with a length of 1."""
    loss = K.mean(activation)
    gradients = K.gradients(loss, model.input)[0]
    gradients /= K.sqrt(K.mean(K.square(gradients))) + K.epsilon()
    return K.function([model.input], [loss, gradients])


maps = model.get_layer("shapes").output
noise = np.random.uniform(0.2, 0.4, (1, 8, 8, 1))
excited, pictures = [], []
for index in range(FILTERS):
    step = climber(maps[:, :, :, index])
    picture = noise
    for _ in range(STEPS):
        _, gradients = step([picture])
        picture = picture + 0.1 * gradients
        picture = np.clip(picture - picture.mean() + INK, 0, 1)  # otherwise most would end all white
    excited.append((step([noise])[0], step([picture])[0]))
    pictures.append(picture[0, :, :, 0])

for row in np.concatenate(pictures, axis=1):
    print("".join(" .:*#"[int(4.99 * ink)] for ink in row))
before, after = np.array(excited).T
digits_excite = K.function([model.input], [K.max(K.mean(maps, axis=(1, 2)), axis=0)])([x_test])[0]
print(f"Test accuracy: {accuracy:.4f}")
print(f"Mean activation for noise: {before.mean():.4f}")
print(f"Mean activation for the pictures found: {after.mean():.4f}")
print(f"Mean of the strongest activations for digits: {digits_excite.mean():.4f}")
print(f"Filters excited more than by any digit: {np.sum(after > digits_excite)}")
