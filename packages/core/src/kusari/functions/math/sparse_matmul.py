"""Products of a sparse and a dense matrix."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable, type_check
from kusari.autograd.operands import refuse_promotion
from kusari.autograd.shaping import reshape, swap_last_axes
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.math.coo_matrix import CooMatrix
from kusari.kernels import sparse as kernels


class Places:
    """Where the elements of a batch of sparse matrices are, apart from their values."""

    def __init__(self, row: Any, col: Any, rows: int, columns: int) -> None:
        self.row = row
        self.col = col
        self.rows = rows
        self.columns = columns

    def transposed(self) -> Places:
        """Return the same elements, rows and columns exchanged."""
        return Places(self.col, self.row, self.columns, self.rows)


class CooMatMul(FunctionNode):
    """y = S x for a sparse S and a dense x, in batches; gx = Sᵀ gy, and gS is gy xᵀ where S has elements."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("sp", "dn"))
        data, dense = in_types
        type_check.expect(dense.shape[0] == data.shape[0], dense.shape[1] == self.places.columns)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        data, dense = inputs
        refuse_promotion(self, data, dense)
        self.retain_inputs((0, 1))
        places = self.places
        return (kernels.coo_matmul(self.backend, data, places.row, places.col, dense, places.rows),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (data, dense), (gy,) = self.get_retained_inputs(), grad_outputs
        places = self.places
        return tuple([_matmul(places.transposed(), data, gy) if i else _sample(places, gy, dense) for i in indexes])


class CooMatMulGradSP(FunctionNode):
    """y = the elements of left rightᵀ at the places of a sparse matrix, in batches."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (kernels.coo_sample(self.backend, *inputs, self.places.row, self.places.col),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (left, right), (g,) = self.get_retained_inputs(), grad_outputs
        return tuple(
            [_matmul(self.places.transposed(), g, left) if i else _matmul(self.places, g, right) for i in indexes]
        )


def _matmul(places: Places, data: Variable, dense: Variable) -> Variable:
    return CooMatMul(places).apply((data, dense))[0]


def _sample(places: Places, left: Variable, right: Variable) -> Variable:
    return CooMatMulGradSP(places).apply((left, right))[0]


def sparse_matmul(a: Any, b: Any, transa: bool = False, transb: bool = False) -> Variable:
    """Compute a matrix product of which one side is sparse; gradients flow to its elements and to the dense side.

    y = op(a) op(b), where op transposes or does nothing.

    Args:
        a: (M, K), or a batch (B, M, K): a `CooMatrix`, or a Variable or array.
        b: (K, N), or (B, K, N); sparse where ``a`` is dense, dense where ``a`` is sparse.
        transa: Transpose ``a`` (each matrix of it) first.
        transb: Likewise for ``b``.

    Returns:
        (M, N), or (B, M, N); dense.

    Raises:
        ValueError: None of the sides, or both, are sparse.
        InvalidType: Ranks, shapes or dtypes that do not fit.

    >>> eye = CooMatrix(np.asarray([2.0, 3.0]), np.asarray([0, 1]), np.asarray([0, 1]), (2, 2))
    >>> sparse_matmul(eye, np.asarray([[1.0, 2.0], [3.0, 4.0]])).array
    array([[ 2.,  4.],
           [ 9., 12.]])
    """
    if isinstance(a, CooMatrix) == isinstance(b, CooMatrix):
        raise ValueError(
            f"sparse_matmul({type(a).__name__}, {type(b).__name__}): expected one CooMatrix and one Variable or array"
        )
    if isinstance(a, CooMatrix):
        return _sparse_times_dense(a, transa, b, transb)
    return swap_last_axes(_sparse_times_dense(b, not transb, a, not transa))  # (a b)ᵀ = bᵀ aᵀ


def _sparse_times_dense(sparse: CooMatrix, transposed: bool, dense: VariableLike, dense_transposed: bool) -> Variable:
    """Return the product; matrices that are no batch go as a batch of one."""
    data, dense = sparse.data, as_variable(dense)
    if dense.ndim != data.ndim + 1:
        raise InvalidType(f"sparse_matmul: a dense side of {data.ndim + 1} axes, like the sparse one", f"{dense.ndim}")
    xp, (rows, columns) = data.xp, sparse.shape
    batches = data.shape[0] if data.ndim == 2 else 1
    row, col = (xp.reshape(place, (batches, place.shape[-1])) for place in (sparse.row, sparse.col))
    places = Places(row, col, rows, columns)
    if transposed:
        places = places.transposed()
    if dense_transposed:
        dense = swap_last_axes(dense)
    if data.ndim == 2:
        return _matmul(places, data, dense)
    y = _matmul(places, reshape(data, (1, *data.shape)), reshape(dense, (1, *dense.shape)))
    return reshape(y, y.shape[1:])
