"""What optimizer hooks do to gradients."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kusari.kernels import gradient
from kusari_testkit.cases.case import Case, Input
from kusari_testkit.cases.update import QUICK, SHAPES
from kusari_testkit.draw import HostArray, repeated

WIDE: Final = ("float32", "float64")


def _clip(g: HostArray, lower: float, upper: float) -> HostArray:
    return np.where(g < lower, lower, np.where(g > upper, upper, g))


def _elementwise(label: str, shape: tuple[int, ...]) -> list[Case]:
    two, rate = (Input(shape), Input(shape)), Input((), repeated(0.375), "float32")
    return [
        Case(
            target=gradient.add_scaled,
            label=label,
            quick=label in QUICK,
            inputs=two,
            oracle=lambda g, p, rate: np.add(g, np.multiply(rate, p)),
            arguments={"rate": 0.25},
        ),
        Case(
            target=gradient.add_sign,
            label=label,
            quick=label in QUICK,
            inputs=two,
            oracle=lambda g, p, rate: g + rate * (np.heaviside(p, 0) - np.heaviside(-p, 0)),
            arguments={"rate": 0.25},
        ),
        Case(
            target=gradient.clamp,
            label=label,
            quick=label in QUICK,
            inputs=(Input(shape),),
            oracle=_clip,
            arguments={"lower": -0.5, "upper": 0.25},
        ),
        Case(
            target=gradient.scale,
            label=label,
            quick=label in QUICK,
            inputs=(Input(shape), rate),
            oracle=lambda g, r: g * r,
        ),
        Case(
            target=gradient.scale_decayed,
            label=label,
            quick=label in QUICK,
            inputs=(*two, rate),
            oracle=lambda g, p, r, decay: r * g + r * decay * p,
            arguments={"decay": 0.25},
        ),
        Case(
            target=gradient.sum_of_squares,
            label=label,
            quick=label in QUICK,
            inputs=(Input(shape),),
            oracle=lambda x: np.asarray(np.linalg.norm(x.ravel()) ** 2),
            dtypes=WIDE,
        ),
    ]


def _lars(p_square: Any, g_square: Any, threshold: float, decay: float, epsilon: float) -> Any:
    p, g = np.sqrt(p_square), np.sqrt(g_square)
    return np.asarray(p / (epsilon + g + decay * p) if p > threshold else 1.0)


def _rates() -> list[Case]:
    made = [
        Case(
            target=gradient.clipping_rate,
            label=label,
            inputs=(Input((), repeated(square)),),
            oracle=lambda s, threshold: np.asarray(threshold / np.sqrt(s) if np.sqrt(s) > threshold else 1 + 0 * s),
            arguments={"threshold": 2.0},
            dtypes=WIDE,
        )
        for label, square in {"above": 9.0, "below": 1.0, "zero": 0.0, "nan": np.nan}.items()
    ]
    return made + [
        Case(
            target=gradient.lars_rate,
            label=label,
            inputs=(Input((), repeated(square)), Input((), repeated(0.25))),
            oracle=_lars,
            arguments={"threshold": 0.5, "decay": 0.125, "epsilon": 1e-3},
            dtypes=WIDE,
        )
        for label, square in {"above": 4.0, "below": 0.0625}.items()
    ]


KERNELS: Final[tuple[Case, ...]] = (
    *(case for label, shape in SHAPES.items() for case in _elementwise(label, shape)),
    Case(
        target=gradient.sum_of_squares,
        label="wider-than-float16",
        inputs=(Input((4,), repeated(300.0, -200.0)),),
        oracle=lambda x: np.asarray(np.dot(x, x), np.float32),
        dtypes=("float16",),
        tolerance={"float16": 1e-6},
    ),
    *_rates(),
)
