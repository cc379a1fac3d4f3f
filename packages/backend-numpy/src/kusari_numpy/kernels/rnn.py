"""Cells of recurrent networks by compiled loops."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.rnn import LSTM, LSTMProblem
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.pieces import share

HostArray = np.ndarray[Any, Any]

SMALLEST: Final = 2**9
"""Below so many cells, which take 0.03 ms forward and back, and NumPy 0.09, nobody should wait for a compiler."""


class Kept(NamedTuple):
    """What backward reads."""

    gates: HostArray
    """(n, 4, U): a, i, f, o."""
    tanh_c: HostArray
    """(n, U)."""


class CompiledLSTM(LSTM):
    """The gates of a unit, which lie together, are read once; backward is one loop.

    Forward and back, one thread, float32: 20 rows of 650 units 120 and 49 µs, the portable definition 145 and 147; 128
    of 1024 1.3 and 0.55 ms, against 1.7 and 2.0. Forward is mostly five tangents a unit, which NumPy takes either way.
    """

    contract = 1

    @classmethod
    def accepts(cls, problem: LSTMProblem) -> bool | str:
        """Take cells (N, U)."""
        if problem.dtype not in (np.float32, np.float64):
            return f"compiled for float32 and float64, not {problem.dtype}"
        if len(problem.c) != 2:
            return "cells have further axes; the loops are written for (N, U)"
        if problem.x[0] * problem.c[1] < SMALLEST:
            return f"fewer than {SMALLEST} cells"
        return True

    def forward(self, c_prev: HostArray, x: HostArray) -> tuple[HostArray, HostArray, Any]:  # type: ignore[override]
        """Return c (N, U), y (n, U) and what `backward` wants kept."""
        from kusari_numpy.compiled.rnn import deal, pass_gates

        (n, length), units = x.shape, c_prev.shape[1]
        c_prev, x = np.ascontiguousarray(c_prev), np.ascontiguousarray(x).reshape(n, units, 4)
        kept = Kept(np.empty((n, 4, units), x.dtype), np.empty((n, units), x.dtype))
        c, y = np.empty(c_prev.shape, x.dtype), np.empty((n, units), x.dtype)
        c[n:] = c_prev[n:]

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            gates, tanh_c = kept.gates[part], kept.tanh_c[part]
            deal(x[part], gates)
            np.tanh(gates, out=gates)
            pass_gates(gates, c_prev[part], c[part])
            np.tanh(c[part], out=tanh_c)
            np.multiply(gates[:, 3], tanh_c, out=y[part])

        share(work, n, 2 * length)
        return c, y, kept

    def backward(  # type: ignore[override]
        self, kept: Any, c_prev: HostArray, x: HostArray, gc: HostArray | None, gy: HostArray | None
    ) -> tuple[HostArray, HostArray]:
        """Return the gradients of c′ and x, from those of c and y; None for one that is zero."""
        from kusari_numpy.compiled.rnn import gradients

        gates, tanh_c = kept
        n, units = tanh_c.shape
        gc = np.zeros(c_prev.shape, x.dtype) if gc is None else np.ascontiguousarray(gc)
        gy = np.zeros((n, units), x.dtype) if gy is None else np.ascontiguousarray(gy)
        c_prev = np.ascontiguousarray(c_prev)
        gc_prev, gx = np.empty_like(c_prev), np.empty((n, units, 4), x.dtype)
        gc_prev[n:] = gc[n:]

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            gradients(gates[part], tanh_c[part], c_prev[part], gc[part], gy[part], gc_prev[part], gx[part])

        share(work, n, 4 * units)
        return gc_prev, gx.reshape(n, 4 * units)


def register(backend: Backend) -> None:
    """Register the override of the LSTM's step."""
    backend.implements(LSTM, available=compiled_available)(CompiledLSTM)
