"""Connectionist temporal classification, against every path written out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.special

import kusari.functions.loss as F
from kusari.kernels.ctc import CTC, CTCProblem
from kusari.types import Shape
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, normal_with, repeated


@dataclass(frozen=True)
class Alignment:
    """A CTC loss without its numbers."""

    label: str
    x: Shape
    input_length: tuple[int, ...]
    label_length: tuple[int, ...]
    symbols: tuple[tuple[int, ...], ...]
    """(B, M): labels of each sequence."""
    blank: int = 0

    @property
    def inputs(self) -> tuple[Input, Input, Input, Input]:
        """Scores, labels and both lengths."""
        batch, m = len(self.symbols), len(self.symbols[0])
        return (
            Input(self.x),
            Input((batch, m), repeated(*itertools.chain(*self.symbols)), "int32"),
            Input((batch,), repeated(*self.input_length), "int32"),
            Input((batch,), repeated(*self.label_length), "int32"),
        )

    def problem(self, dtype: Any) -> CTCProblem:
        """Return the Problem in a dtype of the host."""
        return CTCProblem(self.x, len(self.symbols[0]), self.blank, dtype)

    # The oracle: all V^T paths of each sequence, those that give its labels picked out. ------------------------------

    def forward(self, x: HostArray, *_: HostArray, **__: Any) -> HostArray:
        """Return the loss of each sequence."""
        with np.errstate(divide="ignore"):
            return np.asarray([-np.log(self._probability(x, n)[0]) for n in range(self.x[1])])

    def gradient(self, x: HostArray, *rest: HostArray) -> HostArray:
        """Return the gradient of the scores: softmax less how likely each symbol is, given the labels."""
        gx = np.zeros(self.x)
        for n, gloss in enumerate(rest[-1]):
            total, met = self._probability(x, n)
            frames = self.input_length[n]
            if total > 0:
                gx[:frames, n] = gloss * (scipy.special.softmax(x[:frames, n], axis=1) - met / total)
        return gx

    def _probability(self, x: HostArray, n: int) -> tuple[float, HostArray]:
        """Return Σ p(path) of one sequence, and the same for each frame and symbol that the path has there."""
        frames, symbols = self.input_length[n], self.x[2]
        p = scipy.special.softmax(x[:frames, n], axis=1)
        wanted = list(self.symbols[n][: self.label_length[n]])
        total, met = 0.0, np.zeros((frames, symbols))
        for path in itertools.product(range(symbols), repeat=frames):
            merged = [symbol for symbol, _ in itertools.groupby(path)]
            if [symbol for symbol in merged if symbol != self.blank] == wanted:
                chance = float(np.prod(p[np.arange(frames), list(path)]))
                total += chance
                met[np.arange(frames), list(path)] += chance
        return total, met


ALIGNMENTS: Final[tuple[Alignment, ...]] = (
    Alignment("plain", (4, 2, 3), (4, 4), (2, 2), ((1, 2), (2, 1))),
    Alignment("repeated", (5, 2, 3), (5, 5), (2, 3), ((1, 1, 2), (2, 1, 2))),
    Alignment("lengths", (5, 4, 3), (5, 3, 4, 2), (2, 1, 0, 2), ((1, 2), (2, 0), (1, 1), (1, 2))),
    Alignment("blank-last", (4, 2, 4), (4, 3), (2, 2), ((0, 1), (2, 1)), blank=3),
    Alignment("no-room", (3, 3, 3), (3, 2, 2), (2, 2, 2), ((1, 1), (1, 1), (1, 2))),
    Alignment("no-labels", (3, 2, 2), (3, 2), (0, 0), ((1,), (1,))),
    Alignment("no-frames", (2, 2, 2), (0, 2), (0, 1), ((1,), (1,))),
    Alignment("one-frame", (1, 2, 3), (1, 1), (1, 0), ((2,), (2,))),
)


def use_forward(plan: CTC, *inputs: Any) -> Any:
    """Run forward; what it keeps is its own business."""
    return plan.forward(*inputs)[0]


def use_backward(plan: CTC, *inputs: Any) -> Any:
    """Run forward and the gradient."""
    *given, gloss = inputs
    return plan.grad_input(plan.forward(*given)[1], gloss)


def _family_cases(alignment: Alignment, scores: Draw | None = None, label: str | None = None) -> list[FamilyCase]:
    x, *rest = alignment.inputs
    inputs = (x if scores is None else Input(alignment.x, scores), *rest)
    common: dict[str, Any] = {
        "target": CTC,
        "label": label or alignment.label,
        "problem": alignment.problem,
        "dtypes": ("float32", "float64"),
    }
    gloss = Input((alignment.x[1],), repeated(0.5, 2.0, 1.0))
    return [
        FamilyCase(**common, step="forward", inputs=inputs, oracle=alignment.forward, use=use_forward),
        FamilyCase(**common, step="backward", inputs=(*inputs, gloss), oracle=alignment.gradient, use=use_backward),
    ]


KERNELS: Final[tuple[FamilyCase, ...]] = (
    *(case for alignment in ALIGNMENTS for case in _family_cases(alignment)),
    *_family_cases(ALIGNMENTS[0], repeated(200.0, 0.0, -200.0, 50.0), "extreme"),
    *_family_cases(ALIGNMENTS[3], normal_with(-np.inf), "impossible-symbol"),
    _family_cases(ALIGNMENTS[0], normal_with(np.nan), "nan")[0],
)


def ctc(x: Any, t: Any, input_length: Any, label_length: Any, blank_symbol: int, reduce: str) -> Any:
    """Call the function with one array for all frames."""
    frames = [x[frame] for frame in range(x.shape[0])]
    return F.connectionist_temporal_classification(frames, t, blank_symbol, input_length, label_length, reduce)


def _function_case(alignment: Alignment, reduce: str) -> FunctionCase:
    def oracle(*inputs: HostArray, **_: Any) -> HostArray:
        loss = alignment.forward(*inputs)
        return loss if reduce == "no" else np.asarray(np.mean(loss))

    return FunctionCase(
        target=ctc,
        label=f"{alignment.label}-{reduce}",
        inputs=alignment.inputs,
        oracle=oracle,
        arguments={"blank_symbol": alignment.blank, "reduce": reduce},
        differentiable=alignment.label != "no-room",  # ∞ has no differences
    )


FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(
    _function_case(alignment, reduce) for alignment in ALIGNMENTS for reduce in ("mean", "no")
)
