"""What an LSTM does to its gates, but for the hyperbolic tangents, of which NumPy has vectors and numba has not."""

from __future__ import annotations

from typing import Any

from kusari_numpy.compiled.options import jit


@jit
def deal(x: Any, gates: Any) -> None:
    """gates[n, g, u] = x[n, u, g], halved for g > 0: σ(x) = tanh(x / 2) / 2 + 1/2."""
    half = x.dtype.type(0.5)
    for n in range(x.shape[0]):
        for u in range(x.shape[1]):
            gates[n, 0, u] = x[n, u, 0]
            gates[n, 1, u] = x[n, u, 1] * half
            gates[n, 2, u] = x[n, u, 2] * half
            gates[n, 3, u] = x[n, u, 3] * half


@jit
def pass_gates(gates: Any, c_prev: Any, c: Any) -> None:
    """c = a i + f c′, from the tangents of what was dealt, which become a, i, f, o."""
    half = c.dtype.type(0.5)
    for n in range(c.shape[0]):
        for u in range(c.shape[1]):
            i = gates[n, 1, u] * half + half
            f = gates[n, 2, u] * half + half
            gates[n, 1, u] = i
            gates[n, 2, u] = f
            gates[n, 3, u] = gates[n, 3, u] * half + half
            c[n, u] = gates[n, 0, u] * i + f * c_prev[n, u]


@jit
def gradients(gates: Any, tanh_c: Any, c_prev: Any, gc: Any, gy: Any, gc_prev: Any, gx: Any) -> None:
    """Write the gradients of c′ (n, U) and of x (n, U, 4), from those of c and y."""
    one = gx.dtype.type(1)
    for n in range(gy.shape[0]):
        for u in range(gy.shape[1]):
            a, i, f, o = gates[n, 0, u], gates[n, 1, u], gates[n, 2, u], gates[n, 3, u]
            t, g = tanh_c[n, u], gy[n, u]
            total = gc[n, u] + g * o * (one - t * t)
            gc_prev[n, u] = total * f
            gx[n, u, 0] = total * i * (one - a * a)
            gx[n, u, 1] = total * a * i * (one - i)
            gx[n, u, 2] = total * c_prev[n, u] * f * (one - f)
            gx[n, u, 3] = g * t * o * (one - o)
