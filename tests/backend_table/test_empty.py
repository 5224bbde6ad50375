"""What has no entries: the largest of them does not exist, and the error says so before a library does."""

from __future__ import annotations

import numpy as np
import pytest

from multikeras import backend as K

EXTREMES = {
    "max": K.max,
    "min": lambda x: K.min(x, axis=0),
    "argmax": lambda x: K.argmax(x, axis=0),
    "argmin of all": lambda x: K.argmin(x, axis=None),
    "logsumexp": K.logsumexp,
}


@pytest.mark.parametrize("function", EXTREMES.values(), ids=EXTREMES)
def test_extremes_of_nothing(function):
    with pytest.raises(ValueError, match=r"The largest or smallest of no entries.*axis 0 .*\(0,"):
        function(K.placeholder((0, 3)))
    x = K.placeholder((None, 3))
    run = K.function([x], [function(x)])
    assert run([np.ones((1, 3))])[0].size
    with pytest.raises(ValueError, match=r"The largest or smallest of no entries.*test_empty"):
        run([np.ones((0, 3))])


def test_empty_results_are_fine(each_backend):
    x = K.placeholder((None, 3))
    found = K.function([x], [K.max(x, axis=1), K.argmax(x, axis=1), K.sum(x, axis=0), K.prod(x)])([np.ones((0, 3))])
    assert [value.tolist() for value in found] == [[], [], [0, 0, 0], 1]
