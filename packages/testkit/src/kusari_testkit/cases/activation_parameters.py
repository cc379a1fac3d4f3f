"""Activations with parameters, with a learned array, or along an axis: kernels, gradients, and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.special

import kusari.functions as F
from kusari.kernels import activation as kernels
from kusari.kernels import softmax as softmax_kernels
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import HostArray, distinct, near, normal, normal_with, positive, repeated


@dataclass(frozen=True)
class Formula:
    """An activation of numbers, and its derivative, from x and from y, in NumPy and SciPy."""

    forward: Callable[..., HostArray]
    gradient: Callable[..., HostArray]
    arguments: Mapping[str, float]
    kinks: tuple[float, ...] = ()
    others: tuple[Mapping[str, float], ...] = ()
    """Arguments that the function takes beyond those of which the kernel's derivative can be read off y."""

    def draw_outputs(self, generator: np.random.Generator, shape: Shape) -> HostArray:
        """Draw what the activation gives of N(0, 1)."""
        return np.asarray(self.forward(normal(generator, shape), **self.arguments))


def _elu(x: HostArray, alpha: float, scale: float = 1.0) -> HostArray:
    return np.asarray(scale * np.where(np.isnan(x) | (x > 0), x, alpha * (np.exp(np.minimum(x, 0)) - 1)))


FORMULAS: Final[Mapping[str, Formula]] = {
    "clipped_relu": Formula(
        lambda x, z: np.clip(x, 0, z), lambda y, gy, z: gy * (y > 0) * (y < z), {"z": 0.75}, (0.0, 0.75)
    ),
    "hard_sigmoid": Formula(
        lambda x: np.clip(0.2 * x + 0.5, 0, 1), lambda y, gy: gy * 0.2 * (y > 0) * (y < 1), {}, (-2.5, 2.5)
    ),
    "leaky_relu": Formula(
        lambda x, slope: x * np.where(x < 0, slope, 1),
        lambda y, gy, slope: gy * np.where(y < 0, slope, 1),
        {"slope": 0.25},
        (0.0,),
        ({"slope": 0.0}, {"slope": -0.5}),
    ),
    "elu": Formula(
        _elu,
        lambda y, gy, alpha: gy * (1 + np.where(y < 0, y + alpha - 1, 0)),
        {"alpha": 0.75},
        (0.0,),
        ({"alpha": 0.0}, {"alpha": -0.5}),
    ),
    "selu": Formula(
        _elu,
        lambda y, gy, alpha, scale: gy * np.where(y < 0, y + alpha * scale, scale),
        {"alpha": 1.5, "scale": 1.25},
        (0.0,),
        ({"alpha": -1.5, "scale": 1.25}, {"alpha": 1.5, "scale": -1.25}),
    ),
    "softplus": Formula(
        lambda x, beta: np.logaddexp(0, beta * x) / beta,
        lambda y, gy, beta: gy - gy * np.exp(-beta * y),
        {"beta": 1.5},
        (),
        ({"beta": -0.5}, {"beta": 1.0}),
    ),
}

SHAPES: Final = {"vector": (7,), "image": (2, 3, 5, 4), "odd": (3, 1, 17), "scalar": (), "empty": (0, 3)}


def _kernel_cases(name: str) -> list[Case]:
    formula = FORMULAS[name]
    forward: dict[str, Any] = {"target": getattr(kernels, name), "oracle": formula.forward}
    gradient: dict[str, Any] = {"target": getattr(kernels, f"{name}_grad"), "oracle": formula.gradient}
    for common in (forward, gradient):
        common["arguments"] = formula.arguments
    made: list[Case] = []
    for label, shape in SHAPES.items():
        made.append(Case(**forward, label=label, inputs=(Input(shape),)))
        outputs = Input(shape, formula.draw_outputs)
        made.append(Case(**gradient, label=label, inputs=(outputs, Input(shape))))
    extremes = repeated(0.0, -0.0, 1e-4, -1e-4, 20.0, -20.0, 88.0, -88.0, 1000.0, -1000.0)
    special = normal_with(np.nan, np.inf, -np.inf)
    return [
        *made,
        Case(**forward, label="extreme", inputs=(Input((10,), extremes),)),
        Case(**forward, label="nan-inf", inputs=(Input((3, 5), special),)),
    ]


