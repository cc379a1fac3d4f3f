"""Plots of observed values."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kusari.serializers.atomic import replacing
from kusari.serializers.optional import optional_module
from kusari.training.extension import Extension
from kusari.training.extensions.interval_means import IntervalMeans

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class PlotReport(Extension):
    """Plot the means of observed values into a picture, anew after each interval. Needs the package matplotlib.

    Args:
        y_keys: Which values, one line each; a key, or several.
        x_key: What they are plotted over: ``iteration``, ``epoch``, or another observed value.
        trigger: When an interval ends.
        postprocess: Called with the figure, the axes and the points before it is saved.
        filename: In the output folder; the suffix says which kind of picture.
        marker: Of points, as matplotlib calls it.
        grid: Draw one.
        **kwargs: ``file_name``, the old name of ``filename``.
    """

    def __init__(
        self,
        y_keys: str | Iterable[str],
        x_key: str = "iteration",
        trigger: Any = (1, "epoch"),
        postprocess: Callable[[Any, Any, Any], Any] | None = None,
        filename: str = "plot.png",
        marker: str | None = "x",
        grid: bool = True,
        **kwargs: Any,
    ) -> None:
        self._file_name = kwargs.pop("file_name", filename)
        if kwargs:
            raise TypeError(f"PlotReport() got unexpected keyword(s) {', '.join(kwargs)}")
        self._y_keys = [y_keys] if isinstance(y_keys, str) else list(y_keys)
        self._x_key = x_key
        self._means = IntervalMeans([*self._y_keys, x_key], trigger)
        self._postprocess = postprocess
        self._marker = marker
        self._grid = grid
        self._points: dict[str, list[tuple[float, float]]] = {key: [] for key in self._y_keys}

    @staticmethod
    def available() -> bool:
        """Return whether matplotlib is installed."""
        return importlib.util.find_spec("matplotlib") is not None

    def initialize(self, trainer: Trainer) -> None:
        figure_class("PlotReport")

    def __call__(self, trainer: Trainer) -> None:
        means = self._means.observe(trainer)
        if means is None:
            return
        updater = trainer.updater
        means.update(epoch=updater.epoch, iteration=updater.iteration)
        if self._x_key not in means:
            raise KeyError(f"PlotReport: the x value {self._x_key!r} was not observed in this interval")
        for key in self._y_keys:
            if key in means:
                self._points[key].append((means[self._x_key], means[key]))
        if any(self._points.values()):
            self._draw(os.path.join(trainer.out, self._file_name))

    def _draw(self, path: str) -> None:
        figure = figure_class("PlotReport")()
        axes = figure.add_subplot()
        axes.set_xlabel(self._x_key)
        axes.grid(self._grid)
        for key, points in self._points.items():
            if points:
                axes.plot(*zip(*points, strict=True), marker=self._marker, label=key)
        if self._postprocess is not None:
            self._postprocess(figure, axes, self._points)
        axes.legend(bbox_to_anchor=(1.05, 1), loc="upper left", borderaxespad=0)
        save_figure(figure, path)

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the points, and what the interval has so far."""
        self._means.serialize(serializer)
        points = json.loads(serializer(f"_plot_{self._file_name}", json.dumps(self._points)))
        self._points = {key: [(x, y) for x, y in points.get(key, [])] for key in self._y_keys}


def figure_class(who: str) -> Any:
    """Return matplotlib's Figure, which needs no screen.

    Raises:
        RuntimeError: matplotlib is not installed.
    """
    return optional_module("matplotlib.figure", "plot", who).Figure


def save_figure(figure: Any, path: str) -> None:
    """Save a figure so that whoever looks at the picture sees the old one or the new one."""
    suffix = os.path.splitext(path)[1].removeprefix(".") or "png"
    with replacing(path) as file:
        figure.savefig(file, bbox_inches="tight", format=suffix)
