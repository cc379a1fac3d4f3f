"""Cells of recurrent networks: what LSTMs do to their gates, and the gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

from kusari.backend import Backend, Family
from kusari.kernels.activation import sigmoid, sigmoid_grad, tanh_grad
from kusari.types import Array, Shape


class LSTMProblem(NamedTuple):
    """Everything about a step of LSTMs but its numbers."""

    c: Shape
    """(N, U, …): the previous cells; of the first child."""
    x: Shape
    """(n, G · U, …), n ≤ N: what is fed to the gates."""
    dtype: Any
    """The host's dtype object; all arrays share it."""
    children: int = 1
    """How many previous cells there are."""
    recording: bool = False
    """`backward` may follow."""


class Gates(NamedTuple):
    """One step of a cell, after the nonlinearities: what the portable definitions keep for backward.

    c = Σ iₖ aₖ + Σ fₖ cₖ, y = o tanh(c).
    """

    inputs: tuple[tuple[Array, Array], ...]
    """(aₖ, iₖ): candidates in (−1, 1), and their gates in (0, 1)."""
    forgets: tuple[Array, ...]
    """fₖ, one per previous cell."""
    output: Array
    """o."""
    tanh_c: Array


class GateGradients(NamedTuple):
    """The gradients of what was fed to the gates, and of the previous cells."""

    inputs: tuple[tuple[Array, Array], ...]
    forgets: tuple[Array, ...]
    output: Array
    cells: tuple[Array, ...]


def run_gates(
    backend: Backend,
    inputs: tuple[tuple[Array, Array], ...],
    forgets: tuple[Array, ...],
    output: Array,
    cells: tuple[Array, ...],
) -> tuple[Array, Array, Gates]:
    """Return c, y and the gates, from what is fed to them (before the nonlinearities) and the previous cells."""
    opened = tuple([(backend.xp.tanh(a), sigmoid(backend, i)) for a, i in inputs])
    kept = tuple([sigmoid(backend, f) for f in forgets])
    return pass_gates(backend, opened, kept, sigmoid(backend, output), cells)


def pass_gates(
    backend: Backend,
    opened: tuple[tuple[Array, Array], ...],
    kept: tuple[Array, ...],
    o: Array,
    cells: tuple[Array, ...],
) -> tuple[Array, Array, Gates]:
    """Return c, y and the gates, from these after their nonlinearities, and the previous cells."""
    terms = [a * i for a, i in opened] + [f * cell for f, cell in zip(kept, cells, strict=True)]
    c = terms[0]
    for term in terms[1:]:
        c = c + term
    tanh_c = backend.xp.tanh(c)
    return c, o * tanh_c, Gates(opened, kept, o, tanh_c)


def run_gates_backward(
    backend: Backend, gates: Gates, cells: tuple[Array, ...], gc: Array | None, gy: Array | None
) -> GateGradients:
    """Return the gradients from those of c and y; None for one that is zero."""
    o, tanh_c = gates.output, gates.tanh_c
    if gy is None:
        go, total = backend.xp.zeros_like(o), gc
    else:
        go = sigmoid_grad(backend, o, gy * tanh_c)
        through_y = tanh_grad(backend, tanh_c, gy * o)
        total = through_y if gc is None else gc + through_y
    assert total is not None
    return GateGradients(
        tuple([(tanh_grad(backend, a, total * i), sigmoid_grad(backend, i, total * a)) for a, i in gates.inputs]),
        tuple([sigmoid_grad(backend, f, total * cell) for f, cell in zip(gates.forgets, cells, strict=True)]),
        go,
        tuple([total * f for f in gates.forgets]),
    )


