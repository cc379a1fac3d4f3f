"""The points that affine maps send an image's pixels to."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.operands import keep_dtype
from kusari.autograd.shaping import reshape
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.arguments import OLD_LIBRARIES, per_axis, refuse_keywords
from kusari.types import Array, Shape


class SpatialTransformerGrid(FunctionNode):
    """θ (u, v, 1)ᵀ for each pixel, u and v from −1 to 1."""

    def __init__(self, out: Shape) -> None:
        self.out = out

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("theta",))
        (theta,) = in_types
        expect(theta.ndim == 3)
        expect(theta.shape[1] == 2, theta.shape[2] == 3)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (theta,), xp = inputs, self.backend.xp
        self.points = self._points(theta)
        grid = keep_dtype(self, xp.matmul(theta, self.points), theta)
        return (xp.reshape(grid, (theta.shape[0], 2, *self.out)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        h, w = self.out
        flat = reshape(grad_outputs[0], (self.inputs[0].shape[0], 2, h * w))
        return (flat @ constant(self.backend.xp.matrix_transpose(self.points), self.device),)

    def _points(self, like: Array) -> Any:
        """Return the pixels' (u, v, 1) as columns (3, H'W')."""
        xp, (h, w) = self.backend.xp, self.out
        # In 16 bits, a line of numbers from −1 to 1 would not be straight.
        dtype = xp.float32 if self.backend.host_dtype(like.dtype).itemsize < 4 else like.dtype
        u = xp.linspace(-1, 1, w, dtype=dtype, device=like.device)
        v = xp.linspace(-1, 1, h, dtype=dtype, device=like.device)
        points = xp.stack(xp.meshgrid(u, v, xp.asarray([1], dtype=dtype, device=like.device)))
        return xp.astype(xp.reshape(points, (3, h * w)), like.dtype, copy=False)


def spatial_transformer_grid(theta: VariableLike, output_shape: tuple[int, int], **kwargs: Any) -> Variable:
    """Return the points that affine maps send an image's pixels to: a grid for `spatial_transformer_sampler`.

    grid[n, :, h, w] = θ[n] (u, v, 1)ᵀ with u = −1 + 2w / (W' − 1), v = −1 + 2h / (H' − 1).

    Args:
        theta: (N, 2, 3), floating.
        output_shape: (H', W').
        **kwargs: None any more.

    Returns:
        (N, 2, H', W'): horizontal, then vertical positions.

    Raises:
        InvalidType: Another shape or dtype.
        ValueError: Lengths below 1, or the old keyword ``use_cudnn``.

    Source: Jaderberg, Simonyan, Zisserman, Kavukcuoglu, 2015, arXiv:1506.02025.

    >>> theta = np.asarray([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> spatial_transformer_grid(theta, (1, 3)).array[0, 0]
    array([[-1.,  0.,  1.]])
    """
    refuse_keywords("spatial_transformer_grid", kwargs, OLD_LIBRARIES)
    out = per_axis("output_shape", output_shape, 2, at_least=1)
    return SpatialTransformerGrid(out).apply((theta,))[0]
