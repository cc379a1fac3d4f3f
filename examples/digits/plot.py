"""Plot the course of training, and what the model makes of some test digits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.figure
from data import Digits


def save_plot(file: Path, history: Sequence[Any], test_set: Digits, predictions: Any) -> None:
    """Write a picture: loss and test accuracy by epoch, and digits with their predictions, mistakes first."""
    figure = matplotlib.figure.Figure(figsize=(10, 4.5), layout="constrained")
    curve, digits = figure.subfigures(1, 2)
    _plot_curve(curve.subplots(), history)
    mistakes_first = sorted(range(len(predictions)), key=lambda i: predictions[i] == test_set.labels[i])
    for axes, index in zip(digits.subplots(3, 6).flat, mistakes_first, strict=False):
        right = predictions[index] == test_set.labels[index]
        axes.imshow(test_set.images[index, 0], cmap="gray_r")
        axes.set_title(
            f"{predictions[index]}" if right else f"{predictions[index]} (is {test_set.labels[index]})",
            color="black" if right else "firebrick",
            fontsize=9,
        )
    for axes in digits.axes:
        axes.set_axis_off()
    figure.savefig(file, dpi=120)


def _plot_curve(axes: Any, history: Sequence[Any]) -> None:
    epochs = [epoch.number for epoch in history]
    axes.plot(epochs, [epoch.loss for epoch in history], color="tab:blue")
    axes.set(xlabel="epoch", yscale="log")
    axes.set_ylabel("training loss", color="tab:blue")
    right = axes.twinx()
    right.plot(epochs, [epoch.test_accuracy for epoch in history], color="tab:orange")
    right.set_ylabel("test accuracy", color="tab:orange")
