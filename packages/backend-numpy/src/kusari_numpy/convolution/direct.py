"""Convolution by tiles: nothing is unfolded; every tap is added while a tile of the output is in the registers."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.convolution.channels_last import Geometry, HostArray, channels_first_view, channels_last, transposed
from kusari_numpy.convolution.epilogue import Epilogue
from kusari_numpy.convolution.passes import Pass, Passes, Three
from kusari_numpy.convolution.places import (
    Grid,
    filter_places,
    pixel_runs,
    segments,
    shifted,
    source,
    tap_order,
    target,
)
from kusari_numpy.pieces import share
from kusari_numpy.threads import pool
from kusari_numpy.workspace import aligned_empty, aligned_zeros, workspace

LANES: Final = 4
"""In so many parts are the gradients of filters computed, whatever the number of threads: the sums do not vary."""
PIECE: Final = 2**23
"""Multiplications in a piece of work, at least: 0.1 ms, for a call's 5 µs."""
PIXELS: Final = 240
"""In a piece of work, at least: the filters are read once for so many."""
BLOCK: Final = 2**16
"""Numbers of x that all filters are applied to before the next ones, and stay in cache: 256 KiB of float32."""
HELD: Final = 2**17
"""Numbers of a panel of filters that stay in cache meanwhile: 512 KiB of float32."""
CLOSE: Final = 16
"""Numbers from one pixel to the next. Farther apart, they drive each other out of the L1 cache: the gradient of 512 to
256 channels takes 17 ms as they lie, and 8.7 packed."""
FEW_CHANNELS: Final = 4
"""Up to here an image of channels-first memory is read as it is."""


