"""Stacks of recurrent layers over sequences of differing lengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import expit

import kusari.functions as F
from kusari.kernels.n_step_rnn import LayerWeights, Recurrence, RecurrenceProblem
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.draw import HostArray, normal, repeated

Gates = list[HostArray]
"""For one sequence and step: W x + b for each matrix and bias, those for x first."""


def _lstm(z: Gates, h: HostArray, c: HostArray) -> tuple[HostArray, HostArray]:
    i, f, o = (expit(z[at] + z[4 + at]) for at in (0, 1, 3))
    c = f * c + i * np.tanh(z[2] + z[6])
    return o * np.tanh(c), c


def _gru(z: Gates, h: HostArray, c: HostArray) -> tuple[HostArray, HostArray]:
    r, u = (expit(z[at] + z[3 + at]) for at in (0, 1))
    return (1 - u) * np.tanh(z[2] + r * z[5]) + u * h, c


def _tanh(z: Gates, h: HostArray, c: HostArray) -> tuple[HostArray, HostArray]:
    return np.tanh(z[0] + z[1]), c


def _relu(z: Gates, h: HostArray, c: HostArray) -> tuple[HostArray, HostArray]:
    return np.maximum(z[0] + z[1], 0), c


STEPS: Final[dict[str, tuple[int, Callable[..., tuple[HostArray, HostArray]]]]] = {
    "lstm": (4, _lstm),
    "gru": (3, _gru),
    "tanh": (1, _tanh),
    "relu": (1, _relu),
}
"""Cell -> how many gates it has, and one step of one sequence."""


@dataclass(frozen=True)
class Stack:
    """A stack of layers without its numbers."""

    cell: str
    label: str
    batch_sizes: Shape
    layers: int = 1
    directions: int = 1
    batch: int = 3
    units: int = 2
    size: int = 3
    dropout: bool = False

    @property
    def gates(self) -> int:
        """How many gates the cell has."""
        return STEPS[self.cell][0]

    @property
    def runs(self) -> int:
        """How many layers there are, counted in each direction."""
        return self.layers * self.directions

    @property
    def memory(self) -> bool:
        """There is a c beside h."""
        return self.cell == "lstm"

    @property
    def hx(self) -> Shape:
        """The shape of the states."""
        return (self.runs, self.batch, self.units)

    def matrices(self) -> list[Shape]:
        """Return the shapes of all matrices."""
        made: list[Shape] = []
        for run in range(self.runs):
            fed = self.size if run < self.directions else self.directions * self.units
            made += [(self.units, fed)] * self.gates + [(self.units, self.units)] * self.gates
        return made

    def biases(self) -> list[Shape]:
        """Return the shapes of all biases."""
        return [(self.units,)] * (2 * self.gates * self.runs)

    def masks(self) -> list[Shape]:
        """Return the shapes of the masks between layers."""
        shape = (sum(self.batch_sizes), self.directions * self.units)
        return [shape] * (self.layers - 1) if self.dropout else []

    def weights(self, matrices: Any, biases: Any) -> tuple[LayerWeights, ...]:
        """Return flat lists by layer and direction."""
        each = 2 * self.gates
        return tuple(
            LayerWeights(tuple(matrices[at : at + each]), tuple(biases[at : at + each]))
            for at in range(0, each * self.runs, each)
        )

    def problem(self, dtype: Any) -> RecurrenceProblem:
        """Return the family's Problem in a dtype of the host."""
        x = (sum(self.batch_sizes), self.size)
        return RecurrenceProblem(
            self.cell, self.hx, x, self.batch_sizes, self.directions, dtype, self.dropout, recording=True
        )

    # The oracle: one sequence after the other, step by step. -------------------------------------------------------

    def outputs(self, x: HostArray, states: list[HostArray], parameters: list[HostArray]) -> tuple[HostArray, ...]:
        """Return y, hy and, for cells with a memory, cy."""
        count = len(self.matrices())
        weights = self.weights(parameters[:count], parameters[count : 2 * count])
        masks = parameters[2 * count :]
        finals = [state.copy() for state in states]
        starts = np.cumsum([0, *self.batch_sizes])
        y = np.zeros((len(x), self.directions * self.units))
        for sequence in range(self.batch):
            rows = [starts[t] + sequence for t, size in enumerate(self.batch_sizes) if sequence < size]
            inputs = [x[row] for row in rows]
            for layer in range(self.layers):
                if layer and masks:
                    inputs = [one * masks[layer - 1][row] for one, row in zip(inputs, rows, strict=True)]
                sides = [
                    self._follow(inputs, [state[run, sequence] for state in finals], weights[run], run)
                    for run in range(layer * self.directions, (layer + 1) * self.directions)
                ]
                inputs = [np.concatenate(parts) for parts in zip(*sides, strict=True)]
            for row, one in zip(rows, inputs, strict=True):
                y[row] = one
        return (y, *finals)

    def _follow(
        self, inputs: list[HostArray], states: list[HostArray], weights: LayerWeights, run: int
    ) -> list[HostArray]:
        """Return a layer's outputs for one sequence; ``states`` are views and are moved on to the last ones."""
        back = run % self.directions == 1
        h, c, g = states[0], states[-1], self.gates
        made = []
        for x in reversed(inputs) if back else inputs:
            z = [W @ (x if at < g else h) + b for at, (W, b) in enumerate(zip(*weights, strict=True))]
            new_h, new_c = STEPS[self.cell][1](z, h.copy(), c.copy())
            if self.memory:
                c[:] = new_c
            h[:] = new_h
            made.append(new_h)
        return made[::-1] if back else made

    def gradients(self, *arrays: HostArray) -> tuple[HostArray, ...]:
        """Return the gradients of everything but masks, by central differences."""
        states = 1 + self.memory
        masks = len(self.masks())
        *inputs, gy, ghy = arrays[: len(arrays) - self.memory]
        grads = [gy, ghy, *arrays[len(arrays) - self.memory :]]

        def loss() -> float:
            made = self.outputs(inputs[0], inputs[1 : 1 + states], inputs[1 + states :])
            return float(sum(np.sum(g * y) for g, y in zip(grads, made, strict=True)))

        found = []
        for array in inputs[: len(inputs) - masks]:
            gradient = np.zeros(array.shape)
            for place in np.ndindex(array.shape):
                held = array[place]
                ends = []
                for sign in (1, -1):
                    array[place] = held + sign * 1e-4
                    ends.append(loss())
                array[place] = held
                gradient[place] = (ends[0] - ends[1]) / 2e-4
            found.append(gradient)
        return tuple(found)

    # The cases. ----------------------------------------------------------------------------------------------------

    def kernels(self) -> list[FamilyCase]:
        """Return the cases of the family."""
        states = 1 + self.memory
        parameters = [*self.matrices(), *self.biases()]
        y = (sum(self.batch_sizes), self.directions * self.units)
        inputs = (
            Input((y[0], self.size)),
            *(Input(shape) for shape in [self.hx] * states + parameters),
            *(Input(shape, repeated(2.0, 0.0, 2.0)) for shape in self.masks()),
        )

        def forward(plan: Recurrence, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
            x, hx, *rest = arrays
            cx = rest.pop(0) if self.memory else None
            count = len(self.matrices())
            weights, masks = self.weights(rest[:count], rest[count : 2 * count]), tuple(rest[2 * count :])
            return (*plan.forward(x, hx, cx, weights, masks), masks)

        def use_forward(plan: Recurrence, *arrays: Any) -> tuple[Any, ...]:
            y, hy, cy, _, _ = forward(plan, arrays)
            return (y, hy, cy) if self.memory else (y, hy)

        def use_backward(plan: Recurrence, *arrays: Any) -> tuple[Any, ...]:
            count = len(inputs)
            *_, kept, masks = forward(plan, arrays[:count])
            gy, ghy, *gcy = arrays[count:]
            made = plan.backward(kept, masks, gy, ghy, gcy[0] if gcy else None)
            sides = [p for side in range(2) for layer in made.weights for p in layer[side]]
            return (made.x, made.hx, *([made.cx] if self.memory else []), *sides)

        common: dict[str, Any] = {
            "target": Recurrence,
            "label": f"{self.cell}-{self.label}",
            "problem": self.problem,
            "tolerance": {"float64": 1e-7, "float32": 5e-5, "float16": 2e-2, "bfloat16": 1.5e-1},
        }
        return [
            FamilyCase(
                **common,
                step="forward",
                inputs=inputs,
                oracle=lambda x, *rest: self.outputs(x, list(rest[:states]), list(rest[states:])),
                use=use_forward,
                parameters=tuple(range(1 + states, 1 + states + len(parameters))),
            ),
            FamilyCase(
                **common,
                step="backward",
                inputs=(*inputs, Input(y), *[Input(self.hx)] * states),
                oracle=self.gradients,
                use=use_backward,
                quick=self.label == "batch",
            ),
        ]

    def function(self) -> FunctionCase:
        """Return the case of the function: hx, cx, matrices, biases, xs in; hy, cy, ys out."""
        name = "rnn" if self.cell in ("tanh", "relu") else self.cell
        public = getattr(F, f"n_step_{'bi' if self.directions == 2 else ''}{name}")
        keywords = {"activation": self.cell} if name == "rnn" else {}
        states, count = 1 + self.memory, len(self.matrices())
        cuts = np.cumsum(self.batch_sizes)[:-1]

        def call(*arrays: Any) -> tuple[Any, ...]:
            weights = self.weights(arrays[states : states + count], arrays[states + count : states + 2 * count])
            ws, bs = ([layer[side] for layer in weights] for side in range(2))
            made = public(self.layers, 0.0, *arrays[:states], ws, bs, arrays[states + 2 * count :], **keywords)
            return (*made[:-1], *made[-1])

        def oracle(*arrays: HostArray) -> tuple[HostArray, ...]:
            x, rest = np.concatenate(arrays[states + 2 * count :]), list(arrays[: states + 2 * count])
            y, *finals = self.outputs(x, rest[:states], rest[states:])
            return (*finals, *np.split(y, cuts))

        call.__name__ = public.__name__
        shapes = [*[self.hx] * states, *self.matrices(), *self.biases()]
        return FunctionCase(
            target=call,
            label=f"{self.cell}-{self.label}",
            inputs=tuple(Input(shape, normal) for shape in [*shapes, *((n, self.size) for n in self.batch_sizes)]),
            oracle=oracle,
            tolerance={"float64": 1e-11, "float32": 5e-5, "float16": 2e-2, "bfloat16": 1.5e-1},
            quick=self.label == "batch",
        )


STACKS: Final = (
    *(Stack(cell, "batch", (3, 2, 2), units=1, size=2) for cell in STEPS),
    *(Stack(cell, "both-ways", (2, 1), directions=2, units=2, size=1) for cell in STEPS),
    Stack("lstm", "two-layers", (2, 2, 1), layers=2, batch=2, size=1),
    Stack("gru", "two-layers-both-ways", (2, 1), layers=2, directions=2, batch=2, size=1),
    Stack("lstm", "one-step", (2,), batch=2, size=1),
    Stack("gru", "ended-before", (1, 1), batch=3, size=1),
    Stack("tanh", "nothing-left", (2, 1, 0), directions=2, size=1),
    Stack("tanh", "dropout", (3, 2), layers=3, directions=2, units=1, size=1, dropout=True),
)
KERNELS: Final[tuple[FamilyCase, ...]] = tuple(case for stack in STACKS for case in stack.kernels())
FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(stack.function() for stack in STACKS if not stack.dropout)
