"""A step of an LSTM and its gradients in Triton: gates are computed again backward, nothing is kept."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
from __future__ import annotations

import triton
import triton.language as tl

from kusari_triton.kernels.math_device import tanh

# Cells are walked as (before, units, behind), and one running index goes over all three. What is fed to the gates has
# its four numbers of a unit side by side along the units: they are read and written as one piece, of 16 bytes in
# float32. Only the first ``live`` cells are fed; those behind stay as they are.


@triton.jit
def locate_cells(units, behind, total, BLOCK: tl.constexpr):
    """Return this program's cells: running index, (before, unit, behind) in 64 bits, whether there is such a cell."""
    cell = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    after = cell % behind
    unit = (cell // behind) % units
    before = cell // (behind * units)
    return cell, before.to(tl.int64), unit.to(tl.int64), after.to(tl.int64), cell < total


@triton.jit
def read(array, before, unit, after, step_before, step_along, step_behind, real):
    """Return numbers of cells as float32, 0 where there are none."""
    source = array + (before * step_before + unit * step_along + after * step_behind)
    return tl.load(source, mask=real, other=0.0).to(tl.float32)


@triton.jit
def sigmoid(x):
    """1 / (1 + e⁻ˣ), as tanh(x/2)/2 + 1/2: nothing overflows."""
    return tanh(x * 0.5) * 0.5 + 0.5


@triton.jit
def open_gates(x, before, unit, after, x_before, x_along, x_behind, real, BLOCK: tl.constexpr):
    """Return a, i, f and o."""
    source = x + (before * x_before + unit * 4 * x_along + after * x_behind)
    source = source[:, None] + tl.arange(0, 4).to(tl.int64)[None, :] * x_along
    value = tl.load(source, mask=real[:, None], other=0.0).to(tl.float32)
    first, second = tl.split(tl.reshape(value, (BLOCK, 2, 2)))  # (a, f) and (i, o)
    a, f = tl.split(first)
    i, o = tl.split(second)
    return tanh(a), sigmoid(i), sigmoid(f), sigmoid(o)


@triton.jit
def lstm(
    c_prev, x, c, y, units, behind, total, live,
    c_prev_before, c_prev_along, c_prev_behind, x_before, x_along, x_behind, BLOCK: tl.constexpr,
):  # fmt: skip
    """c = i a + f c′ and y = o tanh(c); both are dense."""
    cell, before, unit, after, real = locate_cells(units, behind, total, BLOCK)
    fed = cell < live
    old = read(c_prev, before, unit, after, c_prev_before, c_prev_along, c_prev_behind, real)
    a, i, f, o = open_gates(x, before, unit, after, x_before, x_along, x_behind, fed, BLOCK)
    new = i * a + f * old
    tl.store(c + cell, tl.where(fed, new, old).to(c.dtype.element_ty), mask=real)
    tl.store(y + cell, (o * tanh(new)).to(y.dtype.element_ty), mask=fed)


@triton.jit
def lstm_gradient(
    c_prev, x, gc, gy, gc_prev, gx, units, behind, total, live,
    c_prev_before, c_prev_along, c_prev_behind, x_before, x_along, x_behind,
    gc_before, gc_along, gc_behind, gy_before, gy_along, gy_behind, BLOCK: tl.constexpr,
):  # fmt: skip
    """The gradients of c′ and of what is fed to the gates, both dense; gc or gy may be None."""
    cell, before, unit, after, real = locate_cells(units, behind, total, BLOCK)
    fed = cell < live
    old = read(c_prev, before, unit, after, c_prev_before, c_prev_along, c_prev_behind, fed)
    a, i, f, o = open_gates(x, before, unit, after, x_before, x_along, x_behind, fed, BLOCK)
    t = tanh(i * a + f * old)
    go = tl.zeros((BLOCK,), dtype=tl.float32)
    g = tl.zeros((BLOCK,), dtype=tl.float32)
    if gc is not None:
        g += read(gc, before, unit, after, gc_before, gc_along, gc_behind, real)
    passed = g
    if gy is not None:
        through = read(gy, before, unit, after, gy_before, gy_along, gy_behind, fed)
        go += through * t * o * (1 - o)
        g += through * o * (1 - t * t)
    tl.store(gc_prev + cell, tl.where(fed, g * f, passed).to(gc_prev.dtype.element_ty), mask=real)
    ga = g * i * (1 - a * a)
    gi = g * a * i * (1 - i)
    gf = g * old * f * (1 - f)
    value = tl.reshape(tl.join(tl.join(ga, gf), tl.join(gi, go)), (BLOCK, 4))
    target = gx + (((before * units + unit) * 4) * behind + after)[:, None] + (tl.arange(0, 4) * behind)[None, :]
    tl.store(target, value.to(gx.dtype.element_ty), mask=fed[:, None])
