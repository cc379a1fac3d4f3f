"""Convolution in groups of few channels: each output channel gets a copy of what it sees, and is then depthwise."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import intrinsic

from kusari_numpy.compiled.depthwise import add_gradient, convolve
from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.vectors import Writer, operands

AT_ONCE: Final = 8
"""Copies that are written together."""


@intrinsic
def _put(typing: Any, number: Any, y: Any, at: Any) -> Any:
    """y[at + j] = number for j < AT_ONCE, in one instruction: LLVM makes eight of a loop."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = operands(context, builder, "number y at", signature.args, arguments)
        writer = Writer(builder, context.get_value_type(number), AT_ONCE)
        writer.store(writer.spread(value["number"]), value["y"], value["at"])
        return context.get_dummy_value()

    return types.void(number, y, types.int64), generate


@jit
def spread(x: Any, groups: tuple[int, int, int], first: int, count: int, copies: Any) -> None:
    """copies[i, p, g · makes + j] = x[p, (first + g) · sees + i] for g < ``count`` and j < makes; flat both.

    ``groups``: (of them all, sees, makes). `AT_ONCE` numbers are written at once: those too many are overwritten by
    what comes behind them, and the last ones lie behind the copies.
    """
    _, sees, makes = groups
    channels = groups[0] * sees
    pixels = len(x) // channels
    for i in range(sees):
        for pixel in range(pixels):
            at, into = pixel * channels + first * sees + i, (i * pixels + pixel) * count * makes
            for group in range(count):
                number = x[np.uint64(at + group * sees)]
                for j in range(0, makes, AT_ONCE):
                    _put(number, copies, into + group * makes + j)


@jit
def _copied(x: Any, groups: tuple[int, int, int], group: int, together: int, copies: Any) -> Any:
    """Return copies for some groups from one on, as one image, and those groups' first channel of y and the last."""
    begin, makes = min(group, groups[0] - together), groups[2]  # the last ones are copied with some that are done
    spread(x, groups, begin, together, copies)
    return copies[(group - begin) * makes :].reshape(1, -1), group * makes, (begin + together) * makes


@jit
def convolve_groups(
    x: Any, groups: tuple[int, int, int], together: int, copies: Any, boxes: Any, filters: Any, y: Any, bias: Any,
    floor: Any, first: int, last: int,
) -> None:  # fmt: skip
    """Compute y of some images.

    Args:
        x: (N, D · H · W · C).
        groups: How many, and the channels that one sees and makes.
        together: Groups that are copied at a time.
        copies: Scratch memory for theirs: channels seen · D · H · W · channels made, and AT_ONCE more.
        boxes: As for `kusari_numpy.compiled.depthwise.convolve`, from images of their copies to y.
        filters: (taps, O), flat.
        y: (N, D · H · W · O).
        bias: (O,).
        floor: Nothing in y is below it.
        first: Number of an image.
        last: Number of the image after the last one.
    """
    for image in range(first, last):
        for group in range(0, groups[0], together):
            seen, left, right = _copied(x[image], groups, group, together, copies)
            made = y[image, left:].reshape(1, -1)
            convolve(seen, boxes, filters[left:], made, bias[left:right], floor, 1, 0, 1)


@jit
def add_gradient_of_groups(
    x: Any, groups: tuple[int, int, int], together: int, copies: Any, boxes: Any, gy: Any, gradient: Any, zero: Any,
    first: int, last: int,
) -> None:  # fmt: skip
    """Add the gradient of the filters (taps, O) through some images; see `convolve_groups`.

    Args:
        x: (N, D · H · W · C).
        groups: As there.
        together: As there.
        copies: As there.
        boxes: As there.
        gy: (N, D · H · W · O).
        gradient: (taps, O), flat.
        zero: One number for each channel of y.
        first: Number of an image.
        last: Number of the image after the last one.
    """
    for image in range(first, last):
        for group in range(0, groups[0], together):
            seen, left, right = _copied(x[image], groups, group, together, copies)
            given = gy[image, left:].reshape(1, -1)
            add_gradient(seen, boxes, given, gradient[left:], zero[left:right], 1, 0, 1)
