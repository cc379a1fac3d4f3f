"""Convolution of each channel with a filter of its own: vectors of channels, and no products between channels.

Images lie channels-last in flat memory and have no border: pixels that see the same taps within the image are a *box*
(`kusari_numpy.convolution.depthwise.Boxes`), which is computed from these taps alone. Taps come in *chains*: each sees
what the one before will see a pixel later, so that what is read once serves them all. The inner loops are written in
LLVM's language, a few pixels or taps with their sums in registers. A vector of a pixel of float32, 3×3 windows, takes
3.3 to 4.6 ns in the L2 cache, its nine products 3.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kusari_numpy.compiled.options import inlined, jit
from kusari_numpy.compiled.together import together
from kusari_numpy.compiled.turns import is_last, take
from kusari_numpy.compiled.vectors import Writer, each_vector, lanes_of, operands

CHAINS: Final = (3, 2, 1)
"""Lengths of chains, in the order in which taps are listed."""
PIXELS: Final = (1, 2, 4, 8)
"""Of a line that are computed at once, as far as it has so many: a vector of the filters is read once for them."""
UNROLLED: Final = 4
"""Pixels of gy at once."""
RUN: Final = 2048, 8
"""Numbers of gy, and pixels at the least, that stay in the L1 cache with what they see until all taps went by."""
AHEAD: Final = 1024
"""Numbers from what is computed to what is called into the cache, along channels-last memory: the processor guesses
streams of pixels badly. Without, the gradient of filters of 128 channels on 8 images of 56² takes 2.8 ms, with 2.4."""


class _Loop:
    """Writes loops over the chains of taps, for a vector of channels."""

    def __init__(self, writer: Writer, values: dict[str, Any], channel: Any) -> None:
        self.writer, self.builder, self.value, self.channel = writer, writer.builder, values, channel

    def each_chain(self, write: Callable[[Any, int], None]) -> None:
        """Write the loops around what ``write(first tap, length)`` writes for a chain."""
        first = self.writer.integer(0)
        for number, length in enumerate(CHAINS):
            last = self.builder.extract_value(self.value["ends"], number)
            with cgutils.for_range_slice(self.builder, first, last, self.writer.integer(length)) as (tap, _):
                write(tap, length)
            first = last

    def seen_from(self, tap: Any) -> Any:
        """Return where in x the first pixel sees through a tap."""
        return self.builder.add(self.place("at"), self._entry("taps", tap))

    def filters(self, tap: Any, length: int) -> list[Any]:
        """Return where among the filters those of a chain lie."""
        taps = [self.builder.add(tap, self.writer.integer(k)) for k in range(length)]
        return [self.builder.add(self._entry("filter_rows", each), self.channel) for each in taps]

    def place(self, name: str) -> Any:
        """Return where the channels lie of what begins there."""
        return self.builder.add(self.value[name], self.channel)

    def along(self, begin: Any, step: str, count: int) -> list[Any]:
        """Return so many places, each a step after the last."""
        distances = [self.builder.mul(self.writer.integer(i), self.value[step]) for i in range(count)]
        return [self.builder.add(begin, distance) for distance in distances]

    def _entry(self, table: str, place: Any) -> Any:
        return self.builder.load(self.builder.gep(self.value[table], [place]))


class _Pixels(_Loop):
    """Writes what computes some pixels of a line."""

    def __init__(self, writer: Writer, values: dict[str, Any], channel: Any, pixels: int) -> None:
        super().__init__(writer, values, channel)
        self.pixels = pixels
        self.sums = [cgutils.alloca_once(self.builder, writer.vector) for _ in range(pixels)]

    def write(self) -> None:
        """Write all of it."""
        writer, builder, value = self.writer, self.builder, self.value
        for place in self.along(builder.add(self.place("at"), value["ahead"]), "step", self.pixels):
            writer.fetch(value["x"], place)
        targets = self.along(self.place("into"), "y_step", self.pixels)
        for target in targets:
            writer.fetch(value["y"], builder.add(target, writer.integer(AHEAD)))
        begin = writer.load(value["bias"], self.channel)
        for place in self.sums:
            builder.store(begin, place)
        self.each_chain(self._products)
        floor = writer.spread(value["floor"])
        for place, target in zip(self.sums, targets, strict=True):
            writer.store(writer.at_least(builder.load(place), floor), value["y"], target)

    def _products(self, tap: Any, length: int) -> None:
        """Add those of a chain."""
        writer, builder, value = self.writer, self.builder, self.value
        places = self.along(self.seen_from(tap), "step", self.pixels + length - 1)
        seen = [writer.load(value["x"], place) for place in places]
        for k, row in enumerate(self.filters(tap, length)):
            factor = writer.load(value["filters"], row)
            for number, place in zip(seen[k : k + self.pixels], self.sums, strict=True):
                builder.store(writer.multiply_add(number, factor, builder.load(place)), place)


class _Run(_Loop):
    """Writes what adds to the gradient of the filters through a run of pixels."""

    def __init__(self, writer: Writer, values: dict[str, Any], channel: Any) -> None:
        super().__init__(writer, values, channel)
        # Two for each tap: a sum waits for the one before it, and with three alone the processor would wait, too.
        self.sums = [[cgutils.alloca_once(self.builder, writer.vector) for _ in range(2)] for _ in range(CHAINS[0])]

    def write(self) -> None:
        """Write all of it."""
        writer, builder, value = self.writer, self.builder, self.value
        with cgutils.for_range(builder, value["pixels"]) as loop:
            for name, begin, step, ahead in (
                ("x", "at", "step", value["ahead"]),
                ("gy", "g_at", "g_step", writer.integer(AHEAD)),
            ):
                place = builder.add(self.place(begin), builder.mul(loop.index, value[step]))
                writer.fetch(value[name], builder.add(place, ahead))
        self.each_chain(self._gradient)

    def _gradient(self, tap: Any, length: int) -> None:
        """Add to that of a chain."""
        writer, builder, value = self.writer, self.builder, self.value
        rows, sums, seen_from = self.filters(tap, length), self.sums[:length], self.seen_from(tap)
        for row, (even, odd) in zip(rows, sums, strict=True):
            builder.store(writer.load(value["gradient"], row), even)
            builder.store(writer.number(0), odd)
        pixels, several = value["pixels"], writer.integer(UNROLLED)
        whole = builder.mul(builder.udiv(pixels, several), several)
        for first, last, count in ((writer.integer(0), whole, UNROLLED), (whole, pixels, 1)):
            with cgutils.for_range_slice(builder, first, last, writer.integer(count)) as (pixel, _):
                self._pixels(pixel, count, seen_from, sums)
        for row, (even, odd) in zip(rows, sums, strict=True):
            writer.store(builder.fadd(builder.load(even), builder.load(odd)), value["gradient"], row)

    def _pixels(self, first: Any, count: int, seen_from: Any, sums: list[list[Any]]) -> None:
        """Add what is due to some pixels to the sums of a chain."""
        writer, builder, value = self.writer, self.builder, self.value
        seen_from = builder.add(seen_from, builder.mul(first, value["step"]))
        g_from = builder.add(self.place("g_at"), builder.mul(first, value["g_step"]))
        given = [writer.load(value["gy"], place) for place in self.along(g_from, "g_step", count)]
        seen = [writer.load(value["x"], place) for place in self.along(seen_from, "step", count + len(sums) - 1)]
        for k, places in enumerate(sums):
            for i, g in enumerate(given):
                place = places[i % 2]
                builder.store(writer.multiply_add(seen[i + k], g, builder.load(place)), place)


def _pixels_of(count: int) -> Any:
    """Return the intrinsic that computes so many pixels of a line; see `_compute`."""

    @intrinsic
    def compute(
        typing: Any, x: Any, at: Any, step: Any, taps: Any, filter_rows: Any, ends: Any, ahead: Any, filters: Any,
        y: Any, into: Any, y_step: Any, bias: Any, floor: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(
            x, index, index, taps, filter_rows, types.UniTuple(index, len(CHAINS)), index, filters, y, index, index,
            bias, x.dtype,
        )  # fmt: skip

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            names = "x at step taps filter_rows ends ahead filters y into y_step bias floor"
            make = functools.partial(_Pixels, pixels=count)
            return _each_vector(context, builder, signature, arguments, names, "bias", make)

        return signature, generate

    return compute


_one, _two, _four, _eight = (_pixels_of(count) for count in PIXELS)


@inlined
def _compute(
    count: int, x: Any, at: int, step: int, taps: Any, filter_rows: Any, ends: Any, ahead: int, filters: Any, y: Any,
    into: int, y_step: int, bias: Any, floor: Any,
) -> None:  # fmt: skip
    """y[into + i y_step + c] = max(bias[c] + Σ_t x[at + i step + taps[t] + c] filters[filter_rows[t] + c], floor).

    For i < ``count``, one of `PIXELS`. ``ends``: of the taps in chains of each length. What lies ``ahead`` in x is
    called into the cache.
    """
    if count == 8:
        _eight(x, at, step, taps, filter_rows, ends, ahead, filters, y, into, y_step, bias, floor)
    elif count == 4:
        _four(x, at, step, taps, filter_rows, ends, ahead, filters, y, into, y_step, bias, floor)
    elif count == 2:
        _two(x, at, step, taps, filter_rows, ends, ahead, filters, y, into, y_step, bias, floor)
    else:
        _one(x, at, step, taps, filter_rows, ends, ahead, filters, y, into, y_step, bias, floor)


@intrinsic
def _add(
    typing: Any, x: Any, at: Any, step: Any, taps: Any, filter_rows: Any, ends: Any, ahead: Any, gy: Any, g_at: Any,
    g_step: Any, pixels: Any, gradient: Any, zero: Any,
) -> Any:  # fmt: skip
    """gradient[filter_rows[t] + c] += Σ_i x[at + i step + taps[t] + c] gy[g_at + i g_step + c], i < ``pixels``.

    As in `_compute`. C zeros, ``zero``, say how many channels there are.
    """
    index = types.int64
    signature = types.void(
        x, index, index, taps, filter_rows, types.UniTuple(index, len(CHAINS)), index, gy, index, index, index,
        gradient, zero,
    )  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = "x at step taps filter_rows ends ahead gy g_at g_step pixels gradient zero"
        return _each_vector(context, builder, signature, arguments, names, "zero", _Run)

    return signature, generate


def _each_vector(
    context: Any, builder: Any, signature: Any, arguments: Any, names: str, per_channel: str, make: Callable[..., Any]
) -> Any:
    """Write what ``make(writer, operands, channel)`` writes for each vector of as many channels as that array has."""
    value = operands(context, builder, names, signature.args, arguments)
    place, number = names.split().index(per_channel), signature.args[0].dtype
    channels = context.make_array(signature.args[place])(context, builder, arguments[place]).nitems

    def write(writer: Writer, channel: Any) -> None:
        make(writer, value, channel).write()

    each_vector(builder, context.get_value_type(number), lanes_of(number), channels, write)
    return context.get_dummy_value()


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
    for piece in range(first, last):
        image, result, part = x[piece // parts], y[piece // parts], piece % parts
        for box in range(len(boxes.sizes)):
            depth, height, width = boxes.sizes[box]
            taps, filter_rows, ends, ahead = _taps(boxes, box)
            step, y_step = boxes.sources[box, 3], boxes.targets[box, 3]
            pixels = 8 if width >= 8 else 4 if width >= 4 else 2 if width >= 2 else 1
            in_line = -(-width // pixels)
            total = depth * height * in_line
            block, end = part * total // parts, (part + 1) * total // parts
            while block < end:
                line, begin = block // in_line, block % in_line
                stop = min(in_line, begin + end - block)
                source, target = _line(boxes.sources[box], line, height), _line(boxes.targets[box], line, height)
                for number in range(begin, stop):
                    w = min(number * pixels, width - pixels)  # the last ones may be computed twice
                    _compute(
                        pixels, image, source + w * step, step, taps, filter_rows, ends, ahead, filters, result,
                        target + w * y_step, y_step, bias, floor,
                    )  # fmt: skip
                block += stop - begin


@together
def convolve_in_turns(
    x: Any, boxes: Any, filters: Any, y: Any, bias: Any, floor: Any, parts: int, at_once: int, turns: Any
) -> None:
    """Compute all pieces, of which threads take some after one another; see `convolve`."""
    count = len(x) * parts
    first = take(turns, 0) * at_once
    while first < count:
        convolve(x, boxes, filters, y, bias, floor, parts, first, min(first + at_once, count))
        first = take(turns, 0) * at_once


@together
def gradients_in_turns(
    x: Any, boxes: Any, gy: Any, lanes: Any, zero: Any, parts: int, gradient: Any, turns: Any
) -> None:
    """Compute the gradient of filters, (C, taps): of lanes, which threads take in turn, and then their sum.

    Args:
        x: As in `add_gradient`, like all that are not named here.
        boxes: Those of forward.
        gy: (N, D · H · W · C).
        lanes: (lanes, taps · C); each has a part of the pieces.
        zero: One number for each channel.
        parts: Pieces that an image is.
        gradient: Where the sum goes.
        turns: How many lanes are taken, and how many are done.
    """
    count, lane = len(x) * parts, take(turns, 0)
    while lane < len(lanes):
        lanes[lane] = 0
        begin, end = lane * count // len(lanes), (lane + 1) * count // len(lanes)
        add_gradient(x, boxes, gy, lanes[lane], zero, parts, begin, end)
        if is_last(turns, len(lanes), 1):
            gradient[:] = 0
            for one in lanes:
                for tap in range(gradient.shape[1]):
                    for c in range(len(gradient)):
                        gradient[c, tap] += one[tap * len(gradient) + c]
        lane = take(turns, 0)


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
    run = max(RUN[0] // len(zero), RUN[1])
    for piece in range(first, last):
        image, g, part = x[piece // parts], gy[piece // parts], piece % parts
        for box in range(len(boxes.sizes)):
            depth, height, width = boxes.sizes[box]
            taps, filter_rows, ends, ahead = _taps(boxes, box)
            step, g_step = boxes.sources[box, 3], boxes.targets[box, 3]
            for line in range(part * depth * height // parts, (part + 1) * depth * height // parts):
                source, target = _line(boxes.sources[box], line, height), _line(boxes.targets[box], line, height)
                for w in range(0, width, run):
                    _add(
                        image, source + w * step, step, taps, filter_rows, ends, ahead, g, target + w * g_step, g_step,
                        min(run, width - w), gradient, zero,
                    )  # fmt: skip


@jit
def _taps(boxes: Any, box: int) -> Any:
    """Return a box's taps, their filters, the ends of each length of chains, and how far ahead of them to look."""
    begin, threes, twos, end = boxes.spans[box]
    taps = boxes.taps[begin:end]
    ahead = AHEAD + (taps.max() if end > begin else 0)
    return taps, boxes.filter_rows[begin:end], (threes - begin, twos - begin, end - begin), ahead


@jit
def _line(places: Any, line: int, height: int) -> Any:
    """Return where a line of a box begins."""
    return places[0] + line // height * places[1] + line % height * places[2]
