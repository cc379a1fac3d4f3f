"""What the poolings of regions of interest (RoIs) share: nodes, checks and arguments."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

from kusari import dtypes
from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.shaping import cast
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.configuration import current_state
from kusari.kernels.roi import RoiAverage, RoiMax, RoiProblem
from kusari.types import Array, Shape

Samples = tuple[int | None, int | None]


class RoiPooling(FunctionNode):
    """y = the mean or the maximum over each bin of each RoI; no gradient flows to the RoIs."""

    family: ClassVar[type[RoiAverage | RoiMax]]
    fast_rcnn: ClassVar[bool] = False

    def __init__(self, out: Shape, scale: float, samples: Samples | None = None) -> None:
        self.out = out
        self.scale = scale
        self.samples = samples

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 3)
        x, rois, image = in_types
        expect_floating((x, rois), names=("x", "rois"))
        expect(x.ndim == 4, rois.ndim == 2)
        expect(rois.shape[1] == 4, image.dtype.kind == "i", image.ndim == 1, rois.shape[0] == image.shape[0])

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, rois, image = inputs
        if current_state().debug:  # reads values: only where asked for
            refuse_missing_images(self, image, x.shape[0])
        backend = self.backend
        problem = RoiProblem(
            x.shape,
            rois.shape[0],
            self.out,
            self.scale,
            backend.host_dtype(x.dtype),
            backend.strides(x),
            self.samples,
            self.fast_rcnn,
        )
        self.plan = self.family.plan(backend, problem)
        y, self.kept = self.plan.forward(x, rois, image)
        return (y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        return tuple([RoiPoolingGrad(self).apply(grad_outputs)[0] if index == 0 else None for index in indexes])


class RoiPoolingGrad(FunctionNode):
    """gy, at the pixels that forward read, with forward's weights."""

    def __init__(self, pooling: RoiPooling) -> None:
        self.pooling = pooling

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.pooling.plan.grad_input(self.pooling.kept, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (RoiPoolingAgain(self.pooling).apply(grad_outputs)[0],)


class RoiPoolingAgain(FunctionNode):
    """The pixels that forward read, with forward's weights."""

    def __init__(self, pooling: RoiPooling) -> None:
        self.pooling = pooling

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.pooling.plan.gather(self.pooling.kept, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (RoiPoolingGrad(self.pooling).apply(grad_outputs)[0],)


def refuse_missing_images(node: FunctionNode, image: Array, count: int) -> None:
    """Raise where a RoI is of an image that is not there.

    Raises:
        ValueError: With the range that there is.
    """
    if bool(node.backend.xp.any((image < 0) | (image >= count))):
        raise ValueError(f"{node.label}: RoIs of images outside 0 … {count - 1}")


def pool_rois(node: RoiPooling, x: VariableLike, *rois: VariableLike) -> Variable:
    """Apply a node to x and to what names the RoIs; 16-bit images are computed in float32.

    Coordinates are computed in float64 where the backend has it: 7 · 0.6 − 2 · 0.6 is 3.0000002 in float32, and the
    number of samples is rounded up.
    """
    x = as_variable(x)
    wide = cast(x, "float32") if dtypes.is_floating(x.dtype) and x.dtype.itemsize < 4 else x
    exact = "float64" if "float64" in x.device.backend.dtypes else "float32"
    given = [as_variable(one) for one in rois]
    (y,) = node.apply((wide, *[cast(one, exact) if dtypes.is_floating(one.dtype) else one for one in given]))
    return cast(y, x.dtype)


def read_outsize(outsize: int | Sequence[int]) -> Shape:
    """Return (H', W') of one number or two.

    Raises:
        TypeError: Not positive integers.
        ValueError: Neither one nor two.
    """
    pair = _pair("outsize", outsize)
    for number in pair:
        _require_positive("outsize", outsize, number)
    return tuple(operator.index(number) for number in pair)


def read_scale(spatial_scale: float) -> float:
    """Return the factor from coordinates to pixels.

    Raises:
        TypeError: Not a positive number.
    """
    if not isinstance(spatial_scale, numbers.Real) or not spatial_scale > 0:
        raise TypeError(f"spatial_scale={spatial_scale!r}: expected a number above 0")
    return float(spatial_scale)


def read_samples(sampling_ratio: int | Sequence[int | None] | None) -> Samples:
    """Return how many points bins are sampled at, down and across, of one number or two; each may be None.

    Raises:
        TypeError: Neither None nor positive integers.
        ValueError: Neither one nor two.
    """
    pair = _pair("sampling_ratio", sampling_ratio)
    for number in pair:
        if number is not None:
            _require_positive("sampling_ratio", sampling_ratio, number)
    down, across = (None if number is None else operator.index(number) for number in pair)
    return down, across


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name}={value!r}: expected one number, or two: down and across")
    return pair[0], pair[1]


def _require_positive(name: str, value: Any, number: Any) -> None:
    if not hasattr(type(number), "__index__") or operator.index(number) < 1:
        raise TypeError(f"{name}={value!r}: expected positive integers")
