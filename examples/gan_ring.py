"""Two networks at odds: a generator learns to put points on a ring, from nothing but a critic's opinion.

    python examples/gan_ring.py

After Goodfellow and others ("Generative adversarial nets", 2014). The discriminator is compiled while it is
trainable, and learns from real and made-up points. Then it is frozen, and compiled into a second model behind the
generator: this one trains the generator alone, through the discriminator. What `trainable` was when a model was
compiled is what counts.
"""

import numpy as np

from multikeras.layers import BatchNormalization, Dense, Input, LeakyReLU
from multikeras.models import Model, Sequential
from multikeras.optimizers import Adam

NOISE = 4
BATCH = 128
STEPS = 1000

np.random.seed(5)


def real_points(count):
    angle = np.random.uniform(0, 2 * np.pi, count)
    radius = np.random.normal(2, 0.05, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def noise(count):
    return np.random.normal(size=(count, NOISE))


generator = Sequential(name="generator")
generator.add(Dense(32, input_dim=NOISE))
generator.add(BatchNormalization(momentum=0.8))
generator.add(LeakyReLU(0.2))
generator.add(Dense(32))
generator.add(LeakyReLU(0.2))
generator.add(Dense(2))

discriminator = Sequential(name="discriminator")
discriminator.add(Dense(64, input_dim=2))
discriminator.add(LeakyReLU(0.2))
discriminator.add(Dense(64))
discriminator.add(LeakyReLU(0.2))
discriminator.add(Dense(1, activation="sigmoid"))
discriminator.compile(loss="binary_crossentropy", optimizer=Adam(0.002, beta_1=0.5), metrics=["accuracy"])

discriminator.trainable = False
seed = Input(shape=(NOISE,))
gan = Model(seed, discriminator(generator(seed)))
gan.compile(loss="binary_crossentropy", optimizer=Adam(0.001, beta_1=0.5))


def judge(title):
    """Prints how far made-up points are from the ring, and how much of the ring they reach."""
    x, y = generator.predict(noise(1000)).T
    distance = np.abs(np.hypot(x, y) - 2)
    near = distance < 0.3
    sectors = np.bincount(((np.arctan2(y, x)[near] + np.pi) * 6 / np.pi).astype(int) % 12, minlength=12)
    print(f"Points on the ring {title}: {near.mean():.4f}")
    print(f"Twelfths of the ring reached {title}: {np.sum(sectors > 15)}")


judge("before")
ones, zeros = np.ones((BATCH, 1)), np.zeros((BATCH, 1))
losses = []
for step in range(STEPS):
    # One step of the discriminator on both kinds of points, one of the generator towards "real".
    real_loss, real_accuracy = discriminator.train_on_batch(real_points(BATCH), ones)
    made_loss, made_accuracy = discriminator.train_on_batch(generator.predict(noise(BATCH)), zeros)
    generator_loss = gan.train_on_batch(noise(BATCH), ones)
    losses.append([(real_loss + made_loss) / 2, generator_loss])
    if (step + 1) % 250 == 0:
        accuracy = (real_accuracy + made_accuracy) / 2
        print(
            f"step {step + 1}: discriminator {losses[-1][0]:.3f} ({accuracy:.0%} right), generator {generator_loss:.3f}"
        )
judge("after")


def moved(step):
    """How many of the discriminator's weights a step changes."""
    weights = discriminator.get_weights()
    step()
    pairs = zip(weights, discriminator.get_weights(), strict=True)
    return sum(not np.array_equal(before, after) for before, after in pairs)


own = moved(lambda: discriminator.train_on_batch(real_points(BATCH), ones))
others = moved(lambda: gan.train_on_batch(noise(BATCH), ones))
print(f"Weights of the discriminator moved by its own step: {own}")
print(f"Weights of the discriminator moved by the generator's: {others}")
print(f"Losses of the first step: {losses[0][0]:.5f} {losses[0][1]:.5f}")
