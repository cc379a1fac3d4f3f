"""Functions that join layers and have no kernels of their own: convolutions in other words, and the sampling one."""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.types import Shape
from kusari_testkit.cases.case import FunctionCase, Input
from kusari_testkit.cases.conv import GEOMETRIES, Geometry
from kusari_testkit.cases.window import per_axis, window
from kusari_testkit.draw import HostArray, small

_NAMED: Final = {geometry.label: geometry for geometry in GEOMETRIES}


def _by_axes(label: str) -> FunctionCase:
    geometry = _NAMED[label]
    arguments = {name: getattr(geometry, name) for name in ("stride", "pad", "dilate", "groups")}
    return FunctionCase(
        target=F.convolution_1d if len(geometry.x) == 3 else F.convolution_3d,
        label=label,
        inputs=(Input(geometry.x), Input(geometry.W, small), Input(geometry.W[:1])),
        oracle=lambda *arrays, **_: geometry.forward(*arrays),
        arguments=arguments,
    )


def _dilated(label: str) -> FunctionCase:
    geometry = _NAMED[label]
    arguments = {name: getattr(geometry, name) for name in ("stride", "pad", "dilate", "cover_all")}
    return FunctionCase(
        target=F.dilated_convolution_2d,
        label=label,
        inputs=(Input(geometry.x), Input(geometry.W, small), Input(geometry.W[:1])),
        oracle=lambda *arrays, **_: geometry.forward(*arrays),
        arguments=arguments,
    )


def _depthwise(
    label: str, x: Shape, W: Shape, stride: int | Shape = 1, pad: int | Shape = 0, bias: bool = True
) -> FunctionCase:
    multiplier, channels = W[:2]

    def oracle(x: HostArray, W: HostArray, b: HostArray | None = None, **_: Any) -> HostArray:
        """Convolve channel by channel, filter by filter."""
        one = Geometry("one", (x.shape[0], 1, *x.shape[2:]), (1, 1, *W.shape[2:]), stride, pad)
        pairs = itertools.product(range(channels), range(multiplier))
        y = np.concatenate([one.forward(x[:, c : c + 1], W[m : m + 1, c : c + 1]) for c, m in pairs], axis=1)
        return y if b is None else y + b.reshape(1, -1, 1, 1)

    return FunctionCase(
        target=F.depthwise_convolution_2d,
        label=label,
        inputs=(Input(x), Input(W, small), *([Input((multiplier * channels,))] if bias else [])),
        oracle=oracle,
        arguments={"stride": stride, "pad": pad},
    )


def _between_pixels(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw offsets that lead well between two pixels: the gradient jumps where a pixel is."""
    return np.asarray(generator.integers(-2, 2, shape) + generator.uniform(0.2, 0.8, shape))


def _deformable(
    label: str, x: Shape, W: Shape, out: Shape, stride: int | Shape = 1, pad: int | Shape = 0
) -> FunctionCase:
    shape = window(W[2:], stride, pad)
    taps = list(np.ndindex(*W[2:]))

    def oracle(x: HostArray, offset: HostArray, W: HostArray, b: HostArray, **_: Any) -> HostArray:
        """Sum over all pixels of the image by their nearness to where each of the window's pixels looks."""
        y = np.zeros((x.shape[0], W.shape[0], *out))
        for (i, j), (tap, (k, q)) in itertools.product(np.ndindex(*out), enumerate(taps)):
            across = j * shape.stride[1] - shape.pad[1] + q + offset[:, tap, i, j]
            down = i * shape.stride[0] - shape.pad[0] + k + offset[:, len(taps) + tap, i, j]
            u = np.maximum(0, 1 - np.abs(np.arange(x.shape[3]) - across[:, None]))
            v = np.maximum(0, 1 - np.abs(np.arange(x.shape[2]) - down[:, None]))
            y[:, :, i, j] += np.einsum("nchw,nh,nw,oc->no", x, v, u, W[:, :, k, q])
        return y + b.reshape(1, -1, 1, 1)

    return FunctionCase(
        target=F.deformable_convolution_2d_sampler,
        label=label,
        inputs=(
            Input(x),
            Input((x[0], 2 * len(taps), *out), _between_pixels),
            Input(W, small),
            Input(W[:1]),
        ),
        oracle=oracle,
        arguments={"stride": per_axis(stride, 2), "pad": per_axis(pad, 2)},
        # Offsets are rounded: 2⁻⁷ of a pixel in bfloat16.
        tolerance={"float64": 1e-11, "float32": 2e-5, "float16": 2e-2, "bfloat16": 1.5e-1},
    )


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *map(_by_axes, ("1d", "1d-dilate-stride", "1d-depthwise", "3d", "3d-stride")),
    *map(_dilated, ("dilate-2", "dilate-unequal", "dilate-stride", "cover-all")),
    _depthwise("image", (2, 3, 5, 4), (2, 3, 3, 2), pad=1),
    _depthwise("no-bias", (2, 3, 5, 4), (1, 3, 2, 2), bias=False),
    _depthwise("stride", (1, 2, 6, 7), (3, 2, 3, 3), stride=(2, 1), pad=(0, 1)),
    _deformable("image", (2, 2, 4, 5), (3, 2, 3, 3), (4, 5), pad=1),
    _deformable("stride", (1, 3, 6, 5), (2, 3, 3, 2), (3, 3), stride=(2, 2), pad=(1, 0)),
    _deformable("narrow", (2, 2, 1, 3), (2, 2, 1, 1), (1, 3)),
)
