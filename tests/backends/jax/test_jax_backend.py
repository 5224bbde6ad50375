"""Arrays in and out, the scope, compilation with donation, and devices."""

from __future__ import annotations

import re
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multikeras.contract import DTYPES, DeviceError, DeviceSettings
from multikeras_jax import JaxBackend, devices
from multikeras_jax.kernels.common import NUMPY_DTYPES

Python = Any


def aligned(count: int, offset: int = 0) -> np.ndarray:
    """Float32 ones whose memory begins `offset` bytes behind a boundary of 64."""
    raw = np.zeros(4 * count + 128, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    values = raw[start : start + 4 * count].view(np.float32)
    values[:] = 1
    return values


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_arrays_go_in_and_come_out(backend: Any, dtype: str) -> None:
    x = np.array([[0, 1], [1, 0]], NUMPY_DTYPES[dtype])
    for array in (backend.feed(x, dtype), backend.own(x, dtype), backend.constant(x, dtype)):
        assert array.dtype == x.dtype
        value = backend.to_numpy(array)
        assert isinstance(value, np.ndarray)
        assert value.dtype == ("float32" if dtype == "bfloat16" else x.dtype)
        np.testing.assert_array_equal(value, x)
    copied = backend.copy(backend.own(x, dtype))
    assert copied.dtype == x.dtype
    np.testing.assert_array_equal(backend.to_numpy(copied), x)


@pytest.mark.parametrize("value", [3, 2.75, True, [1, 2], np.float64(2.5), np.arange(6).reshape(2, 3).T])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bfloat16"])
def test_other_values_are_converted(backend: Any, value: Any, dtype: str) -> None:
    wanted = np.asarray(value).astype(NUMPY_DTYPES[dtype])
    for array in (backend.feed(value, dtype), backend.own(value, dtype)):
        assert array.dtype == wanted.dtype
        np.testing.assert_array_equal(backend.to_numpy(array), wanted)


def test_jax_arrays_are_taken_as_they_are(backend: Any) -> None:
    x = jnp.ones(3)
    assert backend.is_array(x)
    assert not backend.is_array(np.ones(3))
    assert backend.feed(x, "float32") is x
    wide = backend.feed(x, "float64")
    assert wide.dtype == np.float64
    owned = backend.own(x, "float32")
    assert owned is not x
    assert owned.unsafe_buffer_pointer() != x.unsafe_buffer_pointer()


@pytest.mark.parametrize("offset", [0, 16, 32, 48])
@pytest.mark.parametrize("count", [4, 100_000, 1_000_000])
def test_memory_of_the_caller_may_be_written_at_once(backend: Any, count: int, offset: int) -> None:
    """JAX would read some of it later: in place where it is aligned, else copying on another thread."""
    k = backend.kernels
    with backend.scope():
        run = backend.compile(lambda x: (k["multiply"](x, 1.0),), ())
        run(aligned(count))
        for _ in range(5):
            x = aligned(count, offset)
            owned, constant = backend.own(x, "float32"), backend.constant(x, "float32")
            (result,) = run(backend.feed(x, "float32"))
            x[:] = 2
            copied = backend.copy(owned)
            for array in (owned, constant, copied, result):
                assert (backend.to_numpy(array) == 1).all()
            assert copied.unsafe_buffer_pointer() != owned.unsafe_buffer_pointer()


def test_memory_may_be_written_while_a_run_goes_on(backend: Any) -> None:
    k = backend.kernels

    def program(x: Any, big: Any) -> tuple[Any, ...]:
        for _ in range(6):
            big = k["tanh"](k["matmul"](big, big))
        late = k["reduce_sum"](big, axis=(0, 1), keepdims=False)
        return (k["add"](x, k["multiply"](late, 0.0)),)

    big = np.full((700, 700), 1e-3, np.float32)
    with backend.scope():
        run = backend.compile(program, ())
        for count, offset in ((9, 0), (9, 16), (10_000, 0), (10_000, 16)):
            x = aligned(count, offset)
            (y,) = run(backend.feed(x, "float32"), backend.feed(big, "float32"))
            x[:] = 2
            assert (backend.to_numpy(y) == 1).all()


def test_read_only_memory_is_fed_as_it_is(backend: Any) -> None:
    x = np.ones(100_000, np.float32)
    assert backend.feed(x, "float32") is not x
    x.flags.writeable = False
    assert backend.feed(x, "float32") is x
    assert backend.feed(x[1:], "float32").base is not x


def test_scope_is_of_this_thread_and_ends(backend: Any) -> None:
    def outside() -> Any:
        return jnp.ones(3).dtype, jnp.arange(3).dtype, jax.config.jax_enable_x64, jax.config.jax_default_device

    before = outside()
    with backend.scope():
        assert jnp.ones(3).dtype == np.float64
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(outside()))
        thread.start()
        thread.join()
        assert seen == [before]
        with backend.scope():
            pass
        assert jnp.ones(3).dtype == np.float64
    assert outside() == before
    with pytest.raises(KeyError), backend.scope():
        raise KeyError
    assert outside() == before


