"""Matrix products."""

from __future__ import annotations

import warnings

from kusari.autograd import Variable, as_variable
from kusari.autograd.arithmetic import MatMul as MatMul
from kusari.autograd.shaping import cast, reshape, swap_last_axes
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType


def same_dtype(*xs: VariableLike) -> tuple[Variable, ...]:
    """Return Variables cast to the dtype that all of theirs promote to; gradients come back in their own."""
    found = tuple([as_variable(x) for x in xs])
    if all(x.dtype == found[0].dtype for x in found):
        return found
    backend = found[0].device.backend
    common = backend.host_dtype(backend.xp.result_type(*[x.array.dtype for x in found]))
    return tuple([cast(x, common) for x in found])


def matmul(a: VariableLike, b: VariableLike, transa: bool = False, transb: bool = False) -> Variable:
    """Compute a matrix product over the last two axes; leading axes broadcast, and vectors are rows or columns.

    y = op(a) op(b), where op transposes the last two axes or does nothing.

    Args:
        a: (…, M, K), or (K, M) with its axes swapped, or a vector (K,).
        b: (…, K, N), or (N, K) with its axes swapped, or a vector (K,). Of two dtypes the wider one is the result's.
        transa: Swap the last two axes of ``a`` first, if it has two.
        transb: Likewise for ``b``.

    Returns:
        (…, M, N), without the axis that a vector lacks.

    Raises:
        InvalidType: A 0-d array, or another number of columns than of rows.

    >>> matmul(np.asarray([[1.0, 2.0]]), np.asarray([[3.0, 4.0]]), transb=True).array
    array([[11.]])
    """
    a, b = same_dtype(a, b)
    if transa and a.ndim > 1:
        a = swap_last_axes(a)
    if transb and b.ndim > 1:
        b = swap_last_axes(b)
    return MatMul().apply((a, b))[0]


def batch_matmul(a: VariableLike, b: VariableLike, transa: bool = False, transb: bool = False) -> Variable:
    """Compute the matrix products of two batches.

    Deprecated: use `matmul`.

    Args:
        a: (B, M, K); or (B, M), which is a batch of columns (B, M, 1).
        b: (B, K, N); or (B, K), likewise.
        transa: Swap the last two axes of ``a`` first.
        transb: Likewise for ``b``.

    Returns:
        (B, M, N).

    Raises:
        InvalidType: Another rank than 2 or 3, or shapes that do not fit.
    """
    warnings.warn("batch_matmul() is deprecated; use matmul()", DeprecationWarning, stacklevel=2)
    sides = []
    for side, transposed in zip(same_dtype(a, b), (transa, transb), strict=True):
        if side.ndim not in (2, 3):
            raise InvalidType("batch_matmul: two or three axes", f"{side.ndim}")
        matrices = reshape(side, (*side.shape, 1)) if side.ndim == 2 else side
        sides.append(swap_last_axes(matrices) if transposed else matrices)
    return MatMul().apply(tuple(sides))[0]
