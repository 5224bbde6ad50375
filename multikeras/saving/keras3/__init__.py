"""Keras 3: configurations, weights, what compile was told, and its archive, both ways."""
