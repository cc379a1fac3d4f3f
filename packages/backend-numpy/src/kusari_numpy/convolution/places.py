"""Where a pass finds in flat memory what it sees, and where it writes: numbers of elements, for the compiled loops."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from kusari_numpy.convolution.channels_last import Geometry, HostArray
from kusari_numpy.convolution.passes import AxisPass, Pass, Passes, Three

Grid = tuple[Three, int, tuple[int, int, int, int]]
"""(D, H, W), the place of the first pixel, and the distances between images and along the three axes."""

LONGEST: Final = 1024
"""Numbers in a run of taps."""


class Seen(NamedTuple):
    """How bordered images lie in memory for the gradient of filters."""

    shape: tuple[int, int, int, int, int]
    """(N, D, H, W, C): all channels, or those of a group."""
    step: int
    """From what one group sees to what the next sees, in numbers."""

    @classmethod
    def of(cls, passes: Passes, images: int, channels: int, groups: int) -> Seen:
        """Return how so many images lie for passes: groups apart where taps then lie side by side.

        In groups of 9 to 14 channels, 4×4 windows, the gradient takes 1.3 ms so, and 2.1 otherwise. Forward and the
        gradient of x gain nothing.
        """
        each = channels // groups
        apart = groups > 1 and side_by_side(passes.passes[0].axes[2]) > 1
        shape = (images, *passes.bordered, each if apart else channels)
        return cls(shape, math.prod(shape) if apart else each)


def side_by_side(axis: AxisPass) -> int:
    """Return how many taps along the last axis lie side by side in memory, if they all do; else 1."""
    distances = [distance for distance, _ in axis.taps]
    return len(distances) if distances == list(range(distances[0], distances[0] + len(distances))) else 1


def grid_of_rows(count: int, length: int, origin: int = 0) -> Grid:
    """Return the grid of so many rows of memory."""
    return (1, 1, count), origin, (0, 0, 0, length)


def _pitches(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return the distances from one image, plane, line, pixel to the next in (N, D, H, W, C)."""
    _, d, h, w, c = shape
    return d * h * w * c, h * w * c, w * c, c


def source(one: Pass, passes: Passes, shape: tuple[int, ...]) -> Grid:
    """Return the grid of places in bordered images that taps are seen from."""
    image, *pitches = _pitches(shape)
    origin = sum(before * pitch for before, pitch in zip(passes.before, pitches, strict=True))
    d, h, w = (axis.step * pitch for axis, pitch in zip(one.axes, pitches, strict=True))
    return one.grid, origin, (image, d, h, w)


def target(one: Pass, shape: tuple[int, ...]) -> Grid:
    """Return the grid of the pixels that are computed."""
    image, *pitches = _pitches(shape)
    origin = sum(axis.first * pitch for axis, pitch in zip(one.axes, pitches, strict=True))
    d, h, w = (axis.every * pitch for axis, pitch in zip(one.axes, pitches, strict=True))
    return one.grid, origin, (image, d, h, w)


def tap_numbers(one: Pass, geometry: Geometry) -> HostArray:
    """Return the number in the window of each of a pass's taps."""
    _, (kh, *_), (kw, *_) = geometry.window
    return np.array([(d * kh + h) * kw + w for _, (d, h, w) in one.taps], np.int64)


def tap_order(one: Pass, geometry: Geometry) -> HostArray:
    """Return the number among a pass's taps of each of the window's; −1 for those that it does without."""
    order = np.full(geometry.taps, -1)
    kept = tap_numbers(one, geometry)
    order[kept] = np.arange(len(kept))
    return order


def tap_places(one: Pass, shape: tuple[int, ...]) -> list[int]:
    """Return each tap's distance in memory."""
    _, *pitches = _pitches(shape)
    return [sum(away * pitch for away, pitch in zip(distances, pitches, strict=True)) for distances, _ in one.taps]


def segments(one: Pass, shape: tuple[int, ...], channels: int) -> HostArray:
    """Return (place, row of the panel, length) of each run of so many channels that a pixel sees side by side."""
    runs: list[list[int]] = []
    for tap, place in enumerate(tap_places(one, shape)):
        for begin in range(0, channels, LONGEST):
            length = min(LONGEST, channels - begin)
            if runs and sum(runs[-1][::2]) == place + begin and runs[-1][2] + length <= LONGEST:
                runs[-1][2] += length
            else:
                runs.append([place + begin, tap * channels + begin, length])
    return np.array(runs, np.int64)


def one_run(channels: int) -> HostArray:
    """Return the segments of a 1×1 window."""
    return np.array([[begin, begin, min(LONGEST, channels - begin)] for begin in range(0, channels, LONGEST)])


def filter_places(shape: tuple[int, ...], one: Pass, channels: int, outputs: int) -> tuple[HostArray, HostArray]:
    """Return where in x, and where in a gradient (C · taps, O), each tap's channels are: taps outside."""
    places = np.array(tap_places(one, shape))
    rows = places[:, None] + np.arange(channels)
    targets = (np.arange(len(places))[:, None] + np.arange(channels) * len(places)) * outputs
    return rows.reshape(-1), targets.reshape(-1)


def pixel_runs(seen: Grid, gy: tuple[int, ...], block: int | None) -> tuple[HostArray, tuple[int, int]]:
    """Return (place in x, place in gy, pixels) of runs of output pixels, and the distances between a run's pixels.

    A run is a line, in parts of ``block`` pixels if that is given; lines that are all in a row are one.
    """
    _, origin, (image, plane, line, step) = seen
    n, d, h, w, outputs = gy
    in_a_row = (line, plane, image) == (w * step, h * w * step, d * h * w * step)
    if block is not None and in_a_row:
        pixels = n * d * h * w
        firsts = np.arange(0, pixels, block)
        begins, lengths = origin + firsts * step, np.minimum(block, pixels - firsts)
    else:
        lines = np.arange(n)[:, None, None] * image + np.arange(d)[:, None] * plane + np.arange(h) * line + origin
        parts = np.arange(0, w, block or w)
        firsts = (np.arange(n * d * h)[:, None] * w + parts).reshape(-1)
        begins = lines.reshape(-1, 1) + parts * step
        lengths = np.tile(np.minimum(block or w, w - parts), n * d * h)
    return np.stack([begins.reshape(-1), firsts * outputs, lengths], axis=1), (step, outputs)
