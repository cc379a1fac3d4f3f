"""Depthwise convolution: each channel with a filter of its own, along channels-last memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
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
from kusari_numpy.convolution.direct import DirectConvolution, sum_pixels
from kusari_numpy.convolution.epilogue import activate
from kusari_numpy.convolution.gradient import LANES
from kusari_numpy.convolution.passes import Passes, Three
from kusari_numpy.convolution.places import Grid, source, tap_numbers, tap_places, target
from kusari_numpy.pieces import PIECE, in_a_piece
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros

HELD: Final = 2**16
"""Numbers of an image that are computed at a time: 256 KiB of float32, which stay in cache with what they see."""


class DepthwiseConvolution(ChannelsLastConvolution):
    """One sum of products per tap, a vector of channels at a time; bound by memory, not by arithmetic."""

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.geometry = Geometry.of(problem)

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take as many groups as channels, in and out, of up to three axes."""
        if problem.groups < 2 or problem.W[1] != 1 or problem.W[0] != problem.groups:
            return "not one filter for each channel"
        return DirectConvolution.accepts(problem)

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, C, *out)."""
        activation = self.problem.activation
        y = self._convolve(x, self._there, self.geometry.out, W, b, activation == RELU)
        activate(self.backend, y, activation)
        return channels_first_view(y, self.problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        gx = self._convolve(gy, self._back, self.geometry.size, W, None, False)
        return channels_first_view(gx, self.problem.x[2:])

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        from kusari_numpy.compiled.depthwise import gradients_in_turns

        channels, taps = self.problem.groups, self.geometry.taps
        images, g = flat_images(channels_last(x)), flat_images(channels_last(gy))
        lanes, zero = aligned_empty((LANES, taps * channels), gy.dtype), np.zeros(channels, gy.dtype)
        gradient = aligned_empty((channels, taps), gy.dtype)
        operands = images, self._there, g, lanes, zero, _parts(g[0].size), gradient
        pool().take_turns(gradients_in_turns, operands, pool().sharing(LANES))
        return gradient.reshape(self.problem.W)

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))

    @cached_property
    def _there(self) -> Boxes:
        geometry, channels = self.geometry, self.problem.groups
        return Boxes.of(Passes.forward(geometry).inside(geometry.size), geometry, geometry.out, channels, channels)

    @cached_property
    def _back(self) -> Boxes:
        geometry, channels = self.geometry, self.problem.groups
        return Boxes.of(Passes.backward(geometry).inside(geometry.out), geometry, geometry.size, channels, channels)

    def _convolve(
        self, x: HostArray, boxes: Boxes, size: Three, W: HostArray, b: HostArray | None, rectify: bool
    ) -> HostArray:
        """Return (N, *size, C)."""
        from kusari_numpy.compiled.depthwise import convolve_in_turns

        y = (aligned_empty if boxes.complete else aligned_zeros)((len(x), *size, len(W)), x.dtype)
        bias = np.zeros(len(W), x.dtype) if b is None else np.ascontiguousarray(b)
        floor = x.dtype.type(0 if rectify else -math.inf)
        filters = np.ascontiguousarray(W.reshape(len(W), -1).T).reshape(-1)
        images, results = flat_images(channels_last(x)), flat_images(y)
        parts = _parts(results[0].size)
        at_once = in_a_piece(max(results[0].size // parts, PIECE // 4))
        operands = images, boxes, filters, results, bias, floor, parts, at_once
        pool().take_turns(convolve_in_turns, operands, pool().sharing(len(x) * parts // at_once))
        return y


class Boxes(NamedTuple):
    """Pixels that see the same taps within the image, for all of an image's: one row of the tables for each box."""

    sizes: HostArray
    """Pixels along the three axes, of which the longest is the last: work on a line of pixels is begun seldom."""
    sources: HostArray
    """Where in x the first pixel sees from, and how far from there it is to the next along each axis."""
    targets: HostArray
    """Where the first pixel is, and how far from there it is to the next along each axis."""
    spans: HostArray
    """The first of a box's taps, and those after the last chain of three, of two, and after the last of all."""
    taps: HostArray
    """Of all boxes, one after the other: how far from a pixel's place in x."""
    filter_rows: HostArray
    """Of all boxes: where the taps' rows of the filters (taps, C) begin."""
    complete: bool
    """Whether every pixel is in a box; the others are 0."""

    @classmethod
    def of(cls, passes: Passes, geometry: Geometry, size: Three, seen: int, made: int) -> Boxes:
        """Return the boxes of passes without a border that compute images of a size, of so many channels."""
        boxes = passes.passes
        x, y = (1, *passes.bordered, seen), (1, *size, made)
        sizes = np.array([box.grid for box in boxes], np.int64).reshape(-1, 3)
        order = np.argsort(sizes, axis=1, kind="stable")
        sources = _first_and_pitches([source(box, passes, x) for box in boxes], order)
        spans: list[list[int]] = []
        taps: list[int] = []
        rows: list[int] = []
        for box, (*_, step) in zip(boxes, sources.tolist(), strict=True):
            row_of = dict(zip(tap_places(box, x), tap_numbers(box, geometry) * made, strict=True))
            chains = sorted(in_chains(row_of, step), key=len, reverse=True)
            ends = [sum(len(chain) for chain in chains if len(chain) >= length) for length in (4, 3, 2, 1)]
            spans.append([len(taps) + end for end in ends])
            taps += [tap for chain in chains for tap in chain]
            rows += [row_of[tap] for chain in chains for tap in chain]
        return cls(
            np.take_along_axis(sizes, order, 1),
            sources,
            _first_and_pitches([target(box, y) for box in boxes], order),
            np.array(spans, np.int64).reshape(-1, 4),
            np.array(taps, np.int64),
            np.array(rows, np.int64),
            passes.complete,
        )


def in_chains(taps: Iterable[int], step: int) -> list[list[int]]:
    """Return taps in chains of up to three: each sees what the one before will see a pixel later.

    >>> in_chains([0, 4, 8, 12, 100, 104, 113], step=4)
    [[0, 4, 8], [12], [100, 104], [113]]
    """
    left, chains = set(taps), []
    for tap in sorted(left):
        chain = list(itertools.takewhile(left.__contains__, (tap, tap + step, tap + 2 * step)))
        left.difference_update(chain)
        if chain:
            chains.append(chain)
    return chains


def _first_and_pitches(grids: list[Grid], order: HostArray) -> HostArray:
    firsts = np.array([origin for _, origin, _ in grids], np.int64).reshape(-1, 1)
    pitches = np.array([pitches[1:] for _, _, pitches in grids], np.int64).reshape(-1, 3)
    return np.concatenate([firsts, np.take_along_axis(pitches, order, 1)], axis=1)


def _parts(numbers: int) -> int:
    """Return how many pieces an image of so many numbers is."""
    return -(-numbers // HELD)
