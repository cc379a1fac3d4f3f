"""Max and average pooling by compiled loops, in the memory format of the input."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from kusari.backend import Backend
from kusari.kernels.pooling import AveragePooling, MaxPooling, PoolingProblem
from kusari.kernels.window import is_channels_last
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution.channels_last import channels_first_copy, channels_first_view, channels_last
from kusari_numpy.pieces import share
from kusari_numpy.workspace import aligned_empty

HostArray = np.ndarray[Any, Any]

SMALLEST: Final = 2**12
"""Below so many numbers NumPy's calls cost no more."""


class Images:
    """A pooling's pixels as (N, H, W, C), in which memory its loops work, and back."""

    def __init__(self, problem: PoolingProblem) -> None:
        self.problem = problem
        self.last = is_channels_last(problem.x, problem.strides)
        missing = 2 - len(problem.window.size)
        axes = [(1, 1, 0, 1)] * missing + list(zip(*problem.window, strict=True))
        self.window = (axes[0], axes[1])
        """(size, stride, pad, dilate) of the rows, and of the pixels in a row."""
        self.size, self.out = ((1,) * missing + tuple(spatial) for spatial in (problem.x[2:], problem.out_shape))

    def view(self, x: HostArray) -> HostArray:
        """Return the pixels of an array (N, C, …): a view, or a copy where it has another memory format.

        A copy, too, pays: along planes there are no vectors of channels, and the loops take five times as long.
        """
        return channels_last(x)[:, 0]

    def empty(self, lengths: tuple[int, ...], dtype: Any) -> HostArray:
        """Return new pixels (N, *lengths, C)."""
        return aligned_empty((self.problem.x[0], *lengths, self.problem.x[1]), np.dtype(dtype))

    def restore(self, pixels: HostArray, spatial: tuple[int, ...]) -> HostArray:
        """Return pixels as (N, C, *spatial), in the memory format of x."""
        if self.last:
            return channels_first_view(pixels, spatial)
        return channels_first_copy(pixels, spatial)

    def share(self, loop: Any, written: HostArray) -> None:
        """Call ``loop(first line, last line)`` for pieces of the lines of ``written``."""
        n, height, width, c = written.shape
        share(loop, n * height, width * c)


def taken(problem: PoolingProblem) -> bool | str:
    """Tell whether the loops are written for a Problem, or why not."""
    if problem.dtype not in (np.float32, np.float64):
        return f"compiled for float32 and float64, not {problem.dtype}"
    if not 1 <= len(problem.window.size) <= 2:
        return f"{len(problem.window.size)} spatial axes; the loops are written for one and two"
    if math.prod(problem.x) < SMALLEST or 0 in problem.out_shape:
        return f"fewer than {SMALLEST} numbers"
    return True


class CompiledMaxPooling(MaxPooling):
    """One comparison for each number of each window, a vector of channels at a time.

    Forward and back, one thread, float32: 2×2 of (32, 64, 32, 32) channels last 2.4 and 3.1 ms, the portable
    definition 14 and 14; 3×3, stride 1, of (32, 96, 32, 32) 13 and 12, against 163 and 126. Channels first, with the
    copies: 8.6 and 9.2 against 19 and 16; 45 and 40 against 164 and 122.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        super().__init__(backend, problem)
        self.images = Images(problem)

    @classmethod
    def accepts(cls, problem: PoolingProblem) -> bool | str:
        """Take one or two axes."""
        return taken(problem)

    def forward(self, x: HostArray) -> tuple[HostArray, HostArray]:  # type: ignore[override]
        """Return y (N, C, *out) and the place in the window that each came from."""
        from kusari_numpy.compiled.pooling import largest

        image, window = self.images.view(x), self.images.window
        y, places = (self.images.empty(self.images.out, dtype) for dtype in (x.dtype, np.int32))
        self.images.share(lambda first, last: largest(image, y, places, first, last, window), y)
        out = self.problem.out_shape
        return self.images.restore(y, out), self.images.restore(places, out)

    def grad_input(self, where: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        from kusari_numpy.compiled.pooling import largest_gradient

        places, rows, window = self.images.view(where), self.images.view(gy), self.images.window
        gx = self.images.empty(self.images.size, gy.dtype)
        self.images.share(lambda first, last: largest_gradient(places, rows, gx, first, last, window), gx)
        return self.images.restore(gx, self.problem.x[2:])

    def gather(self, where: HostArray, x: HostArray) -> HostArray:  # type: ignore[override]
        """Return x at the places that forward chose."""
        from kusari_numpy.compiled.pooling import gather

        places, image, window = self.images.view(where), self.images.view(x), self.images.window
        y = self.images.empty(self.images.out, x.dtype)
        self.images.share(lambda first, last: gather(places, image, y, first, last, window), y)
        return self.images.restore(y, self.problem.out_shape)


class CompiledAveragePooling(AveragePooling):
    """One addition for each number of each window, a vector of channels at a time.

    Forward and back, one thread, float32: 2×2 of (32, 64, 32, 32) channels last 1.9 and 2.5 ms, the portable
    definition 3.6 and 5.3; 3×3, stride 1, of (32, 96, 32, 32) 9 and 11, against 41 and 31. Channels first, with the
    copies: 7 and 8 against 5.5 and 8; 28 and 30 against 49 and 31.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: PoolingProblem) -> None:
        super().__init__(backend, problem)
        self.images = Images(problem)
        self.weight = self._weights()

    @classmethod
    def accepts(cls, problem: PoolingProblem) -> bool | str:
        """Take one or two axes."""
        return taken(problem)

    def forward(self, x: HostArray) -> HostArray:  # type: ignore[override]
        """Return y (N, C, *out)."""
        from kusari_numpy.compiled.pooling import mean

        image, window, weight = self.images.view(x), self.images.window, self.weight
        y = self.images.empty(self.images.out, x.dtype)
        self.images.share(lambda first, last: mean(image, weight, y, first, last, window), y)
        return self.images.restore(y, self.problem.out_shape)

    def grad_input(self, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        from kusari_numpy.compiled.pooling import mean_gradient

        rows, window, weight = self.images.view(gy), self.images.window, self.weight
        gx = self.images.empty(self.images.size, gy.dtype)
        self.images.share(lambda first, last: mean_gradient(weight, rows, gx, first, last, window), gx)
        return self.images.restore(gx, self.problem.x[2:])

    def _weights(self) -> HostArray:
        """Return 1 / the number of pixels that count, for each output pixel (OH, OW)."""
        counts = []
        for length, out, (size, stride, pad, dilate) in zip(
            self.images.size, self.images.out, self.images.window, strict=True
        ):
            pixels = np.arange(out)[:, None] * stride - pad + np.arange(size) * dilate
            inside = (pixels >= 0) & (pixels < length)
            counts.append(np.full(out, size) if self.problem.count_border else inside.sum(axis=1))
        return (1 / np.maximum(np.multiply.outer(*counts), 1)).astype(self.problem.dtype)


def register(backend: Backend) -> None:
    """Register the overrides of pooling."""
    backend.implements(MaxPooling, available=compiled_available)(CompiledMaxPooling)
    backend.implements(AveragePooling, available=compiled_available)(CompiledAveragePooling)
