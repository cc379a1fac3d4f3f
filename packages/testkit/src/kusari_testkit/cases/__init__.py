"""The tables of cases: one module for each file of ``kusari.kernels``, and what Variables do without kernels."""

from __future__ import annotations

from typing import Final

from kusari_testkit.cases import (
    activation,
    activation_parameters,
    arithmetic,
    array,
    conv,
    evaluation,
    gradient,
    linear,
    mlpconv,
    noise,
    pooling,
    rnn,
    softmax,
    update,
)
from kusari_testkit.cases.case import Case as Case
from kusari_testkit.cases.case import FamilyCase as FamilyCase
from kusari_testkit.cases.case import FunctionCase as FunctionCase
from kusari_testkit.cases.case import Input as Input

KERNELS: Final[tuple[Case, ...]] = (
    *activation.KERNELS,
    *activation_parameters.KERNELS,
    *conv.KERNELS,
    *evaluation.KERNELS,
    *gradient.KERNELS,
    *linear.KERNELS,
    *mlpconv.KERNELS,
    *noise.KERNELS,
    *pooling.KERNELS,
    *rnn.KERNELS,
    *softmax.KERNELS,
    *update.KERNELS,
)
"""Every kernel and every step of every family."""

FAMILIES: Final[tuple[FamilyCase, ...]] = tuple(case for case in KERNELS if isinstance(case, FamilyCase))

FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *activation.FUNCTIONS,
    *activation_parameters.FUNCTIONS,
    *arithmetic.FUNCTIONS,
    *array.FUNCTIONS,
    *conv.FUNCTIONS,
    *evaluation.FUNCTIONS,
    *linear.FUNCTIONS,
    *mlpconv.FUNCTIONS,
    *noise.FUNCTIONS,
    *pooling.FUNCTIONS,
    *rnn.FUNCTIONS,
    *softmax.FUNCTIONS,
)
"""Every function of Variables."""
