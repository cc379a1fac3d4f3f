"""Stacks of recurrent layers over sequences of differing lengths, in one direction or both, and the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kusari.backend import Backend, Family
from kusari.kernels import activation
from kusari.kernels.activation import Activation, sigmoid, sigmoid_grad, tanh_grad
from kusari.kernels.linear import product
from kusari.kernels.reduction import total
from kusari.kernels.rnn import pass_gates, run_gates_backward
from kusari.kernels.time_steps import Sequences, walk
from kusari.types import Array, Shape


class RecurrenceProblem(NamedTuple):
    """Everything about a stack of recurrent layers but its numbers."""

    cell: str
    """A key of `CELLS`."""
    hx: Shape
    """(layers · directions, B, U): the first states."""
    x: Shape
    """(Σ Bₜ, I): the inputs of all steps, one step after the other."""
    batch_sizes: Shape
    """Bₜ: how many sequences reach step t; they are sorted so that these are the first ones. Falling, at most B."""
    directions: int
    """1, or 2: then a layer has a second part that reads from the end."""
    dtype: Any
    """The host's dtype object; all arrays share it."""
    dropout: bool = False
    """There are masks between the layers."""
    recording: bool = False
    """`backward` may follow."""


class LayerWeights(NamedTuple):
    """The parameters of one layer in one direction: one matrix for each gate and side."""

    matrices: tuple[Array, ...]
    """G of shape (U, I), or (U, directions · U) above the first layer; then G of shape (U, U), for the states."""
    biases: tuple[Array, ...]
    """2G of shape (U,)."""


class Gradients(NamedTuple):
    """What `Recurrence.backward` returns."""

    x: Array
    hx: Array
    cx: Array | None
    weights: tuple[LayerWeights, ...]


class Step(NamedTuple):
    """One step of one layer in one direction: what backward needs of it."""

    rows: slice
    """Its place among the rows of all steps."""
    h: Array
    """(Bₜ, U): the states before."""
    c: Array | None
    kept: Any
    """The cell's own."""


class Run(NamedTuple):
    """A layer's way through time, in one direction."""

    x: Array
    Wx: Array
    """(G · U, …)."""
    Wh: Array
    """(G · U, U)."""
    steps: list[Step]
    """In the order in which they were taken."""


class Cell:
    """What one step does: h′, c′ from zx = Wx x + bx and zh = Wh h, both (n, G · U)."""

    gates: int
    order: Shape
    """In zx and zh, the gates as the parameters number them."""
    memory: bool = False
    """There is a c beside h."""
    joined: bool = True
    """Only zx + zh matters, so that both biases may go into zx."""

    def step(
        self, backend: Backend, zx: Array, zh: Array, h: Array, c: Array | None
    ) -> tuple[Array, Array | None, Any]:
        """Return h′, c′ and what `backward` wants kept. zx and zh are nobody else's: they may be written over."""
        raise NotImplementedError

    def backward(
        self, backend: Backend, step: Step, gh: Array, gc: Array | None, gzx: Array, gzh: Array
    ) -> tuple[Array | None, Array | None]:
        """Return the gradients of h, past the gates (None for zero), and of c, from those of h′ and c′.

        Args:
            backend: Whose arrays these are.
            step: What `step` was given and has kept.
            gh: (n, U).
            gc: Likewise, for cells that have a memory.
            gzx: (Σ Bₜ, G · U): here the step's rows are to be filled with the gradients of zx,
            gzh: and here with those of zh. One array where the cell joins both.
        """
        raise NotImplementedError


class LSTMCell(Cell):
    """c′ = σ(z_f) c + σ(zᵢ) tanh(zₐ), h′ = σ(zₒ) tanh(c′), for parameters in the order i, f, a, o."""

    gates = 4
    order = (0, 1, 3, 2)  # i, f, o, a: one σ of three gates, which lie together, instead of three
    memory = True

    def step(
        self, backend: Backend, zx: Array, zh: Array, h: Array, c: Array | None
    ) -> tuple[Array, Array | None, Any]:
        assert c is not None
        z, sigmoids = zx + zh, 3 * h.shape[1]
        i, f, o = split(sigmoid(backend, z[:, :sigmoids]), 3)
        c, h, gates = pass_gates(backend, ((backend.xp.tanh(z[:, sigmoids:]), i),), (f,), o, (c,))
        return h, c, gates

    def backward(
        self, backend: Backend, step: Step, gh: Array, gc: Array | None, gzx: Array, gzh: Array
    ) -> tuple[Array | None, Array | None]:
        assert step.c is not None
        made = run_gates_backward(backend, step.kept, (step.c,), gc, gh)
        (ga, gi), (gf,) = made.inputs[0], made.forgets
        fill(gzx, step.rows, (gi, gf, made.output, ga))
        return None, made.cells[0]


