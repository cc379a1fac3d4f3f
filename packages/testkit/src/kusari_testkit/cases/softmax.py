"""Log-softmax and softmax cross entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.special

import kusari.functions as F
from kusari.kernels.softmax import SoftmaxCrossEntropy, SoftmaxCrossEntropyProblem, log_softmax
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FamilyCase, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, integers, normal, normal_with, positive, repeated


def _labels(classes: int, ignored: int) -> Draw:
    """Draw classes, and every third time or so the label that does not count."""

    def draw(generator: np.random.Generator, shape: Shape) -> HostArray:
        drawn = generator.integers(0, classes, shape)
        return np.asarray(np.where(generator.random(shape) < 0.3, ignored, drawn))

    return draw


@dataclass(frozen=True)
class Loss:
    """A softmax cross entropy without its numbers."""

    label: str
    x: Shape
    ignore_label: int = -1
    normalize: bool = True
    reduce: str = "mean"
    weighted: bool = False
    labels: str = "int32"

    @property
    def t(self) -> Shape:
        """(N, …)."""
        return (self.x[0], *self.x[2:])

    @property
    def inputs(self) -> tuple[Input, Input, Input | None]:
        """Scores, labels of which some do not count, and weights."""
        labels = Input(self.t, _labels(self.x[1], self.ignore_label), self.labels)
        return Input(self.x), labels, Input(self.x[1:2], positive) if self.weighted else None

    def problem(self, dtype: Any) -> SoftmaxCrossEntropyProblem:
        """Return the Problem in a dtype of the host."""
        return SoftmaxCrossEntropyProblem(self.x, dtype, self.ignore_label, self.normalize, self.reduce, self.weighted)

    # The oracle: labels one by one. ---------------------------------------------------------------------------------

    def forward(self, x: HostArray, t: HostArray, weight: HostArray | None = None, **_: Any) -> HostArray:
        """Return the loss."""
        made = np.zeros(self.t)
        for index in np.ndindex(self.t):
            if t[index] != self.ignore_label:
                scores = x[(index[0], slice(None), *index[1:])]
                factor = 1.0 if weight is None else weight[t[index]]
                made[index] = factor * (scipy.special.logsumexp(scores) - scores[t[index]])
        return np.asarray(np.sum(made) / self._count(t)) if self.reduce == "mean" else made

    def grad_input(self, x: HostArray, t: HostArray, weight: HostArray | None, gloss: HostArray) -> HostArray:
        """Return the gradient of the scores."""
        gx = np.zeros(self.x)
        for index in np.ndindex(self.t):
            if t[index] == self.ignore_label:
                continue
            at = (index[0], slice(None), *index[1:])
            factor = 1.0 if weight is None else weight[t[index]]
            factor = factor * (gloss / self._count(t) if self.reduce == "mean" else gloss[index])
            gx[at] = factor * (scipy.special.softmax(x[at]) - np.eye(self.x[1])[t[index]])
        return gx

    def _count(self, t: HostArray) -> int:
        return max(1, int(np.sum(t != self.ignore_label)) if self.normalize else self.x[0])


QUICK: Final = frozenset({"matrix", "image-weighted", "not-normalized", "ignore-0", "empty"})

LOSSES: Final[tuple[Loss, ...]] = (
    Loss("matrix", (5, 4)),
    Loss("image", (2, 3, 4, 3)),
    Loss("not-normalized", (5, 4), normalize=False),
    Loss("image-not-normalized", (2, 3, 2, 2), normalize=False),
    Loss("no-mean", (5, 4), reduce="no"),
    Loss("image-no-mean", (2, 3, 2, 3), reduce="no"),
    Loss("weighted", (5, 4), weighted=True),
    Loss("image-weighted", (2, 3, 2, 3), weighted=True, reduce="no"),
    Loss("ignore-0", (6, 3), ignore_label=0),
    Loss("ignore-minus-100", (6, 3), ignore_label=-100),
    Loss("one-class", (3, 1)),
    Loss("one-row", (1, 6)),
    Loss("int64-labels", (4, 5), labels="int64"),
    Loss("empty", (0, 4)),
    Loss("odd", (7, 37)),
)


def use_forward(plan: SoftmaxCrossEntropy, x: Any, t: Any, weight: Any) -> Any:
    """Run forward; what it keeps is its own business."""
    return plan.forward(x, t, weight)[0]


def use_backward(plan: SoftmaxCrossEntropy, x: Any, t: Any, weight: Any, gloss: Any) -> Any:
    """Run forward and the gradient."""
    return plan.grad_input(plan.forward(x, t, weight)[1], gloss)


def _family_cases(loss: Loss, scores: Input | None = None, labels: Input | None = None) -> list[FamilyCase]:
    x, t, weight = loss.inputs
    x, t = scores or x, labels or t
    common: dict[str, Any] = {
        "target": SoftmaxCrossEntropy,
        "label": loss.label,
        "problem": loss.problem,
        "quick": loss.label in QUICK,
    }
    gloss = Input(() if loss.reduce == "mean" else loss.t, positive)
    return [
        FamilyCase(**common, step="forward", inputs=(x, t, weight), oracle=loss.forward, use=use_forward),
        FamilyCase(**common, step="backward", inputs=(x, t, weight, gloss), oracle=loss.grad_input, use=use_backward),
    ]


LOG_SOFTMAX: Final[tuple[Case, ...]] = tuple(
    Case(
        target=log_softmax,
        label=label,
        inputs=(Input(shape, draw),),
        oracle=lambda x, axis: scipy.special.log_softmax(x, axis=axis),
        arguments={"axis": axis},
    )
    for label, shape, axis, draw in (
        ("matrix", (5, 4), 1, normal),
        ("image", (2, 3, 4, 5), 1, normal),
        ("last-axis", (2, 3, 4), 2, normal),
        ("first-axis", (3, 4), 0, normal),
        ("vector", (6,), 0, normal),
        ("one-class", (3, 1), 1, normal),
        ("empty", (0, 4), 1, normal),
        ("odd", (3, 129), 1, normal),
        ("extreme", (2, 3), 1, repeated(1000.0, 0.0, -1000.0)),
        ("nan", (3, 4), 1, normal_with(np.nan)),
    )
)

KERNELS: Final[tuple[Case, ...]] = (
    *LOG_SOFTMAX,
    *(case for loss in LOSSES for case in _family_cases(loss)),
    *_family_cases(Loss("extreme", (2, 3)), Input((2, 3), repeated(1000.0, 0.0, -1000.0, 5.0))),
    *_family_cases(Loss("all-ignored", (2, 3)), labels=Input((2,), repeated(-1), "int32")),
    *_family_cases(Loss("nan", (3, 4)), Input((3, 4), normal_with(np.nan)), Input((3,), integers(0, 4), "int32")),
)


def _function_case(loss: Loss) -> FunctionCase:
    x, t, _ = loss.inputs
    return FunctionCase(
        target=F.softmax_cross_entropy,
        label=loss.label,
        quick=loss.label in QUICK,
        inputs=(x, t),
        oracle=loss.forward,
        arguments={"normalize": loss.normalize, "ignore_label": loss.ignore_label, "reduce": loss.reduce},
    )


def weighted_cross_entropy(x: Any, t: Any, weight: Any) -> Any:
    """Call `F.softmax_cross_entropy` with weights of the classes."""
    return F.softmax_cross_entropy(x, t, class_weight=weight)


def _accuracy(y: HostArray, t: HostArray, ignore_label: int | None = None) -> HostArray:
    hits = [int(np.argmax(row) == label) for row, label in zip(y, t, strict=True) if label != ignore_label]
    return np.asarray(sum(hits) / max(len(hits), 1))


FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(_function_case(loss) for loss in LOSSES if not loss.weighted),
    FunctionCase(
        target=weighted_cross_entropy,
        label="weighted",
        inputs=(*LOSSES[0].inputs[:2], Input((4,), positive)),
        oracle=Loss("", (5, 4), weighted=True).forward,
        constants=(2,),
    ),
    *(
        FunctionCase(
            target=F.softmax_cross_entropy,
            label=f"soft-{kind}",
            inputs=(Input((3, 4)), Input((3, 4), positive)),
            oracle=lambda x, t, soft_target_loss: (
                np.asarray(
                    np.sum(-t * scipy.special.log_softmax(x, axis=1))
                    + (np.sum(scipy.special.xlogy(t, t)) if soft_target_loss == "kl-divergence" else 0)
                )
                / 3
            ),
            arguments={"soft_target_loss": kind},
            constants=(1,),
        )
        for kind in ("cross-entropy", "kl-divergence")
    ),
    *(
        FunctionCase(
            target=F.accuracy,
            label=label,
            inputs=(Input((9, 3)), Input((9,), integers(0, 3), "int32")),
            oracle=_accuracy,
            arguments=arguments,
            differentiable=False,
        )
        for label, arguments in {"all": {}, "ignore-1": {"ignore_label": 1}}.items()
    ),
)