def _function_cases(name: str) -> list[FunctionCase]:
    formula = FORMULAS[name]
    common: dict[str, Any] = {"target": getattr(F, name), "oracle": formula.forward, "avoid": near(*formula.kinks)}
    plain = [
        FunctionCase(**common, label=label, inputs=(Input(shape),), arguments=formula.arguments)
        for label, shape in SHAPES.items()
    ]
    return plain + [
        FunctionCase(
            **common,
            label="-".join(f"{key}={value}" for key, value in arguments.items()),
            inputs=(Input((4, 5)),),
            arguments=arguments,
        )
        for arguments in formula.others
    ]


# With a learned array. ----------------------------------------------------------------------------------------------


def _prelu_grad(x: HostArray, W: HostArray, gy: HostArray) -> tuple[HostArray, HostArray]:
    return gy * np.where(x < 0, W, 1), gy * np.minimum(x, 0)


def _swish_grad(x: HostArray, beta: HostArray, gy: HostArray) -> tuple[HostArray, HostArray]:
    s, slope = scipy.special.expit(beta * x), scipy.special.expit(beta * x) * scipy.special.expit(-beta * x)
    return gy * (s + x * slope * beta), gy * x * slope * x


def _rrelu(x: HostArray, r: HostArray) -> tuple[HostArray, HostArray]:
    return np.where(x < 0, r * x, x), np.where(x < 0, r, 1.0)


def _prelu(x: HostArray, W: HostArray) -> HostArray:
    return np.asarray(np.where(x < 0, W * x, x))


def _swish(x: HostArray, beta: HostArray) -> HostArray:
    return np.asarray(x / (1 + np.exp(-beta * x)))


def _pairs(target: Any, oracle: Callable[..., Any], gradient: bool = False) -> list[Case]:
    return [
        Case(target=target, label=label, inputs=(Input(x), Input(w, positive), *[Input(x)] * gradient), oracle=oracle)
        for label, x, w in (
            ("same", (2, 3, 4), (2, 3, 4)),
            ("channels", (2, 3, 4, 5), (1, 3, 1, 1)),
            ("scalar", (3, 7), (1, 1)),
            ("empty", (0, 3), (1, 3)),
        )
    ]


LEARNED: Final = {
    "all": ((2, 3, 4), (3, 4)),
    "channels": ((2, 3, 4, 2), (3,)),
    "one": ((3, 5), ()),
    "one-row": ((1, 3), (3,)),
}


def _learned(target: Any, oracle: Callable[..., HostArray], avoid: Any = None) -> list[FunctionCase]:
    def along(x: HostArray, w: HostArray) -> HostArray:
        return oracle(x, w.reshape((1, *w.shape, *(1,) * (x.ndim - 1 - w.ndim))))

    return [
        FunctionCase(target=target, label=label, inputs=(Input(x), Input(w, positive)), oracle=along, avoid=avoid)
        for label, (x, w) in LEARNED.items()
    ]


# Along an axis. -----------------------------------------------------------------------------------------------------

ALONG: Final = {
    "matrix": ((5, 4), 1),
    "image": ((2, 3, 4, 5), 1),
    "last-axis": ((2, 3, 4), -1),
    "first-axis": ((3, 4), 0),
    "vector": ((6,), 0),
    "one-class": ((3, 1), 1),
    "empty": ((0, 4), 1),
}


def _softmax_grad(y: HostArray, gy: HostArray, axis: int) -> HostArray:
    y, gy = np.moveaxis(y, axis, -1), np.moveaxis(gy, axis, -1)
    jacobian = np.eye(y.shape[-1]) * y[..., None] - y[..., :, None] * y[..., None, :]
    return np.moveaxis(np.einsum("...ij,...j->...i", jacobian, gy), -1, axis)