class GRUCell(Cell):
    """h′ = (1 − z) a + z h with r, z = σ(zx + zh) and a = tanh(zx + r zh), for z in the order r, z, a."""

    gates = 3
    order = (0, 1, 2)
    joined = False

    def step(
        self, backend: Backend, zx: Array, zh: Array, h: Array, c: Array | None
    ) -> tuple[Array, Array | None, Any]:
        sigmoids = 2 * h.shape[1]
        r, z = split(sigmoid(backend, zx[:, :sigmoids] + zh[:, :sigmoids]), 2)
        ha = zh[:, sigmoids:]
        a = backend.xp.tanh(zx[:, sigmoids:] + r * ha)
        return a + z * (h - a), None, (r, z, a, ha)

    def backward(
        self, backend: Backend, step: Step, gh: Array, gc: Array | None, gzx: Array, gzh: Array
    ) -> tuple[Array | None, Array | None]:
        r, z, a, ha = step.kept
        through = gh * z
        ga = tanh_grad(backend, a, gh - through)
        gz = sigmoid_grad(backend, z, gh * (step.h - a))
        gr = sigmoid_grad(backend, r, ga * ha)
        fill(gzx, step.rows, (gr, gz, ga))
        fill(gzh, step.rows, (gr, gz, ga * r))
        return through, None


class ElmanCell(Cell):
    """h′ = activation(zx + zh)."""

    gates = 1
    order = (0,)

    def __init__(self, function: Activation) -> None:
        self.activation = function

    def step(
        self, backend: Backend, zx: Array, zh: Array, h: Array, c: Array | None
    ) -> tuple[Array, Array | None, Any]:
        zx += zh
        y = self.activation.apply(backend, zx)
        return y, None, y

    def backward(
        self, backend: Backend, step: Step, gh: Array, gc: Array | None, gzx: Array, gzh: Array
    ) -> tuple[Array | None, Array | None]:
        fill(gzx, step.rows, (self.activation.backpropagate(backend, step.kept, gh),))
        return None, None


CELLS: Final[Mapping[str, Cell]] = {
    "lstm": LSTMCell(),
    "gru": GRUCell(),
    "tanh": ElmanCell(activation.TANH),
    "relu": ElmanCell(activation.RELU),
}


def split(z: Any, count: int) -> list[Any]:
    """Return ``count`` equal pieces of the second axis."""
    size = z.shape[1] // count
    return [z[:, start : start + size] for start in range(0, count * size, size)]


def fill(whole: Array, rows: slice, pieces: tuple[Array, ...]) -> None:
    """Write pieces of one size beside each other: to join gates, and then steps, would copy 20 MB twice."""
    for place, piece in enumerate(pieces):
        whole[rows, place * piece.shape[1] : (place + 1) * piece.shape[1]] = piece


