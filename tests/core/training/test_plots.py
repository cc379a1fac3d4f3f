from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kusari
import kusari.links as L
from kusari import training
from kusari.training import extensions as E

pytest.importorskip("matplotlib", reason="needs matplotlib")

Make = Callable[..., training.Trainer]
EACH = (1, "iteration")


def size_of_picture(path: Path) -> tuple[int, int]:
    """Return the width and height that a PNG file's header says."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_plot(counting: Make, observing: Any, tmp_path: Path) -> None:
    points: list[Any] = []
    trainer = counting(until=4)
    trainer.extend(observing([1.0, 3.0, 2.0, 4.0]))

    def look(figure: Any, axes: Any, found: Any) -> None:
        (line,) = axes.get_lines()
        points.append([*zip(*line.get_data(), strict=True)])
        assert line.get_label() == "x"
        assert found["missing"] == []

    trainer.extend(E.PlotReport(["x", "missing"], trigger=(2, "iteration"), postprocess=look))
    trainer.run()
    assert points == [[(2, 2)], [(2, 2), (4, 3)]]
    assert min(size_of_picture(tmp_path / "out" / "plot.png")) > 100
    assert E.PlotReport.available()


def test_plot_over_another_value(counting: Make, tmp_path: Path) -> None:
    trainer, points = counting(until=2), []
    trainer.extend(lambda trainer: trainer.observation.update(a=trainer.updater.iteration, b=5), priority=300)
    trainer.extend(
        E.PlotReport("b", "a", EACH, lambda figure, axes, found: points.append(dict(found)), "plot.svg", marker=None)
    )
    trainer.extend(E.PlotReport("b", "epoch", EACH, file_name="old.png"), name="old")
    trainer.run()
    assert points[-1] == {"b": [(1, 5), (2, 5)]}
    assert "<svg" in (tmp_path / "out" / "plot.svg").read_text()
    assert (tmp_path / "out" / "old.png").exists()
    trainer = counting(until=1)
    trainer.extend(E.PlotReport("b", "nothing", EACH))
    with pytest.raises(KeyError, match="'nothing' was not observed"):
        trainer.run()


def test_plot_resumed(counting: Make, round_trip: Any) -> None:
    plots = [E.PlotReport("x", trigger=(2, "iteration")) for _ in range(3)]

    def at(iteration: int) -> Any:
        trainer = counting()
        trainer.updater.iteration = iteration
        trainer.observation = {"x": float(iteration)}
        Path(trainer.out).mkdir(exist_ok=True)
        return trainer

    for iteration in range(1, 5):
        plots[0](at(iteration))
        plots[1 if iteration <= 3 else 2](at(iteration))
        if iteration == 3:
            round_trip(plots[1], plots[2])
    assert plots[0]._points == plots[2]._points == {"x": [(2, 1.5), (4, 3.5)]}


def test_statistics_plot(counting: Make, tmp_path: Path, backend: kusari.backend.Backend) -> None:
    link = L.Linear(3, 2)
    link.cleargrads()
    link.to_device(backend.name)
    trainer = counting(until=9)
    plot = E.VariableStatisticsPlot(link, max_sample_size=4, trigger=(3, "iteration"))
    trainer.extend(plot)
    trainer.run()
    assert min(size_of_picture(tmp_path / "out" / "statistics.png")) > 100
    samples = plot._samples
    assert [sample["iteration"] for sample in samples] == [1, 5, 9]
    flat = np.concatenate([backend.to_host(param.array).ravel() for param in link.params()])
    percents = [0, 0.13, 2.28, 15.87, 50, 84.13, 97.72, 99.87, 100]
    assert samples[0]["data"] == pytest.approx([flat.mean(), flat.std(), *np.percentile(flat, percents)], abs=1e-6)
    assert np.isnan(samples[0]["grad"]).all()


def test_statistics_plot_of_variables(counting: Make, tmp_path: Path, round_trip: Any) -> None:
    x = kusari.Variable(np.asarray([1.0, 3.0], "f"), grad=np.asarray([0.0, 1.0], "f"))
    options: Any = {"plot_std": False, "percentile_sigmas": 50, "filename": "v.png", "figsize": (3, 2), "trigger": EACH}
    plot, resumed = E.VariableStatisticsPlot([x, L.Linear(1, 1)], **options), E.VariableStatisticsPlot(x, **options)
    trainer = counting(until=2)
    trainer.extend(plot)
    trainer.run()
    round_trip(plot, resumed)
    assert resumed._samples == plot._samples
    assert resumed._calls == 2
    assert (tmp_path / "out" / "v.png").exists()
    with pytest.raises(ValueError, match="expected links with parameters"):
        E.VariableStatisticsPlot(kusari.Chain())
    with pytest.raises(ValueError, match="at least 2"):
        E.VariableStatisticsPlot(x, max_sample_size=1)
