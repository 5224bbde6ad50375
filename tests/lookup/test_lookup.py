"""Objects by name: blocks in which names count, registration, and what an unknown name is answered."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from multikeras import activations, constraints, initializers, lookup, losses, metrics, optimizers, regularizers, utils


class Scale:
    def __init__(self, factor=1.0):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def get_config(self):
        return {"factor": self.factor}


class Other(Scale):
    pass


def test_a_block_inside_a_block():
    with utils.custom_object_scope({"a": 1, "b": 1}):
        with utils.CustomObjectScope({"b": 2}, None, {"c": 3}) as scope:
            assert isinstance(scope, utils.CustomObjectScope)
            assert {name: lookup.find(name, {}, "thing") for name in "abc"} == {"a": 1, "b": 2, "c": 3}
        assert lookup.find("b", {}, "thing") == 1
        with pytest.raises(ValueError, match="Unknown thing 'c'"):
            lookup.find("c", {}, "thing")
    with pytest.raises(ValueError, match="Unknown thing 'a'"):
        lookup.find("a", {}, "thing")


def test_a_block_that_fails_is_left():
    with pytest.raises(KeyError), utils.custom_object_scope({"a": 1}):
        raise KeyError
    assert "a" not in lookup.get_custom_objects()


def test_what_is_written_in_a_block_is_forgotten_with_it():
    with utils.custom_object_scope():
        lookup.get_custom_objects()["scale"] = Scale
        assert lookup.find("scale", {}, "thing") is Scale
    assert "scale" not in lookup.get_custom_objects()


def test_one_block_object_twice():
    scope = utils.CustomObjectScope({"a": 1})
    with scope, scope:
        assert lookup.find("a", {}, "thing") == 1
    with scope:
        assert lookup.find("a", {}, "thing") == 1
    assert "a" not in lookup.get_custom_objects()


def test_the_table_for_all():
    lookup.get_custom_objects().update({"Scale": Scale})
    try:
        with utils.custom_object_scope({"Scale": Other}):
            assert type(activations.get({"class_name": "Scale", "config": {}})) is Other
        assert type(activations.get({"class_name": "Scale", "config": {"factor": 2}})) is Scale
    finally:
        del lookup.get_custom_objects()["Scale"]


def test_what_comes_first():
    """`custom_objects`, then blocks, then the built-in ones."""
    with utils.custom_object_scope({"relu": 1}):
        assert lookup.find("relu", {"relu": 2}, "thing") == 1
        assert lookup.find("relu", {"relu": 2}, "thing", {"relu": 0}) == 0
    assert lookup.find("relu", {"relu": 2}, "thing") == 2


def test_threads_do_not_see_each_other():
    """All enter, look, and leave in an order that would mix one table for all."""
    count, found, failed = 6, {}, []
    together = threading.Barrier(count)

    def work(number):
        try:
            for _ in range(20):
                with utils.custom_object_scope({"own": number, f"of {number}": 1}):
                    together.wait(10)
                    names = set(lookup.get_custom_objects())
                    found.setdefault(number, set()).add((lookup.find("own", {}, "thing"), len(names)))
                    if number % 2:
                        together.wait(10)
                if not number % 2:
                    together.wait(10)
                assert "own" not in lookup.get_custom_objects()
        except BaseException as error:  # noqa: BLE001 (told to the main thread)
            failed.append(error)
            together.abort()

    before = len(lookup.get_custom_objects())
    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert found == {i: {(i, before + 2)} for i in range(count)}


def test_tasks_do_not_see_each_other():
    async def task(number):
        with utils.custom_object_scope({"own": number}):
            await asyncio.sleep(0)
            assert lookup.find("own", {}, "thing") == number

    async def both():
        await asyncio.gather(task(1), task(2))

    asyncio.run(both())


def test_a_block_of_no_tables():
    with pytest.raises(TypeError, match=r"custom_object_scope takes dictionaries.*received <class"):
        utils.custom_object_scope(Scale)


def test_registered():
    try:

        @utils.register_keras_serializable("mine")
        class Twice(Scale):
            pass

        @utils.register_keras_serializable("mine", "thrice")
        def three_times(x):
            return 3 * x

        config = json.loads(json.dumps(activations.serialize(Twice(2))))
        assert config == {"class_name": "mine>Twice", "config": {"factor": 2}}
        assert type(activations.get(config)) is Twice
        assert activations.serialize(three_times) == "mine>thrice"
        assert activations.get("mine>thrice") is three_times
        assert lookup.get_registered_name(Twice) == "mine>Twice"
        assert lookup.get_registered_name(Scale) == "Scale"
        assert lookup.get_registered_object("mine>Twice") is Twice
        assert lookup.get_registered_object("mine>None") is None
        with pytest.raises(ValueError, match="'mine>Twice' is the registered name of"):
            utils.register_keras_serializable("mine", "Twice")(Scale)
        with pytest.raises(ValueError, match="needs its method get_config"):
            utils.register_keras_serializable()(int)
    finally:
        for name in ("mine>Twice", "mine>thrice"):
            lookup.get_custom_objects().pop(name, None)


def test_functions_as_keras_3_writes_them():
    config = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
    config |= {"registered_name": None}
    assert activations.get(config) is activations.relu
    wanted = {"module": "keras.losses", "class_name": "function", "config": "mse", "registered_name": "mse"}
    assert losses.get(wanted) is losses.mean_squared_error


@pytest.mark.parametrize(
    ("module", "kind", "name", "meant"),
    [
        (activations, "activation", "rellu", "relu"),
        (activations, "activation", "Hard-Sigmoid", "hard_sigmoid"),
        (initializers, "initializer", "glorot_unifrom", "glorot_uniform"),
        (regularizers, "regularizer", "l1l2", "l1_l2"),
        (constraints, "constraint", "Maxx_Norm", "MaxNorm"),
        (losses, "loss", "categorical_cross_entropy", "categorical_crossentropy"),
        (metrics, "metric", "acuracy", "accuracy"),
        (optimizers, "optimizer", "rmpsrop", "rmsprop"),
    ],
)
def test_unknown_names(module, kind, name, meant):
    """The name, a known one that looks like it, those there are, and where one's own go."""
    with pytest.raises(ValueError) as error:
        module.get(name)
    text = str(error.value)
    assert text.startswith(f"Unknown {kind} {name!r}. Did you mean {meant!r}? Known: ")
    assert text.endswith("One of your own is passed as an object, or in custom_objects.")


def test_nothing_looks_like_it():
    with pytest.raises(ValueError, match="Unknown activation 'zzz'. Known: "):
        activations.get("zzz")


def test_functions_that_do_not_tell_their_arguments():
    assert not lookup.accepts(min, "mask")
    assert lookup.accepts(lambda x, mask=None: x, "mask")
