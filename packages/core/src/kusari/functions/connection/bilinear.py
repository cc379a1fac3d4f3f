"""Bilinear map of two inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import like
from kusari.kernels.linear import bilinear as bilinear_kernel


class BilinearFunction(FunctionNode):
    """y = e1 W e2 (+ e1 V1 + e2 V2 + b)."""

    def check_type_forward(self, in_types: Any) -> None:
        names = ("e1", "e2", "W", "V1", "V2", "b")
        expect_floating(in_types, names if len(in_types) == 6 else names[:3])
        e1, e2, W = in_types[0], in_types[1], in_types[2]
        expect(e1.ndim == 2, e2.ndim == 2, W.ndim == 3)
        expect(e1.shape[0] == e2.shape[0], e1.shape[1] == W.shape[0], e2.shape[1] == W.shape[1])
        if len(in_types) == 6:
            V1, V2, b = in_types[3], in_types[4], in_types[5]
            expect(V1.ndim == 2, V2.ndim == 2, b.ndim == 1)
            expect(V1.shape[0] == W.shape[0], V1.shape[1] == W.shape[2])
            expect(V2.shape[0] == W.shape[1], V2.shape[1] == W.shape[2], b.shape[0] == W.shape[2])

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        self.retain_inputs(tuple(range(min(len(inputs), 5))))
        linear_terms = inputs[3:] or (None, None, None)
        return (bilinear_kernel(self.backend, *inputs[:3], *linear_terms),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (gy,), (e1, e2, W, *V) = grad_outputs, self.get_retained_inputs()
        (n, j), k = e1.shape, e2.shape[1]
        weighted = (gy @ W.reshape(j * k, -1).transpose()).reshape(n, j, k) if {0, 1} & set(indexes) else gy

        def grad_e1() -> Variable:
            g = (weighted @ e2.reshape(n, k, 1)).reshape(n, j)
            return g + gy @ V[0].transpose() if V else g

        def grad_e2() -> Variable:
            g = (e1.reshape(n, 1, j) @ weighted).reshape(n, k)
            return g + gy @ V[1].transpose() if V else g

        def grad_weight() -> Variable:
            products = (e1.reshape(n, j, 1) @ e2.reshape(n, 1, k)).reshape(n, j * k)
            return (products.transpose() @ gy).reshape(W.shape)

        made: dict[int, Callable[[], Variable]] = {
            0: grad_e1,
            1: grad_e2,
            2: grad_weight,
            3: lambda: e1.transpose() @ gy,
            4: lambda: e2.transpose() @ gy,
            5: lambda: gy.sum(axis=0),
        }
        return tuple([made[index]() for index in indexes])


def bilinear(
    e1: VariableLike,
    e2: VariableLike,
    W: VariableLike,
    V1: VariableLike | None = None,
    V2: VariableLike | None = None,
    b: VariableLike | None = None,
) -> Variable:
    """Apply a bilinear map, with affine terms or without.

    y[n, l] = Σ_{j, k} e1[n, j] e2[n, k] W[j, k, l] + Σ_j e1[n, j] V1[j, l] + Σ_k e2[n, k] V2[k, l] + b[l].

    Args:
        e1: (N, J), floating; axes after the first are flattened.
        e2: (N, K); likewise.
        W: (J, K, L).
        V1: (J, L); it, ``V2`` and ``b`` are given together or not at all.
        V2: (K, L).
        b: (L,).

    Returns:
        (N, L), in ``e1``'s dtype.

    Raises:
        InvalidType: Sizes that do not fit, or something that is not floating.
        ValueError: Some of ``V1``, ``V2`` and ``b``, but not all.

    Source: Socher, Chen, Manning, Ng, 2013, "Reasoning with neural tensor networks".

    >>> e = np.asarray([[1.0, 2.0]])
    >>> bilinear(e, e, np.ones((2, 2, 1))).array
    array([[9.]])
    """
    linear_terms = [term for term in (V1, V2, b) if term is not None]
    if len(linear_terms) not in (0, 3):
        raise ValueError("bilinear(): expected all of V1, V2 and b, or none of them")
    e1 = _flat(as_variable(e1))
    others = [like(e1, parameter) for parameter in (W, *linear_terms)]
    return BilinearFunction().apply((e1, _flat(like(e1, e2)), *others))[0]


def _flat(e: Variable) -> Variable:
    return e if e.ndim <= 2 else e.reshape(len(e), math.prod(e.shape[1:]))
