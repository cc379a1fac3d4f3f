"""Padding, in NumPy's modes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import integer
from kusari.autograd.shaping import broadcast_to, mean
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.array.concat import concat
from kusari.functions.array.taking import Take, places_on
from kusari.types import Array

Pair = tuple[Any, Any]
"""What goes before and after, along one axis."""


class Pad(FunctionNode):
    """x in a frame of constants."""

    def __init__(self, widths: tuple[Pair, ...], values: tuple[Pair, ...]) -> None:
        self.widths = widths
        self.values = values

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        shape = tuple(b + n + a for (b, a), n in zip(self.widths, x.shape, strict=True))
        y: Array = self.backend.xp.zeros(shape, dtype=x.dtype, device=x.device)
        whole = (slice(None),) * x.ndim
        for axis, ((before, after), (low, high)) in enumerate(zip(self.widths, self.values, strict=True)):
            y[(*whole[:axis], slice(0, before), ...)] = low
            y[(*whole[:axis], slice(shape[axis] - after, None), ...)] = high
        self.inside = tuple(slice(b, b + n) for (b, _), n in zip(self.widths, x.shape, strict=True))
        y[(*self.inside, ...)] = x
        return (y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (grad_outputs[0][self.inside],)


class PadByPlaces(Take):
    """x with more of its own elements before and after, along one axis."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    @property
    def label(self) -> str:
        """As for the other modes."""
        return "Pad"


def _pad_constant(x: Variable, widths: tuple[Pair, ...], constant_values: Any = 0) -> Variable:
    return Pad(widths, _pairs("constant_values", constant_values, x.ndim)).apply((x,))[0]


def _pad_edge(x: Variable, widths: tuple[Pair, ...]) -> Variable:
    return _pad_by_places(x, widths, lambda place, length: min(max(place, 0), length - 1))


def _pad_wrap(x: Variable, widths: tuple[Pair, ...]) -> Variable:
    return _pad_by_places(x, widths, lambda place, length: place % length)


def _pad_reflect(x: Variable, widths: tuple[Pair, ...], reflect_type: str = "even") -> Variable:
    return _pad_by_mirror(x, widths, reflect_type, shared=1)


def _pad_symmetric(x: Variable, widths: tuple[Pair, ...], reflect_type: str = "even") -> Variable:
    return _pad_by_mirror(x, widths, reflect_type, shared=0)


def _pad_by_places(x: Variable, widths: tuple[Pair, ...], place_of: Callable[[int, int], int]) -> Variable:
    """Pad with x's own elements: ``place_of`` tells from where, for places from −before to length + after."""
    for axis, (before, after) in enumerate(widths):
        length = x.shape[axis]
        if before or after:
            places = [place_of(place, length) for place in range(-before, length + after)]
            x = PadByPlaces(places_on(x.device.backend, x.array, places), axis).apply((x,))[0]
    return x


def _pad_by_mirror(x: Variable, widths: tuple[Pair, ...], reflect_type: str, shared: int) -> Variable:
    """Pad with what mirrors at the ends show: with the edge itself once (``shared`` 1) or twice (0).

    Odd: the mirror image also changes sign around the edge, y = 2 edge − image, so that each time round (a period)
    everything has moved on by twice the distance from first to last element.
    """
    if reflect_type not in ("even", "odd"):
        raise ValueError(f"pad(reflect_type={reflect_type!r}): expected 'even' or 'odd'")

    def look(place: int, length: int) -> tuple[int, int, bool]:
        """Return how many periods away a place is, whose image is there, and whether it is mirrored."""
        period = 2 * (length - shared) or 1
        round_, rest = divmod(place, period)
        mirrored = rest >= length
        return round_, 2 * length - 1 - shared - rest if mirrored else rest, mirrored

    if reflect_type == "even":
        return _pad_by_places(x, widths, lambda place, length: look(place, length)[1])
    for axis, (before, after) in enumerate(widths):
        length = x.shape[axis]
        if before or after:
            seen = [look(place, length) for place in range(-before, length + after)]
            first, last = _slab(x, axis, 0, 1), _slab(x, axis, length - 1, length)
            places = places_on(x.device.backend, x.array, [image for _, image, _ in seen])
            sign = _along(x, axis, [-1.0 if mirrored else 1.0 for _, _, mirrored in seen])
            twice = _along(x, axis, [2.0 if mirrored else 0.0 for _, _, mirrored in seen])
            moved = _along(x, axis, [2.0 * round_ for round_, _, _ in seen])
            x = PadByPlaces(places, axis).apply((x,))[0] * sign + last * twice + (last - first) * moved
    return x


def _pad_linear_ramp(x: Variable, widths: tuple[Pair, ...], end_values: Any = 0) -> Variable:
    """Pad with straight lines from the edges to ``end_values``."""
    ends = _pairs("end_values", end_values, x.ndim)
    for axis, ((before, after), (low, high)) in enumerate(zip(widths, ends, strict=True)):
        length = x.shape[axis]
        rising = _along(x, axis, [place / before for place in range(before)])
        falling = _along(x, axis, [(after - 1 - place) / after for place in range(after)])
        left = _slab(x, axis, 0, 1) * rising + (1 - rising) * low
        right = _slab(x, axis, length - 1, length) * falling + (1 - falling) * high
        x = concat([left, x, right], axis=axis)
    return x


