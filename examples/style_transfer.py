"""Neural style transfer: a picture with the things of one picture, and the brush of another.

    python examples/style_transfer.py

After Gatys, Ecker and Bethge ("A neural algorithm of artistic style", 2015). What a picture shows is compared in a
convolutional network's feature maps; its style in their Gram matrices, which forget where things are. The gradient of
the loss by the picture moves the picture. The network is a small one with random weights: enough for strokes and
disks.
"""

import numpy as np

from multikeras import backend as K
from multikeras.layers import AveragePooling2D, Conv2D
from multikeras.models import Sequential

SIZE = 32
CONTENT_WEIGHT, STYLE_WEIGHT, VARIATION_WEIGHT = 0.1, 100.0, 1e-3
STEPS = 80

np.random.seed(8)


def content_picture():
    """A bright disk before a dark background."""
    row, column = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    return np.where(np.hypot(row, column) < SIZE / 3, 0.5, -0.5)


def style_picture():
    """Slanted stripes."""
    row, column = np.mgrid[:SIZE, :SIZE]
    return 0.8 * np.sin((row + column) * 2 * np.pi / 6)


def gram_matrix(features):
    """How often two features of a (rows, columns, channels) tensor are strong at the same place."""
    flat = K.batch_flatten(K.permute_dimensions(features, (2, 0, 1)))
    return K.dot(flat, K.transpose(flat)) / (SIZE * SIZE)


content_image = K.variable(content_picture().reshape(1, SIZE, SIZE, 1))
style_image = K.variable(style_picture().reshape(1, SIZE, SIZE, 1))
combination = K.placeholder((1, SIZE, SIZE, 1))
input_tensor = K.concatenate([content_image, style_image, combination], axis=0)

network = Sequential(
    [
        Conv2D(16, 3, padding="same", activation="relu", input_shape=(SIZE, SIZE, 1), name="block1"),
        Conv2D(16, 5, padding="same", activation="relu", name="block2"),
        AveragePooling2D(2),
        Conv2D(32, 3, padding="same", activation="relu", name="block3"),
    ]
)
features = {}
tensor = input_tensor
for layer in network.layers:
    tensor = features[layer.name] = layer(tensor)

content_loss = K.sum(K.square(features["block3"][2] - features["block3"][0]))
style_loss = 0.0
for name in ("block1", "block2", "block3"):
    style_loss = style_loss + K.sum(K.square(gram_matrix(features[name][1]) - gram_matrix(features[name][2])))
rows = K.square(combination[:, 1:, :-1] - combination[:, :-1, :-1])
columns = K.square(combination[:, :-1, 1:] - combination[:, :-1, :-1])
variation_loss = K.sum(K.pow(rows + columns + 1e-6, 1.25))
loss = CONTENT_WEIGHT * content_loss + STYLE_WEIGHT * style_loss + VARIATION_WEIGHT * variation_loss
gradients = K.gradients(loss, combination)[0]
loss_and_gradients = K.function([combination], [loss, gradients, content_loss, style_loss])

# Adam by hand, over the picture instead of weights.
picture = content_picture().reshape(1, SIZE, SIZE, 1) + np.random.normal(0, 0.1, (1, SIZE, SIZE, 1))
mean, square = np.zeros_like(picture), np.zeros_like(picture)
curve = []
for step in range(1, STEPS + 1):
    value, slope, content_part, style_part = loss_and_gradients([picture])
    curve.append((float(value), float(content_part), float(style_part)))
    mean = 0.9 * mean + 0.1 * slope
    square = 0.99 * square + 0.01 * slope**2
    moved = 0.05 * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    picture = np.clip(picture - moved, -1, 1)
    if step % 20 == 0:
        print("step {}: loss {:.4f}, content {:.4f}, style {:.4f}".format(step, *curve[-1]))

for row in picture[0, ::2, :, 0]:
    print("".join(" .:*#"[int(2.49 * (light + 1))] for light in row))
final = loss_and_gradients([picture])
print(f"Loss of the first step: {curve[0][0]:.5f}")
print(f"Style loss, as a share of the first: {float(final[3]) / curve[0][2]:.5f}")
shown = np.corrcoef(picture.ravel(), content_picture().ravel())[0, 1]
print(f"Correlation with the content picture: {shown:.5f}")
