"""Small networks made of primitives alone, with what trains them: the same numbers on every backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from multikeras.contract import PRIMITIVES, Backend
from multikeras.graph import operands, updates
from multikeras.graph.gradients import gradients
from multikeras.graph.ops import algebra, control, elementwise, optimizers, random, reductions, shapes
from multikeras.graph.ops.rules import shape_of
from multikeras.graph.tensor import Placeholder, Tensor, Variable
from multikeras.programs import Function

Activation = Callable[[Tensor], Tensor]


@dataclass
class Network:
    """A network under construction.

    Attributes:
        x: The input, of unknown batch.
        y: One-hot targets.
        variables: Its parameters.
    """

    x: Placeholder
    y: Placeholder
    generator: np.random.Generator
    variables: list[Variable] = field(default_factory=list)

    def weight(self, *shape: int, scale: float | None = None) -> Variable:
        """A new parameter; zeros where the scale is 0."""
        if scale is None:
            scale = 1 / float(np.sqrt(np.prod(shape[:-1])))
        value = (self.generator.normal(size=shape) * scale).astype("float32")
        made = Variable(shape, "float32", value, f"weight_{len(self.variables)}")
        self.variables.append(made)
        return made

    def dense(self, x: Tensor, units: int) -> Tensor:
        """A fully connected layer."""
        made: Tensor = operands.matmul(x, self.weight(int(x.shape[-1] or 0), units)) + self.weight(units, scale=0)
        return made

    def loss(self, logits: Tensor) -> Tensor:
        """Mean crossentropy."""
        each = reductions.reduce_sum(algebra.log_softmax(logits) * self.y, axis=(1,), keepdims=False)
        count = operands.cast(operands.index(shapes.shape(each), 0), "float32")
        made: Tensor = -reductions.reduce_sum(each, axis=(0,), keepdims=False) / count
        return made


def dropout(x: Tensor, rate: float, seed: int) -> Tensor:
    """`x` with a share of its entries set to 0."""
    made: Tensor = x * random.dropout_mask(random.new_key(seed), shape=shape_of(x), rate=rate, dtype=x.dtype)
    return made


def dense_network() -> tuple[Network, Tensor]:
    """Two hidden layers with dropout."""
    net = Network(Placeholder((None, 20), "float32"), Placeholder((None, 4), "float32"), np.random.default_rng(1))
    h = dropout(elementwise.relu(net.dense(net.x, 32)), 0.25, seed=5)
    h = elementwise.tanh(net.dense(h, 16))
    return net, net.loss(net.dense(h, 4))


def convolutional_network() -> tuple[Network, Tensor]:
    """A convolution, a pooling, another convolution with strides, an average over places."""
    net = Network(Placeholder((None, 8, 8, 1), "float32"), Placeholder((None, 4), "float32"), np.random.default_rng(2))
    conv = {"padding": "same", "dilation": (1, 1), "groups": 1}
    h = algebra.conv(net.x, net.weight(3, 3, 1, 6), strides=(1, 1), **conv)
    h = elementwise.relu(h + net.weight(6, scale=0))
    h = PRIMITIVES["max_pool"](h, window=(2, 2), strides=(2, 2), padding="valid")[0]
    h = elementwise.relu(algebra.conv(h, net.weight(3, 3, 6, 8), strides=(2, 2), **conv))
    h = algebra.sum_pool(h, window=(2, 2), strides=(1, 1), padding="valid") * 0.25
    return net, net.loss(net.dense(shapes.reshape(h, shape=(-1, 8)), 4))


def recurrent_network() -> tuple[Network, Tensor]:
    """An embedding and a gated recurrence over time."""
    net = Network(Placeholder((None, 7), "int32"), Placeholder((None, 4), "float32"), np.random.default_rng(3))
    embedded = shapes.gather(net.weight(12, 8, scale=0.3), net.x, axis=0)
    over_time = shapes.transpose(embedded, permutation=(1, 0, 2))
    kernel, recurrent, bias = net.weight(8, 20), net.weight(10, 20), net.weight(20, scale=0)
    start = reductions.reduce_sum(embedded, axis=(1,), keepdims=False)
    zeros = shapes.concatenate(start, start, axis=1)[:, :10] * 0.0

    def step(iteration: Tensor, x: Tensor, h: Tensor) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        z = operands.matmul(x, kernel) + operands.matmul(h, recurrent) + bias
        gate, new = shapes.split(z, axis=1, sizes=(10, 10))
        gate = elementwise.sigmoid(gate)
        h = gate * h + (1 - gate) * elementwise.tanh(new)
        return [h], []

    (h,), _ = control.scan(step, [over_time], [zeros])
    return net, net.loss(net.dense(h, 4))


NETWORKS: dict[str, Callable[[], tuple[Network, Tensor]]] = {
    "dense": dense_network,
    "convolutional": convolutional_network,
    "recurrent": recurrent_network,
}


def _number(value: float) -> Tensor:
    return operands.scalar(value, "float32")


def step_updates(optimizer: str, variables: Sequence[Variable], loss: Tensor) -> list[updates.Update]:
    """What one step of an optimizer stores, by the primitive for many tensors at once."""
    slopes = gradients([loss], list(variables))
    assert all(g is not None for g in slopes)
    slots = {"sgd": 1, "rmsprop": 1, "adam": 2}[optimizer]
    groups = [
        [Variable(v.shape, v.dtype, np.zeros(v.shape, v.dtype), f"{v.name}_slot_{k}") for v in variables]
        for k in range(slots)
    ]
    flat = [*variables, *slopes, *[slot for group in groups for slot in group]]
    if optimizer == "sgd":
        made = optimizers.sgd_update(_number(0.05), _number(0.9), *flat, nesterov=True)
    elif optimizer == "rmsprop":
        made = optimizers.rmsprop_update(_number(0.003), _number(0.9), _number(1e-7), *flat)
    else:
        made = optimizers.adam_update(_number(0.01), _number(0.9), _number(0.999), _number(1e-7), *flat)
    stored = [*variables, *[slot for group in groups for slot in group]]
    return [updates.assign(v, new) for v, new in zip(stored, made, strict=True)]


def batches(network: str, count: int, size: int = 16) -> list[list[np.ndarray]]:
    """The same random batches at every call; targets depend on inputs, so that there is something to learn."""
    generator = np.random.default_rng(11)
    made = []
    for _ in range(count):
        if network == "recurrent":
            x: Any = generator.integers(0, 12, size=(size, 7)).astype("int32")
            label = x[:, -1] % 4
        else:
            label = generator.integers(0, 4, size=size)
            shape = (20,) if network == "dense" else (8, 8, 1)
            # Each class has a pattern of its own below the noise.
            patterns = np.random.default_rng(12).normal(size=(4, *shape))
            x = (patterns[label] + generator.normal(size=(size, *shape))).astype("float32")
        made.append([x, np.eye(4, dtype="float32")[label]])
    return made


def losses(network: str, optimizer: str, backend: Backend, steps: int) -> list[float]:
    """Trains a fresh network; the loss of each step."""
    net, loss = NETWORKS[network]()
    step = Function([net.x, net.y], [loss], step_updates(optimizer, net.variables, loss), phase=1)
    return [float(backend.to_numpy(step.run(batch, backend)[0])) for batch in batches(network, steps)]
