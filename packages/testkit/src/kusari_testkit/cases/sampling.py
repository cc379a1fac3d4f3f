"""Images sampled at the points of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.sampling import BilinearSampling, SamplingProblem
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, repeated


@dataclass(frozen=True)
class Sampling:
    """A sampling without its numbers."""

    label: str
    x: Shape
    points: Shape
    pixels: bool = False

    @property
    def grid(self) -> Shape:
        """(N, 2, H', W')."""
        return (self.x[0], 2, *self.points)

    @property
    def y(self) -> Shape:
        """(N, C, H', W')."""
        return (*self.x[:2], *self.points)

    @property
    def first(self) -> float:
        """How far the first pixel lies before 0."""
        return 0 if self.pixels else 1

    def pixels_per_unit(self, length: int) -> float:
        """Return how many pixels a step of 1 crosses."""
        return 1 if self.pixels else (length - 1) / 2

    def problem(self, dtype: Any) -> SamplingProblem:
        """Return the Problem in a dtype of the host."""
        return SamplingProblem(self.x, self.grid, dtype, self.pixels)

    def between_pixels(self, generator: np.random.Generator, shape: Shape) -> HostArray:
        """Draw points well between two pixels, some of them just outside: the gradient jumps where a pixel is."""
        made = np.zeros(shape)
        for axis, length in enumerate((self.x[3], self.x[2])):
            position = generator.integers(-2, length + 1, made[:, axis].shape) + generator.uniform(0.2, 0.8)
            made[:, axis] = position if self.pixels else position * 2 / (length - 1) - 1
        return made

    def near(self, grid: HostArray) -> tuple[HostArray, HostArray]:
        """Return each pixel's share of each sample, across (N, H', W', W) and down (N, H', W', H); signed distances."""
        across, down = (
            np.arange(length) - (grid[:, axis, ..., None] + self.first) * self.pixels_per_unit(length)
            for axis, length in enumerate((self.x[3], self.x[2]))
        )
        return across, down

    def sampled(self, x: HostArray, grid: HostArray) -> HostArray:
        """Return the sum over all pixels of their shares."""
        across, down = (np.maximum(0, 1 - np.abs(distance)) for distance in self.near(grid))
        return np.einsum("ncvu,nhwv,nhwu->nchw", x, down, across)

    def gradients(self, x: HostArray, grid: HostArray, gy: HostArray) -> tuple[HostArray, HostArray]:
        """Return the gradients of both."""
        distances = self.near(grid)
        across, down = (np.maximum(0, 1 - np.abs(distance)) for distance in distances)
        slope_across, slope_down = (np.sign(d) * (np.abs(d) < 1) for d in distances)
        gx = np.einsum("nchw,nhwv,nhwu->ncvu", gy, down, across)
        u = np.einsum("nchw,ncvu,nhwv,nhwu->nhw", gy, x, down, slope_across) * self.pixels_per_unit(self.x[3])
        v = np.einsum("nchw,ncvu,nhwv,nhwu->nhw", gy, x, slope_down, across) * self.pixels_per_unit(self.x[2])
        return gx, np.stack([u, v], axis=1)


SAMPLINGS: Final[tuple[Sampling, ...]] = (
    Sampling("image", (2, 3, 4, 5), (3, 4)),
    Sampling("two-by-two", (1, 1, 2, 2), (4, 3)),
    Sampling("one-point", (3, 2, 3, 4), (1, 1)),
    Sampling("no-image", (0, 2, 3, 4), (2, 2)),
    Sampling("pixels", (2, 2, 3, 4), (2, 3), pixels=True),
)


def _case(one: Sampling, label: str, grid: Draw) -> FamilyCase:
    return FamilyCase(
        target=BilinearSampling,
        label=label,
        problem=one.problem,
        step="forward",
        inputs=(Input(one.x), Input(one.grid, grid)),
        oracle=one.sampled,
        use=lambda plan, x, grid: plan.forward(x, grid),
    )


def _gradient_case(one: Sampling, label: str, grid: Draw) -> FamilyCase:
    return FamilyCase(
        target=BilinearSampling,
        label=label,
        problem=one.problem,
        step="backward",
        inputs=(Input(one.x), Input(one.grid, grid), Input(one.y)),
        oracle=one.gradients,
        use=lambda plan, x, grid, gy: plan.backward(x, grid, gy, (True, True)),
    )


KERNELS: Final[tuple[FamilyCase, ...]] = (
    *(_case(one, one.label, one.between_pixels) for one in SAMPLINGS),
    _case(SAMPLINGS[0], "on-pixels", repeated(-1.0, 0.0, 1.0, -0.5, 0.5)),
    _case(SAMPLINGS[0], "far-outside", repeated(-1e4, 0.0, 3e4, 2.0, -2.0)),
    *(_gradient_case(one, one.label, one.between_pixels) for one in SAMPLINGS),
    _gradient_case(SAMPLINGS[0], "far-outside", repeated(-1e4, 0.1, 3e4, 2.3, -2.2)),
)

FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(
    FunctionCase(
        target=F.spatial_transformer_sampler,
        label=one.label,
        inputs=(Input(one.x), Input(one.grid, one.between_pixels)),
        oracle=one.sampled,
    )
    for one in SAMPLINGS
    if not one.pixels
)
