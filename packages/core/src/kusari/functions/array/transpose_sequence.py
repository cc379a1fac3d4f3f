"""Sequences that lie one by one, turned into steps that lie one by one, and back."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect
from kusari.autograd.variable import VariableLike
from kusari.functions.array.sequences import all_gradients, expect_same_dtype, inputs_of
from kusari.functions.array.taking import places_on


class TransposeSequence(FunctionNode):
    """y[t][i] = x[i][t], for the i whose sequence is longer than t."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_same_dtype(in_types)
        for index, info in enumerate(in_types):
            expect(info.ndim > 0)
            expect(info.shape[1:] == in_types[0].shape[1:])
            if index:
                expect(in_types[index - 1].shape[0] >= info.shape[0])

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        xp, lengths = self.backend.xp, [x.shape[0] for x in inputs]
        starts = list(accumulate(lengths, initial=0))
        counts = [sum(1 for length in lengths if length > step) for step in range(lengths[0])]
        # One gather from all rows, however many sequences and steps there are.
        places = [starts[index] + step for step, count in enumerate(counts) for index in range(count)]
        rows = xp.take(xp.concat(list(inputs), axis=0), places_on(self.backend, inputs[0], places), axis=0)
        steps = [rows[start:stop, ...] for start, stop in pairwise(accumulate(counts, initial=0))]
        self.shapes = [step.shape for step in steps]
        return tuple(steps)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]
    ) -> tuple[Variable | None, ...]:
        gradients = TransposeSequence().apply(tuple(all_gradients(self, grad_outputs, self.shapes)))
        # A sequence without any step is in no output: its gradient is empty.
        return tuple([gradients[index] if index < len(gradients) else None for index in indexes])


def transpose_sequence(xs: Iterable[VariableLike]) -> tuple[Variable, ...]:
    """Turn a batch of sequences into a sequence of batches, or back.

    y[t] holds x[0][t], x[1][t], … as far as there are sequences longer than t: (B_t, …).

    Args:
        xs: Sequences (Tᵢ, …), the longest first, of one dtype, whose further axes are alike.

    Returns:
        As many Variables as the longest sequence has steps.

    Raises:
        InvalidType: Lengths that rise, or different dtypes or further axes.
        TypeError: One array instead of a sequence of them.

    >>> [y.array.tolist() for y in transpose_sequence([np.asarray([1.0, 2.0]), np.asarray([3.0])])]
    [[1.0, 3.0], [2.0]]
    """
    xs = xs if hasattr(xs, "shape") else tuple(xs)
    if not hasattr(xs, "shape") and (not xs or not any(x.ndim and x.shape[0] for x in xs)):
        return ()
    return TransposeSequence().apply(inputs_of("TransposeSequence", xs))
