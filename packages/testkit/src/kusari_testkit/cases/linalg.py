"""Matrix products, contractions, linear algebra, Fourier transforms and sparse matrices."""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np
import scipy.linalg

import kusari.functions as F
from kusari.kernels import einsum, fourier, linalg, sparse
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import HostArray, integers, normal, repeated

WIDE: Final = ("float32", "float64")
LOOSE: Final = {"float64": 1e-10, "float32": 2e-4, "float16": 3e-2, "bfloat16": 2e-1}


def invertible(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw matrices whose rows are dominated by the diagonal."""
    n = shape[-1]
    return np.asarray(generator.uniform(-0.5, 0.5, shape) + np.eye(n) * n / 2)


def definite(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw symmetric positive definite matrices."""
    root = generator.uniform(-1, 1, shape)
    return np.asarray(root @ np.swapaxes(root, -1, -2) + np.eye(shape[-1]))


def _adjugate(a: HostArray) -> HostArray:
    """Return the transposed cofactors of one matrix."""
    n = len(a)
    made = np.zeros((n, n))
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(a, i, axis=0), j, axis=1)
        made[j, i] = (-1) ** (i + j) * _determinant(minor)
    return made


def _determinant(a: HostArray) -> float:
    """Sum over permutations, as Leibniz did."""
    total = 0.0
    for order in itertools.permutations(range(len(a))):
        inversions = sum(order[i] > order[j] for j in range(len(a)) for i in range(j))
        total += (-1) ** inversions * float(np.prod([a[i, j] for i, j in enumerate(order)]))
    return total


def _each(function: Any) -> Any:
    """Return a function of stacks of matrices."""

    def oracle(a: HostArray) -> HostArray:
        return np.asarray(function(a) if a.ndim == 2 else [oracle(matrix) for matrix in a])

    return oracle


_inverse = _each(lambda a: _adjugate(a) / _determinant(a))
_det = _each(_determinant)


def _factor(a: HostArray) -> HostArray:
    """Cholesky and Banachiewicz, element by element, of a matrix or of each one of a stack."""
    if a.ndim > 2:
        return np.asarray([_factor(matrix) for matrix in a])
    lower = np.zeros(a.shape)
    for i in range(len(a)):
        for j in range(i + 1):
            rest = a[i, j] - lower[i, :j] @ lower[j, :j]
            lower[i, j] = np.sqrt(rest) if i == j else rest / lower[j, j]
    return lower


def _lyapunov(a: HostArray, b: HostArray) -> HostArray:
    """Solve a z + z a = b with SciPy."""
    if a.ndim == 2:
        return np.asarray(scipy.linalg.solve_sylvester(a, a, b))
    return np.asarray([_lyapunov(*pair) for pair in zip(a, b, strict=True)])


def symmetric_cholesky(a: Any) -> Any:
    """Factor the symmetric part, so that a difference in one element alone is one of a symmetric matrix."""
    return F.cholesky((a + a.transpose()) * 0.5)


