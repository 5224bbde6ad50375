"""What Keras 3 computes: reads a list of requests from one file and writes the answers to another.

It runs in a process of its own, since Keras 3 reads the same environment variable as multikeras. No part of
multikeras is imported here.
"""

import pickle
import sys

import keras
import numpy as np
from keras.src.backend.common import dtypes


def find(path):
    found = keras
    for name in path.split("."):
        found = getattr(found, name)
    return found


def make(path, config):
    nested = {key: make(*value) if isinstance(value, tuple) else value for key, value in config.items()}
    return find(path)(**nested)


def numbers(value):
    return np.array(keras.ops.convert_to_numpy(value))


def call(path, *args, **keywords):
    """A function, called."""
    return numbers(find(path)(*args, **keywords))


def called(path, config, *args, **keywords):
    """An object, made and called."""
    return numbers(make(path, config)(*args, **keywords))


def metric(path, config, batches):
    """The results of a metric after each batch of (y_true, y_pred, sample_weight)."""
    made = make(path, config)
    results = []
    for batch in batches:
        made.update_state(*batch)
        results.append(numbers(made.result()))
    return results


def optimizer(path, config, start, slopes, steps):
    """The parameters after each step; the slope of parameter i is the polynomial of coefficients slopes[i]."""
    made = make(path, config)
    variables = [keras.Variable(value, dtype=str(value.dtype)) for value in start]
    results = []
    for _ in range(steps):
        values = [numbers(v) for v in variables]
        made.apply([slope(c, v) for c, v in zip(slopes, values, strict=True)], variables)
        results.append([numbers(v) for v in variables])
    return results


def slope(coefficients, value):
    return sum(c * value**power for power, c in enumerate(coefficients)).astype(value.dtype)


def schedule(path, config, steps):
    made = make(path, config)
    return [float(made(step)) for step in steps]


def main(asked, answered):
    keras.config.set_floatx("float64")
    # Keras narrows what it computes on NumPy to single precision. An oracle shall not.
    dtypes.BIT64_TO_BIT32_DTYPE.clear()
    kinds = {"call": call, "called": called, "metric": metric, "optimizer": optimizer, "schedule": schedule}
    with open(asked, "rb") as file:
        requests = pickle.load(file)
    answers = {key: kinds[kind](*args, **keywords) for key, (kind, args, keywords) in requests.items()}
    with open(answered, "wb") as file:
        pickle.dump(answers, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
