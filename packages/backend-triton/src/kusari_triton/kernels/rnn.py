"""A step of an LSTM as one kernel forward and one back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import triton

from kusari.backend import Backend
from kusari.kernels.rnn import LSTM, LSTMProblem
from kusari.types import Array
from kusari_triton.backend import triton_backend
from kusari_triton.kernels import rnn_device as device
from kusari_triton.launch import Launch, element_strides
from kusari_triton.tiles import FAR
from kusari_triton.walk import Walk, empty_walked, walk_arguments, walkable

BLOCK: Final = 512
"""Cells a program, on a GPU: 4 a thread with 4 warps, each with four numbers for its gates."""

_INTERPRETED: Final = 2**12


class TritonLSTM(LSTM):
    """The gates are computed in float32, and again backward: reading them would cost what reading x does.

    Takes any strides; results lie in memory as the previous cells do.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: LSTMProblem) -> None:
        super().__init__(backend, problem)
        self.launches: dict[Any, Any] = {}

    @classmethod
    def accepts(cls, problem: LSTMProblem) -> bool | str:
        """Take 16- and 32-bit floats."""
        if problem.dtype.name not in ("float16", "bfloat16", "float32"):
            return f"{problem.dtype.name} stays with the base: gates here are float32"
        if not problem.dtype.isnative:
            return "not in the machine's byte order"
        if 0 in problem.c or 0 in problem.x:
            return "no cells, or none that are fed"
        return "nearly 2³¹ numbers" if 4 * math.prod(problem.c) >= FAR else True

    def forward(self, c_prev: Array, x: Array) -> tuple[Array, Array, Any]:
        backend, walk = self.backend, _walk(c_prev)
        c = empty_walked(backend, c_prev.shape, walk, c_prev.dtype, c_prev.device)
        y = empty_walked(backend, (x.shape[0], *c_prev.shape[1:]), walk, x.dtype, x.device)
        arrays = {"c_prev": walkable(backend, c_prev, walk), "x": walkable(backend, x, walk), "c": c, "y": y}
        self._run("forward", walk, arrays, lstm_launch)
        return c, y, None

    def backward(self, kept: Any, c_prev: Array, x: Array, gc: Array | None, gy: Array | None) -> tuple[Array, Array]:
        backend, walk = self.backend, _walk(c_prev)
        gc_prev = empty_walked(backend, c_prev.shape, walk, c_prev.dtype, c_prev.device)
        gx = empty_walked(backend, x.shape, walk, x.dtype, x.device)
        read = {"c_prev": c_prev, "x": x, "gc": gc, "gy": gy}
        arrays = {name: None if array is None else walkable(backend, array, walk) for name, array in read.items()}
        self._run("backward", walk, {**arrays, "gc_prev": gc_prev, "gx": gx}, lstm_gradient_launch)
        return gc_prev, gx

    def _run(self, key: str, walk: Walk, arrays: dict[str, Any], make: Callable[..., Launch]) -> None:
        launcher = triton_backend(self.backend).launcher
        launcher.run(
            self.launches,
            (key, walk),
            arrays,
            lambda: make(self.problem, walk, interpreted=launcher.interpreted, **arrays),
        )


def lstm_launch(problem: LSTMProblem, walk: Walk, *, interpreted: bool, **arrays: Any) -> Launch:
    """Return the launch that fills ``c`` and ``y``, dense in the walk's order."""
    return _cells_launch(device.lstm, problem, walk, interpreted, arrays, {"c_prev": problem.c, "x": problem.x})


def lstm_gradient_launch(problem: LSTMProblem, walk: Walk, *, interpreted: bool, **arrays: Any) -> Launch:
    """Return the launch that fills ``gc_prev`` and ``gx``, dense in the walk's order."""
    shapes = {"c_prev": problem.c, "x": problem.x, "gc": problem.c, "gy": (problem.x[0], *problem.c[1:])}
    return _cells_launch(device.lstm_gradient, problem, walk, interpreted, arrays, shapes)


def register(backend: Backend) -> None:
    """Override core's LSTM."""
    backend.implements(LSTM)(TritonLSTM)


def _walk(cells: Array) -> Walk:
    """Return a walk whose outermost axis is the batch's, so that cells that are fed come first."""
    strides, rest = element_strides(cells), tuple(range(2, cells.ndim))
    if cells.shape[1] > 1 and strides is not None:
        units_last = all(abs(strides[1]) < abs(strides[axis]) for axis in rest if cells.shape[axis] > 1)
        if units_last:
            return Walk((0, *rest), (1,), ())
    return Walk((0,), (1,), rest)


def _cells_launch(
    function: Any, problem: LSTMProblem, walk: Walk, interpreted: bool, arrays: dict[str, Any], shapes: dict[str, Any]
) -> Launch:
    _, units, behind = walk.lengths(problem.c)
    total, live = math.prod(problem.c), problem.x[0] * math.prod(problem.c[1:])
    block = min(_INTERPRETED, int(triton.next_power_of_2(total))) if interpreted else BLOCK
    arguments = {**arrays, "units": units, "behind": behind, "total": total, "live": live, "BLOCK": block}
    for name, shape in shapes.items():
        arguments |= walk_arguments(name, arrays[name], walk, shape)
    return Launch(function, (-(-total // block), 1, 1), arguments, num_warps=4, num_stages=1, about=problem)
