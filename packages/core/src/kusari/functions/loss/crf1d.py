"""Linear-chain conditional random field."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from kusari import dtypes
from kusari.autograd import Variable, as_variable
from kusari.autograd.indexing import get_item
from kusari.autograd.shaping import broadcast_to, cast, reshape
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.errors import InvalidType
from kusari.functions.array.concat import concat
from kusari.functions.array.scatter_add import scatter_add
from kusari.functions.array.select_item import select_item
from kusari.functions.fused import FusedNode
from kusari.functions.loss.labels import may_read, refuse_out_of_range
from kusari.functions.loss.reduction import check_reduce, reduced
from kusari.functions.math.logsumexp import logsumexp
from kusari.kernels import crf as kernels
from kusari.types import Array, Shape


class CRF1d(FusedNode):
    """log Σ e^score(y′) − score(y), per sequence; of cost (K, K), x (ΣBₜ, K) and y (ΣBₜ,)."""

    def __init__(self, sizes: Shape) -> None:
        self.sizes = sizes

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 3)
        cost, x, y = in_types
        expect_floating((cost, x), names=("cost", "xs"))
        expect(cost.dtype == x.dtype, y.dtype.kind == "i")
        expect(x.ndim == 2, y.ndim == 1, x.shape[0] == y.shape[0])
        expect(cost.ndim == 2, cost.shape[0] == x.shape[1], cost.shape[1] == x.shape[1])

    def forward(self, inputs: tuple[Any, Any, Any]) -> tuple[Any]:
        cost, x, y = inputs
        problem = kernels.CRFProblem(self.sizes, x.shape[1], self.backend.host_dtype(x.dtype))
        self.plan = kernels.LinearChainCRF.plan(self.backend, problem)
        if may_read(self.backend):
            refuse_out_of_range("crf1d(): labels", self.backend, y, x.shape[1])
        self.retain_inputs((0, 1, 2))
        loss, self.kept = self.plan.forward(cost, x, y)
        return (loss,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        wanted = tuple([index for index in indexes if index < 2])
        inputs = self.get_retained_inputs()
        if current_state().enable_backprop:
            made = dict(zip(wanted, self.backward_through_chain(wanted, inputs, grad_outputs), strict=True))
        else:
            cost, x, y = (one.array for one in inputs)
            found = self.plan.backward(self.kept, cost, x, y, grad_outputs[0].array, (0 in wanted, 1 in wanted))
            made = {index: constant(found[index], self.device) for index in wanted}
        return tuple([made.get(index) for index in indexes])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the loss as sums of exponentials, time by time."""
        cost, x, y = inputs
        passed: list[Variable] = []
        for scores in self.plan.split(x):
            if passed:
                before = passed[-1][: scores.shape[0]]
                ways = broadcast_to(reshape(before, (*before.shape, 1)), (*before.shape, before.shape[1])) + cost
                scores = logsumexp(ways, axis=1) + scores
            passed.append(scores)
        total = logsumexp(concat(self.plan.ends(passed), axis=0), axis=1)
        return (total - score_of(self.plan, cost, x, y.array),)


def score_of(plan: kernels.LinearChainCRF, cost: Variable, x: Variable, y: Array) -> Variable:
    """Return Σₜ xₜ[yₜ] + Σₜ cost[yₜ₋₁, yₜ] for each sequence (B,)."""
    sequence, batch = plan.sequence(y), plan.problem.sizes[0]
    own = select_item(x, constant(y, x.device))
    moves = get_item(reshape(cost, (-1,)), plan.pairs(y))
    where = x.xp.concat((sequence, sequence[batch:]), axis=0)
    zeros = constant(x.xp.zeros((batch,), dtype=x.array.dtype, device=x.device.native), x.device)
    return scatter_add(zeros, where, concat([own, moves], axis=0))


