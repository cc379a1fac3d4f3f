"""Arithmetic of Variables: operators, broadcast, and the constants beside them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari_testkit.cases.case import FunctionCase, Input
from kusari_testkit.draw import Draw, near, normal, positive

PAIRS: Final = {
    "vector": ((5,), (5,)),
    "0-d": ((), ()),
    "empty": ((0, 3), (0, 3)),
    "broadcast-row": ((4, 3), (3,)),
    "broadcast-column": ((4, 3), (4, 1)),
    "broadcast-both": ((4, 1, 2), (3, 1)),
    "broadcast-scalar": ((), (2, 3)),
}


QUICK: Final = ("broadcast-both", "empty", "matrix", "broadcast-batch")


def _pairs(function: Callable[..., Any], draw: Draw = normal) -> list[FunctionCase]:
    return [
        FunctionCase(
            target=function,
            label=label,
            quick=label in QUICK,
            inputs=(Input(left, draw), Input(right, draw)),
            oracle=function,
        )
        for label, (left, right) in PAIRS.items()
    ]


def add_constant(x: Any) -> Any:
    """0.75 + x − 2."""
    return 0.75 + x - 2


def subtract_from_constant(x: Any) -> Any:
    """1.5 − x."""
    return 1.5 - x


def multiply_constant(x: Any) -> Any:
    """0.5 · x / 4."""
    return 0.5 * x / 4


def divide_constant(x: Any) -> Any:
    """3 / x."""
    return 3 / x


def power_of_constant(x: Any) -> Any:
    """2ˣ."""
    return 2.0**x


def cube(x: Any) -> Any:
    """x³."""
    return x**3


def used_twice(x: Any, y: Any) -> Any:
    """x² y + x: gradients of one Variable meet."""
    return x * x * y + x


def _single(function: Callable[..., Any], draw: Draw = normal) -> list[FunctionCase]:
    return [
        FunctionCase(target=function, label=label, quick=label in QUICK, inputs=(Input(shape, draw),), oracle=function)
        for label, shape in {"matrix": (3, 4), "scalar": (), "empty": (0, 2)}.items()
    ]


def _matmul() -> list[FunctionCase]:
    shapes = {
        "matrices": ((3, 4), (4, 2)),
        "row": ((4,), (4, 2)),
        "column": ((3, 4), (4,)),
        "dot": ((4,), (4,)),
        "batches": ((2, 3, 4), (2, 4, 2)),
        "broadcast-batch": ((2, 1, 3, 4), (5, 4, 2)),
        "empty": ((0, 4), (4, 2)),
    }
    return [
        FunctionCase(
            target=F.matmul, label=label, quick=label in QUICK, inputs=(Input(left), Input(right)), oracle=_product
        )
        for label, (left, right) in shapes.items()
    ]


def _product(x: Any, y: Any) -> Any:
    """Sum over the last axis of x and the last but one of y, without matmul."""
    left = x if x.ndim > 1 else x[None, :]
    right = y if y.ndim > 1 else y[:, None]
    made = np.sum(left[..., :, :, None] * right[..., None, :, :], axis=-2)
    made = made if x.ndim > 1 else made[..., 0, :]
    return made if y.ndim > 1 else made[..., 0]


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *_pairs(operator.add),
    *_pairs(operator.sub),
    *_pairs(operator.mul),
    *_pairs(operator.truediv, positive),
    *_pairs(operator.pow, positive),
    *_pairs(used_twice),
    *_single(operator.neg),
    *_single(add_constant),
    *_single(subtract_from_constant),
    *_single(multiply_constant),
    *_single(divide_constant, positive),
    *_single(power_of_constant),
    *_single(cube),
    FunctionCase(target=F.absolute, label="kink", inputs=(Input((3, 4)),), oracle=np.abs, avoid=near(0.0)),
    *_matmul(),
)