def _pad_mean(x: Variable, widths: tuple[Pair, ...], stat_length: Any = None) -> Variable:
    """Pad with the mean of the elements next to the edge."""
    for axis, ((before, after), counts) in enumerate(zip(widths, _stat_lengths(stat_length, x), strict=True)):
        length = x.shape[axis]
        low, high = (length if count is None else min(count, length) for count in counts)
        left = mean(_slab(x, axis, 0, low), axis, keepdims=True)
        right = mean(_slab(x, axis, length - high, length), axis, keepdims=True)
        sides = [
            broadcast_to(side, (*x.shape[:axis], width, *x.shape[axis + 1 :]))
            for side, width in ((left, before), (right, after))
        ]
        x = concat([sides[0], x, sides[1]], axis=axis)
    return x


_MODES: Final[dict[str, tuple[Callable[..., Variable], tuple[str, ...]]]] = {
    "constant": (_pad_constant, ("constant_values",)),
    "edge": (_pad_edge, ()),
    "linear_ramp": (_pad_linear_ramp, ("end_values",)),
    "mean": (_pad_mean, ("stat_length",)),
    "reflect": (_pad_reflect, ("reflect_type",)),
    "symmetric": (_pad_symmetric, ("reflect_type",)),
    "wrap": (_pad_wrap, ()),
}


def pad(x: VariableLike, pad_width: Any, mode: str, **keywords: Any) -> Variable:
    """Pad an array, in NumPy's modes.

    Args:
        x: Any shape, floating.
        pad_width: How many elements come before and after along each axis: ((before, after), …); one pair for all
            axes, or one number for all sides.
        mode: ``constant``; ``edge``: the last element again; ``linear_ramp``: a line to a number; ``mean``: of the
            elements next to the edge; ``reflect``, ``symmetric``: mirrored, without and with the edge; ``wrap``: from
            the other side.
        **keywords: ``constant_values`` (constant) and ``end_values`` (linear_ramp), given like ``pad_width``, default
            0; ``stat_length`` (mean), how many elements, default all; ``reflect_type`` (reflect, symmetric), ``even``
            or ``odd``.

    Raises:
        InvalidType: ``x`` is not floating.
        ValueError: An unknown mode or keyword, a negative width, or pairs that do not fit the axes; an axis of length
            0, in any mode but ``constant``.
        TypeError: Widths that are not integers.

    >>> pad(np.asarray([1.0, 2.0, 3.0]), (2, 1), "reflect").array
    array([3., 2., 1., 2., 3., 2.])
    >>> pad(np.asarray([1.0, 2.0]), 1, "constant", constant_values=(5, 6)).array
    array([5., 1., 2., 6.])
    """
    if mode not in _MODES:
        raise ValueError(f"pad(mode={mode!r}): expected one of {', '.join(_MODES)}")
    function, known = _MODES[mode]
    unknown = sorted(set(keywords) - set(known))
    if unknown:
        raise ValueError(
            f"pad(mode={mode!r}) does not take {', '.join(unknown)}; it takes {', '.join(known) or 'none'}"
        )
    x = as_variable(x)
    widths = _widths(pad_width, x.ndim)
    if mode != "constant" and any(n == 0 and (b or a) for n, (b, a) in zip(x.shape, widths, strict=True)):
        raise ValueError(
            f"pad(mode={mode!r}): shape {x.shape} has an axis of length 0, which only constants can extend"
        )
    return function(x, widths, **keywords)


def _widths(pad_width: Any, ndim: int) -> tuple[Pair, ...]:
    pairs = _pairs("pad_width", pad_width, ndim)
    widths = tuple([(integer("pad(): pad_width", b), integer("pad(): pad_width", a)) for b, a in pairs])
    if any(width < 0 for pair in widths for width in pair):
        raise ValueError(f"pad(pad_width={pad_width}): expected numbers of at least 0")
    return widths


def _stat_lengths(stat_length: Any, x: Variable) -> tuple[Pair, ...]:
    if stat_length is None:
        return ((None, None),) * x.ndim
    counts = _pairs("stat_length", stat_length, x.ndim)
    if any(count is not None and integer("pad(): stat_length", count) < 1 for pair in counts for count in pair):
        raise ValueError(f"pad(stat_length={stat_length}): expected numbers of at least 1")
    return counts


def _pairs(argument: str, value: Any, ndim: int) -> tuple[Pair, ...]:
    """Return one pair for each axis: from a number, a pair, a sequence of pairs, or an array of the host of these.

    Raises:
        ValueError: Anything else; the text names the argument.
    """
    given = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(given, Sequence):
        return ((given, given),) * ndim
    rows: list[Any] = list(given) if any(isinstance(row, Sequence) for row in given) else [given]
    pairs = [tuple(row) * 2 if len(row) == 1 else tuple(row) for row in rows if isinstance(row, Sequence)]
    whole = len(pairs) == len(rows) and all(len(pair) == 2 for pair in pairs)
    if not whole or len(pairs) not in (1, ndim):
        raise ValueError(f"pad({argument}={value}): expected a number, a pair, or {ndim} pairs, one for each axis")
    return tuple([(before, after) for before, after in (pairs * ndim if len(pairs) == 1 else pairs)])


def _slab(x: Variable, axis: int, start: int, stop: int) -> Variable:
    """Return x from ``start`` to ``stop`` along an axis."""
    return x[(*(slice(None),) * axis, slice(start, stop))]


def _along(x: Variable, axis: int, numbers: list[float]) -> Variable:
    """Return numbers along an axis of ``x``, in its dtype, with length 1 along the others."""
    xp = x.xp
    array = xp.asarray(numbers, dtype=x.array.dtype, device=x.array.device)
    return constant(xp.reshape(array, (*(1,) * axis, -1, *(1,) * (x.ndim - axis - 1))), x.device)
