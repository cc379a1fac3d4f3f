"""Products, contractions, linear algebra, transforms, sparse matrices: refusals, dtypes, and what tables leave out."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import Variable
from kusari.backend import Backend
from kusari.errors import InvalidType
from kusari.functions.math.einsum import contraction_path
from kusari.kernels import fourier, linalg, special

Host = np.ndarray[Any, Any]
ToHost = Callable[[Any], Host]
Make = Callable[..., Any]


# Products. ----------------------------------------------------------------------------------------------------------
def test_matmul_refuses_what_does_not_fit(array: Make) -> None:
    x = array(np.ones((2, 3)))
    with pytest.raises(InvalidType, match="as many columns left as rows right"):
        F.matmul(x, x)
    with pytest.raises(InvalidType, match="as many columns left as rows right"):
        F.matmul(x, array(np.ones(2)))
    with pytest.raises(InvalidType, match="one axis or more"):
        F.matmul(array(1.0), x)


@pytest.mark.parametrize(
    "function", [F.matmul, lambda a, b: F.tensordot(a, b, axes=1), lambda a, b: F.einsum("ij,jk", a, b)]
)
def test_products_take_the_wider_dtype(array: Make, function: Callable[..., Any]) -> None:
    x, y = Variable(array(np.ones((2, 3)), "float32")), Variable(array(np.ones((3, 2))))
    z = function(x, y)
    assert z.dtype == np.float64
    z.sum().backward()
    assert x.grad_var is not None
    assert x.grad_var.dtype == np.float32
    assert y.grad_var is not None
    assert y.grad_var.dtype == np.float64


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_products_stay(dtype: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    native = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    square = np.asarray([[2.0, 0.5], [0.5, 1.0]], native)
    functions: list[Callable[[Variable], Any]] = [
        lambda x: F.matmul(x, x),
        lambda x: F.tensordot(x, x, axes=1),
        lambda x: F.einsum("ij,jk,kl->il", x, x, x),
        F.inv,
        F.det,
        F.cholesky,
        lambda x: F.fft((x, x))[0],
        lambda x: F.batch_inv(x.reshape(1, 2, 2)),
    ]
    for function in functions:
        x, wide = Variable(square), Variable(square.astype("float64"))
        y, z = function(x), function(wide)
        assert y.dtype == native
        for v in (y, z):
            v.grad = np.ones_like(v.array)
            v.backward()
        assert x.grad.dtype == native
        np.testing.assert_allclose(y.array.astype("float64"), z.array, rtol=0.03, atol=0.02)
        np.testing.assert_allclose(x.grad.astype("float64"), wide.grad, rtol=0.06, atol=0.1)


@pytest.mark.parametrize("transa", [False, True])
@pytest.mark.parametrize("transb", [False, True])
def test_batch_matmul(array: Make, host: ToHost, transa: bool, transb: bool) -> None:
    generator = np.random.default_rng(0)
    a, b = generator.random((4, 3, 2) if transa else (4, 2, 3)), generator.random((4, 5, 3) if transb else (4, 3, 5))
    with pytest.warns(DeprecationWarning, match="use matmul"):
        y = F.batch_matmul(array(a), array(b), transa, transb)
    left, right = a.swapaxes(1, 2) if transa else a, b.swapaxes(1, 2) if transb else b
    np.testing.assert_allclose(host(y), left @ right)


def test_batch_matmul_takes_matrices_as_batches_of_columns(array: Make, host: ToHost) -> None:
    a, b = np.asarray([[1.0, 2.0], [3.0, 4.0]]), np.asarray([[5.0, 6.0], [7.0, 8.0]])
    with pytest.warns(DeprecationWarning, match="use matmul"):
        inner = F.batch_matmul(array(a), array(b), transa=True)
    np.testing.assert_array_equal(host(inner), np.sum(a * b, axis=1).reshape(2, 1, 1))
    with pytest.warns(DeprecationWarning, match="use matmul"):
        outer = F.batch_matmul(array(a), array(b), transb=True)
    np.testing.assert_array_equal(host(outer), a[:, :, None] * b[:, None, :])
    for bad in (array([1.0, 2.0]), array(np.ones((1, 2, 2, 2)))):
        with (
            pytest.warns(DeprecationWarning, match="use matmul"),
            pytest.raises(InvalidType, match="two or three axes"),
        ):
            F.batch_matmul(bad, bad)


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        (1, "differ in length"),
        (3, "have 2 and 2 axes"),
        (-1, "have 2 and 2 axes"),
        ("a", "a pair of sequences"),
        ((0, 1, 1), "a pair of sequences"),
        (([0, 1], [0]), "of equal length"),
        (([0, 0], [0, 0]), "different axes"),
        (([2], [0]), "different axes"),
    ],
)
def test_axes_that_tensordot_refuses(array: Make, axes: Any, text: str) -> None:
    x = array(np.ones((2, 3)))
    with pytest.raises(ValueError, match=text):
        F.tensordot(x, x, axes=axes)


def test_tensordot_refuses_integers(array: Make) -> None:
    with pytest.raises(InvalidType, match="floating"):
        F.tensordot(array([1, 2], "int32"), array([1, 2], "int32"), axes=1)


# Einstein's sums. ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("subscripts", "text"),
    [
        ("ij,jk->ik", "2 subscripts for 1 arrays"),
        ("ij->iij", "more than once"),
        ("ij->k", "in no array's subscripts"),
        ("i->i", "an array of 2 axes"),
        ("ijk->i", "an array of 2 axes"),
        ("...ijk->...", "an array of 2 axes"),
        ("......ij", "an array of 2 axes"),
        ("..ij->ij", "is no label"),
        ("i1->i", "is no label"),
        ("...j->j", "lacks the ellipsis"),
    ],
)
def test_subscripts_that_einsum_refuses(array: Make, subscripts: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        F.einsum(subscripts, array(np.ones((2, 3))))


def test_arrays_that_einsum_refuses(array: Make) -> None:
    x, y = array(np.ones((2, 3))), array(np.ones((2, 2, 3)))
    for subscripts, arrays in (("ii->i", [x]), ("ij,jk", [x, x]), ("...i,...i->...", [x, y])):
        with pytest.raises(InvalidType, match="Expect"):
            F.einsum(subscripts, *arrays)
    with pytest.raises(InvalidType, match="floating"):
        F.einsum("i->", array([1, 2], "int32"))
    with pytest.raises(ValueError, match="expected subscripts and arrays"):
        F.einsum()
    for number in (52, -1, "i"):
        with pytest.raises(ValueError, match="Ellipsis, or 0 to 51"):
            F.einsum(x, [0, number])


def test_einsum_with_lists_of_numbers(array: Make, host: ToHost) -> None:
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 3, 4)), generator.random((2, 4, 5))
    for operands, subscripts in (
        (([0, 1, 2], [0, 2, 3], [3, 1]), "bij,bjk->ki"),
        (([..., 1, 2], [..., 2, 30], [..., 1, 30]), "...ij,...jk->...ik"),
        (([0, 1, 2], [0, 2, 3]), "bij,bjk"),
    ):
        first, second, *out = operands
        y = F.einsum(array(a), list(first), array(b), list(second), *map(list, out))
        np.testing.assert_allclose(host(y), np.einsum(subscripts, a, b))


def test_the_order_of_a_long_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, shapes = ("ij", "jk", "kl", "lm"), ((100, 2), (2, 100), (100, 2), (2, 3))
    contraction_path.cache_clear()
    monkeypatch.setitem(sys.modules, "opt_einsum", None)  # an import of it fails
    assert contraction_path(labels, "im", shapes) == ((0, 1), (0, 2), (0, 1))
    contraction_path.cache_clear()


def test_opt_einsum_chooses_the_order(array: Make, host: ToHost) -> None:
    pytest.importorskip("opt_einsum", reason="needs opt_einsum")
    generator = np.random.default_rng(0)
    arrays = [generator.random(shape) for shape in ((20, 2), (2, 20), (20, 2), (2, 3))]
    contraction_path.cache_clear()
    path = contraction_path(("ij", "jk", "kl", "lm"), "im", tuple(a.shape for a in arrays))
    assert path[0] in ((1, 2), (2, 3))  # small ones first
    y = F.einsum("ij,jk,kl,lm->im", *map(array, arrays))
    np.testing.assert_allclose(host(y), arrays[0] @ arrays[1] @ arrays[2] @ arrays[3])


# Linear algebra and transforms. -------------------------------------------------------------------------------------
def test_matrices_that_are_refused(array: Make) -> None:
    wide, stack, matrix = array(np.ones((2, 3))), array(np.ones((2, 2, 2))), array(np.eye(2))
    for function, bad in (
        (F.inv, stack),
        (F.batch_inv, matrix),
        (F.det, stack),
        (F.batch_det, matrix),
        (F.cholesky, stack),
    ):
        with pytest.raises(InvalidType, match="ndim"):
            function(bad)
    for function in (F.inv, F.det, F.cholesky):
        with pytest.raises(InvalidType, match="shape"):
            function(wide)
        with pytest.raises(InvalidType, match="floating"):
            function(array([[1]], "int32"))


def test_matrices_that_have_no_inverse_or_factor(array: Make) -> None:
    for function, bad in ((F.inv, np.zeros((2, 2))), (F.batch_inv, np.zeros((1, 2, 2))), (F.cholesky, -np.eye(2))):
        with pytest.raises(ValueError, match=r"(?i)singular|positive definite"):
            function(array(bad))


def test_the_gradient_of_cholesky_is_symmetric(array: Make, host: ToHost) -> None:
    a, b, c = 2.0, 0.5, 3.0
    x = Variable(array([[a, b], [b, c]]))
    F.cholesky(x).sum().backward()
    corner = np.sqrt(c - b * b / a)  # L = [[√a, 0], [b/√a, corner]]
    by_a = 1 / (2 * np.sqrt(a)) - b / (2 * a**1.5) + b * b / (2 * a * a * corner)
    by_b = 1 / np.sqrt(a) - b / (a * corner)  # half of it at each of the two places of b
    np.testing.assert_allclose(host(x.grad), [[by_a, by_b / 2], [by_b / 2, 1 / (2 * corner)]])


@pytest.mark.parametrize(("kernel", "missing"), [(linalg.inverse, "linalg"), (fourier.fourier, "fft")])
def test_an_extension_that_is_missing_goes_by_way_of_the_host(strict: Backend, kernel: Any, missing: str) -> None:
    class WithoutIt:
        def __getattr__(self, name: str) -> Any:
            if name == missing:
                raise AttributeError(name)
            return getattr(strict.xp, name)

    bare = Backend("bare", WithoutIt(), strict.array_types)
    assert bare.explain(kernel).chosen.override.source == "host"
    assert strict.explain(kernel).chosen.override.source == "portable"
    x = strict.from_host(np.asarray([[2.0, 1.0], [0.0, 4.0]]))
    arguments = (x,) if missing == "linalg" else (x, x, False)
    for found, expected in zip(
        np.atleast_1d(kernel(bare, *arguments)), np.atleast_1d(kernel(strict, *arguments)), strict=True
    ):
        np.testing.assert_allclose(strict.to_host(found), strict.to_host(expected))


def test_transforms_take_pairs(array: Make, host: ToHost) -> None:
    x, y = array([1.0, 2.0, 4.0]), array([0.0, 1.0, 0.0])
    for bad in (
        (x, array([1.0])),
        (x, array([1.0, 2.0, 4.0], "float32")),
        (array(1.0), array(1.0)),
        (array([1], "int32"),) * 2,
    ):
        with pytest.raises(InvalidType, match="Expect"):
            F.fft(bad)
    with pytest.raises(ValueError, match="unpack"):
        F.fft((x, x, x))
    back = F.ifft(F.fft((x, y)))
    np.testing.assert_allclose(host(back[0]), host(x))
    np.testing.assert_allclose(host(back[1]), host(y), atol=1e-15)


def test_one_output_of_a_transform_is_enough(array: Make, host: ToHost) -> None:
    real, imag = Variable(array([1.0, 2.0, 4.0])), Variable(array([0.0, 1.0, 0.0]))
    F.fft((real, imag))[1].sum().backward()
    roots = np.exp(-2j * np.pi * np.outer(np.arange(3), np.arange(3)) / 3)
    np.testing.assert_allclose(host(real.grad), np.imag(roots).sum(axis=0), atol=1e-14)
    np.testing.assert_allclose(host(imag.grad), np.real(roots).sum(axis=0), atol=1e-14)


def test_special_functions_say_that_they_need_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_scipy(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "scipy":
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(ImportError, match=r"needs SciPy.*pip install kusari\[scipy\]"):
        F.lgamma(np.ones(2))


def test_special_functions_of_numbers_and_integers(array: Make, host: ToHost) -> None:
    x = array([0.5, 2.0])
    np.testing.assert_allclose(host(F.polygamma(1, x)), [np.pi**2 / 2, np.pi**2 / 6 - 1])
    np.testing.assert_allclose(host(F.zeta(array([2.0, 4.0]), array([1.0, 1.0]))), [np.pi**2 / 6, np.pi**4 / 90])
    with pytest.raises(InvalidType, match="integer"):
        F.polygamma(array([1.0, 2.0]), x)
    with pytest.raises(InvalidType, match="floating"):
        F.zeta(2.0, array([1, 2], "int32"))
    assert special.lgamma.host


# Sparse matrices. ---------------------------------------------------------------------------------------------------
DENSE = np.asarray([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])


def test_to_coo(array: Make, host: ToHost) -> None:
    matrix = F.to_coo(array(DENSE, "float32"))
    np.testing.assert_array_equal(host(matrix.data), [1, 2, 3])
    np.testing.assert_array_equal(host(matrix.row), [0, 0, 1])
    np.testing.assert_array_equal(host(matrix.col), [1, 2, 0])
    assert matrix.shape == (2, 3)
    assert matrix.order == "C"
    assert matrix.data.dtype == np.float32
    assert not matrix.data.requires_grad
    np.testing.assert_array_equal(host(matrix.to_dense()), DENSE)
    batch = F.to_coo(array(np.stack([DENSE, DENSE * 0])), ldnz=5, requires_grad=True)
    assert batch.data.requires_grad
    np.testing.assert_array_equal(host(batch.data), [[1, 2, 3, 0, 0], [0] * 5])
    np.testing.assert_array_equal(host(batch.row), [[0, 0, 1, -1, -1], [-1] * 5])
    np.testing.assert_array_equal(host(batch.to_dense()), np.stack([DENSE, DENSE * 0]))
    assert F.to_coo(array(DENSE), ldnz=2).data.shape == (3,)
    for shape in ((2,), (1, 2, 2, 2)):
        with pytest.raises(ValueError, match="two or three axes"):
            F.to_coo(array(np.ones(shape)))


def test_coo_matrices(array: Make, host: ToHost) -> None:
    data, zeros = array([1.0, 5.0]), array([0, 0], "int32")
    np.testing.assert_array_equal(host(F.CooMatrix(data, zeros, zeros, (1, 2)).to_dense()), [[6, 0]])  # they add up
    for row, col, order in (([0, 1], [1, 0], "C"), ([1, 0], [0, 1], "F"), ([1, 0], [1, 0], "other")):
        assert F.CooMatrix(data, array(row, "int32"), array(col, "int32"), (2, 2)).order == order
    assert F.CooMatrix(data, zeros, zeros, (1, 2), order="other").order == "other"
    for arguments, text in (
        ((data, array([0], "int32"), zeros, (2, 2)), "expected one shape"),
        ((data, zeros, zeros, (2, 2, 2)), "rows, columns"),
        ((data, zeros, zeros, (2, 2), "X"), "'C', 'F', 'other'"),
    ):
        with pytest.raises(ValueError, match=text):
            F.CooMatrix(*arguments)
    with pytest.raises(TypeError, match="expected an array, got a Variable"):
        F.CooMatrix(Variable(data), zeros, zeros, (2, 2))


@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("batched", [False, True])
def test_sparse_matmul(array: Make, host: ToHost, transposed: tuple[bool, bool], batched: bool) -> None:
    generator = np.random.default_rng(0)
    sparse = np.stack([DENSE, DENSE[::-1] * 2]) if batched else DENSE
    transa, transb = transposed
    inner = 2 if transa else 3
    other = generator.random((*sparse.shape[:-2], *((4, inner) if transb else (inner, 4))))
    left, right = (np.swapaxes(v, -1, -2) if t else v for v, t in ((sparse, transa), (other, transb)))
    matrix, dense = F.to_coo(array(sparse), ldnz=4, requires_grad=True), Variable(array(other))
    y = F.sparse_matmul(matrix, dense, transa, transb)
    np.testing.assert_allclose(host(y), left @ right)
    mirrored = F.sparse_matmul(dense, matrix, not transb, not transa)
    np.testing.assert_allclose(host(mirrored), np.swapaxes(left @ right, -1, -2))
    y.sum().backward()
    reference, weights = Variable(array(other)), Variable(array(sparse))
    F.matmul(weights, reference, transa, transb).sum().backward()
    np.testing.assert_allclose(host(dense.grad), host(reference.grad))
    row, col, gradient = host(matrix.row), host(matrix.col), host(weights.grad)
    for place in np.ndindex(row.shape):
        expected = gradient[(*place[:-1], row[place], col[place])] if row[place] >= 0 else 0
        np.testing.assert_allclose(host(matrix.data.grad)[place], expected)


def test_what_sparse_matmul_refuses(array: Make) -> None:
    matrix, dense = F.to_coo(array(DENSE)), array(np.ones((3, 4)))
    for a, b in ((matrix, matrix), (dense, dense)):
        with pytest.raises(ValueError, match="expected one CooMatrix"):
            F.sparse_matmul(a, b)
    batch = F.to_coo(array(np.stack([DENSE, DENSE])))
    for a, b in (
        (matrix, array(np.ones((2, 4)))),
        (matrix, array(np.ones(3))),
        (matrix, array(np.ones((2, 3, 4)))),
        (batch, dense),
        (batch, array(np.ones((3, 3, 4)))),
        (matrix, array(np.ones((3, 4)), "float32")),
    ):
        with pytest.raises(InvalidType):
            F.sparse_matmul(a, b)
