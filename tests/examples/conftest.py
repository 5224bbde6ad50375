"""Fixtures of these tests."""

from keras_fixtures import fresh_session

__all__ = ["fresh_session"]
