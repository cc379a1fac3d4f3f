"""Activations: kernels, their gradients, and the functions over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.special

import kusari.functions as F
from kusari.kernels import activation as kernels
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import HostArray, near, normal, normal_with, repeated


@dataclass(frozen=True)
class Formula:
    """An activation and its derivative, read off the output, in NumPy and SciPy."""

    forward: Callable[[HostArray], HostArray]
    gradient: Callable[[HostArray, HostArray], HostArray]


FORMULAS: Final[Mapping[str, Formula]] = {
    "relu": Formula(lambda x: np.where(np.isnan(x) | (x > 0), x, 0.0), lambda y, gy: gy * np.heaviside(y, 0)),
    "sigmoid": Formula(scipy.special.expit, lambda y, gy: gy * (y - y**2)),
    "tanh": Formula(lambda x: 2 * scipy.special.expit(2 * x) - 1, lambda y, gy: gy * (1 - y) * (1 + y)),
}

SHAPES: Final = {
    "vector": (7,),
    "matrix": (5, 3),
    "image": (2, 3, 5, 4),
    "odd": (3, 1, 17),
    "one": (1,),
    "scalar": (),
    "empty": (0, 3),
    "long": (1031,),  # a prime: no block of a compiled loop divides it
}
QUICK: Final = ("image", "scalar", "empty", "long")


def _kernel_cases(name: str) -> list[Case]:
    forward, gradient = getattr(kernels, name), getattr(kernels, f"{name}_grad")
    formula = FORMULAS[name]
    made: list[Case] = []
    for label, shape in SHAPES.items():
        made.append(
            Case(target=forward, label=label, quick=label in QUICK, inputs=(Input(shape),), oracle=formula.forward)
        )
        pair = (Input(shape), Input(shape))
        made.append(Case(target=gradient, label=label, quick=label in QUICK, inputs=pair, oracle=formula.gradient))
    extremes = repeated(0.0, -0.0, 1e-4, -1e-4, 20.0, -20.0, 88.0, -88.0, 1000.0, -1000.0)
    special = normal_with(np.nan, np.inf, -np.inf)
    outputs = repeated(0.0, 1.0, 0.5, 0.25)
    made += [
        Case(target=forward, label="extreme", inputs=(Input((10,), extremes),), oracle=formula.forward),
        Case(target=forward, label="nan-inf", inputs=(Input((3, 5), special),), oracle=formula.forward),
        Case(target=gradient, label="ends", inputs=(Input((8,), outputs), Input((8,))), oracle=formula.gradient),
        Case(
            target=gradient,
            label="nan",
            inputs=(Input((4,), repeated(0.5, 0.25)), Input((4,), repeated(np.nan, 1.0, 2.0))),
            oracle=formula.gradient,
        ),
    ]
    return made


def _function_cases(name: str) -> list[FunctionCase]:
    function, formula = getattr(F, name), FORMULAS[name]
    avoid = near(0.0) if name == "relu" else None
    return [
        FunctionCase(
            target=function,
            label=label,
            quick=label in QUICK,
            inputs=(Input(shape, normal),),
            oracle=formula.forward,
            avoid=avoid,
        )
        for label, shape in SHAPES.items()
        if label != "long"
    ]


KERNELS: Final[tuple[Case, ...]] = tuple(case for name in FORMULAS for case in _kernel_cases(name))
FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(case for name in FORMULAS for case in _function_cases(name))


def apply(name: str | None, y: HostArray) -> HostArray:
    """Return activation(y), or ``y`` for None: the epilogue in other families' oracles."""
    return y if name is None else FORMULAS[name].forward(y)


def backpropagate(name: str | None, y: HostArray, gy: HostArray) -> HostArray:
    """Return gy through the activation, from its output."""
    return gy if name is None else FORMULAS[name].gradient(y, gy)


def tag(name: str | None) -> Any:
    """Return the `Activation` that kernels take, or None."""
    return None if name is None else getattr(kernels, name.upper())
