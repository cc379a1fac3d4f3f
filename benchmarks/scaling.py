"""Time a convolution layer, forward and backward, as its batch, channels or images grow, against PyTorch's.

One size at a time grows from a layer of 8 images of 28² with 64 channels in and out, once with 3×3 windows and once
with 1×1. Through each curve goes t = c·sizeᵖ by least squares of the logarithms: p says how time grows. Arithmetic
alone would give p = 1 for batch and channels, and 2 for the side of an image. Both sides run in turn in one process,
each in contiguous and in channels-last memory, of which the faster counts.

    python benchmarks/scaling.py [--threads 2] [--rounds 15] [--json FILE] [--plot FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a script, from anywhere

from benchmarks import timing
from benchmarks.worker import environment

AXES: Final = {
    "batch": (1, 2, 4, 8, 16, 32),
    "channels in": (16, 32, 64, 128, 256),
    "channels out": (16, 32, 64, 128, 256),
    "image size": (7, 14, 28, 56, 112),
}
BASE: Final = {"batch": 8, "channels in": 64, "channels out": 64, "image size": 28}
WINDOWS: Final = (3, 1)
SIDES: Final = ("kusari", "torch")


class Fit(NamedTuple):
    """t = coefficient · sizeᵉˣᵖᵒⁿᵉⁿᵗ."""

    exponent: float
    coefficient: float

    def at(self, size: float) -> float:
        """Return what the fit gives for a size."""
        return self.coefficient * math.pow(size, self.exponent)


def fit(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """Fit a power law by least squares of the logarithms.

    Raises:
        ValueError: Fewer than two different sizes, or something that has no logarithm.

    >>> round(fit([1, 2, 4], [3, 12, 48]).exponent, 6)
    2.0
    """
    if min(*sizes, *values) <= 0:
        raise ValueError(f"a power law has positive sizes and values; got {list(sizes)} and {list(values)}")
    if len(set(sizes)) < 2:
        raise ValueError(f"an exponent needs two different sizes or more; got {list(sizes)}")
    line = statistics.linear_regression([math.log(size) for size in sizes], [math.log(value) for value in values])
    return Fit(line.slope, math.exp(line.intercept))


class Curve(NamedTuple):
    """The times of one side along one axis."""

    axis: str
    window: int
    side: str
    sizes: tuple[int, ...]
    milliseconds: list[float]

    @property
    def label(self) -> str:
        """What the legend says: ``kusari 3×3: 0.97``."""
        return f"{self.side} {self.window}×{self.window}: {self.fit.exponent:.2f}"

    @property
    def fit(self) -> Fit:
        """The power law through the times."""
        return fit(self.sizes, self.milliseconds)


def measure(axis: str, window: int, rounds: int) -> list[Curve]:
    """Return the curve of each side, every point of both in turn."""
    from benchmarks.workloads.layers import FORMATS, Layer, our_layer, their_layer

    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for size in AXES[axis]:
        at = BASE | {axis: size}
        layer = Layer("", at["batch"], at["channels in"], at["image size"], at["channels out"], window, pad=window // 2)
        runs = [make(layer, True, form)() for make in (our_layer, their_layer) for form in FORMATS]
        medians = [statistics.median(seconds) * 1e3 for seconds in timing.interleaved(runs, rounds)]
        for number, side in enumerate(SIDES):
            times[side].append(round(min(medians[number * len(FORMATS) :][: len(FORMATS)]), 4))
    return [Curve(axis, window, side, AXES[axis], times[side]) for side in SIDES]


def lines(curves: Sequence[Curve]) -> Iterator[str]:
    """Yield what is printed of an axis: the sizes, and each curve with its exponent."""
    yield f"{curves[0].axis:24}" + "".join(f"{size:9d}" for size in curves[0].sizes) + "   exponent"
    for curve in curves:
        name = f"  {curve.side} {curve.window}×{curve.window}, ms"
        yield f"{name:24}" + "".join(f"{value:9.2f}" for value in curve.milliseconds) + f"   {curve.fit.exponent:8.2f}"


def plot(curves: Sequence[Curve], path: Path, caption: str) -> None:
    """Draw one panel for each axis: points are medians, lines the fits, the legend has the exponents."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    colours = {"kusari": "#c0392b", "torch": "#34495e"}
    styles = {3: ("o", "-"), 1: ("s", "--")}
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True)
    for panel, axis in zip(panels.flat, AXES, strict=True):
        for curve in (curve for curve in curves if curve.axis == axis):
            marker, style = styles[curve.window]
            colour = colours[curve.side]
            fitted = [curve.fit.at(size) for size in curve.sizes]
            panel.plot(curve.sizes, fitted, style, color=colour, linewidth=1)
            panel.plot(curve.sizes, curve.milliseconds, marker, color=colour, markersize=5)
            panel.plot([], [], marker + style, color=colour, label=curve.label)
        panel.set(xscale="log", yscale="log", xlabel=axis, xticks=AXES[axis])
        panel.xaxis.set_minor_locator(NullLocator())
        for side in (panel.xaxis, panel.yaxis):
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.grid(True, which="major", linewidth=0.3)
        panel.legend(title="side, window: exponent", fontsize=8, title_fontsize=8, ncols=2, loc="upper left")
    panels[0, 0].set_ylim(top=5 * max(max(curve.milliseconds) for curve in curves))  # room for the legends, in all four
    for panel in panels[:, 0]:
        panel.set_ylabel("forward + backward, ms")
    figure.suptitle(caption, fontsize=10)
    with rc_context({"svg.hashsalt": "scaling", "svg.fonttype": "none"}):  # equal figures make equal files, with text
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Print the times and the exponents; write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures here, with the machine named")
    parser.add_argument("--plot", type=Path, help="draw them into this .svg or .png; needs matplotlib")
    arguments = parser.parse_args()
    os.environ.update(environment(arguments.threads))  # before NumPy and PyTorch are imported, who read it then
    import torch

    torch.set_num_threads(arguments.threads)
    curves: list[Curve] = []
    for axis in AXES:
        found = [curve for window in WINDOWS for curve in measure(axis, window, arguments.rounds)]
        print(*lines(found), sep="\n", flush=True)
        curves += found
    machine = timing.machine()
    if arguments.json:
        rows: list[dict[str, Any]] = [curve._asdict() | {"exponent": round(curve.fit.exponent, 3)} for curve in curves]
        figures = {"machine": machine, "threads": arguments.threads, "rounds": arguments.rounds, "base": BASE}
        text = json.dumps(figures | {"curves": rows}, indent=1, ensure_ascii=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if arguments.plot:
        base = f"{BASE['batch']} images of {BASE['image size']}², {BASE['channels in']}→{BASE['channels out']} channels"
        plot(curves, arguments.plot, f"{base}, one size varied; {arguments.threads} threads, {machine['processor']}")


if __name__ == "__main__":
    main()
