"""The affine map of a fully connected layer, and the bilinear map of two inputs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.activation import Activation
from kusari.kernels.linear import bilinear, linear, linear_gradients, product
from kusari.types import Shape
from kusari_testkit.cases.activation import FORMULAS, apply, tag
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import HostArray, near, normal_with, small

SHAPES: Final[dict[str, tuple[Shape, Shape]]] = {
    "matrix": ((5, 4), (3, 4)),
    "one-row": ((1, 7), (4, 7)),
    "one-column": ((6, 1), (2, 1)),
    "one-output": ((4, 3), (1, 3)),
    "empty": ((0, 4), (3, 4)),
    "odd": ((17, 33), (13, 33)),
}


PRODUCTS: Final[dict[str, tuple[Shape, Shape]]] = {
    "matrices": ((5, 4), (4, 3)),
    "stacks": ((2, 5, 4), (2, 4, 3)),
    "one-for-all": ((3, 2, 5, 4), (4, 3)),
    "nothing-to-add": ((2, 0), (0, 3)),
    "empty": ((0, 4), (4, 3)),
}


def products(a: HostArray, b: HostArray) -> HostArray:
    """Return the matrix products a b by their definition."""
    return np.asarray(np.sum(a[..., :, :, None] * b[..., None, :, :], axis=-2))


def affine(x: HostArray, W: HostArray, b: HostArray | None = None, activation: str | None = None) -> HostArray:
    """Return activation(x Wᵀ + b), one output at a time."""
    y = np.stack([np.sum(x * row, axis=1) for row in W], axis=1)
    return apply(activation, y if b is None else y + b)


def affine_gradients(
    x: HostArray,
    W: HostArray,
    y: HostArray | None,
    gy: HostArray,
    wanted: tuple[bool, bool, bool],
    activation: Activation | None = None,
) -> tuple[HostArray | None, ...]:
    """Return the gradients of x, W and b, one image at a time."""
    if activation is not None:
        assert y is not None
        gy = FORMULAS[activation.name].gradient(y, gy)
    gx, gW = np.zeros(x.shape), np.zeros(W.shape)
    for n in range(len(x)):
        gx[n] = np.sum(gy[n, :, None] * W, axis=0)
        gW += gy[n, :, None] * x[n]
    return tuple(made if wish else None for made, wish in zip((gx, gW, gy.sum(axis=0)), wanted, strict=True))


def _gradients(
    label: str, x: Shape, W: Shape, activation: str | None = None, wanted: tuple[bool, bool, bool] = (True, True, True)
) -> Case:
    rows = (x[0], W[0])
    return Case(
        target=linear_gradients,
        label=label,
        inputs=(Input(x), Input(W, small), None if activation is None else Input(rows), Input(rows)),
        oracle=affine_gradients,
        arguments={"wanted": wanted, "activation": tag(activation)},
        parameters=(1,),
    )


def _inputs(x: Shape, W: Shape, bias: bool = True) -> tuple[Input | None, ...]:
    return (Input(x), Input(W, small), Input((W[0],)) if bias else None)


def _kernel(label: str, x: Shape, W: Shape, bias: bool = True, activation: str | None = None) -> Case:
    return Case(
        target=linear,
        label=label,
        inputs=_inputs(x, W, bias),
        oracle=lambda x, W, b, activation: affine(x, W, b, None if activation is None else activation.name),
        arguments={"activation": tag(activation)},
        parameters=(1, 2) if bias else (1,),
    )


def _function(label: str, x: Shape, W: Shape, bias: bool = True, activation: str | None = None) -> FunctionCase:
    function = None if activation is None else getattr(F, activation)
    return FunctionCase(
        target=F.linear,
        label=label,
        inputs=_inputs(x, W) if bias else _inputs(x, W, bias)[:2],
        oracle=lambda x, W, b=None, activation=None: affine(
            x.reshape(len(x), W.shape[1]), W, b, None if activation is None else activation.__name__
        ),
        arguments={"activation": function},
    )


def _bilinear_form(e1: HostArray, e2: HostArray, W: HostArray, *terms: HostArray | None) -> HostArray:
    """Return e1 W e2 + e1 V1 + e2 V2 + b, row by row."""
    e1, e2 = (e.reshape(len(e), int(np.prod(e.shape[1:]))) for e in (e1, e2))
    y = np.zeros((len(e1), W.shape[2]))
    for n in range(len(e1)):
        y[n] = np.einsum("j,k,jkl->l", e1[n], e2[n], W)
        if terms and terms[0] is not None:
            V1, V2, b = terms
            y[n] += e1[n] @ V1 + e2[n] @ V2 + b
    return y


def _bilinear_inputs(e1: Shape, e2: Shape, L: int, linear_terms: bool) -> tuple[Input | None, ...]:
    J, K = (int(np.prod(e[1:])) for e in (e1, e2))
    terms = [Input((J, L)), Input((K, L)), Input((L,))] if linear_terms else [None] * 3
    return (Input(e1), Input(e2), Input((J, K, L), small), *terms)


BILINEAR: Final[dict[str, tuple[Shape, Shape, int]]] = {
    "batch": ((4, 3), (4, 2), 5),
    "one": ((1, 1), (1, 1), 1),
    "no-row": ((0, 3), (0, 2), 2),
}


def untagged(x: Any) -> Any:
    """x², as an activation that no kernel knows."""
    return x * x


EPILOGUES: Final = ("relu", "sigmoid", "tanh")

KERNELS: Final[tuple[Case, ...]] = (
    *(
        Case(target=product, label=label, inputs=(Input(a), Input(b, small)), oracle=products)
        for label, (a, b) in PRODUCTS.items()
    ),
    *(_kernel(label, x, W) for label, (x, W) in SHAPES.items()),
    _kernel("no-bias", (5, 4), (3, 4), bias=False),
    *(_kernel(name, (5, 4), (3, 4), activation=name) for name in EPILOGUES),
    _kernel("no-bias-relu", (5, 4), (3, 4), bias=False, activation="relu"),
    Case(
        target=linear,
        label="nan",
        inputs=(Input((4, 3), normal_with(np.nan)), Input((2, 3)), Input((2,))),
        oracle=affine,
    ),
    *(_gradients(label, x, W) for label, (x, W) in SHAPES.items()),
    *(_gradients(name, (5, 4), (3, 4), activation=name) for name in EPILOGUES),
    _gradients("not-of-x", (5, 4), (3, 4), wanted=(False, True, True)),
    _gradients("of-x-alone", (5, 4), (3, 4), wanted=(True, False, False)),
    *(
        Case(
            target=bilinear,
            label=label if linear_terms else f"{label}-alone",
            inputs=_bilinear_inputs(*shapes, linear_terms),
            oracle=_bilinear_form,
            parameters=(2, 3, 4, 5) if linear_terms else (2,),
        )
        for label, shapes in BILINEAR.items()
        for linear_terms in (True, False)
    ),
)

FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(_function(label, x, W) for label, (x, W) in SHAPES.items() if label != "odd"),
    _function("no-bias", (5, 4), (3, 4), bias=False),
    *(_function(name, (5, 4), (3, 4), activation=name) for name in EPILOGUES),
    _function("flattened", (3, 2, 2), (5, 4)),
    FunctionCase(
        target=F.linear,
        label="batch-axes",
        inputs=(Input((2, 3, 4)), Input((5, 4)), Input((5,))),
        oracle=lambda x, W, b, n_batch_axes: affine(x.reshape(6, 4), W, b).reshape(2, 3, 5),
        arguments={"n_batch_axes": 2},
    ),
    FunctionCase(
        target=F.linear,
        label="untagged-activation",
        inputs=(Input((5, 4)), Input((3, 4)), Input((3,))),
        oracle=lambda x, W, b, activation: affine(x, W, b) ** 2,
        arguments={"activation": untagged},
        avoid=near(),
    ),
    *(
        FunctionCase(
            target=F.bilinear,
            label=label if linear_terms else f"{label}-alone",
            inputs=_bilinear_inputs(*shapes, linear_terms),
            oracle=_bilinear_form,
        )
        for label, shapes in {**BILINEAR, "flattened": ((2, 2, 2), (2, 3), 2)}.items()
        for linear_terms in (True, False)
    ),
)
