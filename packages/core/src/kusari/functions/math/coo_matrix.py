"""Sparse matrices in coordinate form."""

from __future__ import annotations

from typing import Any, Final

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.kernels import sparse as kernels
from kusari.types import Shape

ORDERS: Final = ("C", "F", "other")


class CooMatrix:
    """A sparse matrix, or a batch of such: the elements that may differ from 0, and their rows and columns.

    Args:
        data: (Z,) or (B, Z): the elements, an array; several at one place add up.
        row: The same shape, integers: their rows; −1 for padding.
        col: The same shape, integers: their columns; −1 for padding.
        shape: Rows and columns of (each) matrix.
        order: What is known of the elements' order: ``C``, by row; ``F``, by column; ``other``. None: look, when asked.
        requires_grad: Whether gradients flow to the elements.

    Raises:
        ValueError: Shapes that differ, a shape that is no pair, or another order.
        TypeError: ``data`` is a Variable.

    >>> matrix = CooMatrix(np.asarray([5.0, 7.0]), np.asarray([0, 1]), np.asarray([1, 0]), (2, 3))
    >>> matrix.to_dense()
    array([[0., 5., 0.],
           [7., 0., 0.]])
    """

    def __init__(
        self, data: Any, row: Any, col: Any, shape: Shape, order: str | None = None, requires_grad: bool = False
    ) -> None:
        if isinstance(data, Variable):
            raise TypeError("CooMatrix(data): expected an array, got a Variable; requires_grad=True makes one of it")
        if not 1 <= data.ndim <= 2 or data.shape != row.shape or data.shape != col.shape:
            raise ValueError(
                f"CooMatrix: data {data.shape}, row {row.shape}, col {col.shape}: expected one shape (Z,) or (B, Z)"
            )
        if len(shape) != 2:
            raise ValueError(f"CooMatrix(shape={shape}): expected (rows, columns)")
        if order is not None and order not in ORDERS:
            raise ValueError(f"CooMatrix(order={order!r}): expected 'C', 'F', 'other' or None")
        self.data = Variable(data, requires_grad=requires_grad)
        """The elements."""
        self.row = row
        self.col = col
        self.shape = tuple(shape)
        self._order = order

    @property
    def order(self) -> str:
        """The elements' order: ``C``, ``F`` or ``other``. Where it was not given, this reads rows and columns."""
        if self._order is None:
            backend = self.data.device.backend
            places = [backend.to_host(place) for place in (self.row, self.col)]
            by_row = places[0].astype("int64") * (self.shape[1] + 1) + places[1]
            by_column = places[1].astype("int64") * (self.shape[0] + 1) + places[0]
            sorted_by = [bool((keys[..., 1:] >= keys[..., :-1]).all()) for keys in (by_row, by_column)]
            self._order = "C" if sorted_by[0] else "F" if sorted_by[1] else "other"
        return self._order

    def to_dense(self) -> Any:
        """Return the array (rows, columns), or (B, rows, columns). Not differentiable."""
        xp, data = self.data.xp, self.data.array
        batches = data.shape[0] if data.ndim == 2 else 1
        batched = [xp.reshape(part, (batches, part.shape[-1])) for part in (data, self.row, self.col)]
        dense = kernels.coo_to_dense(self.data.device.backend, *batched, *self.shape)
        return xp.reshape(dense, (*data.shape[:-1], *self.shape))


def to_coo(x: VariableLike, ldnz: int | None = None, requires_grad: bool = False) -> CooMatrix:
    """Return the elements of a dense array that differ from 0 as a sparse matrix, row by row.

    The host waits for the number of these elements.

    Args:
        x: (rows, columns) or (B, rows, columns).
        ldnz: Pad to at least so many elements, with data 0 at row and column −1.
        requires_grad: Whether gradients flow to the elements.

    Raises:
        ValueError: Another rank.

    >>> matrix = to_coo(np.asarray([[0.0, 5.0], [7.0, 0.0]]))
    >>> matrix.data.array, matrix.row, matrix.col
    (array([5., 7.]), array([0, 1], dtype=int32), array([1, 0], dtype=int32))
    """
    x = as_variable(x)
    backend, xp = x.device.backend, x.xp
    if x.ndim not in (2, 3):
        raise ValueError(f"to_coo(): expected two or three axes, got {x.ndim}")
    rows, columns = x.shape[-2:]
    flat = xp.reshape(x.array, (*x.shape[:-2], rows * columns))
    counts = backend.to_host(xp.reshape(xp.count_nonzero(flat, axis=-1, keepdims=True), (-1,)))
    found = kernels.nonzero_places(backend, flat, columns, max(0, ldnz or 0, *counts.tolist()))
    return CooMatrix(*found, (rows, columns), order="C", requires_grad=requires_grad)
