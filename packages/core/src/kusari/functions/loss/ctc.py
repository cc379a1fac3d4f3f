"""Connectionist temporal classification loss."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Final

from kusari import dtypes
from kusari.autograd import Variable, as_variable
from kusari.autograd.indexing import get_item
from kusari.autograd.shaping import broadcast_to, cast, reshape
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.errors import InvalidType
from kusari.functions.activation.log_softmax import log_softmax
from kusari.functions.array.concat import concat
from kusari.functions.array.stack import stack
from kusari.functions.array.where import where
from kusari.functions.fused import FusedNode
from kusari.functions.loss.labels import may_read, refuse_out_of_range
from kusari.functions.loss.reduction import check_reduce, reduced
from kusari.functions.math.logsumexp import logsumexp
from kusari.kernels import ctc as kernels
from kusari.types import Array

_NAME: Final = "connectionist_temporal_classification"


class ConnectionistTemporalClassification(FusedNode):
    """−log of the probability of the labels, per sequence; of x (T, B, V) and t (B, M) and both their lengths (B,)."""

    def __init__(self, blank_symbol: int) -> None:
        self.blank_symbol = blank_symbol

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 4)
        x, t, input_length, label_length = in_types
        expect_floating((x,), names=("x",))
        expect(t.dtype.kind == "i", input_length.dtype.kind == "i", label_length.dtype.kind == "i")
        expect(x.ndim == 3, t.ndim == 2, x.shape[1] == t.shape[0])
        expect(input_length.ndim == 1, input_length.shape[0] == x.shape[1])
        expect(label_length.ndim == 1, label_length.shape[0] == x.shape[1])

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, t, input_length, label_length = inputs
        problem = kernels.CTCProblem(x.shape, t.shape[1], self.blank_symbol, self.backend.host_dtype(x.dtype))
        self.plan = kernels.CTC.plan(self.backend, problem)
        if may_read(self.backend):
            self._refuse_out_of_range(*inputs)
        self.retain_inputs((0, 1, 2, 3))
        loss, self.kept = self.plan.forward(x, t, input_length, label_length)
        return (loss,)

    def _refuse_out_of_range(self, x: Array, t: Array, input_length: Array, label_length: Array) -> None:
        xp, (frames, _, classes) = self.backend.xp, x.shape
        refuse_out_of_range(f"{_NAME}(): input_length", self.backend, input_length, frames + 1)
        refuse_out_of_range(f"{_NAME}(): label_length", self.backend, label_length, t.shape[1] + 1)
        counts = xp.arange(t.shape[1], device=t.device) < xp.expand_dims(label_length, axis=1)
        refuse_out_of_range(f"{_NAME}(): t", self.backend, xp.where(counts, t, 0), classes)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        if 0 not in indexes:
            return (None,) * len(indexes)
        if current_state().enable_backprop:
            (gx,) = self.backward_through_chain((0,), self.get_retained_inputs(), grad_outputs)
        else:
            gx = constant(self.plan.grad_input(self.kept, grad_outputs[0].array), self.device)
        return tuple([None if index else gx for index in indexes])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the loss as sums of exponentials, frame by frame, from the last one back."""
        x, (t, input_length, label_length) = inputs[0], (one.array for one in inputs[1:])
        xp, frames = self.backend.xp, x.shape[0]
        route = self.plan.route(t, input_length, label_length, x.array)
        instead, over, counts = (constant(one, self.device) for one in (route.instead, route.over, route.counts))
        log_p = log_softmax(x, axis=2)
        picked = get_item(reshape(log_p, (frames, -1)), (slice(None), self.plan.numbers(route.symbol)))
        label = concat([where(counts, picked, instead[:, 1:-1, :]), instead[:, -1:, :]], axis=1)
        never = constant(xp.full_like(route.end, kernels.LOG_ZERO), self.device)
        blank = where(constant(route.frame, self.device), log_p[:, :, self.blank_symbol], never[:1, :])
        at_label, at_blank = constant(route.end, self.device), never
        for frame in reversed(range(frames)):
            onward = _log_add(at_blank, at_label)
            entering = where(over[1:, :], onward[1:, :], at_blank[1:, :])
            moved = _log_add(at_label[:-1, :], entering)
            at_label = concat([moved, at_label[-1:, :]], axis=0) + label[frame]
            at_blank = onward + broadcast_to(blank[frame], onward.shape)
        total = _log_add(at_label[0], at_blank[0])
        none = constant(total.array < kernels.LOG_ZERO / 2, self.device)
        return (where(none, constant(xp.full_like(total.array, xp.inf), self.device), -total),)