def crf1d(cost: VariableLike, xs: Sequence[VariableLike], ys: Sequence[VariableLike], reduce: str = "mean") -> Variable:
    """Compute the loss of a linear-chain conditional random field: how likely labels are, given scores.

    −log p(y | x) = log Σ e^score(y′) − score(y), with score(y) = Σₜ xₜ[yₜ] + Σₜ cost[yₜ₋₁, yₜ]; the sum is over all
    sequences of labels y′.

    Args:
        cost: (K, K), floating: the score of label j following label i, at [i, j].
        xs: An array (Bₜ, K) for each time: scores of labels. The sequences are sorted by falling length, so that
            Bₜ never grows; see `transpose_sequence`.
        ys: An array (Bₜ,) for each time, integers from 0 to K − 1: labels.
        reduce: ``mean`` over sequences, or ``no``.

    Returns:
        0-d, or (B₀,) for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce``, no times, or not as many ``xs`` as ``ys``; on the host, or in debug mode, a
            label out of range.
        InvalidType: Ranks, lengths or dtypes that do not fit.

    Source: Lafferty, McCallum, Pereira, 2001, Conditional random fields.

    >>> cost, xs = np.zeros((2, 2)), [np.log(np.asarray([[0.25, 0.75]])), np.log(np.asarray([[0.5, 0.5]]))]
    >>> float(np.exp(-crf1d(cost, xs, [np.asarray([1]), np.asarray([0])]).array).round(4))
    0.375
    """
    check_reduce("crf1d", reduce, ("mean", "no"))
    cost, x, sizes = _joined("crf1d", cost, xs)
    labels = [as_variable(y) for y in ys]
    if [y.shape for y in labels] != [(size,) for size in sizes]:
        raise InvalidType(f"ys of lengths {sizes}, one for each of xs", f"shapes {[y.shape for y in labels]}")
    y = concat(labels, axis=0)
    loss = CRF1d(sizes).apply((_wide(cost), _wide(x), y))[0]
    return cast(reduced(loss, reduce), x.dtype)


def argmax_crf1d(cost: VariableLike, xs: Sequence[VariableLike]) -> tuple[Variable, list[Array]]:
    """Find the most likely labels under a linear-chain conditional random field, by Viterbi's algorithm.

    Args:
        cost: (K, K), floating: as in `crf1d`.
        xs: An array (Bₜ, K) for each time: as in `crf1d`.

    Returns:
        The scores of the best labels (B₀,), differentiable with the labels held, and the labels: for each time an
        int32 array (Bₜ,).

    Raises:
        ValueError: No times.
        InvalidType: Ranks, lengths or dtypes that do not fit.

    Source: Viterbi, 1967, Error bounds for convolutional codes.

    >>> cost, xs = np.asarray([[0.0, -9.0], [-9.0, 0.0]]), [np.asarray([[2.0, 0.0]]), np.asarray([[0.0, 1.0]])]
    >>> score, labels = argmax_crf1d(cost, xs)
    >>> score.array, labels
    (array([2.]), [array([0], dtype=int32), array([0], dtype=int32)])
    """
    cost, x, sizes = _joined("argmax_crf1d", cost, xs)
    wide_cost, wide_x = _wide(cost), _wide(x)
    backend, xp = x.device.backend, x.xp
    problem = kernels.CRFProblem(sizes, x.shape[1], wide_x.dtype)
    plan = kernels.LinearChainCRF.plan(backend, problem)
    paths = plan.best(wide_cost.array, wide_x.array)
    score = score_of(plan, wide_cost, wide_x, xp.concat(paths, axis=0))
    return cast(score, x.dtype), [xp.astype(path, xp.int32) for path in paths]


def _joined(function: str, cost: VariableLike, xs: Sequence[VariableLike]) -> tuple[Variable, Variable, Shape]:
    """Return the costs, the scores of all times behind each other, and how many rows each time has."""
    cost, scores = as_variable(cost), [as_variable(x) for x in xs]
    if not scores:
        raise ValueError(f"{function}(): xs is empty; expected an array for each time")
    k = cost.shape[0] if cost.ndim else 0
    if cost.shape != (k, k) or any(x.ndim != 2 or x.shape[1] != k for x in scores):
        raise InvalidType("cost (K, K) and xs (B, K)", f"cost {cost.shape} and xs {[x.shape for x in scores]}")
    sizes = tuple(x.shape[0] for x in scores)
    if any(later > earlier for earlier, later in pairwise(sizes)):
        raise InvalidType(
            "xs whose lengths never grow",
            f"{sizes}",
            f"{function}(): xs of {sizes} rows: sort sequences, longest first",
        )
    return cost, concat(scores, axis=0), sizes


def _wide(x: Variable) -> Variable:
    """Return x in float32 where it has 16 bits: sums over all labels and times need their digits."""
    return cast(x, "float32") if dtypes.is_floating(x.dtype) and x.dtype.itemsize < 4 else x
