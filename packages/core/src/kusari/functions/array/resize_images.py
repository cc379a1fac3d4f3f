"""Resizing images."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import per_axis
from kusari.kernels.resize import Resize, ResizeProblem
from kusari.types import Shape


class ResizeImages(FunctionNode):
    """Images with another number of pixels."""

    def __init__(self, out: Shape, mode: str, align_corners: bool) -> None:
        self.out = out
        self.mode = mode
        self.align_corners = align_corners

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        expect(in_types[0].ndim == 4)
        expect(in_types[0].shape[2] > 0, in_types[0].shape[3] > 0)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        dtype = self.backend.host_dtype(x.dtype)
        problem = ResizeProblem(x.shape, self.out, dtype, self.mode, self.align_corners)
        self.plan = Resize.plan(self.backend, problem)
        return (self.plan.forward(x),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (ResizeImagesGrad(self).apply(grad_outputs)[0],)


class ResizeImagesGrad(FunctionNode):
    """What each pixel gave to the resized image."""

    def __init__(self, resizing: ResizeImages) -> None:
        self.resizing = resizing

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (self.resizing.plan.grad_input(inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        resizing = self.resizing
        return (ResizeImages(resizing.out, resizing.mode, resizing.align_corners).apply(grad_outputs)[0],)


def resize_images(
    x: VariableLike, output_shape: tuple[int, int], *, mode: str = "bilinear", align_corners: bool = True
) -> Variable:
    """Resize images.

    Args:
        x: (N, C, H, W), floating.
        output_shape: (H', W').
        mode: ``bilinear``: between the four pixels around; ``nearest``: pixel ⌊i H / H'⌋, ⌊j W / W'⌋.
        align_corners: Bilinear: pixel i comes from position i (H − 1) / (H' − 1), so that the corner pixels' centres
            stay where they are; else from (i + ½) H / H' − ½, within the image, so that its edges do.

    Returns:
        (N, C, H', W').

    Raises:
        InvalidType: Another rank or dtype, or images without pixels.
        ValueError: Another mode, or lengths below 1.

    >>> resize_images(np.asarray([[[[0.0, 2.0], [4.0, 6.0]]]]), (3, 3)).array
    array([[[[0., 1., 2.],
             [2., 3., 4.],
             [4., 5., 6.]]]])
    """
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f"resize_images(mode={mode!r}): expected 'bilinear' or 'nearest'")
    out = per_axis("output_shape", output_shape, 2, at_least=1)
    return ResizeImages(out, mode, bool(align_corners)).apply((x,))[0]
