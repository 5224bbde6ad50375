"""Utilities: labels, seeds, objects by name, data in batches."""

from __future__ import annotations

import random

import numpy as np
import pytest

from multikeras import lookup, utils
from multikeras.utils import generic_utils, np_utils


def test_to_categorical():
    expected = np.eye(3)[[2, 0, 1]]
    for y in ([2, 0, 1], np.array([[2], [0], [1]]), np.array([2.0, 0, 1])):
        made = utils.to_categorical(y)
        np.testing.assert_array_equal(made, expected)
        assert made.dtype == np.float32
    assert utils.to_categorical([0, 1], 5, dtype="int8").shape == (2, 5)
    assert utils.to_categorical(np.zeros((2, 3, 1), int), 4).shape == (2, 3, 4)
    assert utils.to_categorical(np.zeros((0,), int), 4).shape == (0, 4)
    assert np_utils.to_categorical is utils.to_categorical
    for y, count in (([3], 3), ([-1], None), ([0.5], None), (["a"], None)):
        with pytest.raises(ValueError, match="to_categorical"):
            utils.to_categorical(y, count)


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, axis=0, order=1), [[1, 1], [0, 0]])


def test_set_random_seed():
    utils.set_random_seed(5)
    first = random.random(), np.random.rand()
    utils.set_random_seed(5)
    assert (random.random(), np.random.rand()) == first
    for wrong in (-1, 2**32, 0.5, True):
        with pytest.raises(ValueError, match="set_random_seed"):
            utils.set_random_seed(wrong)


class Thing:
    def __init__(self, size=1):
        self.size = size

    def get_config(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def helper():
    pass


def test_objects_by_name():
    config = utils.serialize_keras_object(Thing(3))
    assert config == {"class_name": "Thing", "config": {"size": 3}}
    again = utils.deserialize_keras_object(config, {"Thing": Thing}, printable_module_name="thing")
    assert again.size == 3
    assert utils.serialize_keras_object(helper) == "helper"
    assert utils.serialize_keras_object(None) is None
    assert utils.deserialize_keras_object("helper", custom_objects={"helper": helper}) is helper
    assert utils.deserialize_keras_object(helper) is helper
    with pytest.raises(ValueError, match="Unknown thing 'Thong'"):
        utils.deserialize_keras_object("Thong", {"Thing": Thing}, printable_module_name="thing")


def test_custom_object_scope():
    assert utils.get_custom_objects() is lookup.get_custom_objects()
    with utils.custom_object_scope({"Thing": Thing}), utils.CustomObjectScope({"helper": helper}):
        assert utils.deserialize_keras_object("helper") is helper
        assert isinstance(utils.deserialize_keras_object("Thing"), Thing)
    assert "Thing" not in utils.get_custom_objects()


def test_helpers():
    assert generic_utils.to_list(1) == [1]
    assert generic_utils.to_list([1, 2]) == [1, 2]
    assert generic_utils.to_list((1, 2), allow_tuple=True) == [1, 2]
    assert generic_utils.unpack_singleton([1]) == 1
    assert generic_utils.unpack_singleton([1, 2]) == [1, 2]
    assert generic_utils.has_arg(Thing, "size")
    assert not generic_utils.has_arg(lambda **keywords: 0, "size")
    assert generic_utils.has_arg(lambda **keywords: 0, "size", accept_all=True)
    x = np.arange(4)
    np.testing.assert_array_equal(generic_utils.slice_arrays(x, 1, 3), [1, 2])
    np.testing.assert_array_equal(generic_utils.slice_arrays([x, None], [3, 0])[0], [3, 0])


def test_sequence():
    class Squares(utils.Sequence):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return index**2

    assert list(Squares()) == [0, 1, 4]
    with pytest.raises(NotImplementedError, match="__getitem__"):
        utils.Sequence()[0]
