"""Convolution by tiles: nothing is unfolded; every tap is added while a tile of the output is in the registers."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Final

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
)
from kusari_numpy.convolution.epilogue import activate
from kusari_numpy.convolution.fold import Fold
from kusari_numpy.convolution.gradient import FilterGradient
from kusari_numpy.convolution.gradient_by_outputs import GradientByOutputs, is_by_outputs
from kusari_numpy.convolution.panels import Panels
from kusari_numpy.convolution.passes import Passes
from kusari_numpy.convolution.places import Seen, tap_order
from kusari_numpy.convolution.sweep import Sweep
from kusari_numpy.pieces import PIECE, share_loop
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_zeros, workspace

FEW_CHANNELS: Final = 4
"""Up to here an image of channels-first memory is read as it is."""


class DirectConvolution(ChannelsLastConvolution):
    """Tiles of pixels by channels, to which each tap of the window adds its product.

    Results are views of channels-last memory, and so is what is worked on but for images of few channels: a net
    converts nothing.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.geometry = Geometry.of(problem)
        self.there, self.back = Passes.forward(self.geometry), Passes.backward(self.geometry)

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take float32 or float64, of up to three axes."""
        if problem.dtype not in (np.float32, np.float64):
            return f"tiles are compiled for float32 and float64, not for {problem.dtype}"
        if not 1 <= len(problem.window.size) <= 3:
            return f"{len(problem.window.size)} spatial axes; the loops are written for one to three"
        if 0 in problem.y or 0 in problem.x:
            return "nothing to compute"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, *out)."""
        activation = self.problem.activation
        if self._fold_there is not None:
            y = self._fold_there(self._folds(self._fold_there, W), x, b, activation == RELU)
        else:
            y = self._sweep_there(enclose(x, self.there), self.filters_there(W), b, activation == RELU)
        activate(self.backend, y, activation)
        return channels_first_view(y, self.problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        if self._fold_back is not None:
            gx = self._fold_back(self._folds(self._fold_back, W), gy)
        else:
            gx = self._sweep_back(enclose(gy, self.back), self.filters_back(W))
        return channels_first_view(gx, self.problem.x[2:])

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        return self._filter_gradient(enclose(x, self.there, self.problem.groups), channels_last(gy))

    @cached_property
    def _sweep_there(self) -> Sweep:
        return Sweep(self.problem, self.there, self.problem.x[1], self.problem.W[0], self.geometry.out)

    @cached_property
    def _sweep_back(self) -> Sweep:
        return Sweep(self.problem, self.back, self.problem.W[0], self.problem.x[1], self.geometry.size)

    @cached_property
    def _fold_there(self) -> Fold | None:
        return Fold.forward(self.problem)

    @cached_property
    def _fold_back(self) -> Fold | None:
        return Fold.backward(self.problem)

    @cached_property
    def _filter_gradient(self) -> FilterGradient | GradientByOutputs:
        kind = GradientByOutputs if is_by_outputs(self.problem, self.there) else FilterGradient
        return kind(self.problem, self.there, self.geometry.out)

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))

    def filters_there(self, W: HostArray) -> list[Panels]:
        """Return the panels of each pass of forward."""
        # Packed the same way whether they are for once or kept: a filter that changes at every step is packed for it.
        key = ("there", self.problem.groups)
        made: list[Panels] = self.backend.derived(W, key, self._pack_there, self._pack_there)
        return made

    def filters_back(self, W: HostArray) -> list[Panels]:
        """Return the panels for backward, likewise."""
        key = ("back", self.problem.groups, self.geometry.window, self.geometry.size)
        made: list[Panels] = self.backend.derived(W, key, self._pack_back, self._pack_back)
        return made

    def _folds(self, fold: Fold, W: HostArray) -> HostArray:
        """Return the panels for a fold, likewise."""
        made: HostArray = self.backend.derived(W, fold.key, fold.filters, fold.filters)
        return made

    def _pack_there(self, W: HostArray) -> list[Panels]:
        outputs, inputs, taps = self._filters(W)
        return self._packed(W, self._order_there, (inputs, outputs), (taps, inputs * taps))

    def _pack_back(self, W: HostArray) -> list[Panels]:
        outputs, inputs, taps = self._filters(W)
        return self._packed(W, self._order_back, (outputs, inputs), (inputs * taps, taps))

    def _filters(self, W: HostArray) -> tuple[int, int, int]:
        """Return (O, C, taps) of a group's filters."""
        return len(W) // self.problem.groups, W.shape[1], self.geometry.taps

    def _packed(
        self, W: HostArray, orders: list[HostArray], size: tuple[int, int], steps: tuple[int, int]
    ) -> list[Panels]:
        """Return the panels of each pass: of (in, out) channels, and the distances between them in W."""
        flat, groups = np.ascontiguousarray(W).reshape(-1), self.problem.groups
        return [Panels(flat, groups, size, steps, order) for order in orders]

    @cached_property
    def _order_there(self) -> list[HostArray]:
        return [tap_order(one, self.geometry) for one in self.there.passes]

    @cached_property
    def _order_back(self) -> list[HostArray]:
        return [tap_order(one, self.geometry) for one in self.back.passes]


def enclose(x: HostArray, passes: Passes, groups: int = 1) -> HostArray:
    """Return images (N, C, *spatial) channels-last in their border of zeros: scratch memory, or x's own.

    With groups, they lie as `Seen` says.
    """
    if x.shape[1] > FEW_CHANNELS:
        images = channels_last(x)
    else:
        images = np.expand_dims(np.moveaxis(x, 1, -1), tuple(range(1, 6 - x.ndim)))
    shape, _ = Seen.of(passes, len(x), x.shape[1], groups)
    if images.shape == shape:
        return np.ascontiguousarray(images)
    from kusari_numpy.compiled.direct import enclose_in_ranges

    apart = images.reshape(*images.shape[:4], -1, shape[4]).transpose(4, 0, 1, 2, 3, 5)
    bordered = workspace("bordered", (len(apart), *shape), x.dtype)
    planes = math.prod(bordered.shape[:3])
    share_loop(enclose_in_ranges, (apart, bordered, passes.before), planes, math.prod(shape[2:]))
    return bordered if len(apart) > 1 else bordered[0]


def sum_pixels(rows: HostArray) -> HostArray:
    """Return the sum of (N, *out, O) over all but O: some images first, always the same, so that nothing varies."""
    from kusari_numpy.compiled.rows import sum_images
    from kusari_numpy.compiled.vectors import whole

    images, outputs = rows.reshape(len(rows), -1, rows.shape[-1]), rows.shape[-1]
    at_once = max(1, PIECE // images[0].size)
    totals = aligned_zeros((-(-len(images) // at_once), whole(outputs, rows.dtype)), rows.dtype)  # each has its lines
    total = np.empty(outputs, rows.dtype)
    pool().take_turns(sum_images, (images, at_once, totals, total), pool().sharing(len(totals)))
    return total
