"""How a kernel's matrix product is cut into tiles, and the arguments that every convolution kernel takes."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import triton

from kusari.backend import Backend
from kusari.kernels.conv import ConvolutionProblem
from kusari.kernels.window import Window
from kusari.types import Array, Shape
from kusari_triton.launch import Strided, element_strides

FAR: Final = 2**31 - 2**27
"""Offsets inside an image are 32-bit numbers; padding and a tile's end may lie a little outside."""

LEAST: Final = 16
"""The shortest side of a tile that ``tl.dot`` takes."""


MOST_GROUPS: Final = 65_535
"""CUDA's limit along the second and third axis of a grid."""


class Blocks(NamedTuple):
    """How a product (rows, k) · (k, columns) is cut, and how many threads and buffers a block gets."""

    rows: int
    columns: int
    k: int
    num_warps: int = 8
    num_stages: int = 3


# Interpreted, a program costs 1.2 ms and a step 5 ms whatever their size; 2²⁰ elements is Triton's limit for a tile.
_INTERPRETED: Final = Blocks(2048, 256, 256)


def interpreted_blocks(rows: int, columns: int, k: int) -> Blocks:
    """Return the fewest, largest tiles for a product of this size."""
    sizes = zip((rows, columns, k), _INTERPRETED, strict=False)
    return Blocks(*(max(LEAST, min(int(triton.next_power_of_2(size)), most)) for size, most in sizes))


def stride_arguments(name: str, array: Strided, axes: str) -> dict[str, int]:
    """Return an array's strides in elements as a kernel's arguments: ``x_n``, ``x_c``, …."""
    strides = element_strides(array)
    assert strides is not None
    return {f"{name}_{axis}": stride for axis, stride in zip(axes, strides, strict=True)}


def window_arguments(window: Window) -> dict[str, int]:
    """Return a window's numbers as a kernel's constants: ``KERNEL_H``, ``KERNEL_W``, ``STRIDE_H``, …."""
    arguments: dict[str, int] = {}
    for name, (vertical, horizontal) in zip(("KERNEL", "STRIDE", "PAD", "DILATE"), window, strict=True):
        arguments |= {f"{name}_H": vertical, f"{name}_W": horizontal}
    return arguments


def dot_precision(dtype: Any, precision: str) -> str:
    """Return what ``tl.dot`` is told: 16-bit products are exact in float32."""
    return precision if dtype.itemsize == 4 else "ieee"


def why_out_of_reach(problem: ConvolutionProblem) -> str | None:
    """Say why a convolution is beyond any kernel's addresses or bytes; None: it is not."""
    if not problem.dtype.isnative:
        return "not in the machine's byte order"
    if 0 in problem.y or 0 in problem.W:
        return "an empty product stays with the base"
    if problem.x[0] * max(math.prod(problem.x[2:]), math.prod(problem.out_shape)) >= FAR:
        return "nearly 2³¹ pixels"
    if max(math.prod(problem.x[1:]), math.prod(problem.y[1:]), math.prod(problem.W)) >= FAR:
        return "an image, or the filters, of nearly 2³¹ elements"
    return None


def repacked(backend: Backend, array: Array, order: Shape) -> Array:
    """Return a copy whose axes lie in memory in this ``order``, outermost first; its shape is the array's."""
    xp = backend.xp
    turned = xp.permute_dims(array, order)
    memory = xp.reshape(xp.reshape(turned, (-1,), copy=True), turned.shape)
    copy: Array = xp.permute_dims(memory, tuple(order.index(axis) for axis in range(len(order))))
    return copy


def addressable(backend: Backend, array: Array) -> Array:
    """Return the array, or a dense copy where its strides are not whole elements or reach beyond 32 bits."""
    strides = element_strides(array)
    if strides is not None:
        reach = sum((size - 1) * abs(stride) for size, stride in zip(array.shape[1:], strides[1:], strict=True))
        if reach < FAR:
            return array
    copy: Array = backend.xp.asarray(array, copy=True)
    return copy
