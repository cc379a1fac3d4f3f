"""Convolution of each channel with a filter of its own: vectors of channels, and no products between channels.

Bordered images lie channels-last in flat memory; places of pixels and taps are those of `kusari_numpy.compiled.direct`.
The inner loops are written in LLVM's language: a few pixels, or a few taps, have their sums in registers.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.compiled.direct import enclose, places
from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.vectors import Writer, each_vector, lanes_of, operands

PIXELS: Final = 4
"""At once: a vector of the filters is read once for them."""
TAPS: Final = 9
"""At once: a vector of gy is read once for them."""
BLOCK: Final = 240
"""Pixels whose places are written down at a time."""


@intrinsic
def _pixels(
    typing: Any, x: Any, rows: Any, row: Any, taps: Any, filters: Any, y: Any, targets: Any, bias: Any, floor: Any
) -> Any:
    """y[targets[row + i] + c] = max(bias[c] + Σ_t x[rows[row + i] + taps[t] + c] filters[t, c], floor), i < PIXELS."""
    signature = types.void(x, rows, types.int64, taps, filters, y, targets, bias, x.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = "x rows row taps filters y targets bias floor"
        value = operands(context, builder, names, signature.args, arguments)
        channels, count = (_length(context, builder, signature, arguments, place) for place in (7, 3))

        def write(writer: Writer, channel: Any) -> None:
            sums = [cgutils.alloca_once(builder, writer.vector) for _ in range(PIXELS)]
            begin = writer.load(value["bias"], channel)
            for place in sums:
                builder.store(begin, place)
            sources, into = (
                [builder.add(_entry(writer, value, table, value["row"], i), channel) for i in range(PIXELS)]
                for table in ("rows", "targets")
            )
            with cgutils.for_range(builder, count) as loop:
                factor = writer.load(value["filters"], builder.add(builder.mul(loop.index, channels), channel))
                away = builder.load(builder.gep(value["taps"], [loop.index]))
                for place, source in zip(sums, sources, strict=True):
                    seen = writer.load(value["x"], builder.add(source, away))
                    builder.store(writer.multiply_add(seen, factor, builder.load(place)), place)
            lowest = writer.spread(value["floor"])
            for place, target in zip(sums, into, strict=True):
                writer.store(writer.at_least(builder.load(place), lowest), value["y"], target)

        each_vector(builder, context.get_value_type(x.dtype), lanes_of(x.dtype), channels, write)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _taps(
    typing: Any,
    x: Any,
    at: Any,
    taps: Any,
    tap: Any,
    gy: Any,
    begin: Any,
    length: Any,
    step: Any,
    gradient: Any,
    zero: Any,
) -> Any:
    """gradient[tap + i, c] += Σ_k x[at + taps[tap + i] + k step + c] gy[begin + k C + c] for k < length, i < TAPS.

    Taps from the table's end on are the last one: C zeros, ``zero``, say how many channels there are.
    """
    index = types.int64
    signature = types.void(x, index, taps, index, gy, index, index, index, gradient, zero)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = "x at taps tap gy begin length step gradient zero"
        value = operands(context, builder, names, signature.args, arguments)
        channels, count = (_length(context, builder, signature, arguments, place) for place in (9, 2))
        last = builder.sub(count, count.type(1))

        def write(writer: Writer, channel: Any) -> None:
            numbers = [builder.add(value["tap"], writer.integer(i)) for i in range(TAPS)]
            numbers = [builder.select(builder.icmp_signed("<", n, last), n, last) for n in numbers]
            sums = [cgutils.alloca_once(builder, writer.vector) for _ in range(TAPS)]
            into = [builder.add(builder.mul(n, channels), channel) for n in numbers]
            sources = []
            for n, place, target in zip(numbers, sums, into, strict=True):
                away = builder.load(builder.gep(value["taps"], [n]))
                sources.append(builder.add(builder.add(value["at"], away), channel))
                builder.store(writer.load(value["gradient"], target), place)
            with cgutils.for_range(builder, value["length"]) as loop:
                g_at = builder.add(builder.add(value["begin"], builder.mul(loop.index, channels)), channel)
                g = writer.load(value["gy"], g_at)
                along = builder.mul(loop.index, value["step"])
                for place, source in zip(sums, sources, strict=True):
                    seen = writer.load(value["x"], builder.add(source, along))
                    builder.store(writer.multiply_add(seen, g, builder.load(place)), place)
            for place, target in zip(sums, into, strict=True):
                writer.store(builder.load(place), value["gradient"], target)

        each_vector(builder, context.get_value_type(x.dtype), lanes_of(x.dtype), channels, write)
        return context.get_dummy_value()

    return signature, generate


def _length(context: Any, builder: Any, signature: Any, arguments: Any, place: int) -> Any:
    """Return the length of an argument that is a flat array."""
    kind = signature.args[place]
    return context.make_array(kind)(context, builder, arguments[place]).nitems


def _entry(writer: Writer, value: dict[str, Any], table: str, row: Any, i: int) -> Any:
    place = writer.builder.add(row, writer.integer(i))
    return writer.builder.load(writer.builder.gep(value[table], [place]))


@jit
def convolve(
    images: Any, bordered: Any, before: Any, strips: Any, passes: Any, y: Any, bias: Any, floor: Any, first: int,
    last: int,
) -> None:  # fmt: skip
    """Compute the strips ``first`` to ``last`` of all images: y = max(bias + Σ_t x[… + taps[t]] filters[t], floor).

    Args:
        images: (N, D, H, W, C), with any strides.
        bordered: Scratch memory for what a strip sees, with its border, (1, D, H, W, C); it stays in cache.
        before: The border in front.
        strips: (strips of an image, lines of pixels in each, from what a line sees to what the next sees).
        passes: (source, taps, filters, target) each: grids of pixels of one image, filters (taps, C) flat.
        y: (N, D, H, W, C).
        bias: (C,).
        floor: Nothing in y is below it.
        first: Number of a strip.
        last: Number of a strip.
    """
    count, lines, step = strips
    rows, targets = np.empty(BLOCK + PIXELS, np.int64), np.empty(BLOCK + PIXELS, np.int64)
    flat, results = bordered.reshape(-1), y.reshape(len(y), -1)
    for strip in range(first, last):
        n, line = strip // count, strip % count * lines
        _enclose_strip(images, bordered, before, n, line * step)
        for (size, origin, pitches), taps, filters, target in passes:
            depth, height, width = size
            source = (size, origin - line * step * bordered.shape[3] * bordered.shape[4], pitches)
            end = min(line + lines, height) * depth * width
            for start in range(line * depth * width, end, BLOCK):
                held = min(BLOCK, end - start)
                places(rows, start, start + held, source)
                places(targets, start, start + held, target)
                for row in range(0, held, PIXELS):
                    _pixels(flat, rows, row, taps, filters, results[n], targets, bias, floor)


@jit
def add_gradient(
    images: Any, bordered: Any, before: Any, strips: Any, taps: Any, gy: Any, runs: Any, step: int, gradient: Any,
    zero: Any, first: int, last: int,
) -> None:  # fmt: skip
    """gradient[t] += Σ x[… + taps[t]] gy over the pixels of the strips ``first`` to ``last`` of all images.

    Args:
        images: (N, D, H, W, C), with any strides.
        bordered: Scratch memory for what a strip sees, with its border, (1, D, H, W, C).
        before: The border in front.
        strips: (strips of an image, lines of pixels in each, from what a line sees to what the next sees).
        taps: Where they are, seen from a window's begin.
        gy: (N, pixels · C).
        runs: (place of the first window in x, of the first pixel in gy, pixels) of an image's lines.
        step: From one pixel in x to the next.
        gradient: (taps, C), flat.
        zero: One number for each channel.
        first: Number of a strip.
        last: Number of a strip.
    """
    count, lines, line_step = strips
    flat, per_strip = bordered.reshape(-1), len(runs) if count == 1 else lines
    for strip in range(first, last):
        n, number = strip // count, strip % count
        above = number * lines * line_step
        _enclose_strip(images, bordered, before, n, above)
        above *= bordered.shape[3] * bordered.shape[4]
        for run in range(number * per_strip, min((number + 1) * per_strip, len(runs))):
            begin, of_g, length = runs[run]
            for tap in range(0, len(taps), TAPS):
                _taps(flat, begin - above, taps, tap, gy[n], of_g, length, step, gradient, zero)


@jit
def _enclose_strip(images: Any, bordered: Any, before: Any, n: int, above: int) -> None:
    """Put what a strip of image ``n`` sees into its border; ``above`` it are so many lines of the bordered image."""
    enclose(images[n : n + 1], bordered, (before[0], before[1] - above, before[2]), 0, bordered.shape[1])
