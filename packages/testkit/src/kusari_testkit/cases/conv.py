"""Convolution, its gradients, and the stack of MLPConvolution: one table of geometries feeds them all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari.types import Shape
from kusari_testkit.cases.activation import apply, backpropagate, tag
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.cases.window import bordered, out_shape, places, unbordered, window
from kusari_testkit.draw import HostArray, normal_with, small


@dataclass(frozen=True)
class Geometry:
    """A convolution without its numbers: shapes of x and W, and the arguments of the function."""

    label: str
    x: Shape
    W: Shape
    stride: int | Shape = 1
    pad: int | Shape = 0
    dilate: int | Shape = 1
    groups: int = 1
    bias: bool = True
    activation: str | None = None
    cover_all: bool = False
    large: bool = False
    """Too large to take finite differences of."""

    @property
    def quick(self) -> bool:
        """Whether it is part of the small kit."""
        return self.label in QUICK

    @property
    def window(self) -> Window:
        """The sliding window."""
        return window(self.W[2:], self.stride, self.pad, self.dilate)

    @property
    def y(self) -> Shape:
        """(N, O, *out)."""
        return (self.x[0], self.W[0], *out_shape(self.x[2:], self.window, self.cover_all))

    def problem(self, dtype: Any) -> ConvolutionProblem:
        """Return the family's Problem in a dtype of the host."""
        return ConvolutionProblem(
            self.x,
            self.W,
            self.window,
            dtype,
            groups=self.groups,
            bias=self.bias,
            activation=tag(self.activation),
            cover_all=self.cover_all,
        )

    # The oracle: output pixels one by one. --------------------------------------------------------------------------

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None = None) -> HostArray:
        """Return activation(x ⋆ W + b)."""
        y, axes = np.zeros(self.y), tuple(range(1, x.ndim))
        image = bordered(x, self.window)
        for inside, outside in self._groups():
            for place in places(x.shape[2:], self.window, self.cover_all):
                seen = image[place.view(inside)]
                y[place.pixel(outside)] = np.tensordot(seen, W[outside], (axes, axes))
        if b is not None:
            y += b.reshape(1, -1, *(1 for _ in y.shape[2:]))
        return apply(self.activation, y)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:
        """Return each output pixel's gradient, given back to what it saw."""
        gx = bordered(np.zeros(self.x), self.window)
        for inside, outside in self._groups():
            for place in places(self.x[2:], self.window, self.cover_all):
                share = np.tensordot(gy[place.pixel(outside)], W[outside], 1)
                gx[place.view(inside)] += share
        return unbordered(gx, self.window)

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:
        """Return the sum over output pixels of gradient times what was seen."""
        gW = np.zeros(self.W)
        image = bordered(x, self.window)
        for inside, outside in self._groups():
            for place in places(x.shape[2:], self.window, self.cover_all):
                seen = image[place.view(inside)]
                gW[outside] += np.tensordot(gy[place.pixel(outside)].T, seen, 1)
        return gW

    def grad_bias(self, gy: HostArray) -> HostArray:
        """Return the sum over images and pixels."""
        return np.asarray(np.sum(gy, axis=(0, *range(2, gy.ndim))))

    def backward(self, x: HostArray, W: HostArray, b: HostArray | None, gy: HostArray) -> tuple[Any, ...]:
        """Return the gradients of x, W and b."""
        gy = backpropagate(self.activation, self.forward(x, W, b), gy)
        return self.grad_input(W, gy), self.grad_weight(x, gy), self.grad_bias(gy) if self.bias else None

    def _groups(self) -> list[tuple[slice, slice]]:
        """Return, for each group, its channels of x and its filters."""
        c, o = self.W[1], self.W[0] // self.groups
        return [(slice(g * c, (g + 1) * c), slice(g * o, (g + 1) * o)) for g in range(self.groups)]


QUICK: Final = frozenset(
    """
    image no-bias relu empty one-pixel-in-border pointwise-relu odd stride-unequal pad-2 dilate-unequal groups-2
    depthwise cover-all 1d 3d channels-16 nan-inf-relu wanted
    """.split()
)

IMAGE: Final = Geometry("image", (2, 3, 7, 6), (4, 3, 3, 3), pad=1)

