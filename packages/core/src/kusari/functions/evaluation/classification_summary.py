"""Precision, recall and F-score of a classifier, per class."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.kernels import evaluation as kernels


class ClassificationSummary(FunctionNode):
    """Precision, recall, F-score and support of each class; not differentiable."""

    def __init__(self, label_num: int, beta: float, ignore_label: int) -> None:
        self.label_num = label_num
        self.beta = beta
        self.ignore_label = ignore_label

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 2)
        y, t = in_types
        expect_floating((y,), names=("y",))
        expect(t.dtype.kind == "i", y.ndim == t.ndim + 1, y.shape[0] == t.shape[0], y.shape[2:] == t.shape[1:])

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any, ...]:
        y, t = inputs
        backend, xp = self.backend, self.backend.xp
        t = xp.astype(t, xp.int64)
        counted = t != self.ignore_label
        predicted = xp.astype(xp.argmax(y, axis=1), xp.int64)
        nowhere = -1  # a label that is counted for no class
        support = self._count(xp.where(counted, t, nowhere))
        chosen = self._count(xp.where(counted, predicted, nowhere))
        right = self._count(xp.where(counted & (predicted == t), t, nowhere))
        precision = kernels.share(backend, right, chosen)
        recall = kernels.share(backend, right, support)
        return precision, recall, kernels.f_score(backend, precision, recall, self.beta), support

    def _count(self, labels: Any) -> Any:
        return kernels.count_labels(self.backend, labels, self.label_num)


def _largest_label(t: Variable, ignore_label: int) -> int:
    """Return the largest label that counts, −1 for none."""
    if t.size == 0:
        return -1
    xp = t.xp
    largest = xp.max(xp.where(t.array == ignore_label, -1, t.array))
    return int(constant(t.device.backend.as_array(largest, t.array), t.device).item())


def classification_summary(
    y: VariableLike,
    t: VariableLike,
    label_num: int | None = None,
    beta: float = 1.0,
    ignore_label: int = -1,
) -> tuple[Variable, Variable, Variable, Variable]:
    """Compute precision, recall, F-score and support of each class; not differentiable.

    precision = right / predicted, recall = right / support, Fᵦ = (1 + β²) p r / (β² p + r), where a class is predicted
    where its score is the highest, and its support is how often it is the label.

    Args:
        y: (N, C, …): scores, floating.
        t: (N, …): labels, integers.
        label_num: How many classes to report on; None: as many as the largest label says, which waits for the
            device to read it.
        beta: The weight of recall.
        ignore_label: Labels that do not count.

    Returns:
        Four Variables of shape (label_num,): precision, recall, F-score (float64; NaN where the divisor is 0) and
        support (int64).

    Raises:
        InvalidType: Ranks, shapes or dtypes that do not fit.
        SynchronizationError: No ``label_num``, where ``config.forbid_synchronization`` is on.

    >>> y = np.asarray([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    >>> for result in classification_summary(y, np.asarray([1, 0, 0])):
    ...     print(result.array.round(2))
    [1.  0.5]
    [0.5 1. ]
    [0.67 0.67]
    [2 1]
    """
    y, t = as_variable(y), as_variable(t)
    if label_num is None:
        label_num = _largest_label(t, ignore_label) + 1
    precision, recall, score, support = ClassificationSummary(label_num, beta, ignore_label).apply((y, t))
    return precision, recall, score, support


def precision(
    y: VariableLike, t: VariableLike, label_num: int | None = None, ignore_label: int = -1
) -> tuple[Variable, Variable]:
    """Compute how many of a class's predictions are right, and its support, as `classification_summary` does.

    >>> precision(np.asarray([[0.1, 0.9], [0.3, 0.7]]), np.asarray([1, 0]), label_num=2)[0].array
    array([nan, 0.5])
    """
    found, _, _, support = classification_summary(y, t, label_num, 1.0, ignore_label)
    return found, support


def recall(
    y: VariableLike, t: VariableLike, label_num: int | None = None, ignore_label: int = -1
) -> tuple[Variable, Variable]:
    """Compute how much of a class is found, and its support, as `classification_summary` does.

    >>> recall(np.asarray([[0.1, 0.9], [0.3, 0.7]]), np.asarray([1, 0]), label_num=2)[0].array
    array([0., 1.])
    """
    _, found, _, support = classification_summary(y, t, label_num, 1.0, ignore_label)
    return found, support


def f1_score(
    y: VariableLike, t: VariableLike, label_num: int | None = None, ignore_label: int = -1
) -> tuple[Variable, Variable]:
    """Compute the harmonic mean of a class's precision and recall, and its support, as `classification_summary` does.

    >>> f1_score(np.asarray([[0.1, 0.9], [0.8, 0.2]]), np.asarray([1, 0]), label_num=2)[0].array
    array([1., 1.])
    """
    _, _, found, support = classification_summary(y, t, label_num, 1.0, ignore_label)
    return found, support
