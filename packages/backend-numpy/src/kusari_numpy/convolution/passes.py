"""A convolution and its data gradient as passes: pixels that see the same taps, each tap at one distance.

Forward is one pass. Backward with stride s is s passes along each axis: the pixels p of x with the same p mod s got
their numbers through the same taps, and side by side in gy.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from kusari_numpy.convolution.channels_last import Axis, Geometry

Three = tuple[int, int, int]


class AxisPass(NamedTuple):
    """What a pass is along one axis."""

    pixels: int
    """How many are computed."""
    first: int
    """The first of them."""
    every: int
    """From one to the next."""
    step: int
    """From what one sees to what the next sees."""
    taps: tuple[tuple[int, int], ...]
    """(distance, tap) of each: pixel number q sees place q · step + distance through the tap."""

    def stretches(self, seen: int) -> Iterator[AxisPass]:
        """Yield the stretches of pixels that see the same taps within so many places, with these taps alone."""

        def within(pixel: int) -> tuple[tuple[int, int], ...]:
            return tuple(tap for tap in self.taps if 0 <= pixel * self.step + tap[0] < seen)

        for taps, pixels in itertools.groupby(range(self.pixels), within):
            begin, *others = pixels
            from_there = tuple((distance + begin * self.step, tap) for distance, tap in taps)
            yield AxisPass(1 + len(others), self.first + begin * self.every, self.every, self.step, from_there)


class Pass(NamedTuple):
    """Pixels that see the same taps."""

    axes: tuple[AxisPass, AxisPass, AxisPass]

    @property
    def grid(self) -> Three:
        """How many pixels are computed along each axis."""
        d, h, w = (axis.pixels for axis in self.axes)
        return d, h, w

    @property
    def taps(self) -> Iterator[tuple[Three, Three]]:
        """Yield (distances, tap) of each place in the window."""
        for d, h, w in itertools.product(*(axis.taps for axis in self.axes)):
            yield (d[0], h[0], w[0]), (d[1], h[1], w[1])


class Passes(NamedTuple):
    """All that computes one image from another."""

    passes: tuple[Pass, ...]
    before: Three
    """The border of zeros in front of what is seen."""
    bordered: Three
    """The lengths with the borders."""
    complete: bool
    """Whether every pixel is computed; the others are 0."""

    @classmethod
    def forward(cls, geometry: Geometry) -> Passes:
        """Return y from x."""
        axes = zip(geometry.out, geometry.window, strict=True)
        return cls._of([[_forward(out, axis)] for out, axis in axes], geometry.size)

    @classmethod
    def backward(cls, geometry: Geometry) -> Passes:
        """Return gx from gy."""
        axes = zip(geometry.size, geometry.window, strict=True)
        return cls._of([_backward(length, axis) for length, axis in axes], geometry.out)

    def inside(self, seen: Three) -> Passes:
        """Return passes that read nothing outside of an image: more of them, and at its edges with fewer taps."""
        axes = [[axis.stretches(length) for axis, length in zip(one.axes, seen, strict=True)] for one in self.passes]
        parts = tuple(Pass((d, h, w)) for one in axes for d, h, w in itertools.product(*one))
        return Passes(parts, (0, 0, 0), seen, self.complete)

    @classmethod
    def _of(cls, axes: list[list[AxisPass]], seen: Three) -> Passes:
        borders = [_border(passes, length) for passes, length in zip(axes, seen, strict=True)]
        before, bordered = ((d, h, w) for d, h, w in zip(*borders, strict=True))
        found = tuple(Pass((d, h, w)) for d, h, w in itertools.product(*axes))
        some = tuple(one for one in found if any(one.taps) and 0 not in one.grid)
        return cls(some, before, bordered, complete=len(some) == len(found))


def _forward(out: int, axis: Axis) -> AxisPass:
    size, stride, pad, dilate = axis
    return AxisPass(out, 0, 1, stride, tuple((k * dilate - pad, k) for k in range(size)))


def _backward(length: int, axis: Axis) -> list[AxisPass]:
    """Return the passes over pixels p = first + q · stride: p = o · stride + k · dilate − pad for some output o."""
    size, stride, pad, dilate = axis
    passes = []
    for first in range(min(stride, length)):
        taps = [
            ((first + pad - k * dilate) // stride, k) for k in range(size) if (first + pad - k * dilate) % stride == 0
        ]
        passes.append(AxisPass(-(-(length - first) // stride), first, stride, 1, tuple(sorted(taps))))
    return passes


def _border(passes: list[AxisPass], length: int) -> tuple[int, int]:
    """Return how far before the image anything is seen, and the length with both borders."""
    lowest = min((distance for one in passes for distance, _ in one.taps), default=0)
    highest = max((one.step * (one.pixels - 1) + distance for one in passes for distance, _ in one.taps), default=0)
    before = max(0, -lowest)
    return before, before + max(length, highest + 1)
