"""Winograd's convolution by BLAS: the transforms of all patches are matrix products, too."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray, channels_first_view, channels_last_view
from kusari_numpy.convolution.winograd_problem import has_transforms, there
from kusari_numpy.convolution.winograd_sweep import Tiling
from kusari_numpy.winograd_matrices import BT, PATCH, PLACES, Matrix, filter_matrix, output_matrix, transposed
from kusari_numpy.workspace import aligned_empty, workspace

SMALLEST: Final = 32
"""With fewer channels, in or out, the transforms cost more than the products that they save."""
FEWEST: Final = 24
"""With fewer tiles, those of filters do."""
BLOCK: Final = 2**21
"""Numbers of the patches that are transformed at a time: 8 MiB, and 36 products that are worth BLAS's threads."""


class WinogradByProducts(Convolution):
    """Y = Aᵀ[(G w Gᵀ) ∘ (Bᵀ X B)]A for each tile of y, with T X Tᵀ = (T ⊗ T) X for all patches at once.

    The Kronecker square of a 6×6 matrix does six times the arithmetic, in a product that BLAS has: VGG's layers take
    0.4 to 0.9 of the time that they take unfolded.
    """

    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take 3×3 and 5×5 windows on float32, one group, with enough channels and pixels."""
        return has_transforms(problem, SMALLEST, FEWEST)

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, H, W)."""
        problem, tiling, o = self.problem, there(self.problem), self.problem.W[0]
        images, U = channels_last_view(x), self._transformed(W).swapaxes(1, 2)
        y = aligned_empty((len(x), *problem.out_shape, o), x.dtype)
        for some in self._blocks:
            patches = _patches(images[some], tiling)
            products = workspace("products", (*patches.shape[:2], o), x.dtype)
            _write_tiles(np.matmul(patches, U, out=products), y[some], tiling)
        if b is not None:
            y += b
        if problem.activation is not None:
            activated: Any = problem.activation.apply(self.backend, y)
            y = activated
        return channels_first_view(y, problem.out_shape)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        gx, _ = self._backward(None, W, gy)
        assert gx is not None
        return gx

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        _, gW = self._backward(x, None, gy)
        assert gW is not None
        return gW

    def backward(  # type: ignore[override]
        self, x: HostArray, W: HostArray, y: HostArray | None, gy: HostArray, wanted: tuple[bool, bool, bool]
    ) -> tuple[HostArray | None, HostArray | None, HostArray | None]:
        """Return the gradients of (x, W, b) that are wanted."""
        g: Any = gy
        if self.problem.activation is not None:
            assert y is not None
            g = self.problem.activation.backpropagate(self.backend, y, g)
        gx, gW = self._backward(x if wanted[1] else None, W if wanted[0] else None, g)
        gb: Any = self.grad_bias(g) if wanted[2] else None
        return gx, gW, gb

    def _backward(
        self, x: HostArray | None, W: HostArray | None, gy: HostArray
    ) -> tuple[HostArray | None, HostArray | None]:
        """Return the gradient of x where W is given, and that of W where x is.

        Both are forward's transposes: gx = Σ B [D ∘ U] Bᵀ over all patches, gW = Gᵀ [Σ D ∘ V] G, with D = A g Aᵀ.
        """
        problem, tiling, rows = self.problem, there(self.problem), channels_last_view(gy)
        (n, c, *spatial), o = problem.x, problem.W[0]
        gU: HostArray | None = None
        gx = None if W is None else aligned_empty((n, *spatial, c), gy.dtype)
        for some in self._blocks:
            D = _spread(rows[some], tiling)
            if x is not None:
                patches = _patches(channels_last_view(x)[some], tiling)
                share = workspace("filters" if gU is None else "share", (PLACES, o, c), gy.dtype)
                np.matmul(D.swapaxes(1, 2), patches, out=share)
                gU = share if gU is None else np.add(gU, share, out=gU)
            if W is not None and gx is not None:
                products = workspace("products", (*D.shape[:2], c), gy.dtype)
                _give_back(np.matmul(D, self._transformed(W), out=products), gx[some], tiling)
        return (
            None if gx is None else channels_first_view(gx, problem.x[2:]),
            None
            if gU is None
            else (gU.reshape(PLACES, -1).T @ _square(filter_matrix(problem.W[2]))).reshape(problem.W),
        )

    def _transformed(self, W: HostArray) -> HostArray:
        """Return U = G w Gᵀ (36, O, C); training asks for it twice, forward and back."""
        U: HostArray = self.backend.derived(W, "winograd by products", _transformed)
        return U

    @property
    def _blocks(self) -> list[slice]:
        """Some images at a time."""
        images, channels = self.problem.x[0], max(self.problem.W[:2])
        step = max(1, BLOCK // (PLACES * there(self.problem).count(1) * channels))
        return [slice(first, min(first + step, images)) for first in range(0, images, step)]


def _patches(images: HostArray, tiling: Tiling) -> HostArray:
    """Return V = Bᵀ X B (36, tiles, C) in scratch memory."""
    (n, *_, c), (tile, down, across, _) = images.shape, tiling
    bordered = _border(images, tiling)
    _inside(bordered, images, tiling)[...] = images
    cut = workspace("columns", (PATCH, PATCH, n, down, across, c), images.dtype)
    for i in range(PATCH):
        for j in range(PATCH):
            cut[i, j] = bordered[:, i : i + tile * down : tile, j : j + tile * across : tile]
    return _transform(BT, cut, "patches")


def _border(images: HostArray, tiling: Tiling) -> HostArray:
    """Return zeros for such images with a border, as far as the patches reach, in scratch memory."""
    (n, *_, c), (tile, down, across, _) = images.shape, tiling
    reach = PATCH - tile
    bordered = workspace("image", (n, tile * down + reach, tile * across + reach, c), images.dtype)
    bordered[...] = 0
    return bordered


def _inside(bordered: HostArray, images: HostArray, tiling: Tiling) -> HostArray:
    """Return what a border is around."""
    (_, high, wide, _), (top, left) = images.shape, tiling.pad
    return bordered[:, top : top + high, left : left + wide]


def _spread(rows: HostArray, tiling: Tiling) -> HostArray:
    """Return D = A g Aᵀ (36, tiles, O), where g are the tiles of y's gradient, in scratch memory."""
    (n, *_, o), (tile, down, across, _) = rows.shape, tiling
    cut = workspace("columns", (tile, tile, n, down, across, o), rows.dtype)
    for i in range(tile):
        for j in range(tile):
            some = rows[:, i::tile, j::tile]
            high, wide = some.shape[1:3]
            cut[i, j, :, :high, :wide] = some
            cut[i, j, :, high:] = 0
            cut[i, j, :, :high, wide:] = 0
    return _transform(transposed(output_matrix(tile)), cut, "gradients")


def _write_tiles(products: HostArray, y: HostArray, tiling: Tiling) -> None:
    """Write the tiles Aᵀ M A of y (n, H, W, O)."""
    (n, *_, o), (tile, down, across, _) = y.shape, tiling
    shape = (PLACES, n, down, across, o)
    tiles = _transform(output_matrix(tile), products.reshape(shape), "tiles")
    tiles = tiles.reshape(tile, tile, *shape[1:])
    for i in range(tile):
        for j in range(tile):
            some = y[:, i::tile, j::tile]
            some[...] = tiles[i, j, :, : some.shape[1], : some.shape[2]]


def _give_back(products: HostArray, gx: HostArray, tiling: Tiling) -> None:
    """Write Σ B M Bᵀ over all patches to the gradient of images (n, H, W, C)."""
    (n, *_, c), (tile, down, across, _) = gx.shape, tiling
    patches = _transform(transposed(BT), products.reshape(PLACES, n, down, across, c), "patches")
    patches = patches.reshape(PATCH, PATCH, n, down, across, c)
    bordered = _border(gx, tiling)
    for i in range(PATCH):
        for j in range(PATCH):
            bordered[:, i : i + tile * down : tile, j : j + tile * across : tile] += patches[i, j]
    gx[...] = _inside(bordered, gx, tiling)


def _transform(matrix: Matrix, cut: HostArray, slot: str) -> HostArray:
    """Return T X Tᵀ of places (…, n, down, across, channels) as (places, tiles, channels)."""
    square, (*_, n, down, across, channels) = _square(matrix), cut.shape
    made = workspace(slot, (len(square), n * down * across, channels), cut.dtype)
    np.matmul(square, cut.reshape(square.shape[1], -1), out=made.reshape(len(square), -1))
    return made


def _transformed(W: HostArray) -> HostArray:
    o, c, edge, _ = W.shape
    U = aligned_empty((PLACES, o, c), W.dtype)
    np.matmul(_square(filter_matrix(edge)), W.reshape(o * c, -1).T, out=U.reshape(PLACES, -1))
    return U


@functools.cache
def _square(matrix: Matrix) -> HostArray:
    """Return T ⊗ T."""
    return np.kron(matrix, matrix).astype("f")
