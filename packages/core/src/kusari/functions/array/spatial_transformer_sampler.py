"""Bilinear sampling of images at the points of a grid."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.shaping import reshape, transpose
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.functions.arguments import OLD_LIBRARIES, refuse_keywords
from kusari.functions.array.taking import Take
from kusari.functions.array.where import where
from kusari.functions.fused import FusedNode
from kusari.kernels.sampling import BilinearSampling, SamplingProblem
from kusari.types import Array


class SpatialTransformerSampler(FusedNode):
    """x between the four pixels around each point of the grid."""

    def __init__(self, pixels: bool = False) -> None:
        self.pixels = pixels

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x", "grid"))
        x, grid = in_types
        expect(x.ndim == 4, grid.ndim == 4, x.dtype == grid.dtype)
        expect(grid.shape[1] == 2, x.shape[0] == grid.shape[0])
        expect(x.shape[2] > 0, x.shape[3] > 0)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x, grid = inputs
        problem = SamplingProblem(x.shape, grid.shape, self.backend.host_dtype(x.dtype), self.pixels)
        self.plan = BilinearSampling.plan(self.backend, problem)
        self.retain_inputs((0, 1))
        return (self.plan.forward(x, grid),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        x, grid = self.get_retained_inputs()
        if current_state().enable_backprop:
            return self.backward_through_chain(indexes, (x, grid), grad_outputs)
        made = self.plan.backward(x.array, grid.array, grad_outputs[0].array, (0 in indexes, 1 in indexes))
        return tuple([constant(made[index], self.device) for index in indexes])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the samples as gathers and products of Variables."""
        (x, grid), xp = inputs, self.backend.xp
        n, c, h, w = x.shape
        across, down = self.plan.between(grid.array)
        rows = reshape(transpose(x, (0, 2, 3, 1)), (n * h * w, c))

        def nearness(coordinate: int, place: Array, length: int) -> Variable:
            first = constant(xp.astype(place, grid.array.dtype), self.device)
            return reshape(self.plan.position(grid[:, coordinate], length) - first, (*first.shape, 1))

        def pixel(right: int, below: int) -> Variable:
            index, inside = self.plan.corner(across, down, right, below)
            picked = reshape(Take(index, 0).apply((rows,))[0], (n, *grid.shape[2:], c))
            outside = constant(xp.zeros((), dtype=x.array.dtype, device=x.array.device), self.device)
            return where(constant(inside, self.device), picked, outside)

        u, v = nearness(0, across.place, w), nearness(1, down.place, h)
        top = pixel(0, 0) * (1 - u) + pixel(1, 0) * u
        bottom = pixel(0, 1) * (1 - u) + pixel(1, 1) * u
        return (transpose(top * (1 - v) + bottom * v, (0, 3, 1, 2)),)


def spatial_transformer_sampler(x: VariableLike, grid: VariableLike, **kwargs: Any) -> Variable:
    """Sample images at the points of a grid, each between the four pixels around it.

    y[n, c, h, w] = Σ x[n, c, v, u] max(0, 1 − |q − v|) max(0, 1 − |p − u|) over all pixels (v, u), with
    p = (grid[n, 0, h, w] + 1)(W − 1) / 2 and q = (grid[n, 1, h, w] + 1)(H − 1) / 2: −1 and 1 are the centres of the
    outermost pixels, and 0 is what is seen outside.

    Args:
        x: (N, C, H, W), floating.
        grid: (N, 2, H', W'), ``x``'s dtype: horizontal, then vertical positions.
        **kwargs: None any more.

    Returns:
        (N, C, H', W').

    Raises:
        InvalidType: Other ranks, dtypes or numbers of images.
        ValueError: The old keyword ``use_cudnn``.

    Source: Jaderberg, Simonyan, Zisserman, Kavukcuoglu, 2015, arXiv:1506.02025.

    >>> x = np.asarray([[[[0.0, 1.0], [2.0, 3.0]]]])
    >>> spatial_transformer_sampler(x, np.zeros((1, 2, 1, 1))).array
    array([[[[1.5]]]])
    """
    refuse_keywords("spatial_transformer_sampler", kwargs, OLD_LIBRARIES)
    return SpatialTransformerSampler().apply((x, grid))[0]
