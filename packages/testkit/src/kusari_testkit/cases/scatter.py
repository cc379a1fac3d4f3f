"""Sums of values that share a place."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari.kernels.scatter import scatter_add, scatter_sum, select_item_grad
from kusari.types import Shape
from kusari_testkit.cases.case import Case, Input
from kusari_testkit.draw import Draw, HostArray, integers, normal, repeated


def _sum(values: HostArray, index: HostArray, axis: int, length: int) -> HostArray:
    """Add up one by one."""
    y = np.zeros([*values.shape[:axis], length, *values.shape[axis + 1 :]])
    for value, place in zip(np.moveaxis(values, axis, 0), index, strict=True):
        np.moveaxis(y, axis, 0)[place] += value
    return y


def _sum_case(
    label: str, shape: Shape, axis: int, length: int, index: Draw | None = None, values: Draw = normal, **options: Any
) -> Case:
    return Case(
        target=scatter_sum,
        label=label,
        inputs=(Input(shape, values), Input(shape[axis : axis + 1], index or integers(0, max(length, 1)), "int64")),
        oracle=_sum,
        arguments={"axis": axis, "length": length},
        **options,
    )


KERNELS: Final[tuple[Case, ...]] = (
    _sum_case("vector", (9,), 0, 4),
    _sum_case("rows", (13, 3), 0, 5),
    _sum_case("columns", (2, 7, 3), 1, 4),
    _sum_case("last-axis", (2, 3, 6), 2, 9),
    _sum_case("one-place", (37, 2), 0, 3, repeated(1)),
    _sum_case("each-once", (5, 2), 0, 5, repeated(3, 1, 4, 0, 2)),
    _sum_case("no-value", (0, 3), 0, 4),
    _sum_case("one-value", (1, 3), 0, 4),
    _sum_case("no-length", (0, 3), 0, 0),
    _sum_case("odd", (129, 17), 0, 37),
    _sum_case("many", (5000, 2), 0, 3, quick=False),
    # What is not finite reaches its own place and no other.
    _sum_case("nan-inf", (6,), 0, 5, repeated(3, 1, 2, 3, 1, 0), repeated(1.0, np.nan, np.inf, 2.0, 0.0, -np.inf)),
    *(
        Case(
            target=scatter_add,
            label=label,
            inputs=(Input(x), Input(values[axis : axis + 1], integers(0, x[axis]), "int64"), Input(values)),
            oracle=lambda x, index, values, axis: x + _sum(values, index, axis, x.shape[axis]),
            arguments={"axis": axis},
        )
        for label, x, values, axis in (
            ("rows", (4, 3), (9, 3), 0),
            ("columns", (2, 5), (2, 8), 1),
            ("no-value", (4, 3), (0, 3), 0),
        )
    ),
    *(
        Case(
            target=select_item_grad,
            label=label,
            inputs=(Input((rows,)), Input((rows,), integers(0, classes), "int64")),
            oracle=lambda gy, t, classes: gy[:, None] * np.eye(classes)[t],
            arguments={"classes": classes},
        )
        for label, rows, classes in (("matrix", 5, 4), ("one-class", 3, 1), ("empty", 0, 4))
    ),
)
