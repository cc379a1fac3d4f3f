"""Convolution in groups of few channels: were each a product of its own, most of a vector would be empty."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import ConvolutionProblem
from kusari_numpy.convolution.channels_last import (
    ChannelsLastConvolution,
    Geometry,
    HostArray,
    channels_first_view,
    channels_last,
    flat_images,
)
from kusari_numpy.convolution.depthwise import Boxes
from kusari_numpy.convolution.direct import DirectConvolution, sum_pixels
from kusari_numpy.convolution.epilogue import activate
from kusari_numpy.convolution.gradient import LANES
from kusari_numpy.convolution.passes import Passes, Three
from kusari_numpy.pieces import share
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros, workspace

MOST: Final = 64
"""Channels seen times channels made by a group. With 3 and 5, 3×3 windows, 36 images of 43² and two threads, y, gx and
gW take 7.5, 11.3 and 9.6 ms, by products 10.2, 15.1 and 27.3."""
FEWEST: Final = 2
"""Images."""
HELD: Final = 2**17
"""Numbers of copies that are made at a time, and stay in cache: 512 KiB of float32."""


class Copies(NamedTuple):
    """How channels are copied, so that each channel that is made sees its own, and what sees the copies."""

    groups: Three
    """How many, and the channels that one sees and makes."""
    together: int
    """Groups that are copied at a time."""
    numbers: int
    """Of those copies, and some room behind them."""
    boxes: Boxes

    @classmethod
    def of(cls, passes: Passes, geometry: Geometry, size: Three, groups: Three, lanes: int) -> Copies:
        """Return those for passes that make images of a size."""
        from kusari_numpy.compiled.small_groups import AT_ONCE

        count, _, makes = groups
        each = math.prod(passes.bordered) * makes
        most = min(count, max(1, HELD // each))
        together = max(range(1, most + 1), key=lambda some: (some * makes / (-(-some * makes // lanes)), some))
        boxes = Boxes.of(passes, geometry, size, together * makes, count * makes)
        return cls(groups, together, each * together + AT_ONCE, boxes)


class SmallGroupsConvolution(ChannelsLastConvolution):
    """Depthwise, of copies: the i-th copy has, for each output channel, the i-th channel that it sees.

    The copies lie along a third axis of the image, and of the window. They are made for an image and some groups at a
    time, and stay in cache.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.geometry = Geometry.of(problem)
        self.groups, self.makes, self.sees = problem.groups, problem.W[0] // problem.groups, problem.W[1]

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take several images, of up to two axes, in groups of few channels."""
        if problem.groups < 2 or problem.W[1] * problem.W[0] // problem.groups > MOST:
            return f"not groups that make and see at most {MOST} channels, multiplied"
        if problem.W[:2] == (problem.groups, 1):
            return "depthwise needs no copies"
        if len(problem.window.size) > 2:
            return "a third axis of the window is for the channels of a group"
        if problem.x[0] < FEWEST:
            return "an image is one thread's work"
        return DirectConvolution.accepts(problem)

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, *out)."""
        activation = self.problem.activation
        filters = np.ascontiguousarray(W.reshape(len(W), -1).T)
        y = self._convolve(x, self._there, self.geometry.out, filters, b, activation == RELU)
        activate(self.backend, y, activation)
        return channels_first_view(y, self.problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        filters = W.reshape(self.groups, self.makes, self.sees, -1)[:, ::-1]  # seen from the last copy to the first
        filters = np.ascontiguousarray(filters.transpose(1, 3, 0, 2)).reshape(-1, self.groups * self.sees)
        gx = self._convolve(gy, self._back, self.geometry.size, filters, None, False)
        return channels_first_view(gx, self.problem.x[2:])

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        from kusari_numpy.compiled.small_groups import add_gradient_of_groups

        groups, together, numbers, boxes = self._there
        images, g, outputs = flat_images(channels_last(x)), flat_images(channels_last(gy)), gy.shape[1]
        totals, zero = np.zeros((LANES, math.prod(self.problem.W)), gy.dtype), np.zeros(outputs, gy.dtype)

        def work(lane: int) -> None:
            some = lane * len(g) // LANES, (lane + 1) * len(g) // LANES
            copies = workspace("copies", (numbers,), images.dtype)
            add_gradient_of_groups(images, groups, together, copies, boxes, g, totals[lane], zero, *some)

        pool().run(work, LANES)
        gradient = totals.sum(axis=0).reshape(-1, outputs)
        return np.ascontiguousarray(gradient.T).reshape(self.problem.W)

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))

    @cached_property
    def _there(self) -> Copies:
        size, out, (_, *along) = self.geometry
        window = ((self.sees, 1, 0, 1), along[0], along[1])
        geometry = Geometry((self.sees, *size[1:]), (1, *out[1:]), window)
        passes = Passes.forward(geometry).inside(geometry.size)
        return Copies.of(passes, geometry, geometry.out, (self.groups, self.sees, self.makes), self._lanes)

    @cached_property
    def _back(self) -> Copies:
        # What makes an image of `makes` copies of one: with so much of a border, the one gradient of x sees them all.
        size, out, (_, *along) = self.geometry
        window = ((self.makes, 1, self.makes - 1, 1), along[0], along[1])
        geometry = Geometry((1, *size[1:]), (self.makes, *out[1:]), window)
        passes = Passes.backward(geometry).inside(geometry.out)
        return Copies.of(passes, geometry, geometry.size, (self.groups, self.makes, self.sees), self._lanes)

    @property
    def _lanes(self) -> int:
        from kusari_numpy.compiled.vectors import whole

        return whole(1, self.problem.dtype)

    def _convolve(
        self, x: HostArray, through: Copies, size: Three, filters: HostArray, b: HostArray | None, rectify: bool
    ) -> HostArray:
        """Return (N, *size, channels) through filters (taps, channels)."""
        from kusari_numpy.compiled.small_groups import convolve_groups

        (groups, together, numbers, boxes), channels = through, filters.shape[1]
        y = (aligned_empty if boxes.complete else aligned_zeros)((len(x), *size, channels), x.dtype)
        bias = np.zeros(channels, x.dtype) if b is None else np.ascontiguousarray(b)
        floor = x.dtype.type(0 if rectify else -math.inf)
        images, results, flat = flat_images(channels_last(x)), flat_images(y), filters.reshape(-1)

        def work(first: int, last: int) -> None:
            copies = workspace("copies", (numbers,), x.dtype)
            convolve_groups(images, groups, together, copies, boxes, flat, results, bias, floor, first, last)

        share(work, len(x), numbers * groups[0] // together)
        return y