def _log_softmax_grad(y: HostArray, gy: HostArray, axis: int) -> HostArray:
    y, gy = np.moveaxis(y, axis, -1), np.moveaxis(gy, axis, -1)
    jacobian = np.eye(y.shape[-1]) - np.exp(y)[..., :, None]
    return np.moveaxis(np.einsum("...ij,...j->...i", jacobian, gy), -1, axis)


def _along(label: str, shape: tuple[int, ...], axis: int) -> list[Case]:
    common: dict[str, Any] = {"label": label, "arguments": {"axis": axis}}
    one, two = (Input(shape),), (Input(shape), Input(shape))
    return [
        Case(**common, target=softmax_kernels.softmax, inputs=one, oracle=scipy.special.softmax),
        Case(**common, target=softmax_kernels.softmax_grad, inputs=two, oracle=_softmax_grad),
        Case(**common, target=softmax_kernels.log_softmax_grad, inputs=two, oracle=_log_softmax_grad),
    ]


def _along_functions(label: str, shape: tuple[int, ...], axis: int) -> list[FunctionCase]:
    common: dict[str, Any] = {"label": label, "inputs": (Input(shape),), "arguments": {"axis": axis}}
    relu = np.vectorize(lambda v: max(v, 0.0), otypes=[float])
    made = [
        FunctionCase(**common, target=F.softmax, oracle=scipy.special.softmax),
        FunctionCase(**common, target=F.log_softmax, oracle=scipy.special.log_softmax),
        FunctionCase(
            **common,
            target=F.crelu,
            oracle=lambda x, axis: np.concatenate([relu(x), relu(-x)], axis=axis),
            avoid=near(0.0),
        ),
    ]
    return made if label != "empty" else made[2:]


def _maxout(x: HostArray, pool_size: int, axis: int = 1) -> HostArray:
    groups = np.split(x, x.shape[axis] // pool_size, axis=axis)
    return np.concatenate([np.max(group, axis=axis, keepdims=True) for group in groups], axis=axis)


def _rrelu_given(x: Any, r: Any) -> Any:
    """Call `F.rrelu` with slopes given."""
    return F.rrelu(x, r=r)


KERNELS: Final[tuple[Case, ...]] = (
    *(case for name in FORMULAS for case in _kernel_cases(name)),
    *_pairs(kernels.prelu, _prelu),
    *_pairs(kernels.prelu_grad, _prelu_grad, gradient=True),
    *_pairs(kernels.swish, _swish),
    *_pairs(kernels.swish_grad, _swish_grad, gradient=True),
    *_pairs(kernels.rrelu, _rrelu)[:1],
    *(case for label, (shape, axis) in ALONG.items() for case in _along(label, shape, axis)),
    Case(
        target=softmax_kernels.softmax,
        label="extreme",
        inputs=(Input((2, 3), repeated(1000.0, 0.0, -1000.0)),),
        oracle=scipy.special.softmax,
        arguments={"axis": 1},
    ),
)
FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(case for name in FORMULAS for case in _function_cases(name)),
    FunctionCase(
        target=F.relu6, label="6", inputs=(Input((9,), repeated(-2.0, 3.0, 7.0)),), oracle=lambda x: np.clip(x, 0, 6)
    ),
    *_learned(F.prelu, _prelu, near(0.0)),
    *_learned(F.swish, _swish),
    FunctionCase(
        target=_rrelu_given,
        label="given",
        inputs=(Input((3, 4)), Input((3, 4), positive)),
        oracle=lambda x, r: _rrelu(x, r)[0],
        constants=(1,),
        avoid=near(0.0),
    ),
    *(case for label, (shape, axis) in ALONG.items() for case in _along_functions(label, shape, axis)),
    *(
        FunctionCase(
            target=F.maxout, label=label, inputs=(Input(shape, distinct),), oracle=_maxout, arguments=arguments
        )
        for label, shape, arguments in (
            ("matrix", (3, 6), {"pool_size": 2}),
            ("image", (2, 6, 3, 2), {"pool_size": 3}),
            ("last-axis", (2, 3, 4), {"pool_size": 2, "axis": -1}),
            ("groups-of-one", (2, 3), {"pool_size": 1}),
        )
    ),
)
