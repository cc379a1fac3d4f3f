"""MLPConvolution: a convolution and 1×1 convolutions on one piece of the images at a time, while it is in cache."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU, Activation
from kusari.kernels.conv import ConvolutionProblem, MLPConvolution, MLPConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray, channels_first_view, channels_last, transposed
from kusari_numpy.convolution.direct import DirectConvolution, enclose
from kusari_numpy.convolution.gradient import LANES, are_close, gradient_scratch
from kusari_numpy.convolution.places import filter_places, grid_of_rows, one_run, pixel_runs, segments, source
from kusari_numpy.convolution.sweep import blocks
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros, workspace

SIZE: Final = 2**17
"""Numbers that a piece of the images should have in all layers: 512 KiB of float32, a part of a core's L2 cache."""
FEWEST_PIXELS: Final = 240
"""In a piece: each reads all filters anew."""


class RowsMLPConvolution(MLPConvolution):
    """Each piece of rows goes through all the layers before the next one is begun, forward and backward.

    Kept for backward are the hidden layers' outputs, and y where an activation follows, as rows (pixels, channels in
    whole vectors).
    """

    contract = 2

    def __init__(self, backend: Backend, problem: MLPConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.layers = [DirectConvolution(backend, plan.problem) for plan in self.plans]
        self.there = self.layers[0].there
        self.widths = tuple(W[0] for W in problem.W)
        self.out_shape = self.layers[0].problem.out_shape
        self.line = self.out_shape[-1]
        lines = problem.x[0] * math.prod(self.out_shape[:-1])
        wanted = max(SIZE // (sum(self.widths) * self.line), -(-FEWEST_PIXELS // self.line))
        per_piece = max(1, min(wanted, -(-lines // LANES)))
        self.pieces = [(first, min(first + per_piece, lines)) for first in range(0, lines, per_piece)]
        self.pixels = lines * self.line

    @classmethod
    def accepts(cls, problem: MLPConvolutionProblem) -> bool | str:
        """Take what a convolution by tiles takes."""
        return DirectConvolution.accepts(
            ConvolutionProblem(problem.x, problem.W[0], problem.window, problem.dtype, problem.strides)
        )

    def forward(self, x: HostArray, weights: tuple[HostArray, ...]) -> tuple[HostArray, Any]:  # type: ignore[override]
        """Return y and the hidden layers' rows."""
        from kusari_numpy.compiled.direct import convolve
        from kusari_numpy.compiled.vectors import whole

        images = enclose(x, self.there)
        widths = [whole(width, x.dtype) for width in self.widths]
        filters = [layer.filters_there(W)[0][0] for layer, W in zip(self.layers, weights[::2], strict=True)]
        shifts = [_lengthened(b, width) for b, width in zip(weights[1::2], widths, strict=True)]
        scratch = 0 if self.problem.keep else len(widths) - 1  # so many layers' outputs are not kept
        outputs = [aligned_empty((self.pixels, width), x.dtype) for width in widths[scratch:]]
        first_runs = segments(self.there.passes[0], images.shape)
        activations = [self.problem.activation] * (len(widths) - 1) + [self.problem.output_activation]

        def work(number: int) -> None:
            pixels = self._pixels(number)
            rows, seen, runs = images, source(self.there.passes[0], self.there, images.shape), first_runs
            for layer, width in enumerate(widths):
                kept = layer >= scratch
                size = self.pixels if kept else pixels[1] - pixels[0]
                out = outputs[layer - scratch] if kept else workspace(f"layer {layer}", (size, width), x.dtype)
                made = grid_of_rows(self.pixels, width, 0 if kept else -pixels[0] * width)
                activation = activations[layer]
                floor = x.dtype.type(0 if activation == RELU else -math.inf)
                convolve(
                    rows.reshape(-1), seen, filters[layer], runs, out.reshape(-1), made, pixels,
                    _all_vectors(width, x.dtype), shifts[layer], floor, *blocks(rows.shape[-1], x.dtype),
                )  # fmt: skip
                if activation is not None and activation != RELU:
                    some = out[pixels[0] : pixels[1]] if kept else out
                    activated: Any = activation.apply(self.backend, some)
                    some[...] = activated
                rows, seen, runs = out, made, one_run(self.widths[layer])

        pool().run(work, len(self.pieces))
        some_kept: Any = self.kept(outputs)  # type: ignore[arg-type]  # host arrays are Arrays
        return self._image(outputs[-1], self.widths[-1]), some_kept if self.problem.keep else None

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
                total = gradient.filters[layer].sum(axis=0)[:, : W[0]]
                gW = transposed(np.ascontiguousarray(total)[None])[0].reshape(W)
            if wanted[2 * layer + 2]:
                gb = np.ascontiguousarray(gradient.biases[layer].sum(axis=0)[: W[0]])
            grads += [gW, gb]
        if not wanted[0]:
            return (None, *grads)
        image = self._image(gradient.first, self.widths[0])
        gx: Any = self.plans[0].grad_input(weights[0], image)
        return (gx, *grads)

    def _pixels(self, piece: int) -> tuple[int, int]:
        first, last = self.pieces[piece]
        return first * self.line, last * self.line

    def _image(self, rows: HostArray, width: int) -> HostArray:
        """Return rows (pixels, channels in whole vectors) as (N, channels, *out)."""
        if rows.shape[1] != width:
            rows = np.ascontiguousarray(rows[:, :width])
        return channels_first_view(rows.reshape(self.problem.x[0], *self.out_shape, width), self.out_shape)


class _StackGradient:
    """One call of backward: what is given, and sums of each lane."""

    def __init__(
        self, plan: RowsMLPConvolution, images: HostArray, kept: Any, weights: tuple[HostArray, ...], gy: HostArray
    ) -> None:
        from kusari_numpy.compiled.vectors import TALLEST, whole

        self.plan, self.images, self.kept = plan, images, kept
        dtype = gy.dtype
        self.widths = [whole(width, dtype) for width in plan.widths]
        self.last = _whole_rows(channels_last(gy).reshape(-1, plan.widths[-1]), self.widths[-1])
        through = len(self.widths) > 1 or plan.problem.output_activation is not None
        self.first = aligned_empty((plan.pixels, self.widths[0]), dtype) if through else self.last
        self.panels = [layer.filters_back(W)[0][0] for layer, W in zip(plan.layers[1:], weights[2::2], strict=True)]
        self.places = []
        for layer, width in enumerate(self.widths):
            shape = images.shape if layer == 0 else (1, 1, 1, 1, plan.widths[layer - 1])
            tables = filter_places(shape, plan.layers[layer].there.passes[0], shape[-1], width)
            self.places.append([np.pad(table, (0, TALLEST), mode="edge") for table in tables])
        self.filters = [
            aligned_zeros((LANES, len(rows) - TALLEST, width), dtype)
            for (rows, _), width in zip(self.places, self.widths, strict=True)
        ]
        self.biases = [np.zeros((LANES, width), dtype) for width in self.widths]
        there = plan.there
        seen = source(there.passes[0], there, images.shape)
        self.lines, self.steps = pixel_runs(seen, (*_grid_shape(plan), self.widths[0]), None)

    def add_lane(self, lane: int) -> None:
        """Go through a lane's pieces, from the last layer to the first."""
        from kusari_numpy.compiled.rows import sum_rows

        plan, count = self.plan, len(self.plan.pieces)
        for piece in range(lane * count // LANES, (lane + 1) * count // LANES):
            first, last = plan._pixels(piece)
            g = self._after_products(first, last)
            for layer in reversed(range(len(self.widths))):
                self._add_filters(layer, lane, piece, g)
                sum_rows(g, self.biases[layer][lane])
                if layer == 0:
                    break
                g = self._through(layer, g, first, last)
                _differentiate(plan, plan.problem.activation, self.kept[layer - 1][first:last], g)

    def _after_products(self, first: int, last: int) -> HostArray:
        """Return the gradient after the last product, from that of y."""
        gy, activation = self.last[first:last], self.plan.problem.output_activation
        if activation is None:
            return gy
        made = self.first[first:last] if len(self.widths) == 1 else workspace("after products", gy.shape, gy.dtype)
        made[...] = gy
        _differentiate(self.plan, activation, self.kept[-1][first:last], made)
        return made

    def _add_filters(self, layer: int, lane: int, piece: int, g: HostArray) -> None:
        """Add a piece's share of the gradient of a layer's filters."""
        from kusari_numpy.compiled.gradient import filter_gradient

        first, last = self.plan.pieces[piece]
        if layer == 0:
            x, runs, steps = self.images, self.lines[first:last].copy(), self.steps
            runs[:, 1] -= runs[0, 1]
        else:
            x = self.kept[layer - 1][first * self.plan.line : last * self.plan.line]
            runs, steps = np.array([[0, 0, len(g)]]), (x.shape[1], g.shape[1])
        rows, targets = self.places[layer]
        total = self.filters[layer][lane]
        outputs, per_block = self.widths[layer], len(runs)
        operands = (x.reshape(-1), rows, len(total), g.reshape(-1), runs, steps, total.reshape(-1), targets, outputs)
        filter_gradient(*operands, per_block, True, *gradient_scratch(len(g), are_close(steps[0]), outputs, g.dtype))

    def _through(self, layer: int, g: HostArray, first: int, last: int) -> HostArray:
        """Return the gradient after the layer below, from that after this layer's product."""
        from kusari_numpy.compiled.direct import convolve

        width, count = self.widths[layer - 1], last - first
        if layer == 1:
            below = self.first[first:last]
        else:
            below = workspace(f"layer {layer}", (count, width), g.dtype)
        convolve(
            g.reshape(-1), grid_of_rows(count, g.shape[1]), self.panels[layer - 1], one_run(self.plan.widths[layer]),
            below.reshape(-1), grid_of_rows(count, width), (0, count), _all_vectors(width, g.dtype),
            np.zeros(width, g.dtype), g.dtype.type(-math.inf), *blocks(g.shape[1], g.dtype),
        )  # fmt: skip
        return below


def _differentiate(plan: RowsMLPConvolution, activation: Activation | None, y: HostArray, gy: HostArray) -> None:
    """Multiply gy by the derivative at output y, in place."""
    from kusari_numpy.compiled.rows import rectify_grad

    if activation == RELU:
        rectify_grad(y, gy)
    elif activation is not None:
        gy[...] = activation.backpropagate(plan.backend, y, gy)


def _grid_shape(plan: RowsMLPConvolution) -> tuple[int, int, int, int]:
    """Return (N, D, H, W) of the output."""
    d, h, w = plan.layers[0].geometry.out
    return plan.problem.x[0], d, h, w


def _all_vectors(width: int, dtype: Any) -> tuple[int, int]:
    from kusari_numpy.compiled.vectors import whole

    return 0, width // whole(1, dtype)


def _lengthened(bias: HostArray, width: int) -> HostArray:
    """Return a bias with zeros up to whole vectors."""
    return np.pad(bias, (0, width - len(bias)))


def _whole_rows(rows: HostArray, width: int) -> HostArray:
    """Return rows with zeros up to whole vectors."""
    return rows if rows.shape[1] == width else np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