class Recurrence(Family[RecurrenceProblem]):
    """Layers of one cell, each fed by the one below, over a batch of sequences.

    Portable definition: what inputs feed to the gates is one matrix product over all steps, and so are the gradients
    of the parameters; only the product with the states is in the loop over time. An override may have other cells.
    """

    def __init__(self, backend: Backend, problem: RecurrenceProblem) -> None:
        super().__init__(backend, problem)
        self.cell = CELLS[problem.cell]

    def scratch(self, slot: str, shape: Shape, like: Array) -> Array:
        """Return room for numbers that are done with before the same slot is asked for again."""
        return self.backend.xp.empty(shape, dtype=like.dtype, device=like.device)

    def as_factor(self, matrix: Array, transposed: bool) -> Any:
        """Return a dense matrix, or its transpose, as `times` takes it: the rows of every step are multiplied by it."""
        if not transposed:
            return matrix
        xp = self.backend.xp
        dense = xp.empty(matrix.shape[::-1], dtype=matrix.dtype, device=matrix.device)
        dense[...] = xp.matrix_transpose(matrix)  # (100, 128) times it takes 0.24 ms, times a transposed view 0.30
        return dense

    def times(self, rows: Array, factor: Any) -> Array:
        """Return the product of a step's rows and what `as_factor` made of a matrix."""
        return product(self.backend, rows, factor)

    def forward(
        self,
        x: Array,
        hx: Array,
        cx: Array | None,
        weights: tuple[LayerWeights, ...],
        masks: tuple[Array, ...],
    ) -> tuple[Array, Array, Array | None, Any]:
        """Return y (Σ Bₜ, directions · U), the last states, the last cells (or None), and what is kept.

        Args:
            x: (Σ Bₜ, I).
            hx: (layers · directions, B, U).
            cx: Likewise, for cells that have a memory.
            weights: One for each layer and direction.
            masks: What multiplies each layer's input above the first, where the Problem has dropout.
        """
        xp, directions = self.backend.xp, self.problem.directions
        runs, hy, cy, y = [], [], [], x
        for first in range(0, len(weights), directions):
            if masks and first:
                y = y * masks[first // directions - 1]
            outputs = []
            for number in range(first, first + directions):
                c0 = None if cx is None else cx[number, ...]
                out, h, c, run = self._run(y, hx[number, ...], c0, weights[number], number % directions == 1)
                outputs.append(out)
                hy.append(h)
                cy.append(c)
                runs.append(run)
            y = outputs[0] if directions == 1 else xp.concat(outputs, axis=1)
        return y, xp.stack(hy), None if cx is None else xp.stack(cy), runs if self.problem.recording else None

    def _run(
        self, x: Array, h0: Array, c0: Array | None, weights: LayerWeights, backwards: bool
    ) -> tuple[Array, Array, Array | None, Run]:
        """Return a layer's outputs, its last states and cells, and its way, in one direction."""
        backend, xp, cell, g = self.backend, self.backend.xp, self.cell, self.cell.gates
        Wx, Wh, bx, bh = (
            self._join([side[start + gate] for gate in cell.order]) for side in weights for start in (0, g)
        )
        zx = product(backend, x, xp.matrix_transpose(Wx))
        zx += bx + bh if cell.joined else bx  # in place: 38 ms at (10000, 512) in float32; with a second array 72
        to_gates = self.as_factor(Wh, transposed=True)
        states = Sequences(h0, self._join)
        cells = None if c0 is None else Sequences(c0, self._join)
        y = xp.empty((x.shape[0], Wh.shape[1]), dtype=x.dtype, device=x.device)
        steps = []
        for rows in walk(self.problem.batch_sizes, backwards):
            n = rows.stop - rows.start
            h, c = states.first(n), None if cells is None else cells.first(n)
            zh = self.times(h, to_gates)
            y[rows, :], c_next, kept = cell.step(backend, zx[rows, :], zh if cell.joined else zh + bh, h, c)
            states.active = y[rows, :]
            if cells is not None:
                cells.active = c_next
            if self.problem.recording:
                steps.append(Step(rows, h, c, kept))
        return y, states.all(), None if cells is None else cells.all(), Run(x, Wx, Wh, steps)

    def backward(self, kept: Any, masks: tuple[Array, ...], gy: Array, ghy: Array, gcy: Array | None) -> Gradients:
        """Return the gradients of everything, from those of y, the last states and the last cells."""
        xp, directions, runs = self.backend.xp, self.problem.directions, kept
        ghx, gcx, weights = (list[Any]([None] * len(runs)) for _ in range(3))
        for first in reversed(range(0, len(runs), directions)):
            shares = split(gy, directions)
            below = []
            for number in range(first, first + directions):
                gc = None if gcy is None else gcy[number, ...]
                gx, ghx[number], gcx[number], weights[number] = self._run_backward(
                    runs[number], shares[number % directions], ghy[number, ...], gc
                )
                below.append(gx)
            gy = below[0] if directions == 1 else below[0] + below[1]
            if masks and first:
                gy = gy * masks[first // directions - 1]
        return Gradients(gy, xp.stack(ghx), None if gcy is None else xp.stack(gcx), tuple(weights))

    def _run_backward(
        self, run: Run, gy: Array, ghy: Array, gcy: Array | None
    ) -> tuple[Array, Array, Array | None, LayerWeights]:
        """Return the gradients of a layer's inputs, first states, first cells and parameters, in one direction."""
        backend, cell, (rows, units) = self.backend, self.cell, gy.shape
        gzx = self.scratch("gzx", (rows, cell.gates * units), gy)
        gzh = gzx if cell.joined else self.scratch("gzh", (rows, cell.gates * units), gy)
        h = self.scratch("h", (rows, units), gy)
        states = Sequences(ghy, self._join)
        cells = None if gcy is None else Sequences(gcy, self._join)
        to_states = self.as_factor(run.Wh, transposed=False)
        for step in reversed(run.steps):
            n = step.rows.stop - step.rows.start
            gh, gc = states.first(n) + gy[step.rows, :], None if cells is None else cells.first(n)
            h[step.rows, :] = step.h
            past_gates, gc = cell.backward(backend, step, gh, gc, gzx, gzh)
            through_gates = self.times(gzh[step.rows, :], to_states)
            states.active = through_gates if past_gates is None else past_gates + through_gates
            if cells is not None:
                cells.active = gc
        return (
            product(backend, gzx, run.Wx),
            states.all(),
            None if cells is None else cells.all(),
            self._parameter_gradients(run.x, h, gzx, gzh),
        )

    def _parameter_gradients(self, x: Array, h: Array, gzx: Array, gzh: Array) -> LayerWeights:
        """Return the gradients of a layer's parameters, from what was fed to its gates and the gates' gradients."""
        backend, xp, cell, units = self.backend, self.backend.xp, self.cell, h.shape[1]
        g, places = cell.gates, [cell.order.index(gate) for gate in range(cell.gates)]
        to_x = xp.reshape(product(backend, xp.matrix_transpose(gzx), x), (g, units, x.shape[1]))
        to_h = xp.reshape(product(backend, xp.matrix_transpose(gzh), h), (g, units, units))
        to_bx = xp.reshape(total(backend, gzx, 0), (g, units))
        to_bh = to_bx if gzh is gzx else xp.reshape(total(backend, gzh, 0), (g, units))
        return LayerWeights(
            tuple([side[place, ...] for side in (to_x, to_h) for place in places]),
            tuple([side[place, ...] for side in (to_bx, to_bh) for place in places]),
        )

    def _join(self, parts: list[Array]) -> Array:
        return parts[0] if len(parts) == 1 else self.backend.xp.concat(parts, axis=0)
