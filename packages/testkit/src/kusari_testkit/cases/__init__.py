"""The tables of cases: one module for each file of ``kusari.kernels``, and what Variables do without kernels."""

from __future__ import annotations

from typing import Final

from kusari_testkit.cases import (
    activation,
    activation_parameters,
    arithmetic,
    array,
    connection,
    conv,
    deconv,
    embed,
    evaluation,
    gradient,
    im2col,
    linalg,
    linear,
    local_conv,
    math,
    mlpconv,
    n_step_rnn,
    noise,
    pooling,
    rearranging,
    resize,
    rnn,
    sampling,
    scatter,
    shift,
    softmax,
    special,
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
    *embed.KERNELS,
    *evaluation.KERNELS,
    *gradient.KERNELS,
    *im2col.KERNELS,
    *linalg.KERNELS,
    *linear.KERNELS,
    *local_conv.KERNELS,
    *math.KERNELS,
    *mlpconv.KERNELS,
    *n_step_rnn.KERNELS,
    *noise.KERNELS,
    *pooling.KERNELS,
    *resize.KERNELS,
    *rnn.KERNELS,
    *sampling.KERNELS,
    *scatter.KERNELS,
    *shift.KERNELS,
    *softmax.KERNELS,
    *special.KERNELS,
    *update.KERNELS,
)
"""Every kernel and every step of every family."""

FAMILIES: Final[tuple[FamilyCase, ...]] = tuple(case for case in KERNELS if isinstance(case, FamilyCase))

FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *activation.FUNCTIONS,
    *activation_parameters.FUNCTIONS,
    *arithmetic.FUNCTIONS,
    *array.FUNCTIONS,
    *connection.FUNCTIONS,
    *conv.FUNCTIONS,
    *deconv.FUNCTIONS,
    *embed.FUNCTIONS,
    *evaluation.FUNCTIONS,
    *im2col.FUNCTIONS,
    *linalg.FUNCTIONS,
    *linear.FUNCTIONS,
    *local_conv.FUNCTIONS,
    *math.FUNCTIONS,
    *mlpconv.FUNCTIONS,
    *n_step_rnn.FUNCTIONS,
    *noise.FUNCTIONS,
    *pooling.FUNCTIONS,
    *rearranging.FUNCTIONS,
    *resize.FUNCTIONS,
    *rnn.FUNCTIONS,
    *sampling.FUNCTIONS,
    *shift.FUNCTIONS,
    *softmax.FUNCTIONS,
    *special.FUNCTIONS,
)
"""Every function of Variables."""
