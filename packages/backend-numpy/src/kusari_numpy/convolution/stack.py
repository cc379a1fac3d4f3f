"""MLPConvolution: a convolution and 1×1 convolutions on one piece of the images at a time, while it is in cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import ConvolutionProblem, MLPConvolution, MLPConvolutionProblem
from kusari_numpy.convolution.channels_last import Geometry, HostArray, channels_first_view, channels_last
from kusari_numpy.convolution.columns import LANES, ByPixel, Lines, columns_for
from kusari_numpy.convolution.epilogue import Epilogue
from kusari_numpy.convolution.rows import RowsConvolution
from kusari_numpy.threads import pool
from kusari_numpy.workspace import workspace


class RowsMLPConvolution(MLPConvolution):
    """Each piece of rows goes through all the layers before the next one is begun, forward and backward.

    Kept for backward are the hidden layers' outputs, as rows (pixels, channels).
    """

    contract = 1

    def __init__(self, backend: Backend, problem: MLPConvolutionProblem) -> None:
        super().__init__(backend, problem)
        first = self.plans[0].problem
        self.geometry = Geometry.of(first)
        self.columns = columns_for(first.x[1], self.geometry)
        self.reach = first.W[1] * self.geometry.taps
        self.widths = tuple(W[0] for W in problem.W)
        self.lines = Lines.of(problem.x[0], self.geometry, self.reach + sum(self.widths))

    @classmethod
    def accepts(cls, problem: MLPConvolutionProblem) -> bool | str:
        """Take what a convolution by rows takes."""
        return RowsConvolution.accepts(
            ConvolutionProblem(problem.x, problem.W[0], problem.window, problem.dtype, problem.strides)
        )

    def forward(self, x: HostArray, weights: tuple[HostArray, ...]) -> tuple[HostArray, Any]:  # type: ignore[override]
        """Return y and the hidden layers' rows."""
        columns, lines, length = self.columns(x, self.geometry), self.lines, self.lines.length
        filters = [self._filters(layer, weights[2 * layer]) for layer in range(len(self.widths))]
        epilogues = [self._epilogue(layer, weights[2 * layer + 1]) for layer in range(len(self.widths))]
        pixels = lines.total * length
        scratch = 0 if self.problem.keep else len(self.widths) - 1  # so many layers' outputs are not kept
        outputs = [np.empty((pixels, width), x.dtype) for width in self.widths[scratch:]]

        def work(piece: int) -> None:
            first, last = lines.edges(piece)
            rows = columns(first, last)
            for layer, (matrix, epilogue) in enumerate(zip(filters, epilogues, strict=True)):
                if layer < scratch:
                    out = workspace(f"layer {layer}", (len(rows), matrix.shape[1]), x.dtype)
                else:
                    out = outputs[layer - scratch][first * length : last * length]
                np.matmul(rows, matrix, out=out)
                epilogue(out)
                rows = out

        pool().run(work, lines.pieces)
        out_shape = self.plans[0].problem.out_shape
        y = channels_first_view(outputs[-1].reshape(len(x), *out_shape, -1), out_shape)
        return y, outputs[:-1] if self.problem.keep else None

    def backward(  # type: ignore[override]
        self, kept: Any, x: HostArray, weights: tuple[HostArray, ...], gy: HostArray, wanted: tuple[bool, ...]
    ) -> tuple[HostArray | None, ...]:
        """Return the gradients of (x, *weights) that are wanted, None for the others."""
        layers = len(self.widths)
        columns, lines, length = self.columns(x, self.geometry), self.lines, self.lines.length
        last_gradient = channels_last(gy).reshape(-1, self.widths[-1])
        first_gradient = np.empty((len(last_gradient), self.widths[0]), gy.dtype) if wanted[0] else None
        filters = [self._filters(layer, weights[2 * layer]) for layer in range(layers)]
        totals = [np.zeros((LANES, *matrix.shape), gy.dtype) for matrix in filters]
        sums = [np.zeros((LANES, width), gy.dtype) for width in self.widths]

        def work(lane: int) -> None:
            for piece in range(lane * lines.pieces // LANES, (lane + 1) * lines.pieces // LANES):
                first, last = lines.edges(piece)
                pixels = slice(first * length, last * length)
                g = last_gradient[pixels]
                for layer in reversed(range(layers)):
                    rows = columns(first, last) if layer == 0 else kept[layer - 1][pixels]
                    self._add(rows, g, totals[layer][lane], sums[layer][lane])
                    if layer > 0:
                        g = self._through(rows, g, filters[layer], layer)
                if first_gradient is not None:
                    first_gradient[pixels] = g

        pool().run(work, LANES)
        grads: list[HostArray | None] = []
        for layer, W in enumerate(self.problem.W):
            window_gradient = self.columns.window_gradient if layer == 0 else ByPixel.window_gradient
            gW = window_gradient(totals[layer].sum(axis=0), W) if wanted[2 * layer + 1] else None
            grads += [gW, sums[layer].sum(axis=0) if wanted[2 * layer + 2] else None]
        if first_gradient is None:
            return (None, *grads)
        out_shape = self.plans[0].problem.out_shape
        image = channels_first_view(first_gradient.reshape(len(x), *out_shape, -1), out_shape)
        gx: Any = self.plans[0].grad_input(weights[0], image)
        return (gx, *grads)

    def _add(self, rows: HostArray, g: HostArray, total: HostArray, total_bias: HostArray) -> None:
        """Add a piece's share of the gradients of a layer's filters and bias."""
        from kusari_numpy.compiled.unfold import sum_rows

        share = workspace("share", total.shape, g.dtype)
        np.matmul(rows.T, g, out=share)
        total += share
        sum_rows(g, total_bias)

    def _through(self, rows: HostArray, g: HostArray, matrix: HostArray, layer: int) -> HostArray:
        """Return the gradient before the activation whose output is ``rows``, from that after the layer's product."""
        from kusari_numpy.compiled.unfold import rectify_grad

        below = workspace(f"layer {layer}", rows.shape, g.dtype)
        np.matmul(g, matrix.T, out=below)
        activation = self.problem.activation
        if activation == RELU:
            rectify_grad(rows, below)
        elif activation is not None:
            below[...] = activation.backpropagate(self.backend, rows, below)
        return below

    def _filters(self, layer: int, W: HostArray) -> HostArray:
        unfolding = self.columns if layer == 0 else ByPixel
        made: HostArray = self.backend.derived(W, unfolding.__name__, unfolding.filters)
        return made

    def _epilogue(self, layer: int, b: HostArray) -> Epilogue:
        last = layer + 1 == len(self.widths)
        return Epilogue(self.backend, b, None if last else self.problem.activation)
