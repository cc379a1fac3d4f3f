"""Transposed convolutions: the geometries of convolution, read from the output to the input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import kusari.functions as F
from kusari_testkit.cases.case import FunctionCase, Input
from kusari_testkit.cases.conv import GEOMETRIES, Geometry
from kusari_testkit.draw import HostArray, small

_BY_AXES: Final[dict[int, Any]] = {1: F.deconvolution_1d, 2: F.deconvolution_2d, 3: F.deconvolution_3d}


def _case(geometry: Geometry, function: Any) -> FunctionCase:
    channels = geometry.x[1]

    def oracle(gy: HostArray, W: HostArray, b: HostArray | None = None, **_: Any) -> HostArray:
        """Give each pixel back to what a convolution would have seen."""
        y = geometry.grad_input(W, gy)
        return y if b is None else y + b.reshape(1, channels, *(1 for _ in y.shape[2:]))

    names = ("stride", "pad", "dilate", "groups")
    return FunctionCase(
        target=function,
        label=geometry.label,
        inputs=(Input(geometry.y), Input(geometry.W, small), *([Input((channels,))] if geometry.bias else [])),
        oracle=oracle,
        arguments={"outsize": geometry.x[2:], **{name: getattr(geometry, name) for name in names}},
    )


def _regular(geometry: Geometry) -> FunctionCase:
    """Return a case whose output has the shape that it has without ``outsize``."""
    case = _case(geometry, F.deconvolution_nd)
    arguments = {name: value for name, value in case.arguments.items() if name != "outsize"}
    return replace(case, label=f"{case.label}-regular", arguments=arguments)


_READ_BACK: Final = [g for g in GEOMETRIES if g.quick and g.activation is None]

FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(_case(geometry, _BY_AXES[len(geometry.x) - 2]) for geometry in _READ_BACK),
    *(_regular(geometry) for geometry in _READ_BACK if geometry.label in ("image", "odd", "groups-2", "1d", "3d")),
)
