"""Evaluation: the counts, and the functions over them."""

from __future__ import annotations

from typing import Final

import numpy as np

import kusari.functions as F
from kusari.kernels import evaluation as kernels
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import HostArray, integers, repeated


def _binary_accuracy(y: HostArray, t: HostArray) -> HostArray:
    hits = [bool(label) == (score >= 0) for score, label in zip(y.ravel(), t.ravel(), strict=True) if label != -1]
    return np.asarray(np.mean(hits) if hits else 0.0)


def _hit_rate(hits: HostArray, counted: HostArray | None) -> HostArray:
    return np.asarray(np.sum(hits) / max(1, hits.size if counted is None else int(np.sum(counted))), np.float64)


def _f_score(precision: HostArray, recall: HostArray, beta: float) -> HostArray:
    """Return the weighted harmonic mean (1 + β²) / (1/p + β²/r)."""
    with np.errstate(all="ignore"):
        mean = (1 + beta**2) / (1 / precision + beta**2 / recall)
    return np.where((precision == 0) & (recall == 0), np.nan, mean)


def _summary(
    y: HostArray, t: HostArray, label_num: int | None = None, beta: float = 1.0, ignore_label: int = -1
) -> tuple[HostArray, ...]:
    """Return precision, recall, F-score and support, class by class."""
    predicted, counted = np.argmax(y, axis=1), t != ignore_label
    rows = []
    for label in range(np.max(t) + 1 if label_num is None else label_num):
        right = np.sum(counted & (predicted == label) & (t == label))
        chosen, support = np.sum(counted & (predicted == label)), np.sum(counted & (t == label))
        with np.errstate(all="ignore"):
            p, r = np.float64(right) / chosen, np.float64(right) / support
            rows.append((p, r, (1 + beta**2) * p * r / (beta**2 * p + r), support))
    columns = [np.asarray([row[column] for row in rows]) for column in range(4)]
    return (*columns[:3], columns[3].astype(np.int64))


def _r2_score(pred: HostArray, true: HostArray, multioutput: str = "uniform_average") -> HostArray:
    variance = np.var(true, axis=0)
    scores = np.where(
        variance == 0, 0.0, 1 - np.mean((true - pred) ** 2, axis=0) / np.where(variance == 0, 1, variance)
    )
    return np.asarray(np.mean(scores) if multioutput == "uniform_average" else scores)


LABELS: Final = repeated(2, 0, 1, -1, 1, 1, 0)

KERNELS: Final[tuple[Case, ...]] = (
    *(
        Case(
            target=kernels.count_labels,
            label=label,
            inputs=(Input(shape, integers(-2, 5), kind),),
            oracle=lambda labels, count: np.asarray([np.sum(labels == one) for one in range(count)], np.int64),
            arguments={"count": count},
            dtypes=("float64",),
        )
        for label, shape, kind, count in (
            ("int32", (13,), "int32", 4),
            ("int64", (3, 7), "int64", 7),
            ("none", (0,), "int32", 3),
            ("no-class", (5,), "int32", 0),
        )
    ),
    *(
        Case(
            target=kernels.hit_rate,
            label=label,
            inputs=(Input(shape, integers(0, 2), "bool"), Input(shape, counted, "bool") if counted else None),
            oracle=_hit_rate,
            dtypes=("float64",),
        )
        for label, shape, counted in (
            ("all", (13,), None),
            ("some", (3, 7), repeated(1)),
            ("none", (5,), repeated(0)),
            ("empty", (0,), None),
        )
    ),
    Case(
        target=kernels.share,
        label="none-of-none",
        inputs=(Input((6,), repeated(0, 1, 2, 0), "int64"), Input((6,), repeated(0, 4, 2, 3), "int64")),
        oracle=lambda part, whole: np.asarray([p / w if w else np.nan for p, w in zip(part, whole, strict=True)]),
        dtypes=("float64",),
    ),
    *(
        Case(
            target=kernels.f_score,
            label=label,
            inputs=(Input((7,), repeated(0.0, 0.5, 1.0, np.nan)), Input((7,), repeated(0.0, 0.25, 0.0, 0.5, 1.0))),
            oracle=_f_score,
            arguments={"beta": beta},
            dtypes=("float64",),
        )
        for label, beta in (("even", 1.0), ("recall", 2.0))
    ),
)
FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(
        FunctionCase(
            target=F.binary_accuracy,
            label=label,
            inputs=(Input(shape), Input(shape, integers(low, 2), "int32")),
            oracle=_binary_accuracy,
            differentiable=False,
        )
        for label, shape, low in (("all", (9,), 0), ("some", (4, 5), -1), ("none", (0,), 0))
    ),
    *(
        FunctionCase(
            target=F.classification_summary,
            label=label,
            inputs=(Input(y), Input(t, LABELS, "int32")),
            oracle=_summary,
            arguments=arguments,
            dtypes=("float64",),
            differentiable=False,
        )
        for label, y, t, arguments in (
            ("inferred", (14, 3), (14,), {}),
            ("given", (14, 3), (14,), {"label_num": 3}),
            ("more", (14, 3), (14,), {"label_num": 5}),
            ("less", (14, 4), (14,), {"label_num": 2}),
            ("image", (2, 3, 7), (2, 7), {"label_num": 3}),
            ("beta", (14, 3), (14,), {"label_num": 3, "beta": 2.0}),
            ("ignore-1", (14, 3), (14,), {"label_num": 3, "ignore_label": 1}),
        )
    ),
    *(
        FunctionCase(
            target=function,
            label="given",
            inputs=(Input((14, 3)), Input((14,), LABELS, "int32")),
            oracle=lambda y, t, label_num, place=place: (
                _summary(y, t, label_num)[place],
                _summary(y, t, label_num)[3],
            ),
            arguments={"label_num": 3},
            dtypes=("float64",),
            differentiable=False,
        )
        for place, function in enumerate((F.precision, F.recall, F.f1_score))
    ),
    *(
        FunctionCase(
            target=F.r2_score,
            label=label,
            inputs=(Input(shape), Input(shape)),
            oracle=_r2_score,
            arguments=arguments,
            differentiable=False,
        )
        for label, shape, arguments in (
            ("vector", (7,), {}),
            ("mean", (7, 3), {}),
            ("each", (5, 2, 3), {"multioutput": "raw_values"}),
            ("one-row", (1, 3), {"multioutput": "raw_values"}),
        )
    ),
)