def interleaved(backend: Backend, x: Array) -> list[Array]:
    """Return a, i, f, o, each (n, U, …), of x (n, 4U, …), where the four numbers of a unit lie together."""
    n, length, *rest = x.shape
    gates = backend.xp.reshape(x, (n, length // 4, 4, *rest))
    return [gates[:, :, gate, ...] for gate in range(4)]


def interleave(backend: Backend, gates: tuple[Array, Array, Array, Array]) -> Array:
    """Return (n, 4U, …) from a, i, f, o: the inverse of `interleaved`."""
    n, units, *rest = gates[0].shape
    return backend.xp.reshape(backend.xp.stack(gates, axis=2), (n, 4 * units, *rest))


class LSTM(Family[LSTMProblem]):
    """c = i a + f c′, y = o tanh(c), with a = tanh(xₐ) and i, f, o = σ(xᵢ), σ(x_f), σ(xₒ).

    x (n, 4U, …) holds xₐ, xᵢ, x_f, xₒ unit by unit. Where c′ has more rows than x, the further ones stay as they are.
    """

    def forward(self, c_prev: Array, x: Array) -> tuple[Array, Array, Any]:
        """Return c (N, U, …), y (n, U, …) and what `backward` wants kept."""
        xp, n = self.backend.xp, x.shape[0]
        a, i, f, o = interleaved(self.backend, x)
        c, y, gates = run_gates(self.backend, ((a, i),), (f,), o, (c_prev[:n, ...],))
        if n < c_prev.shape[0]:
            c = xp.concat([c, c_prev[n:, ...]], axis=0)
        return c, y, gates

    def backward(self, kept: Any, c_prev: Array, x: Array, gc: Array | None, gy: Array | None) -> tuple[Array, Array]:
        """Return the gradients of c′ and x, from those of c and y; None for one that is zero, not for both."""
        xp, n = self.backend.xp, x.shape[0]
        made = run_gates_backward(self.backend, kept, (c_prev[:n, ...],), None if gc is None else gc[:n, ...], gy)
        (gc_prev,), ((ga, gi),), (gf,) = made.cells, made.inputs, made.forgets
        if n < c_prev.shape[0]:
            rest = xp.zeros_like(c_prev[n:, ...]) if gc is None else gc[n:, ...]
            gc_prev = xp.concat([gc_prev, rest], axis=0)
        return gc_prev, interleave(self.backend, (ga, gi, gf, made.output))


class SLSTM(Family[LSTMProblem]):
    """c = Σ iₖ aₖ + Σ fₖ cₖ over two children, y = σ(xₒ₁ + xₒ₂) tanh(c): a step of S-LSTM.

    x₁ and x₂ (N, 4U, …) each hold xₐ, xᵢ, x_f, xₒ unit by unit.
    """

    def forward(self, c1: Array, c2: Array, x1: Array, x2: Array) -> tuple[Array, Array, Any]:
        """Return c and y (N, U, …), and what `backward` wants kept."""
        (a1, i1, f1, o1), (a2, i2, f2, o2) = (interleaved(self.backend, x) for x in (x1, x2))
        return run_gates(self.backend, ((a1, i1), (a2, i2)), (f1, f2), o1 + o2, (c1, c2))

    def backward(
        self, kept: Any, c1: Array, c2: Array, x1: Array, x2: Array, gc: Array | None, gy: Array | None
    ) -> tuple[Array, Array, Array, Array]:
        """Return the gradients of c₁, c₂, x₁ and x₂, from those of c and y; None for one that is zero, not for both."""
        made = run_gates_backward(self.backend, kept, (c1, c2), gc, gy)
        gx1, gx2 = (
            interleave(self.backend, (ga, gi, gf, made.output))
            for (ga, gi), gf in zip(made.inputs, made.forgets, strict=True)
        )
        return *made.cells, gx1, gx2  # type: ignore[return-value]


class TreeLSTM(Family[LSTMProblem]):
    """c = i a + Σ fₖ cₖ over K children, y = o tanh(c): a step of an N-ary tree LSTM.

    x (N, (3 + K) U, …) holds xₐ, xᵢ, xₒ and the K x_f, one after the other.
    """

    def forward(self, cells: tuple[Array, ...], x: Array) -> tuple[Array, Array, Any]:
        """Return c and y (N, U, …), and what `backward` wants kept."""
        units = self.problem.c[1]
        a, i, o, *forgets = [x[:, start : start + units, ...] for start in range(0, x.shape[1], units)]
        return run_gates(self.backend, ((a, i),), tuple(forgets), o, cells)

    def backward(
        self, kept: Any, cells: tuple[Array, ...], x: Array, gc: Array | None, gy: Array | None
    ) -> tuple[tuple[Array, ...], Array]:
        """Return the gradients of the cells and of x, from those of c and y; None for one that is zero, not both."""
        made = run_gates_backward(self.backend, kept, cells, gc, gy)
        ((ga, gi),) = made.inputs
        return made.cells, self.backend.xp.concat([ga, gi, made.output, *made.forgets], axis=1)
