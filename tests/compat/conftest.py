"""Fixtures of these tests."""

from keras_fixtures import each_backend, fresh_session

__all__ = ["each_backend", "fresh_session"]