def test_program_runs_in_a_thread_that_enters_the_scope(backend: Any) -> None:
    k, results = backend.kernels, []

    def program(x: Any) -> tuple[Any, ...]:
        return (k["add"](x, k["iota"](length=2, dtype="float64")),)

    run = backend.compile(program, ())
    x = np.array([2.0**-40, 1])

    def work() -> None:
        with backend.scope():
            results.append(backend.to_numpy(run(x)[0]))

    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for result in results:
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, x + [0, 1])


def test_scope_holds_against_the_users_settings(backend: Any) -> None:
    """The strict settings of a user's own code neither change a program nor make it fail."""
    k = backend.kernels

    def program(x: Any, y: Any) -> tuple[Any, ...]:
        z = k["where"](k["greater"](k["add"](x, y), 0.5), x, 2)
        return k["softmax"](k["matmul"](z, k["cast"](k["multiply"](y, 2), dtype="float32"))), k["argmax"](z, axis=1)

    x, y = np.ones((3, 3), np.float32), np.ones((3,), np.float32)
    column = np.ones((3, 1), np.float32)
    with backend.scope():
        wanted = backend.compile(program, ())(x, column)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"), backend.scope():
        got = backend.compile(lambda x, y: program(x, y), ())(x, column)
        k["add"](x, y)
        k["random_uniform"](np.array([1, 2], np.uint32), shape=(3,), dtype="float64")
    for first, second in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(first, second)