class DirectConvolution(Convolution):
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
        rectify = activation == RELU
        made = Made(self.geometry.out, W.shape[0], self.problem.groups, b, rectify)
        y = convolve(enclose(x, self.there), self.there, self.filters_there(W), made)
        if activation is not None and not rectify:
            Epilogue(self.backend, None, activation)(y.reshape(-1, y.shape[-1]))
        return channels_first_view(y, self.problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        made = Made(self.geometry.size, self.problem.x[1], self.problem.groups)
        gx = convolve(enclose(gy, self.back), self.back, self.filters_back(W), made)
        return channels_first_view(gx, self.problem.x[2:])

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        gradient = filter_gradient(enclose(x, self.there), self.there, channels_last(gy), self.problem.groups)
        return transposed(gradient).reshape(self.problem.W)

    def grad_bias(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of b."""
        return sum_pixels(channels_last(gy))

    def filters_there(self, W: HostArray) -> list[list[HostArray]]:
        """Return the panels for forward, of each pass those of each group."""
        made: list[list[HostArray]] = self.backend.derived(
            W, ("there", self.problem.groups), self._pack_there, self._pack_there
        )
        return made

    def filters_back(self, W: HostArray) -> list[list[HostArray]]:
        """Return the panels for backward, of each pass those of each group."""
        key = ("back", self.problem.groups, self.geometry.window, self.geometry.size)
        made: list[list[HostArray]] = self.backend.derived(W, key, self._pack_back, self._pack_back)
        return made

    def _pack_there(self, W: HostArray) -> list[list[HostArray]]:
        outputs, inputs, taps = self._filters(W)
        return self._packed(W, self.there, (inputs, outputs), (taps, inputs * taps))

    def _pack_back(self, W: HostArray) -> list[list[HostArray]]:
        outputs, inputs, taps = self._filters(W)
        return self._packed(W, self.back, (outputs, inputs), (inputs * taps, taps))

    def _filters(self, W: HostArray) -> tuple[int, int, int]:
        """Return (O, C, taps) of a group's filters."""
        return len(W) // self.problem.groups, W.shape[1], self.geometry.taps

    def _packed(
        self, W: HostArray, passes: Passes, size: tuple[int, int], steps: tuple[int, int]
    ) -> list[list[HostArray]]:
        """Return the panels of each pass and group: (in, out) channels, and the distances between them."""
        flat, length = np.ascontiguousarray(W).reshape(-1), W.size // self.problem.groups
        begins = range(0, W.size, length)
        return [
            [_pack(flat, begin, size, steps, tap_order(one, self.geometry)) for begin in begins]
            for one in passes.passes
        ]


class Made(NamedTuple):
    """What a convolution makes."""

    size: Three
    channels: int
    groups: int
    bias: HostArray | None = None
    rectify: bool = False


def enclose(x: HostArray, passes: Passes) -> HostArray:
    """Return images (N, C, *spatial) channels-last in their border of zeros: scratch memory, or x's own."""
    if x.shape[1] > FEW_CHANNELS:
        images = channels_last(x)
    else:
        images = np.expand_dims(np.moveaxis(x, 1, -1), tuple(range(1, 6 - x.ndim)))
    if images.shape[1:4] == passes.bordered:
        return np.ascontiguousarray(images)
    from kusari_numpy.compiled.direct import enclose as compiled

    bordered = workspace("bordered", (len(x), *passes.bordered, x.shape[1]), x.dtype)
    planes = len(x) * passes.bordered[0]
    share(lambda a, b: compiled(images, bordered, passes.before, a, b), planes, math.prod(bordered.shape[2:]))
    return bordered


def _pack(W: HostArray, begin: int, size: tuple[int, int], steps: tuple[int, int], order: HostArray) -> HostArray:
    """Return the panels that a pass needs of a group's filters; see `kusari_numpy.compiled.panels.pack`."""
    from kusari_numpy.compiled.panels import pack
    from kusari_numpy.compiled.vectors import WIDEST, whole

    inputs, outputs = size
    padded = whole(outputs, W.dtype)
    packed = aligned_empty((int((order >= 0).sum()) * inputs * padded,), W.dtype)
    panels = -(-padded // whole(1, W.dtype) // WIDEST)
    share(lambda a, b: pack(W, begin, steps, order, size, a, b, packed), panels, len(packed) // panels)
    return packed


def convolve(images: HostArray, passes: Passes, filters: list[list[HostArray]], made: Made) -> HostArray:
    """Return (N, *size, O) of bordered images (N, D, H, W, C)."""
    from kusari_numpy.compiled.vectors import whole

    each = made.channels // made.groups
    # A group's last vector may reach into the next group, which is computed later, or out of the last one.
    spare = whole(each, images.dtype) - each
    make = aligned_empty if passes.complete else aligned_zeros
    y = make((len(images), *made.size, made.channels + spare), images.dtype)
    for one, panels in zip(passes.passes, filters, strict=True):
        _convolve(
            images, source(one, passes, images.shape), segments(one, images.shape, made.groups), panels, y, one, made
        )
    return y if spare == 0 else np.ascontiguousarray(y[..., : made.channels])


def _convolve(
    images: HostArray, seen: Grid, runs: HostArray, panels: list[HostArray], y: HostArray, one: Pass, made: Made
) -> None:
    """Compute one pass."""
    from kusari_numpy.compiled.direct import convolve as compiled
    from kusari_numpy.compiled.vectors import whole

    each, into = made.channels // made.groups, target(one, y.shape)
    padded = whole(each, y.dtype)
    shifts = np.zeros((made.groups, padded), y.dtype)
    if made.bias is not None:
        shifts[:, :each] = made.bias.reshape(made.groups, each)
    floor = y.dtype.type(0 if made.rectify else -math.inf)
    blocking = blocks(images.shape[-1], y.dtype)
    apart = made.groups == 1 or padded == each  # else groups overlap, and one thread computes them in turn
    pixels, vectors = len(y) * math.prod(one.grid), padded // whole(1, y.dtype)
    pieces = _pieces(pixels, vectors, len(panels[0]) * made.groups, apart)
    x, flat, channels = images.reshape(-1), y.reshape(-1), images.shape[-1] // made.groups

    def work(piece: int) -> None:
        for group, filters in enumerate(panels):
            of_x, of_y = shifted(seen, group * channels), shifted(into, group * each)
            compiled(x, of_x, filters, runs, flat, of_y, *pieces[piece], shifts[group], floor, *blocking)

    pool().run(work, len(pieces))


def blocks(channels: int, dtype: Any) -> tuple[int, int]:
    """Return how many pixels all filters are applied to at a time, and how many rows of a panel of them."""
    from kusari_numpy.compiled.vectors import WIDEST, whole

    pixels = min(PIXELS, max(48, BLOCK // channels // 24 * 24))  # whole tiles of most heights
    return pixels, HELD // whole(1, dtype) // WIDEST


def filter_gradient(images: HostArray, passes: Passes, gy: HostArray, groups: int) -> HostArray:
    """Return the gradient (groups, C · taps, O) of filters from bordered images and gy (N, *out, O)."""
    from kusari_numpy.compiled.gradient import filter_gradient as compiled
    from kusari_numpy.compiled.vectors import TALLEST, whole

    one, channels, each = passes.passes[0], images.shape[-1] // groups, gy.shape[-1] // groups
    padded = whole(each, gy.dtype)
    block = pixels_at_once(padded)
    runs, steps = pixel_runs(source(one, passes, images.shape), gy.shape, block)
    rows, targets = filter_places(images.shape, one, channels, padded)
    # Lanes of images read everything once, and write the gradient four times; parts of the rows the other way round.
    lanes = LANES if 4 * groups * len(rows) * padded <= images.size + gy.size else 1
    cuts = _cuts(len(rows), each, LANES // lanes, gy.dtype)
    gradient = aligned_zeros((lanes, groups, len(rows), padded), gy.dtype)
    per_block = max(1, block // int(runs[0, 2]))
    x, g, close = images.reshape(-1), gy.reshape(-1), are_close(steps[0])

    def work(piece: int) -> None:
        lane, part = divmod(piece, len(cuts))
        some, (left, right) = cuts[part]
        tables = [np.pad(table[some], (0, TALLEST), mode="edge") for table in (rows, targets + left)]
        of_lane = runs[lane * len(runs) // lanes : (lane + 1) * len(runs) // lanes]
        for group in range(groups):
            lines = of_lane + np.array([group * channels, group * each + left, 0])
            total = gradient[lane, group].reshape(-1)
            if len(lines):
                count = len(rows[some])
                scratch = gradient_scratch(per_block * int(lines[:, 2].max()), close, right - left, g.dtype)
                operands = (x, tables[0], count, g, lines, steps, total, tables[1], right - left, per_block)
                compiled(*operands, False, *scratch)

    pool().run(work, lanes * len(cuts))
    summed = gradient[0] if lanes == 1 else gradient.sum(axis=0)
    return np.ascontiguousarray(summed[..., :each])


def _cuts(rows: int, outputs: int, parts: int, dtype: np.dtype[Any]) -> list[tuple[slice, tuple[int, int]]]:
    """Return parts of a gradient, as a range of rows and one of columns: the longer side is cut, at whole panels."""
    from kusari_numpy.compiled.vectors import WIDEST, whole

    if outputs <= rows:
        parts = min(parts, rows)
        return [(slice(rows * i // parts, rows * (i + 1) // parts), (0, outputs)) for i in range(parts)]
    panel = whole(1, dtype) * WIDEST
    panels = -(-outputs // panel)
    parts = min(parts, panels)
    edges = [min(outputs, panels * i // parts * panel) for i in range(parts + 1)]
    return [(slice(rows), (edges[i], edges[i + 1])) for i in range(parts)]


def pixels_at_once(outputs: int) -> int:
    """Return how many pixels of gy go by for all rows of the filters' gradient before the next ones."""
    return min(512, max(64, HELD // outputs))


def are_close(step: int) -> bool:
    """Tell whether pixels so far apart are read as they lie in memory; else they are packed first."""
    return step < CLOSE


def gradient_scratch(pixels: int, as_it_is: bool, outputs: int, dtype: np.dtype[Any]) -> tuple[HostArray, HostArray]:
    """Return scratch memory for blocks of so many pixels of gy and of x; none for x that is read as it is."""
    from kusari_numpy.compiled.gradient import ROWS
    from kusari_numpy.compiled.vectors import whole

    turned = 0 if as_it_is else ROWS * (pixels + 2 * whole(1, dtype))
    return workspace("gradients", (pixels * whole(outputs, dtype),), dtype), workspace("turned", (turned,), dtype)


def _pieces(pixels: int, vectors: int, filters: int, apart: bool) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return ranges of pixels and of vectors of channels: a few at least, so that threads have something to share."""
    from kusari_numpy.compiled.vectors import WIDEST

    per_piece = max(PIXELS, PIECE // max(1, filters))
    count = -(-pixels // per_piece)
    panels = -(-vectors // WIDEST)
    parts = 1 if count >= LANES or not apart else min(panels, -(-LANES // count))
    edges = [min(vectors, panels * part // parts * WIDEST) for part in range(parts + 1)]
    ranges = [(pixels * piece // count, pixels * (piece + 1) // count) for piece in range(count)]
    return [(some, (edges[part], edges[part + 1])) for part in range(parts) for some in ranges]


def sum_pixels(rows: HostArray) -> HostArray:
    """Return the sum of (N, *out, O) over all but O: images first, each on its own, so that nothing varies."""
    from kusari_numpy.compiled.rows import sum_rows

    images = rows.reshape(len(rows), -1, rows.shape[-1])
    totals = np.zeros((len(images), images.shape[-1]), rows.dtype)
    pool().run(lambda n: sum_rows(images[n], totals[n]), len(images))
    total: HostArray = totals.sum(axis=0)
    return total