GEOMETRIES: Final[tuple[Geometry, ...]] = (
    IMAGE,
    replace(IMAGE, label="no-bias", bias=False),
    *(replace(IMAGE, label=name, activation=name) for name in ("relu", "sigmoid", "tanh")),
    replace(IMAGE, label="no-bias-relu", bias=False, activation="relu"),
    Geometry("empty", (0, 3, 5, 5), (4, 3, 3, 3)),
    Geometry("one-image", (1, 3, 5, 5), (2, 3, 3, 3)),
    Geometry("one-channel", (2, 1, 5, 6), (3, 1, 3, 3)),
    Geometry("one-filter", (2, 3, 5, 6), (1, 3, 3, 3), pad=1),
    Geometry("one-pixel", (2, 3, 1, 1), (4, 3, 1, 1)),
    Geometry("one-pixel-in-border", (2, 3, 1, 1), (4, 3, 3, 3), pad=1),
    Geometry("one-pixel-out", (2, 3, 4, 5), (4, 3, 4, 5)),
    Geometry("pointwise", (2, 5, 4, 3), (6, 5, 1, 1)),
    Geometry("pointwise-relu", (2, 5, 4, 3), (6, 5, 1, 1), activation="relu"),
    Geometry("pointwise-stride", (2, 5, 5, 4), (6, 5, 1, 1), stride=2),
    Geometry("pointwise-pad", (2, 5, 3, 4), (6, 5, 1, 1), pad=1),
    Geometry("odd", (1, 5, 9, 7), (3, 5, 3, 2)),
    Geometry("even-window", (2, 3, 6, 6), (4, 3, 2, 2), pad=1),
    Geometry("stride-2", (2, 3, 8, 7), (4, 3, 3, 3), stride=2, pad=1),
    Geometry("stride-unequal", (2, 3, 8, 7), (4, 3, 3, 3), stride=(2, 3), pad=(0, 2)),
    Geometry("stride-beyond-window", (1, 2, 9, 8), (3, 2, 2, 2), stride=3),
    Geometry("unread-edge", (1, 2, 6, 8), (3, 2, 3, 3), stride=2),
    Geometry("pad-2", (2, 3, 6, 5), (4, 3, 5, 5), pad=2),
    Geometry("pad-beyond-window", (1, 2, 3, 4), (3, 2, 2, 3), pad=3),
    Geometry("dilate-2", (2, 3, 9, 8), (4, 3, 3, 3), dilate=2, pad=2),
    Geometry("dilate-unequal", (1, 2, 9, 8), (3, 2, 3, 2), dilate=(1, 3)),
    Geometry("dilate-stride", (1, 2, 10, 9), (3, 2, 3, 3), dilate=2, stride=2, pad=1),
    Geometry("groups-2", (2, 4, 5, 6), (6, 2, 3, 3), groups=2, pad=1),
    Geometry("groups-relu", (2, 4, 5, 6), (6, 2, 3, 3), groups=2, activation="relu"),
    Geometry("groups-pointwise", (2, 6, 4, 3), (9, 2, 1, 1), groups=3),
    Geometry("depthwise", (2, 4, 6, 5), (4, 1, 3, 3), groups=4, pad=1),
    Geometry("depthwise-stride", (2, 4, 7, 6), (4, 1, 3, 3), groups=4, pad=1, stride=2),
    Geometry("depthwise-twice", (2, 3, 6, 5), (6, 1, 3, 3), groups=3),
    Geometry("cover-all", (2, 3, 8, 7), (4, 3, 3, 3), stride=2, cover_all=True),
    Geometry("cover-all-pad", (1, 2, 8, 6), (3, 2, 2, 3), stride=3, pad=1, cover_all=True),
    Geometry("1d", (2, 3, 11), (4, 3, 3), pad=1),
    Geometry("1d-dilate-stride", (2, 3, 12), (4, 3, 3), dilate=2, stride=2),
    Geometry("1d-depthwise", (2, 3, 9), (3, 1, 3), groups=3, pad=2),
    Geometry("3d", (1, 2, 4, 5, 4), (3, 2, 3, 2, 3), pad=1),
    Geometry("3d-stride", (1, 2, 5, 6, 5), (3, 2, 2, 2, 2), stride=(2, 1, 2)),
    # Sizes that meet the tiles of a blocked or transformed kernel, and their ends.
    Geometry("channels-16", (2, 16, 6, 6), (16, 16, 3, 3), pad=1),
    Geometry("channels-17-33", (1, 17, 6, 5), (33, 17, 3, 3), pad=1, large=True),
    Geometry("channels-40-relu", (2, 40, 5, 5), (24, 40, 3, 3), pad=1, activation="relu", large=True),
    Geometry("pointwise-64", (2, 64, 7, 7), (64, 64, 1, 1), large=True),
    Geometry("image-13-14", (2, 8, 13, 14), (8, 8, 3, 3), pad=1, large=True),
    Geometry("many-images", (9, 4, 5, 5), (4, 4, 3, 3), pad=1, large=True),
    Geometry("large-window", (1, 3, 16, 15), (4, 3, 7, 7), stride=2, pad=3, large=True),
)