def test_float32_program_holds_no_64_bit_numbers(backend: Any) -> None:
    k = backend.kernels
    key = np.array([1, 2], np.uint32)

    def body(iteration: Any, item: Any, total: Any) -> tuple[Any, ...]:
        folded = k["fold_in"](key, iteration)
        noise = k["random_uniform"](folded, shape=(4,), dtype="float32")
        return k["add"](k["multiply"](total, 0.9), k["add"](item, noise)), k["sigmoid"](item)

    def program(image: Any, kernel: Any, table: Any, indices: Any, weights: Any) -> tuple[Any, ...]:
        window = {"strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
        pools: list[dict[str, Any]] = [
            {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))},
            {"window": (3, 3), "strides": (2, 2), "padding": ((1, 1), (1, 1))},
        ]
        y = k["relu"](k["conv"](image, kernel, **window))
        total = k["reduce_sum"](y, axis=(0, 1, 2, 3), keepdims=False)
        for pool in pools:
            pooled, residual = k["max_pool"](y, **pool, residuals=True)
            spread = k["max_pool_gradient"](pooled, y, pooled, residual, **pool)
            summed = k["sum_pool_gradient"](k["sum_pool"](y, **pool), shape=y.shape, **pool)
            total = k["add"](total, k["reduce_max"](k["add"](spread, summed), axis=(0, 1, 2, 3), keepdims=False))
        gradients = (
            k["conv_input_gradient"](y, kernel, shape=image.shape, **window),
            k["conv_kernel_gradient"](image, y, shape=kernel.shape, **window),
        )
        rows = k["gather"](table, indices, axis=0)
        table_gradient = k["scatter_add"](rows, indices, axis=0, size=table.shape[0])
        attributes = {"num_sequences": 1, "num_carries": 1, "length": 5, "reverse": True}
        scanned = k["scan"](
            rows, k["gather"](table, np.int32(0), axis=0), body=body, outputs=(((4,), "float32"),), **attributes
        )
        mask = k["dropout_mask"](key, shape=(5, 4), rate=0.5, dtype="float32")
        logits = k["matmul"](k["multiply"](rows, mask), weights)
        losses = k["log_softmax"](logits), k["softmax"](logits), k["cumsum"](logits, axis=1, reverse=True)
        powers = k["power"](logits, 2), k["remainder"](logits, 3.0), k["floor_divide"](logits, 0.5)
        chosen = k["cond"](
            k["greater"](total, 0),
            logits,
            then_body=lambda x: (k["exp"](x),),
            else_body=lambda x: (k["negative"](x),),
        )
        ranks = k["reduce_sum"](k["cast"](k["iota"](length=5, dtype="int32"), dtype="int32"), axis=(0,), keepdims=False)
        return (total, *gradients, table_gradient, *scanned, *losses, *powers, *chosen, ranks)

    shapes = [(2, 8, 8, 3), (3, 3, 3, 4), (9, 4), (5,), (4, 6)]
    inputs = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    inputs[3] = jax.ShapeDtypeStruct((5,), np.int32)
    with backend.scope():
        lowered = backend.compile(program, ()).lower(*inputs)
        traced = str(jax.make_jaxpr(program)(*inputs))
        assert not re.search(r"[fiu]64\[", traced)
        # JAX counts the steps of a loop in 64 bits, one number a loop.
        assert not re.search(r"f64\[|[su]64\[\d", lowered.compile().as_text())
        for result in jax.tree.leaves(lowered.out_info):
            assert result.dtype in (np.float32, np.int32)
        asked = backend.compile(lambda x: (k["argmax"](x, axis=0),), ()).lower(inputs[0])
        assert jax.tree.leaves(asked.out_info)[0].dtype == np.int64


def test_donation(backend: Any) -> None:
    k = backend.kernels

    def program(value: Any, kept: Any) -> tuple[Any, ...]:
        return (k["add"](value, kept),)

    run = backend.compile(program, (0,))
    with backend.scope():
        value, kept = backend.own(np.ones(1000), "float32"), backend.own(np.ones(1000), "float32")
        where = value.unsafe_buffer_pointer()
        (new,) = run(value, kept)
        assert value.is_deleted()
        assert not kept.is_deleted()
        assert new.unsafe_buffer_pointer() == where
        # A view that somebody still holds keeps its values.
        view = backend.to_numpy(new)
        (newer,) = run(new, kept)
        assert (view == 2).all()
        assert (backend.to_numpy(newer) == 3).all()
        # What is fed is no buffer of JAX's and is left alone.
        fed = backend.feed(np.ones(1000, np.float32), "float32")
        run(fed, kept)
        assert (fed == 1).all()


def test_donated_memory_that_came_from_numpy(backend: Any) -> None:
    """Large variables begin in NumPy's memory, which JAX may not overwrite."""
    k = backend.kernels
    with backend.scope():
        run = backend.compile(lambda x: (k["add"](x, 1.0),), (0,))
        value = backend.own(np.ones(100_000), "float32")
        view = backend.to_numpy(value)
        for _ in range(3):
            (value,) = run(value)
        assert (view == 1).all()
        assert (backend.to_numpy(value) == 4).all()
        where = value.unsafe_buffer_pointer()
        assert run(value)[0].unsafe_buffer_pointer() == where


def test_results_share_no_memory(backend: Any) -> None:
    with backend.scope():
        x = backend.own(np.ones(1000), "float32")
        first, second = backend.compile(lambda x: (x, x), ())(x)
        buffers = {array.unsafe_buffer_pointer() for array in (x, first, second)}
    assert len(buffers) == 3


