"""A variational autoencoder folds digits into two numbers each, and draws new ones from the plane of all such numbers.

    python examples/variational_autoencoder.py

After Kingma and Welling ("Auto-encoding variational Bayes", 2013). The encoder answers with a mean and a variance, a
`Lambda` layer draws from that normal distribution, and the loss is no function of targets and predictions alone: it
is made of tensors of the model and handed over by `add_loss`, so that `compile` needs none and `fit` no targets.
"""

import numpy as np

from multikeras import backend as K
from multikeras.datasets import digits
from multikeras.layers import Dense, Input, Lambda
from multikeras.losses import binary_crossentropy
from multikeras.models import Model
from multikeras.optimizers import Adam

PIXELS = 64
LATENT = 2

np.random.seed(11)


def sampling(arguments):
    mean, log_variance = arguments
    noise = K.random_normal(shape=(K.shape(mean)[0], LATENT))
    return mean + K.exp(0.5 * log_variance) * noise


inputs = Input(shape=(PIXELS,), name="picture")
hidden = Dense(64, activation="relu")(inputs)
z_mean = Dense(LATENT, name="z_mean")(hidden)
z_log_variance = Dense(LATENT, name="z_log_variance")(hidden)
z = Lambda(sampling, output_shape=(LATENT,), name="z")([z_mean, z_log_variance])
encoder = Model(inputs, [z_mean, z_log_variance, z], name="encoder")

latent_inputs = Input(shape=(LATENT,), name="z_sampling")
hidden = Dense(64, activation="relu")(latent_inputs)
decoder = Model(latent_inputs, Dense(PIXELS, activation="sigmoid")(hidden), name="decoder")

outputs = decoder(encoder(inputs)[2])
vae = Model(inputs, outputs, name="vae")

reconstruction = PIXELS * binary_crossentropy(inputs, outputs)
divergence = -0.5 * K.sum(1 + z_log_variance - K.square(z_mean) - K.exp(z_log_variance), axis=-1)
vae.add_loss(K.mean(reconstruction + divergence))
vae.compile(optimizer=Adam(lr=0.005))

(x_train, _), (x_test, y_test) = digits.load_data()
x_train = x_train.reshape(-1, PIXELS).astype("float32") / 16
x_test = x_test.reshape(-1, PIXELS).astype("float32") / 16
history = vae.fit(x_train, batch_size=32, epochs=20, validation_data=(x_test, None), verbose=2)

means = encoder.predict(x_test)[0]
restored = decoder.predict(means)
error = np.mean((restored - x_test) ** 2)
plain = np.mean((x_train.mean(axis=0) - x_test) ** 2)

# A way through the plane, from the mean of the zeros to that of the ones.
ends = [means[y_test == digit].mean(axis=0) for digit in (0, 1)]
for drawn in decoder.predict(np.linspace(*ends, 3)).reshape(-1, 8, 8):
    print("\n".join("".join(" .:*#"[int(ink * 4.99)] for ink in row) for row in drawn), end="\n\n")

print(f"Loss of the first epoch: {history.history['loss'][0]:.5f}")
print(f"Loss of the last epoch: {history.history['loss'][-1]:.5f}")
print(f"Error of restored pictures, as a share of the mean picture's: {error / plain:.4f}")
