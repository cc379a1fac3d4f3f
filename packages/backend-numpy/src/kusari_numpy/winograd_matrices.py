"""Winograd's F(4×4, 3×3) and F(2×2, 5×5): the matrices of Y = Aᵀ[(G w Gᵀ) ∘ (Bᵀ X B)]A.

An m×m tile of y = x ⋆ w with r×r windows comes from a 6×6 patch of x, m + r = 7.
Source: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks (2016); the points are 0, ±1, ±2 and ∞.
"""

from __future__ import annotations

from typing import Final

Matrix = tuple[tuple[float, ...], ...]

PATCH: Final = 6
"""The edge of a patch."""
PLACES: Final = PATCH * PATCH
"""In a patch."""
BT: Final = (
    (4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0), (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)  # fmt: skip
POINTS: Final = (0, 1, -1, 2, -2)
SCALES: Final = (1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24)


def output_matrix(tile: int) -> Matrix:
    """Return Aᵀ: powers of the points, and of ∞ the highest."""
    return tuple((*(point**power for point in POINTS), int(power == tile - 1)) for power in range(tile))


def filter_matrix(window: int) -> Matrix:
    """Return G."""
    rows = [tuple(scale * point**power for power in range(window)) for scale, point in zip(SCALES, POINTS, strict=True)]
    return (*rows, (*(0,) * (window - 1), 1))


def transposed(matrix: Matrix) -> Matrix:
    """Return a matrix's transpose.

    >>> transposed(((1, 2), (3, 4)))
    ((1, 3), (2, 4))
    """
    return tuple(zip(*matrix, strict=True))