def test_precision_is_full_unless_asked_otherwise(backend: Any) -> None:
    k = backend.kernels
    x = np.ones((4, 4), np.float32)

    def precision(dtype: str) -> str:
        return str(jax.make_jaxpr(lambda x: k["matmul"](x, x))(x.astype(dtype)))

    with backend.scope():
        assert "HIGHEST" in precision("float32")
        assert "HIGHEST" not in precision("float16")
    # The user's own setting does not count in a run, and is as it was after it.
    with jax.default_matmul_precision("bfloat16"):
        with backend.scope():
            assert "HIGHEST" in precision("float32")
        assert jax.config.jax_default_matmul_precision == "bfloat16"


def test_lower_precision_is_asked_of_the_backend(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(kernel: str, *arrays: np.ndarray, **attributes: Any) -> str:
        with backend.scope():
            return str(jax.make_jaxpr(lambda *xs: backend.kernels[kernel](*xs, **attributes))(*arrays))

    x, image = np.ones((4, 4), np.float32), np.ones((1, 4, 4, 1), np.float32)
    window = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    asked = [("matmul", (x, x), {}), ("conv", (image, image.reshape(4, 4, 1, 1)), window)]
    for kernel, arrays, attributes in asked:
        assert "HIGHEST" in found(kernel, *arrays, **attributes)
        monkeypatch.setattr(backend, "matmul_precision", "tf32")
        made = found(kernel, *arrays, **attributes)
        assert "Precision.HIGH" in made and "HIGHEST" not in made
        # What was traced before is traced anew, and what is traced later in full as well.
        monkeypatch.setattr(backend, "matmul_precision", "float32")
        assert "HIGHEST" in found(kernel, *arrays, **attributes)
    assert jax.config.jax_default_matmul_precision is None


def test_synchronize_and_versions(backend: Any) -> None:
    with backend.scope():
        (array,) = backend.compile(lambda x: (backend.kernels["matmul"](x, x),), ())(np.ones((300, 300), np.float32))
    backend.synchronize()
    assert array.is_ready()
    assert backend.versions()["jax"] == jax.__version__
    assert set(backend.versions()) == {"jax", "jaxlib"}


def test_cpu_as_asked(backend: Any) -> None:
    assert backend.device == "cpu"
    assert backend.devices()[0] == "cpu"
    assert backend.device_reason == "JAX computes on the CPU because the default says 'cpu'."
    assert JaxBackend(DeviceSettings("auto")).device in JaxBackend(DeviceSettings("auto")).devices()


def no_gpu() -> bool:
    return all(device.platform != "gpu" for device in jax.local_devices())


def test_missing_gpu_is_an_error() -> None:
    if not no_gpu():
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceError, match=r"KERAS_X asks for 'gpu:1', but JAX finds no GPU.*pip install 'jax\[cuda"):
        JaxBackend(DeviceSettings("gpu:1", source="KERAS_X"))


def test_preallocation_matters_on_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    if no_gpu():
        JaxBackend(DeviceSettings("auto", preallocate=False))
    on_gpu = [type("Device", (), {"platform": "gpu"})()]
    monkeypatch.setattr(jax, "local_devices", lambda **_: on_gpu)
    monkeypatch.setenv(devices._PREALLOCATE, "false")
    devices._set_preallocation(DeviceSettings("gpu", preallocate=False))
    monkeypatch.delenv(devices._PREALLOCATE)
    devices._set_preallocation(DeviceSettings("gpu", preallocate=True))
    with pytest.raises(DeviceError, match=r"the default says 'no_preallocate', but JAX has already started"):
        devices._set_preallocation(DeviceSettings("gpu", preallocate=False))


