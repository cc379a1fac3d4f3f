"""Convolution of each channel with a filter of its own: vectors of channels, and no products between channels.

Images lie channels-last in flat memory and have no border: pixels that see the same taps within the image are a *box*
(`kusari_numpy.convolution.depthwise.Boxes`), which is computed from these taps alone. The inner loops are written in
LLVM's language: a few pixels, or a few taps, have their sums in registers.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.compiled.direct import places
from kusari_numpy.compiled.options import jit
from kusari_numpy.compiled.vectors import Writer, each_vector, lanes_of, operands

PIXELS: Final = 4
"""At once: a vector of the filters is read once for them."""
TAPS: Final = 9
"""At once: a vector of gy is read once for them."""
RUN: Final = 8
"""Pixels of gy, and what they see, that stay in the L1 cache until all channels went by."""
AHEAD: Final = 1024
"""Numbers from what is computed to what is called into the cache, along channels-last memory: the processor guesses
streams of pixels badly, and waits for half of the time (200 cycles for 4 pixels by a vector; 120 so, 95 of them in
cache)."""
BLOCK: Final = 240
"""Pixels whose places are written down at a time."""


@intrinsic
def _pixels(
    typing: Any, x: Any, rows: Any, row: Any, taps: Any, filter_rows: Any, filters: Any, ahead: Any, y: Any,
    targets: Any, bias: Any, floor: Any,
) -> Any:  # fmt: skip
    """y[targets[row + i] + c] = max(bias[c] + Σ_t x[rows[row + i] + taps[t] + c] filters[filter_rows[t] + c], floor).

    i < PIXELS. What lies ``ahead`` of the rows is called into the cache.
    """
    index = types.int64
    signature = types.void(x, rows, index, taps, filter_rows, filters, index, y, targets, bias, x.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = "x rows row taps filter_rows filters ahead y targets bias floor"
        value = operands(context, builder, names, signature.args, arguments)
        channels, count = (_length(context, builder, signature, arguments, place) for place in (9, 3))
        entries = [builder.add(value["row"], value["row"].type(i)) for i in range(PIXELS)]
        held = [[builder.load(builder.gep(value[name], [n])) for n in entries] for name in ("rows", "targets")]

        def write(writer: Writer, channel: Any) -> None:
            sums = [cgutils.alloca_once(builder, writer.vector) for _ in range(PIXELS)]
            begin = writer.load(value["bias"], channel)
            for place in sums:
                builder.store(begin, place)
            sources, into = ([builder.add(place, channel) for place in table] for table in held)
            for source, target in zip(sources, into, strict=True):
                writer.fetch(value["x"], builder.add(source, value["ahead"]))
                writer.fetch(value["y"], builder.add(target, writer.integer(AHEAD)))
            with cgutils.for_range(builder, count) as loop:
                row, away = (builder.load(builder.gep(value[name], [loop.index])) for name in ("filter_rows", "taps"))
                factor = writer.load(value["filters"], builder.add(row, channel))
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
    typing: Any, x: Any, at: Any, taps: Any, filter_rows: Any, tap: Any, gy: Any, run: Any, step: Any, g_step: Any,
    gradient: Any, zero: Any,
) -> Any:  # fmt: skip
    """gradient[filter_rows[tap + i] + c] += Σ_k x[at + taps[tap + i] + k step + c] gy[begin + k g_step + c], i < TAPS.

    ``run`` is (begin, how many k). Taps from the table's end on are the last one: C zeros, ``zero``, say how many
    channels there are.
    """
    index = types.int64
    signature = types.void(
        x, index, taps, filter_rows, index, gy, types.UniTuple(index, 2), index, index, gradient, zero
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = "x at taps filter_rows tap gy run step g_step gradient zero"
        value = operands(context, builder, names, signature.args, arguments)
        channels, count = (_length(context, builder, signature, arguments, place) for place in (10, 2))
        last = builder.sub(count, count.type(1))
        begin, length = (builder.extract_value(value["run"], place) for place in (0, 1))

        def write(writer: Writer, channel: Any) -> None:
            entries = [builder.add(value["tap"], writer.integer(i)) for i in range(TAPS)]
            entries = [builder.select(builder.icmp_signed("<", n, last), n, last) for n in entries]
            sums = [cgutils.alloca_once(builder, writer.vector) for _ in range(TAPS)]
            into, sources = [], []
            for entry, place in zip(entries, sums, strict=True):
                row, away = (builder.load(builder.gep(value[name], [entry])) for name in ("filter_rows", "taps"))
                into.append(builder.add(row, channel))
                sources.append(builder.add(builder.add(value["at"], away), channel))
                builder.store(writer.load(value["gradient"], into[-1]), place)
            with cgutils.for_range(builder, length) as loop:
                g_at = builder.add(builder.add(begin, builder.mul(loop.index, value["g_step"])), channel)
                g = writer.load(value["gy"], g_at)
                along = builder.mul(loop.index, value["step"])
                writer.fetch(value["gy"], builder.add(g_at, writer.integer(AHEAD)))
                writer.fetch(value["x"], builder.add(builder.add(sources[-1], along), writer.integer(AHEAD)))
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


@jit
def convolve(
    x: Any, boxes: Any, filters: Any, y: Any, bias: Any, floor: Any, parts: int, first: int, last: int
) -> None:
    """Compute pieces of y = max(bias + Σ_t x[… + taps[t]] filters[t], floor): a part of each box of an image.

    Args:
        x: (N, D · H · W · C).
        boxes: See `kusari_numpy.convolution.depthwise.Boxes`.
        filters: (taps, C), flat.
        y: (N, D · H · W · C).
        bias: (C,).
        floor: Nothing in y is below it.
        parts: Pieces that an image is.
        first: Number of a piece.
        last: Number of the piece after the last one.
    """
    sizes, sources, targets, spans, taps, filter_rows, _ = boxes
    rows, into = np.empty(BLOCK + PIXELS, np.int64), np.empty(BLOCK + PIXELS, np.int64)
    for piece in range(first, last):
        image, result, part = x[piece // parts], y[piece // parts], piece % parts
        for box in range(len(sizes)):
            pixels = sizes[box, 0] * sizes[box, 1] * sizes[box, 2]
            source, target = _grid(sizes[box], sources[box]), _grid(sizes[box], targets[box])
            away, which = taps[spans[box, 0] : spans[box, 1]], filter_rows[spans[box, 0] : spans[box, 1]]
            ahead = AHEAD + (away[-1] if len(away) > 0 else 0)
            end = (part + 1) * pixels // parts
            for start in range(part * pixels // parts, end, BLOCK):
                held = min(BLOCK, end - start)
                places(rows[: held + PIXELS], start, start + held, source)
                places(into[: held + PIXELS], start, start + held, target)
                for row in range(0, held, PIXELS):
                    _pixels(image, rows, row, away, which, filters, ahead, result, into, bias, floor)


@jit
def _grid(size: Any, places: Any) -> Any:
    return (size[0], size[1], size[2]), places[0], (np.int64(0), places[1], places[2], places[3])


@jit
def add_gradient(x: Any, boxes: Any, gy: Any, gradient: Any, zero: Any, parts: int, first: int, last: int) -> None:
    """gradient[t] += Σ x[… + taps[t]] gy over a part of each box, for pieces of the images.

    Args:
        x: (N, D · H · W · C).
        boxes: Those of forward.
        gy: (N, D · H · W · C).
        gradient: (taps, C), flat.
        zero: One number for each channel.
        parts: Pieces that an image is.
        first: Number of a piece.
        last: Number of the piece after the last one.
    """
    sizes, sources, targets, spans, taps, filter_rows, _ = boxes
    for piece in range(first, last):
        image, g, part = x[piece // parts], gy[piece // parts], piece % parts
        for box in range(len(sizes)):
            depth, height, width = sizes[box]
            away, which = taps[spans[box, 0] : spans[box, 1]], filter_rows[spans[box, 0] : spans[box, 1]]
            for line in range(part * depth * height // parts, (part + 1) * depth * height // parts):
                d, h = line // height, line % height
                at = sources[box, 0] + d * sources[box, 1] + h * sources[box, 2]
                of_g = targets[box, 0] + d * targets[box, 1] + h * targets[box, 2]
                for w in range(0, width, RUN):
                    run = of_g + w * targets[box, 3], min(RUN, width - w)
                    begin = at + w * sources[box, 3]
                    for tap in range(0, len(away), TAPS):
                        _taps(image, begin, away, which, tap, g, run, sources[box, 3], targets[box, 3], gradient, zero)
