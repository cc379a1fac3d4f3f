"""MLPConvolution: a convolution and 1×1 convolutions on one piece of the images at a time, while it is in cache."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import ConvolutionProblem, MLPConvolution, MLPConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray, channels_first_view, channels_last, transposed
from kusari_numpy.convolution.direct import DirectConvolution, enclose
from kusari_numpy.convolution.gradient import LANES, are_close, gradient_scratch
from kusari_numpy.convolution.places import filter_places, one_run, pixel_runs, segments, source
from kusari_numpy.convolution.sweep import blocks
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros, workspace

SIZE: Final = 2**17
"""Numbers that a piece of the images should have in all layers: 512 KiB of float32, a part of a core's L2 cache."""
FEWEST_PIXELS: Final = 240
"""In a piece: each reads all filters anew."""
TASKS: Final = 32
"""Into which forward is shared out."""


class RowsMLPConvolution(MLPConvolution):
    """Each piece of rows goes through all the layers before the next one is begun, forward and backward.

    Kept for backward are the hidden layers' outputs, and y where an activation follows, as flat rows (pixels, channels
    in whole vectors).
    """

    contract = 2

    def __init__(self, backend: Backend, problem: MLPConvolutionProblem) -> None:
        from kusari_numpy.compiled.vectors import whole

        super().__init__(backend, problem)
        self.layers = [DirectConvolution(backend, plan.problem) for plan in self.plans]
        self.there = self.layers[0].there
        self.channels = tuple(W[0] for W in problem.W)
        self.widths = tuple(whole(width, problem.dtype) for width in self.channels)
        self.out_shape = self.layers[0].problem.out_shape
        self.line = self.out_shape[-1]
        self.lines = problem.x[0] * math.prod(self.out_shape[:-1])
        self.pixels = self.lines * self.line
        wanted = max(SIZE // (sum(self.channels) * self.line), -(-FEWEST_PIXELS // self.line))
        self.per_piece = max(1, min(wanted, -(-self.lines // LANES)))
        """Lines."""

    @classmethod
    def accepts(cls, problem: MLPConvolutionProblem) -> bool | str:
        """Take what a convolution by tiles takes, with ReLU or nothing between."""
        for activation in (problem.activation, problem.output_activation):
            if activation not in (RELU, None):
                return f"activation {activation}: only relu or none"
        return DirectConvolution.accepts(
            ConvolutionProblem(problem.x, problem.W[0], problem.window, problem.dtype, problem.strides)
        )

    def forward(self, x: HostArray, weights: tuple[HostArray, ...]) -> tuple[HostArray, Any]:  # type: ignore[override]
        """Return y and the hidden layers' rows."""
        from kusari_numpy.compiled.stack import stack_forward

        images, one = enclose(x, self.there), self.there.passes[0]
        filters = tuple(
            [layer.filters_there(W)[0].pack()[0] for layer, W in zip(self.layers, weights[::2], strict=True)]
        )
        biases = tuple([_lengthened(b, width) for b, width in zip(weights[1::2], self.widths, strict=True)])
        runs = (segments(one, images.shape, images.shape[-1]), *[one_run(inputs) for inputs in self.channels[:-1]])
        inputs = (images.shape[-1], *self.widths[:-1])
        blocking = tuple([blocks(count, x.dtype) for count in inputs])
        activations = [self.problem.activation] * (len(self.widths) - 1) + [self.problem.output_activation]
        floors = tuple([x.dtype.type(0 if activation == RELU else -math.inf) for activation in activations])
        scratch = 0 if self.problem.keep else len(self.widths) - 1  # so many layers' outputs are not kept
        outputs = tuple([aligned_empty((self.pixels * width,), x.dtype) for width in self.widths[scratch:]])
        step = self.per_piece * max(1, self.lines // (self.per_piece * TASKS))

        threads = pool().sharing(-(-self.lines // step))
        passing = [self._piece(layer, x.dtype, threads) for layer in range(scratch)]
        given = images.reshape(-1), source(one, self.there, images.shape), runs, filters, biases, floors
        work = blocking, self.pixels, self.line, self.per_piece, step
        pool().take_turns(stack_forward, (*given, (*passing, *outputs), *work), threads)
        kept: Any = self.kept(list(outputs))
        return self._image(outputs[-1], -1), kept if self.problem.keep else None

    def backward(  # type: ignore[override]
        self, kept: Any, x: HostArray, weights: tuple[HostArray, ...], gy: HostArray, wanted: tuple[bool, ...]
    ) -> tuple[HostArray | None, ...]:
        """Return the gradients of (x, *weights) that are wanted, None for the others."""
        gradient = _StackGradient(self, enclose(x, self.there), kept, weights, gy)
        pool().run(gradient.add_lane, LANES)
        grads: list[HostArray | None] = []
        for layer, W in enumerate(self.problem.W):
            gW, gb = None, None
            if wanted[2 * layer + 1]:
                total = gradient.filters[layer].sum(axis=0).reshape(-1, self.widths[layer])[:, : W[0]]
                gW = transposed(np.ascontiguousarray(total)[None])[0].reshape(W)
            if wanted[2 * layer + 2]:
                gb = np.ascontiguousarray(gradient.biases[layer].sum(axis=0)[: W[0]])
            grads += [gW, gb]
        if not wanted[0]:
            return (None, *grads)
        gx: Any = self.plans[0].grad_input(weights[0], self._image(gradient.first, 0))
        return (gx, *grads)

    def _piece(self, layer: int, dtype: Any, threads: int = 1) -> HostArray:
        """Return scratch memory for a layer's rows of one piece for each thread."""
        return workspace(f"layer {layer}", (threads * self.per_piece * self.line * self.widths[layer],), dtype)

    def _image(self, rows: HostArray, layer: int) -> HostArray:
        """Return a layer's rows as (N, channels, *out)."""
        width, channels = self.widths[layer], self.channels[layer]
        rows = rows.reshape(-1, width)
        if width != channels:
            rows = np.ascontiguousarray(rows[:, :channels])
        return channels_first_view(rows.reshape(self.problem.x[0], *self.out_shape, channels), self.out_shape)


class _StackGradient:
    """One call of backward: what is given, and sums of each lane."""

    def __init__(
        self, plan: RowsMLPConvolution, images: HostArray, kept: Any, weights: tuple[HostArray, ...], gy: HostArray
    ) -> None:
        from kusari_numpy.compiled.vectors import TALLEST

        self.plan, self.images = plan, images
        dtype, count = gy.dtype, len(plan.widths)
        self.gy = _whole_rows(channels_last(gy).reshape(-1, plan.channels[-1]), plan.widths[-1]).reshape(-1)
        self.outputs = (*kept, self.gy)[:count]
        self.rectified = (plan.problem.activation == RELU, plan.problem.output_activation == RELU)
        through = count > 1 or self.rectified[1]
        self.first = aligned_empty((plan.pixels * plan.widths[0],), dtype) if through else self.gy
        back = [layer.filters_back(W)[0].pack()[0] for layer, W in zip(plan.layers[1:], weights[2::2], strict=True)]
        self.panels = (np.empty(0, dtype), *back)
        self.segments = tuple([one_run(channels) for channels in plan.channels])
        self.blocks = tuple([blocks(width, dtype) for width in plan.widths])
        places = []
        for layer, width in enumerate(plan.widths):
            shape = images.shape if layer == 0 else (1, 1, 1, 1, plan.channels[layer - 1])
            tables = filter_places(shape, plan.layers[layer].there.passes[0], shape[-1], width)
            places.append([np.pad(table, (0, TALLEST), mode="edge") for table in tables])
        self.rows, self.targets = (tuple(tables) for tables in zip(*places, strict=True))
        self.filters = [
            aligned_zeros((LANES, (len(rows) - TALLEST) * width), dtype)
            for rows, width in zip(self.rows, plan.widths, strict=True)
        ]
        self.biases = [np.zeros((LANES, width), dtype) for width in plan.widths]
        seen = source(plan.there.passes[0], plan.there, images.shape)
        self.runs, self.steps = pixel_runs(seen, (*_grid_shape(plan), plan.widths[0]), None)

    def add_lane(self, lane: int) -> None:
        """Go through a lane's lines, from the last layer to the first."""
        from kusari_numpy.compiled.stack import stack_backward

        plan, dtype, last = self.plan, self.gy.dtype, len(self.plan.widths) - 1
        some = (lane * plan.lines // LANES, (lane + 1) * plan.lines // LANES)
        inner = [self.first, *[plan._piece(layer, dtype) for layer in range(1, last + 1)]]
        if not self.rectified[1]:
            inner[last] = self.gy
        close = (are_close(self.steps[0]), *[are_close(width) for width in plan.widths[:-1]])
        scratch = gradient_scratch(plan.per_piece * plan.line, all(close), max(plan.widths), dtype)
        stack_backward(
            self.images.reshape(-1), self.runs, self.steps, self.rows, self.targets, self.outputs, plan.widths,
            self.rectified, self.gy, tuple(inner), self.panels, self.segments, self.blocks,
            tuple([total[lane] for total in self.filters]), tuple([total[lane] for total in self.biases]), close,
            scratch, some, plan.line, plan.per_piece,
        )  # fmt: skip


def _grid_shape(plan: RowsMLPConvolution) -> tuple[int, int, int, int]:
    """Return (N, D, H, W) of the output."""
    d, h, w = plan.layers[0].geometry.out
    return plan.problem.x[0], d, h, w


def _lengthened(bias: HostArray, width: int) -> HostArray:
    """Return a bias with zeros up to whole vectors."""
    return np.pad(bias, (0, width - len(bias)))


def _whole_rows(rows: HostArray, width: int) -> HostArray:
    """Return rows with zeros up to whole vectors."""
    return rows if rows.shape[1] == width else np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
