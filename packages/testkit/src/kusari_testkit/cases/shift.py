"""Groups of channels, each moved by some pixels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.shift import Move, shift
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.cases.window import per_axis
from kusari_testkit.draw import HostArray


def _moved(x: HostArray, moves: tuple[Move, ...]) -> HostArray:
    """Move pixel by pixel."""
    y = np.zeros(x.shape)
    for start, stop, down, right in moves:
        for i, j in np.ndindex(x.shape[2:]):
            if 0 <= i + down < x.shape[2] and 0 <= j + right < x.shape[3]:
                y[:, start:stop, i + down, j + right] = x[:, start:stop, i, j]
    return y


def _shifted(x: HostArray, ksize: int | Shape = 3, dilate: int | Shape = 1) -> HostArray:
    """Return the groups moved by a window's steps, of which the centre and the last change places."""
    (kh, kw), (dy, dx) = per_axis(ksize, 2), per_axis(dilate, 2)
    steps = [(dy * (k - kh // 2), dx * (q - kw // 2)) for k in range(kh) for q in range(kw)]
    steps[steps.index((0, 0))], steps[-1] = steps[-1], (0, 0)
    size = x.shape[1] // len(steps)
    ways = [steps[min(c // size, len(steps) - 1)] for c in range(x.shape[1])]
    return _moved(x, tuple(Move(c, c + 1, *way) for c, way in enumerate(ways)))


KERNELS: Final[tuple[Case, ...]] = tuple(
    Case(target=shift, label=label, inputs=(Input(x),), oracle=_moved, arguments={"moves": moves})
    for label, x, moves in (
        ("four-ways", (2, 4, 3, 5), (Move(0, 1, 1, 0), Move(1, 2, -1, 0), Move(2, 3, 0, 2), Move(3, 4, 0, -2))),
        ("aslant", (1, 3, 4, 4), (Move(0, 2, -1, 2), Move(2, 3, 1, -3))),
        ("stay", (2, 3, 2, 3), (Move(0, 3, 0, 0),)),
        ("out-of-sight", (1, 2, 2, 3), (Move(0, 1, 2, 0), Move(1, 2, 0, -7))),
        ("empty", (0, 2, 2, 3), (Move(0, 2, 1, 1),)),
    )
)

_ARGUMENTS: Final[dict[str, tuple[Shape, dict[str, Any]]]] = {
    "nine-channels": ((2, 9, 4, 3), {}),
    "channels-left-over": ((1, 20, 3, 4), {}),
    "unequal": ((2, 7, 3, 4), {"ksize": (1, 3)}),
    "dilate": ((1, 9, 6, 5), {"dilate": (2, 1)}),
    "one-pixel": ((2, 3, 2, 2), {"ksize": 1}),
}
FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(
    FunctionCase(target=F.shift, label=label, inputs=(Input(x),), oracle=_shifted, arguments=arguments)
    for label, (x, arguments) in _ARGUMENTS.items()
)
