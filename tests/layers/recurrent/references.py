"""Recurrent layers as loops in PyTorch, step by step from their formulas.

A step is `step(x, states, *weights) -> (output, new states)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

Step = Callable[..., tuple[Any, list[Any]]]


def hard_sigmoid(x: Any) -> Any:
    return (0.2 * x + 0.5).clamp(0, 1)


def simple(x: Any, states: Sequence[Any], kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, list[Any]]:
    output = torch.tanh(x @ kernel + states[0] @ recurrent + bias)
    return output, [output]


def lstm_with(act: Callable[[Any], Any] = hard_sigmoid) -> Step:
    def step(x: Any, states: Sequence[Any], kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, list[Any]]:
        u = recurrent.shape[0]
        # cuDNN has two biases.
        bias = bias.reshape(-1, 4 * u).sum(0)
        z = x @ kernel + states[0] @ recurrent + bias
        i, f, c, o = z[:, :u], z[:, u : 2 * u], z[:, 2 * u : 3 * u], z[:, 3 * u :]
        memory = act(f) * states[1] + act(i) * torch.tanh(c)
        output = act(o) * torch.tanh(memory)
        return output, [output, memory]

    return step


def gru_with(act: Callable[[Any], Any] = hard_sigmoid, reset_after: bool = False) -> Step:
    def step(x: Any, states: Sequence[Any], kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, list[Any]]:
        h, u = states[0], recurrent.shape[0]
        parts = [slice(0, u), slice(u, 2 * u), slice(2 * u, 3 * u)]
        if reset_after:
            bias, of_state = bias.reshape(2, 3 * u)
        else:
            of_state = torch.zeros(3 * u, dtype=x.dtype)
        xz, xr, xh = [x @ kernel[:, p] + bias[p] for p in parts]
        z = act(xz + h @ recurrent[:, parts[0]] + of_state[parts[0]])
        r = act(xr + h @ recurrent[:, parts[1]] + of_state[parts[1]])
        if reset_after:
            new = torch.tanh(xh + r * (h @ recurrent[:, parts[2]] + of_state[parts[2]]))
        else:
            new = torch.tanh(xh + (r * h) @ recurrent[:, parts[2]])
        output = z * h + (1 - z) * new
        return output, [output]

    return step


def loop(
    step: Step,
    states: Sequence[int],
    sequences: bool = False,
    backwards: bool = False,
    mask: Any = None,
) -> Callable[..., Any]:
    """The layer of a step.

    Args:
        step: The step.
        states: Lengths of the states.
        sequences: Whether all outputs are returned, in the order processed.
        backwards: Whether the last step comes first.
        mask: Array (batch, time) that is False where a step is left out.
    """

    def run(x: Any, *weights: Any) -> Any:
        held = [torch.zeros(len(x), n, dtype=x.dtype) for n in states]
        previous, outputs = None, []
        times = range(x.shape[1])
        for t in times[::-1] if backwards else times:
            made, new = step(x[:, t], held, *weights)
            if mask is not None:
                kept = torch.as_tensor(mask[:, t])[:, None]
                made = torch.where(kept, made, torch.zeros_like(made) if previous is None else previous)
                new = [torch.where(kept, after, before) for after, before in zip(new, held, strict=True)]
            held, previous = new, made
            outputs.append(made)
        return torch.stack(outputs, 1) if sequences else outputs[-1]

    return run


def both_ways(
    step: Step, states: Sequence[int], merge: Callable[[Any, Any], Any], sequences: bool
) -> Callable[..., Any]:
    """A layer and the same backwards, the halves of the weights for each, joined."""

    def run(x: Any, *weights: Any) -> Any:
        half = len(weights) // 2
        forward = loop(step, states, sequences)(x, *weights[:half])
        backward = loop(step, states, sequences, backwards=True)(x, *weights[half:])
        return merge(forward, backward.flip(1) if sequences else backward)

    return run


def conv_lstm(
    filters: int,
    padding: str = "valid",
    strides: int = 1,
    dilation: int = 1,
    first: bool = False,
    sequences: bool = False,
) -> Callable[..., Any]:
    """ConvLSTM2D; (batch, time, rows, cols, channels), or channels before rows."""

    def convolved(x: Any, kernel: Any, padding: str, strides: int, dilation: int) -> Any:
        weight = kernel.permute(3, 2, 0, 1)
        if padding == "same":
            pads: list[int] = []
            for n, k in zip(x.shape[2:], kernel.shape[:2], strict=True):
                total = max((-(-n // strides) - 1) * strides + (k - 1) * dilation + 1 - n, 0)
                pads = [total // 2, total - total // 2, *pads]
            x = F.pad(x, pads)
        return F.conv2d(x, weight, stride=strides, dilation=dilation)

    def run(x: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        x = x if first else x.movedim(-1, 2)
        hidden = memory = None
        outputs = []
        for t in range(x.shape[1]):
            z = convolved(x[:, t], kernel, padding, strides, dilation) + bias[:, None, None]
            if hidden is None:
                hidden = memory = torch.zeros_like(z[:, :filters])
            z = z + convolved(hidden, recurrent, "same", 1, 1)
            i, f, c, o = z.split(filters, dim=1)
            memory = hard_sigmoid(f) * memory + hard_sigmoid(i) * torch.tanh(c)
            hidden = hard_sigmoid(o) * torch.tanh(memory)
            outputs.append(hidden)
        result = torch.stack(outputs, 1) if sequences else hidden
        return result if first else result.movedim(-3, -1)

    return run
