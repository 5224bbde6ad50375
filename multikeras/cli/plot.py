"""The picture of `multikeras bench --plot`: loss curves, their distance, and speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multikeras.cli import bench

#: One colour a backend, the same in all three panels and in every picture; others take what is left.
COLOURS = {"numpy": "#4d77cf", "jax": "#8a4fb5", "torch": "#e0572e", "cupy": "#5aa02c"}
SPARE_COLOURS = ("#008b8b", "#a0522d", "#555555")


def draw(results: dict[str, dict[str, Any]], options: dict[str, Any], path: Path) -> None:
    """Draws the results of `multikeras bench`.

    Args:
        results: Result by backend name, as the workers give them, compared.
        options: What was run.
        path: The file, whose ending says which kind.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: that would look for a screen.
    figure = Figure(figsize=(12, 4), layout="constrained")
    FigureCanvasAgg(figure)
    curves, distances, speed = figure.subplots(1, 3)
    reference = next(iter(results.values()))["compared_with"]
    spare = iter(SPARE_COLOURS * len(results))
    colours = {name: COLOURS.get(name) or next(spare) for name in results}
    for width, (name, result) in zip(range(len(results), 0, -1), results.items(), strict=True):
        losses = np.asarray(result["losses"])
        steps = np.arange(1, len(losses) + 1)
        # The curves lie on each other: the first is drawn broadest, to be seen under the others.
        curves.plot(steps, losses, color=colours[name], linewidth=1.5 * width - 0.7, label=name)
        if name != reference:
            apart = bench.distances(result, results[reference])
            # Equal losses have no place on a logarithmic axis.
            distances.plot(steps[apart > 0], apart[apart > 0], ".", color=colours[name], markersize=3, label=name)
    curves.set(title="Training loss", xlabel="step", ylabel="loss", yscale="log")
    curves.legend()
    distances.set(title=f"Distance from the losses of {reference}", xlabel="step", ylabel="relative", yscale="log")
    if len(results) > 1:
        distances.legend()
    names = list(results)
    speeds = [results[name]["steps_per_second"] for name in names]
    bars = speed.bar(names, speeds, color=[colours[name] for name in names])
    speed.margins(y=0.1)
    speed.bar_label(bars, labels=[f"{each:,.0f}" for each in speeds])
    speed.set(title="Speed, first steps not counted", ylabel="steps per second")
    model = {"mlp": "Multi-layer perceptron", "cnn": "Convolutional network"}[options["model"]]
    figure.suptitle(f"{model} on handwritten digits, batches of {options['batch_size']}, seed {options['seed']}")
    figure.savefig(path, dpi=120)