def test_devices_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice among accelerators, played with stand-ins."""

    class Device:
        def __init__(self, platform: str) -> None:
            self.platform, self.device_kind = platform, "Stand-in"

    cpu, gpus = Device("cpu"), [Device("gpu"), Device("gpu")]

    def local_devices(backend: str | None = None) -> list[Device]:
        return [cpu] if backend == "cpu" else gpus

    monkeypatch.setattr(jax, "local_devices", local_devices)
    assert devices.names() == ["cpu", "gpu:0", "gpu:1"]
    first, second = devices.choose(DeviceSettings("auto")), devices.choose(DeviceSettings("gpu:1", source="X"))
    assert (first.device, first.name, first.is_default) == (gpus[0], "gpu:0", True)
    assert first.reason == "JAX computes on gpu:0 (Stand-in), the first accelerator it finds."
    assert (second.device, second.name, second.is_default) == (gpus[1], "gpu:1", False)
    assert second.reason == "JAX computes on gpu:1 (Stand-in) because X says 'gpu:1'."
    assert devices.choose(DeviceSettings("cpu")).device is cpu
    with pytest.raises(DeviceError, match=r"asks for 'gpu:2', but JAX finds 2 GPU\(s\): gpu:0, gpu:1"):
        devices.choose(DeviceSettings("gpu:2"))


@pytest.mark.gpu
def test_program_on_a_gpu(python: Python) -> None:
    """In a process of its own, since the other tests start JAX for the CPU."""
    code = FRESH.format(settings="'gpu', preallocate=False") + (
        "import numpy as np\n"
        "x = np.random.default_rng(0).normal(size=(500, 500)).astype('float32')\n"
        "with backend.scope():\n"
        "    run = backend.compile(lambda x, y: (backend.kernels['matmul'](x, y),), (0,))\n"
        "    y = backend.to_numpy(run(backend.own(x, 'float32'), backend.feed(x, 'float32'))[0])\n"
        "assert abs(y - x.astype('float64') @ x).max() < 1e-3, 'the product was not in full float32'\n"
        "print(backend.device, backend.devices()[:2])"
    )
    done = python(code)
    if "finds no GPU" in done.stderr:
        pytest.skip("there is no GPU")
    assert (done.stdout, done.returncode) == ("gpu:0 ['cpu', 'gpu:0']\n", 0), done.stderr


FRESH = """
import jax
from jax._src import xla_bridge
from multikeras.contract import DeviceSettings
from multikeras_jax import JaxBackend
assert not xla_bridge.backends_are_initialized()
backend = JaxBackend(DeviceSettings({settings}))
"""


def test_cpu_starts_no_other_platform(python: Python) -> None:
    """A platform that could be started is not, and JAX's own setting stays what it was."""
    code = FRESH.replace(
        "backend = ",
        "xla_bridge.register_backend_factory('other', lambda: print('started'), priority=500)\nbackend = ",
    ).format(settings="'cpu'")
    done = python(code + "print(jax.config.jax_platforms, backend.device, list(xla_bridge.backends()))")
    assert (done.stdout, done.returncode) == ("None cpu ['cpu']\n", 0), done.stderr


def test_preallocation_reaches_jax_before_it_starts(python: Python) -> None:
    code = FRESH.format(settings="'auto', preallocate=False")
    done = python(code + "import os; print(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'])")
    assert (done.stdout, done.returncode) == ("false\n", 0), done.stderr


def test_cpu_beside_restricted_platforms(python: Python) -> None:
    done = python(FRESH.format(settings="'gpu'"), JAX_PLATFORMS="cpu")
    assert "DeviceError: the default asks for 'gpu', but JAX finds no GPU. JAX_PLATFORMS restricts JAX to 'cpu'." in (
        done.stderr
    )
    done = python(FRESH.format(settings="'auto'") + "print(backend.device_reason)", JAX_PLATFORMS="cpu")
    assert done.stdout == "JAX computes on the CPU: JAX_PLATFORMS restricts it to 'cpu'.\n", done.stderr


def test_second_cpu_device_stays_the_users(python: Python) -> None:
    """A default device that the user set is not where multikeras computes, and stays set."""
    code = FRESH.format(settings="'cpu'") + (
        "import numpy as np\n"
        "jax.config.update('jax_default_device', jax.devices()[1])\n"
        "with backend.scope():\n"
        "    owned = backend.own(np.ones(3), 'float32')\n"
        "    result = backend.compile(lambda x: (x + 1,), ())(np.ones(3))[0]\n"
        "print(owned.devices(), result.devices(), result.dtype, jax.numpy.ones(3).devices())\n"
        "print(backend.feed(jax.numpy.ones(3), 'float32').devices())"
    )
    done = python(code, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    assert done.stdout.splitlines() == [
        "{CpuDevice(id=0)} {CpuDevice(id=0)} float64 {CpuDevice(id=1)}",
        "{CpuDevice(id=0)}",
    ], done.stderr
