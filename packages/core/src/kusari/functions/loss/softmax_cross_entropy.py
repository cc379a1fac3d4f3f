"""Cross entropy of a softmax over class scores."""

from __future__ import annotations

from typing import Any

from kusari import dtypes
from kusari.autograd import Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.errors import InvalidType
from kusari.functions.activation.log_softmax import log_softmax
from kusari.functions.array.where import where
from kusari.functions.fused import FusedNode
from kusari.functions.loss.labels import refuse_out_of_range
from kusari.functions.loss.reduction import check_reduce
from kusari.kernels import softmax as kernels
from kusari.kernels.reduction import total


class SoftmaxCrossEntropy(FusedNode):
    """loss = −w[t] log softmax(x)[t], averaged, where t is not the label to ignore."""

    def __init__(self, ignore_label: int, normalize: bool, reduce: str, weight: Any) -> None:
        self.ignore_label = ignore_label
        self.normalize = normalize
        self.reduce = reduce
        self.weight = weight

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 2)
        x, t = in_types
        expect_floating((x,), names=("x",))
        expect(t.dtype.kind == "i", x.ndim >= 2)
        expect(t.ndim == x.ndim - 1)
        expect(x.shape[0] == t.shape[0], x.shape[2:] == t.shape[1:])

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x, t = inputs
        if current_state().debug:
            what = "softmax_cross_entropy(): labels"
            refuse_out_of_range(what, self.backend, t, x.shape[1], ignore=self.ignore_label)
        problem = kernels.SoftmaxCrossEntropyProblem(
            x.shape,
            self.backend.host_dtype(x.dtype),
            self.ignore_label,
            self.normalize,
            self.reduce,
            self.weight is not None,
        )
        self.plan = kernels.SoftmaxCrossEntropy.plan(self.backend, problem)
        loss, self.kept = self.plan.forward(x, t, self.weight)
        self.retain_inputs((0, 1))
        return (loss,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        if current_state().enable_backprop:
            wanted = tuple([index for index in indexes if index == 0])
            made = iter(self.backward_through_chain(wanted, self.get_retained_inputs(), grad_outputs))
            return tuple([next(made) if index == 0 else None for index in indexes])
        gx = self.plan.grad_input(self.kept, grad_outputs[0].array)
        return tuple([constant(gx, self.device) if index == 0 else None for index in indexes])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the loss as a log-softmax, a mask and a sum."""
        x, t = inputs
        _, label, scale = self.kept
        xp = self.backend.xp
        classes = xp.reshape(
            xp.arange(x.shape[1], dtype=label.dtype, device=label.device), (1, -1, *(1 for _ in t.shape[1:]))
        )
        chosen = xp.astype(classes == xp.expand_dims(label, axis=1), x.array.dtype) * xp.expand_dims(scale, axis=1)
        counted = constant(xp.expand_dims(t.array != self.ignore_label, axis=1), x.device)
        terms = log_softmax(where(counted, x, constant(xp.zeros_like(x.array), x.device))) * constant(-chosen, x.device)
        return (terms.sum() if self.reduce == "mean" else terms.sum(axis=1),)


def softmax_cross_entropy(
    x: VariableLike,
    t: VariableLike,
    normalize: bool = True,
    cache_score: bool = True,
    class_weight: Any = None,
    ignore_label: int = -1,
    reduce: str = "mean",
    enable_double_backprop: bool = False,
    soft_target_loss: str = "cross-entropy",
) -> Variable:
    """Compute the cross entropy between labels and the softmax of scores.

    loss = −Σ w[t] log softmax(x)[t] / count, over labels that are not ``ignore_label``. For labels of ``x``'s own
    shape (soft targets): the mean of −Σ t log softmax(x), or of KL(t ‖ softmax(x)), over classes.

    Args:
        x: (N, C, …): scores.
        t: (N, …), integers; or (N, C, …), floating: soft targets, not differentiated.
        normalize: The mean is over the labels that count; else the sum is divided by N. Soft targets all count.
        cache_score: Accepted for old programs: the scores' log-softmax is always kept.
        class_weight: (C,), floating: a weight per class, not differentiated; soft targets have none.
        ignore_label: Labels that do not count, whatever their scores: NaN, too.
        reduce: ``mean``, or ``no`` for one loss per label.
        enable_double_backprop: Accepted for old programs: second derivatives always work.
        soft_target_loss: ``cross-entropy`` or ``kl-divergence``.

    Returns:
        A 0-d loss, or (N, …) for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce`` or ``soft_target_loss``, or no weight for each class; in debug mode, a label
            out of range.
        InvalidType: Ranks, shapes or dtypes that do not fit.

    >>> x = np.log(np.asarray([[0.5, 0.25, 0.25]]))
    >>> round(softmax_cross_entropy(x, np.asarray([0])).item(), 4)
    0.6931
    """
    check_reduce("softmax_cross_entropy", reduce, ("mean", "no"))
    if soft_target_loss not in ("cross-entropy", "kl-divergence"):
        raise ValueError(f"soft_target_loss={soft_target_loss!r}: expected 'cross-entropy' or 'kl-divergence'")
    x, t = as_variable(x), as_variable(t)
    if dtypes.is_floating(t.dtype):
        return _soft_targets(x, t, reduce, soft_target_loss)
    weight = None if class_weight is None else _class_weight(x, as_variable(class_weight))
    return SoftmaxCrossEntropy(ignore_label, normalize, reduce, weight).apply((x, t))[0]


def _class_weight(x: Variable, weight: Variable) -> Any:
    """Return the weights as an array of ``x``'s dtype and device."""
    if not dtypes.is_floating(weight.dtype) or (x.ndim > 1 and weight.shape != (x.shape[1],)):
        found = f"{weight.dtype} of shape {weight.shape}"
        raise ValueError(f"class_weight: {found}; expected floating, of shape {x.shape[1:2]}, a weight per class")
    return x.xp.astype(x.device.send(weight.array), x.array.dtype)


def _soft_targets(x: Variable, t: Variable, reduce: str, kind: str) -> Variable:
    """Return the loss for targets of x's shape, which are constant."""
    if x.shape != t.shape:
        raise InvalidType(f"soft targets of shape {x.shape}, as x", f"{t.shape}")
    xp, log_p = x.xp, log_softmax(x)
    target = xp.astype(t.array, log_p.array.dtype)
    loss = -(log_p * constant(target, t.device)).sum(axis=1)
    if kind == "kl-divergence":
        entropy = xp.where(target > 0, target * xp.log(xp.where(target > 0, target, 1)), 0)
        loss = loss + constant(total(t.device.backend, entropy, 1), t.device)
    return loss if reduce == "no" else loss.sum() * (1 / max(loss.size, 1))
