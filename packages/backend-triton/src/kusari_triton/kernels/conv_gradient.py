"""Launches of the convolution's gradients: how they are cut, and what they leave to the definition."""

from __future__ import annotations

import math
from typing import Any, Final

import triton

from kusari.kernels.conv import ConvolutionProblem
from kusari_triton.kernels.conv_gradient_device import (
    add_partial_gradients,
    gradient_of_input,
    partial_gradient_of_filters,
)
from kusari_triton.launch import Launch, Strided
from kusari_triton.tiles import (
    LEAST,
    MOST_GROUPS,
    Blocks,
    dot_precision,
    interpreted_blocks,
    stride_arguments,
    window_arguments,
)

# By float32 precision, "half" for both 16-bit types. What compiles without spills on sm_80 and sm_90 with Triton 3.6 in
# any memory format: compile_check asserts it.
INPUT: Final = {"ieee": Blocks(64, 64, 16), "tf32": Blocks(64, 64, 32), "half": Blocks(128, 64, 32)}
# A stride's phases cost registers: with 128 pixels a float16 kernel takes 243 of 255, which leaves no room for others.
INPUT_STRIDED: Final = {**INPUT, "half": Blocks(64, 64, 32)}
FILTERS: Final = {"ieee": Blocks(64, 64, 16), "tf32": Blocks(64, 64, 32), "half": Blocks(64, 64, 32)}

PROGRAMS: Final = 512
"""How many programs the filters' gradient is split into, where it can be: a few for each of a chip's 132 processors."""

SHARE: Final = 512
"""Fewest output pixels of a split: below, writing and adding its partial result costs more than the products."""

WORKSPACE: Final = 2**26
"""Most bytes of partial results, unless one split takes more."""

ADDED: Final = 1024
"""Elements of the filters' gradient that one program adds up."""


def why_by_definition(problem: ConvolutionProblem) -> str | None:
    """Say why the gradients of a problem are left to the definition; None: they have kernels here."""
    inputs, outputs = problem.W[1], problem.W[0] // problem.groups
    if problem.groups > 1 and min(inputs, outputs) < LEAST:
        return f"{inputs} to {outputs} channels a group: tiles of {LEAST} would be mostly empty"
    if problem.groups * math.prod(problem.window.stride) > MOST_GROUPS:
        return f"{problem.groups} groups times {math.prod(problem.window.stride)} phases of the stride"
    return None