def _fourier(real: HostArray, imag: HostArray, inverse: bool) -> tuple[HostArray, HostArray]:
    """Multiply by the matrix of roots of unity."""
    n = real.shape[-1]
    roots = np.exp((2j if inverse else -2j) * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
    y = (real + 1j * imag) @ roots / (n if inverse else 1)
    return np.real(y).copy(), np.imag(y).copy()


def _fourier_adjoint(real: HostArray, imag: HostArray, inverse: bool) -> tuple[HostArray, HostArray]:
    """Multiply by the conjugate of `_fourier`'s matrix, which is symmetric."""
    real, imag = _fourier(real, -imag, inverse)
    return real, -imag


def transform(real: Any, imag: Any, inverse: bool) -> Any:
    """Call `F.fft` or `F.ifft`."""
    return F.ifft((real, imag)) if inverse else F.fft((real, imag))


def contract(*operands: Any, subscripts: str) -> Any:
    """Call `F.einsum`."""
    return F.einsum(subscripts, *operands)


def use_einsum(backend: Any, *operands: Any, labels: tuple[str, ...], output: str, path: Any) -> Any:
    """Call the kernel, which takes its operands as one tuple."""
    return einsum.einsum(backend, operands, labels, output, path)


use_einsum.covers = einsum.einsum  # type: ignore[attr-defined]

SUMS: Final[dict[str, tuple[Shape, ...]]] = {
    "ij,jk->ik": ((2, 3), (3, 4)),
    "bij,bjk->bik": ((2, 3, 2), (2, 2, 4)),
    "ij,kj->ki": ((2, 3), (4, 3)),
    "i,j->ij": ((3,), (2,)),
    "ij,ij->ij": ((2, 3), (2, 3)),
    "ij,ij->": ((2, 3), (2, 3)),
    "ij->ji": ((2, 3),),
    "ij->j": ((2, 3),),
    "ii->i": ((3, 3),),
    "iji->j": ((2, 3, 2),),
    "iij,jk->ik": ((2, 2, 3), (3, 2)),
    "i,->i": ((3,), ()),
    "ij,jk,kl->il": ((2, 3), (3, 4), (4, 2)),
    "ab,b,bc,a->ac": ((2, 3), (3,), (3, 2), (2,)),
    "ij,j->i": ((0, 3), (3,)),
    "ij,jk->k": ((2, 3), (3, 2)),
}
"""Subscripts, and shapes to go with them."""

ELLIPSES: Final[dict[str, tuple[Shape, ...]]] = {
    "...ij,...jk->...ik": ((2, 2, 3), (2, 3, 2)),
    "i...,i...": ((3, 2), (3, 2)),
    "ij,jk": ((2, 3), (3, 2)),
    "ba": ((2, 3),),
}


def _left_to_right(count: int) -> tuple[Shape, ...]:
    return ((0,),) if count == 1 else ((0, 1), *((0, left) for left in range(count - 2, 0, -1)))


def _einsum_kernels() -> list[Case]:
    made = []
    for subscripts, shapes in SUMS.items():
        left, _, output = subscripts.partition("->")
        labels = tuple(left.split(","))
        paths = {"": _left_to_right(len(labels))}
        if len(labels) == 4:
            paths = {"": paths[""], ", all at once": ((0, 1, 2, 3),), ", inside out": ((1, 2), (0, 2), (0, 1))}
        for name, path in paths.items():
            made.append(
                Case(
                    target=use_einsum,
                    label=subscripts + name,
                    inputs=tuple(map(Input, shapes)),
                    oracle=lambda *xs, labels, output, path: np.einsum(f"{','.join(labels)}->{output}", *xs),
                    arguments={"labels": labels, "output": output, "path": path},
                )
            )
    return made


def _places(height: int, width: int, padded: bool = False) -> tuple[Any, Any]:
    """Return where to draw rows and columns from; the last of each matrix's elements may be padding."""

    def draw_of(length: int) -> Any:
        def draw(generator: np.random.Generator, shape: Shape) -> HostArray:
            drawn = integers(0, length)(generator, shape)
            if padded:
                drawn[..., -2:] = -1
            return drawn

        return draw

    return draw_of(height), draw_of(width)


def _dense(data: HostArray, row: HostArray, col: HostArray, rows: int, columns: int) -> HostArray:
    y = np.zeros((*data.shape[:-1], rows, columns))
    for index in np.ndindex(data.shape):
        if row[index] >= 0:
            y[(*index[:-1], row[index], col[index])] += data[index]
    return y


def _sampled(left: HostArray, right: HostArray, row: HostArray, col: HostArray) -> HostArray:
    y = np.zeros(row.shape)
    for b, z in np.ndindex(row.shape):
        if row[b, z] >= 0:
            y[b, z] = np.sum(left[b, row[b, z]] * right[b, col[b, z]])
    return y


def sparse_product(data: Any, row: Any, col: Any, dense: Any, shape: Shape) -> Any:
    """Multiply a sparse matrix, whose elements have a gradient, by a dense one."""
    matrix = F.CooMatrix(data.array, row.array, col.array, shape, requires_grad=True)
    matrix.data = data
    return F.sparse_matmul(matrix, dense)


def _sparse() -> tuple[list[Case], list[FunctionCase]]:
    kernels: list[Case] = []
    functions: list[FunctionCase] = []
    for label, batch, count, padded in (
        ("one", 1, 5, False),
        ("batch", 2, 6, False),
        ("padded", 2, 6, True),
        ("none", 1, 0, False),
    ):
        in_rows, in_columns = _places(3, 4, padded)
        row, col = Input((batch, count), in_rows, "int32"), Input((batch, count), in_columns, "int32")
        data, dense = Input((batch, count)), Input((batch, 4, 2))
        kernels += [
            Case(
                target=sparse.coo_matmul,
                label=label,
                inputs=(data, row, col, dense),
                oracle=lambda d, r, c, x, rows: _dense(d, r, c, rows, x.shape[1]) @ x,
                arguments={"rows": 3},
            ),
            Case(
                target=sparse.coo_sample,
                label=label,
                inputs=(Input((batch, 3, 2)), dense, row, col),
                oracle=_sampled,
            ),
            Case(
                target=sparse.coo_to_dense,
                label=label,
                inputs=(data, row, col),
                oracle=_dense,
                arguments={"rows": 3, "columns": 4},
            ),
        ]
        functions.append(
            FunctionCase(
                target=sparse_product,
                label=label,
                inputs=(data, row, col, dense),
                oracle=lambda d, r, c, x, shape: _dense(d, r, c, *shape) @ x,
                arguments={"shape": (3, 4)},
            )
        )
    kernels.append(
        Case(
            target=sparse.nonzero_places,
            label="padded",
            inputs=(Input((2, 6), repeated(0.0, 5.0, 0.0, 7.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 3.0)),),
            oracle=lambda x, columns, width: (
                np.asarray([[5.0, 7, 0, 0, 0, 0, 0], [1, 2, 3, 0, 0, 0, 0]]),
                np.asarray([[0, 1, -1, -1, -1, -1, -1], [0, 1, 1, -1, -1, -1, -1]], np.int32),
                np.asarray([[1, 0, -1, -1, -1, -1, -1], [0, 1, 2, -1, -1, -1, -1]], np.int32),
            ),
            arguments={"columns": 3, "width": 7},
        )
    )
    return kernels, functions


_sparse_kernels, _sparse_functions = _sparse()

KERNELS: Final[tuple[Case, ...]] = (
    *_einsum_kernels(),
    *(
        Case(target=target, label=label, inputs=(Input(shape, draw),), oracle=oracle, dtypes=WIDE, tolerance=LOOSE)
        for target, draw, oracle in (
            (linalg.inverse, invertible, _inverse),
            (linalg.determinant, invertible, _det),
            (linalg.cholesky, definite, _factor),
            (linalg.inverse_square_root, definite, _each(lambda a: scipy.linalg.inv(scipy.linalg.sqrtm(a)))),
        )
        for label, shape in {"matrix": (3, 3), "batch": (2, 4, 4), "one": (1, 1)}.items()
    ),
    *(
        Case(
            target=linalg.solve_lyapunov,
            label=label,
            inputs=(Input(shape, definite), Input(shape)),
            oracle=_lyapunov,
            dtypes=WIDE,
            tolerance=LOOSE,
        )
        for label, shape in {"matrix": (3, 3), "batch": (2, 4, 4), "one": (1, 1)}.items()
    ),
    *(
        Case(
            target=target,
            label=f"{label}{'-inverse' if inverse else ''}",
            inputs=(Input(shape), Input(shape)),
            oracle=oracle,
            arguments={"inverse": inverse},
            dtypes=WIDE,
        )
        for target, oracle in ((fourier.fourier, _fourier), (fourier.fourier_adjoint, _fourier_adjoint))
        for inverse in (False, True)
        for label, shape in {"vector": (8,), "odd": (7,), "rows": (2, 3, 5), "one": (2, 1)}.items()
    ),
    *_sparse_kernels,
)


def _tensordot() -> list[FunctionCase]:
    uses: dict[str, tuple[Shape, Shape, Any]] = {
        "number": ((2, 3, 4), (3, 4, 5), 2),
        "outer": ((2, 3), (2,), 0),
        "axes": ((2, 3, 4), (4, 5, 2), ([2, 0], [0, 2])),
        "turned": ((2, 3, 4), (4, 2, 3), ([1, 0], [2, 1])),
        "single": ((2, 3), (2, 4), (0, 0)),
        "negative": ((2, 3), (4, 3), ([-1], [-1])),
        "all": ((2, 3), (3, 2), ([0, 1], [1, 0])),
    }
    return [
        FunctionCase(
            target=F.tensordot, label=label, inputs=(Input(a), Input(b)), oracle=np.tensordot, arguments={"axes": axes}
        )
        for label, (a, b, axes) in uses.items()
    ]


def _matmul(x: HostArray, y: HostArray, transa: bool, transb: bool) -> HostArray:
    left = np.swapaxes(x, -1, -2) if transa and x.ndim > 1 else x
    right = np.swapaxes(y, -1, -2) if transb and y.ndim > 1 else y
    return np.asarray(np.matmul(left, right))


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(
        FunctionCase(
            target=F.matmul,
            label=label,
            inputs=(Input(a), Input(b)),
            oracle=_matmul,
            arguments={"transa": ta, "transb": tb},
        )
        for label, a, b, ta, tb in (
            ("left", (3, 2), (3, 4), True, False),
            ("right", (2, 3), (4, 3), False, True),
            ("both", (3, 2), (4, 3), True, True),
            ("vector", (3,), (4, 3), True, True),
            ("batch", (2, 3, 2), (3, 4), True, False),
        )
    ),
    *_tensordot(),
    *(
        FunctionCase(
            target=contract,
            label=subscripts,
            inputs=tuple(map(Input, shapes)),
            oracle=lambda *xs, subscripts: np.einsum(subscripts, *xs),
            arguments={"subscripts": subscripts},
        )
        for subscripts, shapes in {**SUMS, **ELLIPSES}.items()
    ),
    *(
        FunctionCase(target=target, label=label, inputs=(Input(shape, draw),), oracle=oracle, tolerance=LOOSE)
        for target, label, shape, draw, oracle in (
            (F.inv, "matrix", (3, 3), invertible, _inverse),
            (F.batch_inv, "batch", (2, 3, 3), invertible, _inverse),
            (F.det, "matrix", (3, 3), invertible, _det),
            (F.batch_det, "batch", (2, 3, 3), invertible, _det),
            (symmetric_cholesky, "matrix", (3, 3), definite, _factor),
        )
    ),
    *(
        FunctionCase(
            target=transform,
            label=f"{label}{'-inverse' if inverse else ''}",
            inputs=(Input(shape, normal), Input(shape, normal)),
            oracle=_fourier,
            arguments={"inverse": inverse},
        )
        for inverse in (False, True)
        for label, shape in {"vector": (5,), "rows": (2, 4)}.items()
    ),
    *_sparse_functions,
)
