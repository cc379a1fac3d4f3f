"""Stacks of recurrent layers whose cells are compiled loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.n_step_rnn import Cell, GRUCell, LSTMCell, Recurrence, RecurrenceProblem, Step
from kusari.types import Shape
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.pieces import share
from kusari_numpy.products import Packed
from kusari_numpy.workspace import workspace

HostArray = np.ndarray[Any, Any]

SMALLEST: Final = 2**9
"""Below so many states, of which each step saves 0.04 ms of 0.2, nobody should wait for a compiler."""
PACKED: Final = 2**15
"""Numbers of a matrix from which on a product by tiles is as fast as BLAS, whose threads are in the others' way."""
STEPS: Final = 8
"""To pack a matrix takes as long as one or two products with it."""


class LSTMKept(NamedTuple):
    """What backward reads of a step."""

    gates: HostArray
    """(n, 4, U): i, f, o, a, where zx was."""
    c: HostArray
    """(n, U): the cells after it, of which tanh is taken anew: a fresh page costs what 1,500 tangents do."""


class CompiledLSTMCell(LSTMCell):
    """A loop before the tangents, one between them, and one back."""

    def step(  # type: ignore[override]
        self, backend: Backend, zx: HostArray, zh: HostArray, h: HostArray, c: HostArray
    ) -> tuple[HostArray, HostArray, LSTMKept]:
        from kusari_numpy.compiled.n_step_rnn import add_last, feed, lstm_pass

        n, units = h.shape
        gates, zh, c = zx.reshape(n, 4, units), zh.reshape(n, 4, units), np.ascontiguousarray(c)
        c_next, h_next = np.empty((n, units), zx.dtype), np.empty((n, units), zx.dtype)

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            feed(gates[part], zh[part], 3)
            add_last(gates[part], zh[part])
            np.tanh(gates[part], out=gates[part])
            lstm_pass(gates[part], c[part], c_next[part])
            np.tanh(c_next[part], out=h_next[part])
            np.multiply(gates[part, 2], h_next[part], out=h_next[part])

        share(work, n, 4 * units)
        return h_next, c_next, LSTMKept(gates, c_next)

    def backward(  # type: ignore[override]
        self, backend: Backend, step: Step, gh: HostArray, gc: HostArray, gzx: HostArray, gzh: HostArray
    ) -> tuple[None, HostArray]:
        from kusari_numpy.compiled.n_step_rnn import lstm_gradients

        gates, c_next = step.kept
        n, _, units = gates.shape
        gc, c = np.ascontiguousarray(gc), np.ascontiguousarray(step.c)
        gz, gc_prev = gzx[step.rows].reshape(n, 4, units), np.empty((n, units), gh.dtype)
        tanh_c = workspace("recurrence_tanh", (n, units), gh.dtype)

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            np.tanh(c_next[part], out=tanh_c[part])
            lstm_gradients(gates[part], tanh_c[part], c[part], gc[part], gh[part], gc_prev[part], gz[part])

        share(work, n, 4 * units)
        return None, gc_prev


class GRUKept(NamedTuple):
    """What backward reads of a step."""

    gates: HostArray
    """(n, 3, U): r, z, a, where zx was."""
    ha: HostArray
    """(n, U): what the states feed to a, before r."""


class CompiledGRUCell(GRUCell):
    """A loop before the tangents of r and z, one before those of a, one after, and one back."""

    def step(  # type: ignore[override]
        self, backend: Backend, zx: HostArray, zh: HostArray, h: HostArray, c: None
    ) -> tuple[HostArray, None, GRUKept]:
        from kusari_numpy.compiled.n_step_rnn import feed, gru_pass, gru_reset

        n, units = h.shape
        gates, zh, h = zx.reshape(n, 3, units), zh.reshape(n, 3, units), np.ascontiguousarray(h)
        ha, h_next = np.empty((n, units), zx.dtype), np.empty((n, units), zx.dtype)

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            feed(gates[part], zh[part], 2)
            np.tanh(gates[part, :2], out=gates[part, :2])
            gru_reset(gates[part], zh[part], ha[part])
            np.tanh(gates[part, 2], out=gates[part, 2])
            gru_pass(gates[part], h[part], h_next[part])

        share(work, n, 3 * units)
        return h_next, None, GRUKept(gates, ha)

    def backward(  # type: ignore[override]
        self, backend: Backend, step: Step, gh: HostArray, gc: None, gzx: HostArray, gzh: HostArray
    ) -> tuple[HostArray, None]:
        from kusari_numpy.compiled.n_step_rnn import gru_gradients

        gates, ha = step.kept
        n, _, units = gates.shape
        h, through = np.ascontiguousarray(step.h), np.empty((n, units), gh.dtype)
        to_x, to_h = (whole[step.rows].reshape(n, 3, units) for whole in (gzx, gzh))

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            gru_gradients(gates[part], ha[part], h[part], gh[part], through[part], to_x[part], to_h[part])

        share(work, n, 6 * units)
        return through, None


COMPILED: Final[Mapping[str, Cell]] = {"lstm": CompiledLSTMCell(), "gru": CompiledGRUCell()}
"""Other cells are one sum and one activation: there is nothing to fuse."""


class CompiledRecurrence(Recurrence):
    """The portable definition with compiled cells, which write over what they are fed, and room that calls share.

    Forward and back, 100 sequences of 100 steps of 128 units, one thread, float32, when products were BLAS's: an LSTM
    took 145 ms, of which BLAS 95, and two thirds of the portable definition's time; a GRU 125, BLAS 70, and three
    quarters.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: RecurrenceProblem) -> None:
        super().__init__(backend, problem)
        self.cell = COMPILED.get(problem.cell, self.cell)

    @classmethod
    def accepts(cls, problem: RecurrenceProblem) -> bool | str:
        """Take all cells."""
        if problem.dtype not in (np.float32, np.float64):
            return f"compiled for float32 and float64, not {problem.dtype}"
        if problem.hx[1] * problem.hx[2] < SMALLEST:
            return f"fewer than {SMALLEST} states"
        return True

    def scratch(self, slot: str, shape: Shape, like: HostArray) -> HostArray:  # type: ignore[override]
        """Return room for numbers that are done with before the same slot is asked for again."""
        # 25 MB for 100 sequences of 100 steps of an LSTM of 128 units: each fresh page costs 3 µs, in all 18 ms of 180.
        return workspace(f"recurrence_{slot}", shape, like.dtype)

    def as_factor(self, matrix: HostArray, transposed: bool) -> HostArray | Packed:  # type: ignore[override]
        """Return a matrix, or its transpose, packed where that is worth it."""
        steps, rows = len(self.problem.batch_sizes), self.problem.hx[1]
        if steps >= STEPS and rows > 1 and matrix.size >= PACKED:
            return Packed(matrix.T if transposed else matrix)
        made: HostArray = super().as_factor(matrix, transposed)
        return made

    def times(self, rows: HostArray, factor: HostArray | Packed) -> HostArray:  # type: ignore[override]
        """Return the product of a step's rows and a matrix."""
        made: HostArray = factor.times(rows) if isinstance(factor, Packed) else rows @ factor
        return made


def register(backend: Backend) -> None:
    """Register the override of recurrent layers."""
    backend.implements(Recurrence, available=compiled_available)(CompiledRecurrence)
