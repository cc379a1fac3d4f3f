"""Plots of what is in Variables: their mean, spread and percentiles over time."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kusari.autograd import Variable
from kusari.reporter import read_number
from kusari.training.extension import Extension
from kusari.training.extensions.plot_report import figure_class, save_figure
from kusari.training.extensions.statistics import mean, percentiles, std
from kusari.training.triggers import get_trigger

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer

_SIGMAS = (0, 0.13, 2.28, 15.87, 50, 84.13, 97.72, 99.87, 100)


class VariableStatisticsPlot(Extension):
    """Plot statistics of Variables' arrays and gradients into a picture, over the iterations.

    Needs the package matplotlib. Statistics are computed on the device, in every iteration in which the extension
    runs, and read there: on a GPU, give it a trigger of more than one iteration.

    Args:
        targets: Links, whose parameters are all taken together, or Variables; one, or several.
        max_sample_size: How many points of time are kept at most: beyond that every second one is dropped, and new
            ones come half as often.
        report_data: Those of the arrays.
        report_grad: Those of the gradients.
        plot_mean: Plot the mean.
        plot_std: Plot the standard deviation.
        percentile_sigmas: Which percentiles to plot, in percent; default: minimum, −3σ … 3σ, maximum.
        trigger: When the picture is drawn.
        filename: In the output folder.
        figsize: The picture's (width, height) in inches.
        marker: Of points, as matplotlib calls it.
        grid: Draw one.
        **kwargs: ``file_name``, the old name of ``filename``.
    """

    def __init__(
        self,
        targets: Any,
        max_sample_size: int = 1000,
        report_data: bool = True,
        report_grad: bool = True,
        plot_mean: bool = True,
        plot_std: bool = True,
        percentile_sigmas: float | Sequence[float] = _SIGMAS,
        trigger: Any = (1, "epoch"),
        filename: str = "statistics.png",
        figsize: tuple[float, float] | None = None,
        marker: str | None = None,
        grid: bool = True,
        **kwargs: Any,
    ) -> None:
        self._filename = kwargs.pop("file_name", filename)
        if kwargs:
            raise TypeError(f"VariableStatisticsPlot() got unexpected keyword(s) {', '.join(kwargs)}")
        if max_sample_size < 2:
            raise ValueError(f"max_sample_size={max_sample_size}: expected at least 2")
        self._variables = list(_variables(targets))
        if not self._variables:
            raise ValueError("VariableStatisticsPlot: expected links with parameters, or Variables, as targets")
        self._kinds = [kind for kind, wanted in (("data", report_data), ("grad", report_grad)) if wanted]
        self._plot_mean = plot_mean
        self._plot_std = plot_std
        self._percents = list(percentile_sigmas) if isinstance(percentile_sigmas, Sequence) else [percentile_sigmas]
        self._trigger = get_trigger(trigger)
        self._figsize = figsize
        self._marker = marker
        self._grid = grid
        self._max_sample_size = max_sample_size
        self._every = 1  # how many calls a sample stands for
        self._calls = 0
        self._samples: list[dict[str, Any]] = []

    @staticmethod
    def available() -> bool:
        """Return whether matplotlib is installed."""
        return importlib.util.find_spec("matplotlib") is not None

    def initialize(self, trainer: Trainer) -> None:
        figure_class("VariableStatisticsPlot")

    def __call__(self, trainer: Trainer) -> None:
        if self._calls % self._every == 0:
            self._samples.append({"iteration": trainer.updater.iteration, **self._statistics()})
            if len(self._samples) > self._max_sample_size:
                self._samples = self._samples[::2]
                self._every *= 2
        self._calls += 1
        if self._trigger(trainer):
            self.save_plot_using_module(os.path.join(trainer.out, self._filename), None)

    def _statistics(self) -> dict[str, list[float]]:
        """Return mean, standard deviation and percentiles for each kind; NaN where no Variable has such an array."""
        found = {}
        for kind in self._kinds:
            arrays = [array for array in (getattr(variable, kind) for variable in self._variables) if array is not None]
            if not arrays:
                found[kind] = [float("nan")] * (2 + len(self._percents))
                continue
            xp = self._variables[0].xp
            flat = xp.concat([xp.reshape(array, (-1,)) for array in arrays])
            found[kind] = [read_number(value) for value in (mean(flat), std(flat), *percentiles(flat, self._percents))]
        return found

    def save_plot_using_module(self, file_path: str, plt: Any) -> None:
        """Save the picture.

        Args:
            file_path: Where.
            plt: ``matplotlib.pyplot``, or None to do without.
        """
        make = figure_class("VariableStatisticsPlot") if plt is None else plt.figure
        figure = make(figsize=self._figsize)
        rows = [name for name, wanted in (("mean", self._plot_mean), ("std", self._plot_std)) if wanted]
        rows += ["percentile"] if self._percents else []
        grid = figure.subplots(max(1, len(rows)), max(1, len(self._kinds)), sharex=True, squeeze=False)
        iterations = [sample["iteration"] for sample in self._samples]
        for column, kind in enumerate(self._kinds):
            for row, name in enumerate(rows):
                axes = grid[row][column]
                for index in self._lines(name):
                    line = [sample[kind][index] for sample in self._samples]
                    axes.plot(iterations, line, marker=self._marker, linewidth=1)
                axes.set_title(f"{kind} {name}")
                axes.grid(self._grid)
        save_figure(figure, file_path)
        if plt is not None:
            plt.close(figure)

    def _lines(self, name: str) -> list[int]:
        """Return where in a sample the lines of a diagram are."""
        return {"mean": [0], "std": [1]}.get(name, list(range(2, 2 + len(self._percents))))

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the samples."""
        if hasattr(self._trigger, "serialize"):
            self._trigger.serialize(serializer["_trigger"])
        self._calls = serializer("_calls", self._calls)
        self._every = serializer("_every", self._every)
        self._samples = json.loads(serializer("_samples", json.dumps(self._samples)))


def _variables(targets: Any) -> list[Variable]:
    if isinstance(targets, Variable):
        return [targets]
    if hasattr(targets, "params"):
        return list(targets.params())
    return [variable for target in targets for variable in _variables(target)]