def input_gradient_launch(
    problem: ConvolutionProblem,
    W: Strided,
    gy: Strided,
    gx: Strided,
    *,
    interpreted: bool,
    blocks: Blocks | None = None,
) -> Launch:
    """Return the launch that fills ``gx``; ``blocks`` are chosen where not given."""
    images, _, height, width = problem.x
    channels, out_channels = problem.W[1], problem.W[0] // problem.groups
    window = problem.window
    pixels = images * math.prod(triton.cdiv(n, s) for n, s in zip((height, width), window.stride, strict=True))
    if interpreted:
        blocks = interpreted_blocks(pixels, channels, out_channels)
    elif blocks is None:
        table = INPUT if set(window.stride) == {1} else INPUT_STRIDED
        blocks = table["half" if problem.dtype.itemsize == 2 else problem.precision]
    arguments = {"gy": gy, "W": W, "gx": gx, **_sizes(problem)}
    arguments |= stride_arguments("gy", gy, "nchw") | stride_arguments("W", W, "ochw")
    arguments |= stride_arguments("gx", gx, "nchw") | window_arguments(window)
    # Taps of one phase are so far apart: dilate · step is the next multiple of the stride.
    steps = [s // math.gcd(s, d) for s, d in zip(window.stride, window.dilate, strict=True)]
    arguments |= {"STEP_H": steps[0], "STEP_W": steps[1]}
    arguments |= {"PRECISION": dot_precision(problem.dtype, problem.precision)}
    arguments |= {"BLOCK_PIXELS": blocks.rows, "BLOCK_IN": blocks.columns, "BLOCK_K": blocks.k}
    phases = math.prod(window.stride)
    grid = (triton.cdiv(pixels, blocks.rows), triton.cdiv(channels, blocks.columns), problem.groups * phases)
    return Launch(gradient_of_input, grid, arguments, blocks.num_warps, blocks.num_stages, problem)


def split_filters(problem: ConvolutionProblem, *, interpreted: bool) -> tuple[Blocks, int, int]:
    """Return the tiles of the filters' gradient, the number of splits, and the output pixels of each.

    They follow from the problem alone, never from the chip: equal problems are summed in equal order everywhere.
    """
    pixels = problem.x[0] * math.prod(problem.out_shape)
    rows, out_channels = math.prod(problem.W[1:]), problem.W[0] // problem.groups
    if interpreted:
        blocks = interpreted_blocks(rows, out_channels, min(pixels, SHARE) // 2)
    else:
        blocks = FILTERS["half" if problem.dtype.itemsize == 2 else problem.precision]
    tiles = triton.cdiv(rows, blocks.rows) * triton.cdiv(out_channels, blocks.columns) * problem.groups
    return blocks, *split_pixels(pixels, tiles, math.prod(problem.W), blocks.k, interpreted=interpreted)


def split_pixels(pixels: int, tiles: int, size: int, step: int, *, interpreted: bool) -> tuple[int, int]:
    """Return into how many splits a sum over pixels is cut, and the pixels of each, a multiple of ``step``.

    Args:
        pixels: How many there are.
        tiles: How many programs one split takes.
        size: Elements of one partial result.
        step: Pixels that a program sums at a time.
        interpreted: Cut for the interpreter.
    """
    programs, share = (3, step) if interpreted else (PROGRAMS, SHARE)
    fit = max(1, WORKSPACE // (4 * size))
    splits = min(triton.cdiv(programs, tiles), triton.cdiv(pixels, share), fit)
    each: int = triton.cdiv(triton.cdiv(pixels, splits), step) * step
    return triton.cdiv(pixels, each), each


def partial_gradient_launch(
    problem: ConvolutionProblem,
    x: Strided,
    gy: Strided,
    partial: Any,
    *,
    interpreted: bool,
    blocks: Blocks | None = None,
) -> Launch:
    """Return the launch that fills ``partial`` (splits, groups, taps, C/groups, O/groups), float32 and dense.

    The splits are the same whatever the ``blocks``.
    """
    chosen, splits, each = split_filters(problem, interpreted=interpreted)
    blocks = blocks or chosen
    arguments = {"x": x, "gy": gy, "partial": partial, **_sizes(problem), "groups": problem.groups, "share": each}
    arguments |= stride_arguments("x", x, "nchw") | stride_arguments("gy", gy, "nchw")
    arguments |= window_arguments(problem.window)
    arguments |= {"PRECISION": dot_precision(problem.dtype, problem.precision)}
    arguments |= {"BLOCK_ROWS": blocks.rows, "BLOCK_OUT": blocks.columns, "BLOCK_K": blocks.k}
    rows, out_channels = math.prod(problem.W[1:]), problem.W[0] // problem.groups
    grid = (triton.cdiv(rows, blocks.rows), triton.cdiv(out_channels, blocks.columns), problem.groups * splits)
    return Launch(partial_gradient_of_filters, grid, arguments, blocks.num_warps, blocks.num_stages, problem)


def add_gradients_launch(problem: ConvolutionProblem, partial: Any, gW: Any, *, interpreted: bool) -> Launch:
    """Return the launch that adds up ``partial`` into ``gW``, dense."""
    _, splits, _ = split_filters(problem, interpreted=interpreted)
    size = math.prod(problem.W)
    block = interpreted_blocks(size, 1, 1).rows if interpreted else ADDED
    arguments = {"partial": partial, "gW": gW, "splits": splits, "taps": math.prod(problem.window.size)}
    arguments |= {"channels": problem.W[1], "out_channels": problem.W[0] // problem.groups, "groups": problem.groups}
    grid = (triton.cdiv(size, block), 1, 1)
    return Launch(add_partial_gradients, grid, {**arguments, "BLOCK": block}, 4, 1, problem)


def _sizes(problem: ConvolutionProblem) -> dict[str, Any]:
    images, _, height, width = problem.x
    out_height, out_width = problem.out_shape
    return {
        "images": images,
        "channels": problem.W[1],
        "height": height,
        "width": width,
        "out_channels": problem.W[0] // problem.groups,
        "out_height": out_height,
        "out_width": out_width,
    }
