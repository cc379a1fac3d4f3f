"""Batching sequences of different lengths by padding."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect
from kusari.autograd.variable import VariableLike
from kusari.functions.array.sequences import all_gradients, expect_same_dtype, inputs_of
from kusari.functions.array.taking import places_on


class PadSequence(FunctionNode):
    """y[i] = xs[i], then the padding."""

    def __init__(self, length: int | None, padding: Any) -> None:
        self.length = length
        self.padding = padding

    def check_type_forward(self, in_types: Any) -> None:
        expect_same_dtype(in_types)
        for info in in_types:
            expect(info.ndim > 0)
            expect(info.shape[1:] == in_types[0].shape[1:])
            if self.length is not None:
                expect(info.shape[0] <= self.length)

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        xp, first = self.backend.xp, inputs[0]
        self.lengths = [x.shape[0] for x in inputs]
        width = max(self.lengths) if self.length is None else self.length
        blank = xp.full((1, *first.shape[1:]), self.padding, dtype=first.dtype, device=first.device)
        # One gather from all rows and a blank one, however many sequences there are.
        total, starts = sum(self.lengths), accumulate(self.lengths, initial=0)
        places: list[int] = []
        for start, length in zip(starts, self.lengths, strict=False):
            places += [*range(start, start + length), *[total] * (width - length)]
        rows = xp.take(xp.concat([*inputs, blank], axis=0), places_on(self.backend, first, places), axis=0)
        return (xp.reshape(rows, (len(inputs), width, *first.shape[1:])),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        gradients = PadSequenceGrad(self.lengths).apply(grad_outputs)
        return tuple([gradients[index] for index in indexes])


class PadSequenceGrad(FunctionNode):
    """The sequences in gy, without what was padded."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def forward(self, inputs: tuple[Any]) -> tuple[Any, ...]:
        (gy,) = inputs
        pieces = tuple([gy[index, :length, ...] for index, length in enumerate(self.lengths)])
        self.shapes = [piece.shape for piece in pieces]
        return pieces

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]) -> tuple[Variable]:
        gradients = all_gradients(self, grad_outputs, self.shapes)
        return (PadSequence(self.inputs[0].shape[1], 0).apply(tuple(gradients))[0],)


def pad_sequence(xs: Iterable[VariableLike], length: int | None = None, padding: float = 0) -> Variable:
    """Batch sequences of different lengths by padding them to one.

    Args:
        xs: Sequences (Tᵢ, …) of one dtype, whose further axes are alike.
        length: T, to pad to; None: the longest one's.
        padding: The number that fills up.

    Returns:
        (B, T, …).

    Raises:
        InvalidType: No sequence, different dtypes or further axes, or a sequence longer than ``length``.
        TypeError: One array instead of a sequence of them.

    >>> pad_sequence([np.asarray([1.0, 2.0]), np.asarray([3.0])], padding=-1).array
    array([[ 1.,  2.],
           [ 3., -1.]])
    """
    return PadSequence(length, padding).apply(inputs_of("PadSequence", xs))[0]
