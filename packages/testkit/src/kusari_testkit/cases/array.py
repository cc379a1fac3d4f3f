"""Functions that move, cast and sum elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.types import Shape
from kusari_testkit.cases.case import FunctionCase, Input
from kusari_testkit.draw import integers


def _case(
    function: Callable[..., Any], label: str, shape: Shape, oracle: Callable[..., Any], /, **arguments: Any
) -> FunctionCase:
    return FunctionCase(target=function, label=label, inputs=(Input(shape),), oracle=oracle, arguments=arguments)


def _sum_to(x: Any, shape: Shape) -> Any:
    leading = tuple(range(x.ndim - len(shape)))
    kept = x.sum(axis=leading)
    return kept.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def transposed_product(x: Any) -> Any:
    """X Xᵀ: a transposed view and what it is a view of, in one step."""
    return x @ x.transpose()


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    _case(F.reshape, "image", (2, 3, 4), np.reshape, shape=(4, 6)),
    _case(F.reshape, "guess", (2, 3, 4), np.reshape, shape=(3, -1)),
    _case(F.reshape, "scalar", (1, 1), np.reshape, shape=()),
    _case(F.reshape, "empty", (0, 4), np.reshape, shape=(2, 0)),
    _case(F.transpose, "reverse", (2, 3, 4), lambda x: x.T),
    _case(F.transpose, "axes", (2, 3, 4), np.transpose, axes=(1, 2, 0)),
    _case(transposed_product, "matrix", (3, 4), lambda x: np.sum(x[:, None, :] * x[None, :, :], axis=-1)),
    _case(F.broadcast_to, "row", (3,), np.broadcast_to, shape=(4, 3)),
    _case(F.broadcast_to, "column", (4, 1), np.broadcast_to, shape=(2, 4, 3)),
    _case(F.broadcast_to, "scalar", (), np.broadcast_to, shape=(2, 2)),
    _case(F.sum, "all", (2, 3, 4), np.sum),
    _case(F.sum, "axis", (2, 3, 4), np.sum, axis=1),
    _case(F.sum, "axes", (2, 3, 4), np.sum, axis=(0, 2), keepdims=True),
    _case(F.sum, "negative-axis", (2, 3, 4), np.sum, axis=-1),
    _case(F.sum, "empty", (0, 3), np.sum, axis=0),
    _case(F.sum_to, "row", (4, 3), _sum_to, shape=(3,)),
    _case(F.sum_to, "column", (2, 4, 3), _sum_to, shape=(4, 1)),
    _case(F.get_item, "slice", (5, 4), lambda x, slices: x[slices], slices=(slice(1, 5, 2), slice(None))),
    _case(F.get_item, "integer", (5, 4), lambda x, slices: x[slices], slices=(2, slice(1, None))),
    _case(F.get_item, "element", (5, 4), lambda x, slices: x[slices], slices=(2, -1)),
    _case(F.get_item, "ellipsis", (2, 3, 4), lambda x, slices: x[slices], slices=(..., 1)),
    _case(F.get_item, "reversed", (5,), lambda x, slices: x[slices], slices=(slice(None, None, -1),)),
    FunctionCase(
        target=F.cast,
        label="to-float32",
        inputs=(Input((2, 3)),),
        oracle=lambda x, typ: x.astype(np.float32),
        arguments={"typ": "float32"},
        differentiable=False,  # as far as finite differences could tell: it rounds
    ),
    FunctionCase(
        target=F.cast,
        label="from-integers",
        inputs=(Input((2, 3), integers(-5, 5), "int32"),),
        oracle=lambda x, typ: x.astype(np.float32),
        arguments={"typ": "float32"},
    ),
)
