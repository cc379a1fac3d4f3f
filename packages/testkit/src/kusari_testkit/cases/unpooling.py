"""Unpooling and upsampling, pooling over one and three axes, and spatial pyramids."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.pooling import Unpooling
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.cases.pooling import POOLS, QUICK, Pool, draw_places
from kusari_testkit.draw import HostArray, distinct


def _family_cases(pool: Pool) -> list[FamilyCase]:
    common: dict[str, Any] = {"target": Unpooling, "label": pool.label, "problem": pool.problem}
    common["quick"] = pool.label in QUICK
    return [
        FamilyCase(
            **common,
            step="forward",
            inputs=(Input(pool.y),),
            oracle=pool.spread,
            use=lambda plan, x: plan.forward(x),
        ),
        FamilyCase(
            **common,
            step="grad_input",
            inputs=(Input(pool.x),),
            oracle=pool.total,
            use=lambda plan, gy: plan.grad_input(gy),
        ),
    ]


KERNELS: Final[tuple[FamilyCase, ...]] = tuple(case for pool in POOLS for case in _family_cases(pool))


def _functions(pool: Pool) -> list[FunctionCase]:
    images = len(pool.x) == 4
    arguments: dict[str, Any] = {
        "ksize": pool.size,
        "stride": pool.stride,
        "pad": pool.pad,
        "outsize": pool.x[2:],
        "cover_all": pool.cover_all,
    }
    unpooling = {3: F.unpooling_1d, 4: F.unpooling_2d, 5: F.unpooling_3d}[len(pool.x)]
    made = [
        FunctionCase(
            target=target,
            label=pool.label,
            inputs=(Input(pool.y),),
            oracle=lambda x, **_: pool.spread(x),
            arguments=arguments,
            quick=pool.label in QUICK,
        )
        for target in (unpooling, F.unpooling_nd)
    ]
    if images:
        made.append(
            FunctionCase(
                target=F.upsampling_2d,
                label=pool.label,
                inputs=(Input(pool.y), Input(pool.y, draw_places(pool), "int32")),
                oracle=lambda x, indexes, **_: pool.maximum_grad(indexes, x),
                arguments=arguments,
                quick=pool.label in QUICK,
            )
        )
    return made


def _along_axes(pool: Pool) -> list[FunctionCase]:
    """Return the poolings of one or three axes."""
    average, maximum = {3: (F.average_pooling_1d, F.max_pooling_1d), 5: (F.average_pooling_3d, F.max_pooling_3d)}[
        len(pool.x)
    ]
    arguments: dict[str, Any] = {"ksize": pool.size, "stride": pool.stride, "pad": pool.pad}
    made = [
        FunctionCase(
            target=maximum,
            label=pool.label,
            inputs=(Input(pool.x, distinct),),
            oracle=lambda x, **_: pool.maximum(x)[0],
            arguments={**arguments, "cover_all": pool.cover_all},
        )
    ]
    if not pool.cover_all:
        made += [
            FunctionCase(
                target=average,
                label=f"{pool.label}{'' if pad_value == 0 else '-inside'}",
                inputs=(Input(pool.x),),
                oracle=lambda x, pad_value, **_: pool.average(x, pad_value == 0),
                arguments={**arguments, "pad_value": pad_value},
            )
            for pad_value in (0, None)
        ]
    return made


def _pyramid(x: HostArray, pyramid_height: int, **_: Any) -> HostArray:
    """Return the maxima of every bin of every level, bin by bin, for sides that are multiples of the bins."""
    n, c, height, width = x.shape
    parts = []
    for level in range(pyramid_height):
        bins = 2**level
        cut = x.reshape(n, c, bins, height // bins, bins, width // bins)
        parts.append(np.max(cut, axis=(3, 5)).reshape(n, -1, 1, 1))
    return np.concatenate(parts, axis=1)


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(case for pool in POOLS if 0 not in pool.x for case in _functions(pool)),
    *(
        case
        for pool in (
            Pool("1d", (2, 3, 9), (3,), 2, pad=1),
            Pool("1d-cover-all", (2, 3, 8), (3,), 2, cover_all=True),
            Pool("3d", (1, 2, 4, 5, 4), (2, 2, 2), 2, pad=1),
            Pool("3d-cover-all", (1, 2, 4, 5, 4), (2, 2, 2), 2, cover_all=True),
        )
        for case in _along_axes(pool)
    ),
    FunctionCase(
        target=F.spatial_pyramid_pooling_2d,
        label="three-levels",
        inputs=(Input((2, 3, 8, 4), distinct),),
        oracle=_pyramid,
        arguments={"pyramid_height": 3, "pooling": "max"},
    ),
)