def _log_add(x: Variable, y: Variable) -> Variable:
    return logsumexp(stack([x, y]), axis=0)


def connectionist_temporal_classification(
    x: Sequence[VariableLike],
    t: VariableLike,
    blank_symbol: int,
    input_length: VariableLike | None = None,
    label_length: VariableLike | None = None,
    reduce: str = "mean",
) -> Variable:
    """Compute the loss of connectionist temporal classification: labels without their places in time.

    −log Σ p(path) over all paths of one symbol per frame that give the labels when repetitions are merged and blanks
    are then left out; p(path) is the product of the softmax of scores.

    Args:
        x: A list or tuple with an array (B, V) for each frame, floating: scores of symbols.
        t: (B, M), integers from 0 to V − 1, other than the blank; beyond a sequence's length anything.
        blank_symbol: The symbol, from 0 to V − 1, that stands for no label.
        input_length: (B,), integers: how many frames of each sequence count; None: all.
        label_length: (B,), integers: how many labels of each sequence count; None: all.
        reduce: ``mean`` over sequences, or ``no``.

    Returns:
        0-d, or (B,) for ``reduce="no"``. A sequence whose labels need more frames than it has (one for each, and one
        between equal neighbours) has the loss ∞ and no gradient.

    Raises:
        ValueError: Another ``reduce``, no frames; on the host, or in debug mode, labels or lengths out of range.
        TypeError: ``x`` is no list or tuple, or ``blank_symbol`` no integer.
        InvalidType: Ranks, lengths or dtypes that do not fit.

    Source: Graves, Fernández, Gomez, Schmidhuber, 2006, Connectionist temporal classification.

    >>> frames = [np.log(np.asarray([[0.2, 0.8]])), np.log(np.asarray([[0.5, 0.5]]))]
    >>> loss = connectionist_temporal_classification(frames, np.asarray([[1]]), blank_symbol=0)
    >>> float(np.exp(-loss.array).round(4))  # 1 − 0.2 · 0.5: some frame has the label
    0.9
    """
    check_reduce(_NAME, reduce, ("mean", "no"))
    if not isinstance(x, list | tuple):
        raise TypeError(f"{_NAME}(): x is {type(x).__name__}, expected a list or tuple")
    if not x:
        raise ValueError(f"{_NAME}(): x has no frames; expected one at least")
    scores, t = stack(x), as_variable(t)
    if scores.ndim != 3 or t.ndim != 2:
        raise InvalidType("x of arrays (B, V), and t (B, M)", f"{scores.shape[1:]} and {t.shape}")
    input_length = _lengths(input_length, scores.shape[0], scores)
    label_length = _lengths(label_length, t.shape[1], scores)
    # A product of probabilities is soon out of the range of 16 bits.
    wide = cast(scores, "float32") if dtypes.is_floating(scores.dtype) and scores.dtype.itemsize < 4 else scores
    node = ConnectionistTemporalClassification(_symbol(blank_symbol, scores.shape[2]))
    loss = node.apply((wide, t, input_length, label_length))[0]
    return cast(reduced(loss, reduce), scores.dtype)


def _symbol(blank_symbol: int, classes: int) -> int:
    try:
        symbol = operator.index(blank_symbol)
    except TypeError:
        raise TypeError(f"{_NAME}(blank_symbol={blank_symbol!r}): expected an integer") from None
    if not 0 <= symbol < classes:
        raise ValueError(f"{_NAME}(blank_symbol={blank_symbol}): expected 0 to {classes - 1}, one of the symbols")
    return symbol


def _lengths(given: VariableLike | None, longest: int, like: Variable) -> Variable:
    """Return lengths (B,) as they were given, or the longest for all."""
    if given is not None:
        return as_variable(given)
    xp, device = like.xp, like.device
    return constant(xp.full((like.shape[1],), longest, dtype=xp.int32, device=device.native), device)
