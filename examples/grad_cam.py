"""Grad-CAM: where in a picture a convolutional network saw what it answers.

    python examples/grad_cam.py

After Selvaraju and others ("Grad-CAM: visual explanations from deep networks via gradient-based localization", 2017).
A network learns which of three signs is hidden in a noisy picture; nobody tells it where. `K.gradients` of the answer
by the last feature maps, averaged over each map, weighs the maps, and their weighted sum is bright where the sign is.
"""

import numpy as np

from multikeras import backend as K
from multikeras.layers import Conv2D, Dense, GlobalAveragePooling2D
from multikeras.models import Sequential
from multikeras.optimizers import Adam
from multikeras.utils import to_categorical

SIZE = 20
SIGNS = np.array(
    [
        [[1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]],
        [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]],
        [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]],
    ]
)

np.random.seed(2)


def draw(count):
    """Pictures with one sign each, its number, and the row and column of its middle."""
    pictures = np.random.normal(0, 0.2, (count, SIZE, SIZE, 1))
    labels = np.random.randint(len(SIGNS), size=count)
    corners = np.random.randint(SIZE - 4, size=(count, 2))
    for picture, label, (row, column) in zip(pictures, labels, corners, strict=True):
        picture[row : row + 5, column : column + 5, 0] += SIGNS[label]
    return pictures, labels, corners + 2


x_train, y_train, _ = draw(2000)
x_test, y_test, middles = draw(200)

model = Sequential(
    [
        Conv2D(8, 3, activation="relu", padding="same", input_shape=(SIZE, SIZE, 1)),
        Conv2D(16, 3, activation="relu", padding="same", name="last_maps"),
        GlobalAveragePooling2D(),
        Dense(len(SIGNS), activation="softmax"),
    ]
)
model.compile(optimizer=Adam(lr=0.01), loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, to_categorical(y_train), batch_size=64, epochs=6, verbose=2)

maps = model.get_layer("last_maps").output
answer = K.max(model.output, axis=-1)
gradients = K.gradients(K.log(answer), maps)[0]
weights = K.mean(gradients, axis=(1, 2), keepdims=True)
cam = K.relu(K.sum(weights * maps, axis=-1))
look = K.function([model.input], [model.output, cam])

answers, cams = look([x_test])
right = answers.argmax(axis=-1) == y_test
peaks = np.stack(np.unravel_index(cams.reshape(len(cams), -1).argmax(axis=-1), (SIZE, SIZE)), axis=1)
found = np.abs(peaks - middles).max(axis=-1) <= 3

brightest = cams[0] / cams[0].max()
for row in range(SIZE):
    print("".join(" .:*#"[int(4.99 * np.clip(ink, 0, 1))] for ink in x_test[0, row, :, 0]), end=" | ")
    print("".join(" .:*#"[int(4.99 * heat)] for heat in brightest[row]))
print(f"Loss of the first epoch: {history.history['loss'][0]:.5f}")
print(f"Test accuracy: {right.mean():.4f}")
print(f"Signs found: {found.mean():.4f}")
