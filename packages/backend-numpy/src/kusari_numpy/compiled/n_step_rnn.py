"""What LSTMs and GRUs do to their gates, but for the hyperbolic tangents, of which NumPy has vectors and numba has not.

Gates of a unit lie U apart: (n, G, U). σ(x) = tanh(x / 2) / 2 + 1/2.

Every result has a loop of its own over a row, which the cache holds: of arrays that may overlap, LLVM takes few in one
loop before it gives up vectors. Gradients of an LSTM's step, 100 rows of 128 units: 74 µs in one loop, 17 in six.
"""

from __future__ import annotations

from typing import Any

from kusari_numpy.compiled.options import jit


@jit
def feed(z: Any, zh: Any, sigmoids: int) -> None:
    """z = (z + zh) / 2 for the first gates, which are sigmoids."""
    half = z.dtype.type(0.5)
    for n in range(z.shape[0]):
        for g in range(sigmoids):
            for u in range(z.shape[2]):
                z[n, g, u] = (z[n, g, u] + zh[n, g, u]) * half


@jit
def add_last(z: Any, zh: Any) -> None:
    """z += zh for the last gate."""
    last = z.shape[1] - 1
    for n in range(z.shape[0]):
        for u in range(z.shape[2]):
            z[n, last, u] += zh[n, last, u]


@jit
def open_sigmoids(gates: Any, n: int, sigmoids: int) -> None:
    """σ from the tangents, for the first gates of a row."""
    half = gates.dtype.type(0.5)
    for g in range(sigmoids):
        for u in range(gates.shape[2]):
            gates[n, g, u] = gates[n, g, u] * half + half


@jit
def lstm_pass(gates: Any, c: Any, c_next: Any) -> None:
    """c′ = f c + i a, from the tangents of what was fed, which become i, f, o, a."""
    for n in range(c.shape[0]):
        open_sigmoids(gates, n, 3)
        i, f, a = gates[n, 0], gates[n, 1], gates[n, 3]
        for u in range(c.shape[1]):
            c_next[n, u] = a[u] * i[u] + f[u] * c[n, u]


@jit
def lstm_gradients(gates: Any, tanh_c: Any, c: Any, gc: Any, gh: Any, gc_prev: Any, gz: Any) -> None:
    """Write the gradients of c (n, U) and of z (n, 4, U), from those of c′ and h′."""
    one, units = gz.dtype.type(1), range(gh.shape[1])
    for n in range(gh.shape[0]):
        i, f, o, a = gates[n, 0], gates[n, 1], gates[n, 2], gates[n, 3]
        t, g, total = tanh_c[n], gh[n], gc_prev[n]
        for u in units:
            total[u] = gc[n, u] + g[u] * o[u] * (one - t[u] * t[u])
        for u in units:
            gz[n, 0, u] = total[u] * a[u] * i[u] * (one - i[u])
        for u in units:
            gz[n, 1, u] = total[u] * c[n, u] * f[u] * (one - f[u])
        for u in units:
            gz[n, 2, u] = g[u] * t[u] * o[u] * (one - o[u])
        for u in units:
            gz[n, 3, u] = total[u] * i[u] * (one - a[u] * a[u])
        for u in units:
            total[u] *= f[u]


@jit
def gru_reset(gates: Any, zh: Any, ha: Any) -> None:
    """z += r zh for a, from the tangents of what was fed to r and z, which become r and z; keep that zh."""
    for n in range(ha.shape[0]):
        open_sigmoids(gates, n, 2)
        r = gates[n, 0]
        for u in range(ha.shape[1]):
            ha[n, u] = zh[n, 2, u]
        for u in range(ha.shape[1]):
            gates[n, 2, u] += r[u] * ha[n, u]


@jit
def gru_pass(gates: Any, h: Any, h_next: Any) -> None:
    """h′ = a + z (h − a)."""
    for n in range(h.shape[0]):
        z, a = gates[n, 1], gates[n, 2]
        for u in range(h.shape[1]):
            h_next[n, u] = a[u] + z[u] * (h[n, u] - a[u])


@jit
def gru_gradients(gates: Any, ha: Any, h: Any, gh: Any, through: Any, gzx: Any, gzh: Any) -> None:
    """Write the gradients of h past the gates (n, U), and of zx and zh (n, 3, U), from that of h′."""
    one, units = gzx.dtype.type(1), range(gh.shape[1])
    for n in range(gh.shape[0]):
        r, z, a, gy, ga = gates[n, 0], gates[n, 1], gates[n, 2], gh[n], gzx[n, 2]
        for u in units:
            ga[u] = gy[u] * (one - z[u]) * (one - a[u] * a[u])
        for u in units:
            gzx[n, 0, u] = ga[u] * ha[n, u] * r[u] * (one - r[u])
        for u in units:
            gzx[n, 1, u] = gy[u] * (h[n, u] - a[u]) * z[u] * (one - z[u])
        for u in units:
            through[n, u] = gy[u] * z[u]
        for g in range(2):
            for u in units:
                gzh[n, g, u] = gzx[n, g, u]
        for u in units:
            gzh[n, 2, u] = ga[u] * r[u]