def use_backward(plan: Convolution, x: Any, W: Any, b: Any, gy: Any) -> tuple[Any, ...]:
    """Run forward, then backward for everything that there is."""
    y = plan.forward(x, W, b)
    kept = y if plan.problem.activation is not None else None
    return plan.backward(x, W, kept, gy, (True, True, b is not None))


def use_backward_for_filters(plan: Convolution, x: Any, W: Any, b: Any, gy: Any) -> tuple[Any, ...]:
    """Run forward, then backward for the filters alone."""
    y = plan.forward(x, W, b)
    return plan.backward(x, W, y, gy, (False, True, False))


def _family_cases(geometry: Geometry) -> list[FamilyCase]:
    x, W, gy = Input(geometry.x), Input(geometry.W, small), Input(geometry.y)
    b = Input(geometry.W[:1]) if geometry.bias else None
    common: dict[str, Any] = {
        "target": Convolution,
        "label": geometry.label,
        "problem": geometry.problem,
        "quick": geometry.quick,
    }
    made = [
        FamilyCase(
            **common,
            step="forward",
            inputs=(x, W, b),
            oracle=geometry.forward,
            use=lambda plan, x, W, b: plan.forward(x, W, b),
            parameters=(1, 2) if geometry.bias else (1,),
        ),
        FamilyCase(
            **common,
            step="backward",
            inputs=(x, W, b, gy),
            oracle=geometry.backward,
            use=use_backward,
            parameters=(1, 2) if geometry.bias else (1,),
        ),
    ]
    if geometry.activation is None and geometry.bias:
        made += [
            FamilyCase(
                **common,
                step="grad_input",
                inputs=(W, gy),
                oracle=geometry.grad_input,
                use=lambda plan, W, gy: plan.grad_input(W, gy),
                parameters=(0,),
            ),
            FamilyCase(
                **common,
                step="grad_weight",
                inputs=(x, gy),
                oracle=geometry.grad_weight,
                use=lambda plan, x, gy: plan.grad_weight(x, gy),
            ),
            FamilyCase(
                **common,
                step="grad_bias",
                inputs=(gy,),
                oracle=geometry.grad_bias,
                use=lambda plan, gy: plan.grad_bias(gy),
            ),
        ]
    return made


def _special_cases() -> list[FamilyCase]:
    one = replace(IMAGE, label="nan-inf")
    x, W, b, gy = Input(one.x, normal_with(np.nan, np.inf)), Input(one.W, small), Input(one.W[:1]), Input(one.y)
    return [
        FamilyCase(
            target=Convolution,
            label=label,
            quick=label in QUICK,
            step="forward",
            problem=geometry.problem,
            inputs=(x, W, b),
            oracle=geometry.forward,
            use=lambda plan, x, W, b: plan.forward(x, W, b),
        )
        for label, geometry in {"nan-inf": one, "nan-inf-relu": replace(one, activation="relu")}.items()
    ] + [
        FamilyCase(
            target=Convolution,
            label="wanted",
            step="backward",
            problem=IMAGE.problem,
            inputs=(Input(IMAGE.x), W, b, gy),
            oracle=lambda x, W, b, gy: (None, IMAGE.grad_weight(x, gy), None),
            use=use_backward_for_filters,
        )
    ]


def _function_case(geometry: Geometry) -> FunctionCase:
    function = F.convolution_2d if len(geometry.x) == 4 else F.convolution_nd
    arguments: dict[str, Any] = {
        name: getattr(geometry, name)
        for name in ("stride", "pad", "dilate", "groups", "cover_all")
        if getattr(geometry, name) != getattr(IMAGE, name) or name == "pad"
    }
    if geometry.activation is not None:
        arguments["activation"] = getattr(F, geometry.activation)
    bias = (Input(geometry.W[:1]),) if geometry.bias else ()
    return FunctionCase(
        target=function,
        label=geometry.label,
        inputs=(Input(geometry.x), Input(geometry.W, small), *bias),
        oracle=lambda *arrays, **_: geometry.forward(*arrays),
        arguments=arguments,
        quick=geometry.quick,
    )


KERNELS: Final[tuple[FamilyCase, ...]] = (
    *(case for geometry in GEOMETRIES for case in _family_cases(geometry)),
    *_special_cases(),
)
FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(_function_case(g) for g in GEOMETRIES if not g.large)
