"""Mathematical functions: elementwise ones, reductions, running sums and products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import scipy.special

import kusari.functions as F
from kusari.kernels import elementwise, reduction, scan
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, distinct, near, normal, positive, repeated, small

SHAPES: Final = {"matrix": (3, 4), "scalar": (), "empty": (0, 2)}


def inside(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw evenly from [−0.9, 0.9): the domain of inverse functions, away from its ends."""
    return np.asarray(generator.uniform(-0.9, 0.9, shape))


def _unary(
    function: Callable[..., Any], oracle: Callable[..., Any], draw: Draw = normal, **options: Any
) -> list[FunctionCase]:
    return [
        FunctionCase(target=function, label=label, inputs=(Input(shape, draw),), oracle=oracle, **options)
        for label, shape in SHAPES.items()
    ]


def _pair(function: Callable[..., Any], oracle: Callable[..., Any], first: Draw, second: Draw) -> list[FunctionCase]:
    shapes = {"matrix": ((3, 4), (3, 4)), "broadcast": ((3, 1), (2, 1, 4)), "scalars": ((), ())}
    return [
        FunctionCase(target=function, label=label, inputs=(Input(a, first), Input(b, second)), oracle=oracle)
        for label, (a, b) in shapes.items()
    ]


def halves(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw odd multiples of ¼ between −3 and 3: no sum, multiple or rounding of them is a tie."""
    return np.asarray(generator.integers(-6, 6, shape) / 2 + 0.25)


ELEMENTWISE: Final = (
    *_unary(F.sin, lambda x: np.imag(np.exp(1j * x))),
    *_unary(F.cos, lambda x: np.real(np.exp(1j * x))),
    *_unary(F.tan, lambda x: np.sin(x) / np.cos(x), inside),
    *_unary(F.arcsin, lambda x: np.arctan2(x, np.sqrt(1 - x * x)), inside),
    *_unary(F.arccos, lambda x: np.arctan2(np.sqrt(1 - x * x), x), inside),
    *_unary(F.arctan, lambda x: np.angle(1 + 1j * x)),
    *_unary(F.arctanh, lambda x: 0.5 * (np.log(1 + x) - np.log(1 - x)), inside),
    *_unary(F.sinh, lambda x: (np.exp(x) - np.exp(-x)) / 2),
    *_unary(F.cosh, lambda x: (np.exp(x) + np.exp(-x)) / 2),
    *_unary(F.exp, lambda x: np.e**x),
    *_unary(F.log, lambda x: np.log2(x) / np.log2(np.e), positive),
    *_unary(F.log2, lambda x: np.log(x) / np.log(2), positive),
    *_unary(F.log10, lambda x: np.log(x) / np.log(10), positive),
    *_unary(F.expm1, lambda x: 2 * np.sinh(x / 2) * np.exp(x / 2)),
    *_unary(F.log1p, lambda x: 2 * np.arctanh(x / (2 + x)), inside),
    *_unary(F.sqrt, lambda x: x**0.5, positive),
    *_unary(F.rsqrt, lambda x: x**-0.5, positive),
    *_unary(F.square, lambda x: x**2),
    *_unary(F.absolute, lambda x: np.where(x < 0, -x, x), avoid=near(0.0)),
    *_unary(F.ceil, lambda x: -np.floor(-x), differentiable=False),
    *_unary(F.floor, lambda x: -np.ceil(-x), differentiable=False),
    *_unary(F.fix, lambda x: np.where(x < 0, np.ceil(x), np.floor(x)), differentiable=False),
    *_unary(F.sign, lambda x: np.heaviside(x, 0) - np.heaviside(-x, 0), differentiable=False),
    *_unary(F.identity, lambda x: x),
    *_pair(F.arctan2, lambda y, x: np.angle(x + 1j * y), positive, inside),
    *_pair(F.maximum, lambda x, y: np.where(x > y, x, y), distinct, halves),
    *_pair(F.minimum, lambda x, y: np.where(x < y, x, y), distinct, halves),
    *_pair(F.fmod, np.fmod, halves, positive),
    *_pair(F.add, lambda x, y: y + x, normal, normal),
)


def _clip(x: Any, x_min: float | None, x_max: float | None) -> Any:
    return np.clip(x, x_min, x_max)


def many(*xs: Any) -> Any:
    """Call `F.add` with more than two arrays."""
    return F.add(*xs)


OTHERS: Final = (
    *(
        FunctionCase(
            target=F.clip,
            label=label,
            inputs=(Input((4, 3)),),
            oracle=_clip,
            arguments={"x_min": low, "x_max": high},
            avoid=near(-0.5, 0.75),
        )
        for label, (low, high) in {"both": (-0.5, 0.75), "above": (None, 0.75), "below": (-0.5, None)}.items()
    ),
    FunctionCase(
        target=F.linear_interpolate,
        label="matrix",
        inputs=(Input((3, 4)), Input((3, 4)), Input((3, 4))),
        oracle=lambda p, x, y: y + p * (x - y),
    ),
    FunctionCase(
        target=many,
        label="three",
        inputs=(Input((3, 4)), Input((4,)), Input((3, 1))),
        oracle=lambda x, y, z: np.add(np.add(z, y), x),
    ),
    FunctionCase(
        target=F.batch_l2_norm_squared,
        label="image",
        inputs=(Input((3, 2, 2)),),
        oracle=lambda x: np.linalg.norm(x.reshape(3, 4), axis=1) ** 2,
    ),
    *(
        FunctionCase(
            target=function,
            label=label,
            inputs=(Input(x), Input(y)),
            oracle=lambda x, y, axis, operation=operation: np.moveaxis(
                operation(np.moveaxis(x, axis, -1), y), -1, axis
            ),
            arguments={"axis": axis},
        )
        for function, operation in ((F.bias, np.add), (F.scale, np.multiply))
        for label, x, y, axis in (
            ("channels", (2, 3, 4), (3,), 1),
            ("first", (2, 3), (2,), 0),
            ("last", (2, 3, 4), (4,), -1),
            ("number", (2, 3), (), 1),
        )
    ),
)


def _reduction(function: Callable[..., Any], oracle: Callable[..., Any], draw: Draw = normal) -> list[FunctionCase]:
    arguments: dict[str, dict[str, Any]] = {
        "all": {},
        "axis": {"axis": 1},
        "negative-axis": {"axis": -1},
        "axes": {"axis": (0, 2)},
        "no-axis": {"axis": ()},
    }
    return [
        FunctionCase(target=function, label=label, inputs=(Input((2, 3, 4), draw),), oracle=oracle, arguments=one)
        for label, one in arguments.items()
    ]


def _running(function: Callable[..., Any], oracle: Callable[..., Any], draw: Draw) -> list[FunctionCase]:
    return [
        FunctionCase(target=function, label=label, inputs=(Input(shape, draw),), oracle=oracle, arguments=arguments)
        for label, shape, arguments in (
            ("flat", (2, 3), {}),
            ("axis", (2, 5, 2), {"axis": 1}),
            ("last", (3, 4), {"axis": -1}),
            ("one", (3, 1), {"axis": 1}),
            ("empty", (3, 0), {"axis": 1}),
        )
    ]


def with_zeros(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw from [0.5, 2) and zeros: what the gradient of a product must not divide by."""
    return np.asarray(generator.uniform(0.5, 2.0, shape) * (generator.random(shape) > 0.3))


def weighted(x: Any, weights: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Call `F.average` with weights that have gradients."""
    return F.average(x, axis, weights, keepdims)


def _weighted(x: Any, weights: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    average: Any = np.average  # whose overloads know no such mixture of options
    return average(x, axis, weights, keepdims=keepdims)


REDUCTIONS: Final = (
    *_reduction(F.max, lambda x, axis=None: -np.min(-x, axis=axis), distinct),
    *_reduction(F.min, lambda x, axis=None: -np.max(-x, axis=axis), distinct),
    *_reduction(F.prod, lambda x, axis=None: np.prod(x, axis=axis), positive),
    *_reduction(F.average, lambda x, axis=None: np.average(x, axis=axis)),
    *_reduction(F.logsumexp, lambda x, axis=None: np.log(np.sum(np.exp(x), axis=axis))),
    *(
        FunctionCase(
            target=function,
            label="keepdims",
            inputs=(Input((2, 3), distinct),),
            oracle=lambda x, axis, keepdims, oracle=oracle: oracle(x, axis=axis, keepdims=keepdims),
            arguments={"axis": 0, "keepdims": True},
        )
        for function, oracle in ((F.max, np.max), (F.min, np.min), (F.prod, np.prod), (F.mean, np.mean))
    ),
    *(
        FunctionCase(
            target=function,
            label=label,
            inputs=(Input((2, 3, 4), distinct),),
            oracle=oracle,
            arguments=arguments,
            differentiable=False,
        )
        for function, oracle in (
            (F.argmax, lambda x, axis=None: np.argsort(x, axis=axis).take(-1, axis=axis).astype(np.int32)),
            (F.argmin, lambda x, axis=None: np.argsort(x, axis=axis).take(0, axis=axis).astype(np.int32)),
        )
        for label, arguments in {"all": {}, "axis": {"axis": 1}}.items()
    ),
    *(
        FunctionCase(target=weighted, label=label, inputs=(Input(x), Input(w, positive)), oracle=_weighted, arguments=a)
        for label, x, w, a in (
            ("all", (2, 3), (2, 3), {}),
            ("axis", (2, 3, 4), (3,), {"axis": 1}),
            ("keepdims", (2, 3), (2,), {"axis": -2, "keepdims": True}),
        )
    ),
    *_running(
        F.cumsum, lambda x, axis=None: np.add.accumulate(x if axis is not None else x.ravel(), axis or 0), normal
    ),
    *_running(
        F.cumprod,
        lambda x, axis=None: np.multiply.accumulate(x if axis is not None else x.ravel(), axis or 0),
        with_zeros,
    ),
    *(
        FunctionCase(
            target=F.prod,
            label=label,
            inputs=(Input((5,), repeated(*values)),),
            oracle=lambda x: np.prod(x, keepdims=False),
        )
        for label, values in {"one-zero": (2, 0, 3, 1, 0.5), "two-zeros": (2, 0, 3, 0, 1)}.items()
    ),
)

FUNCTIONS: Final[tuple[FunctionCase, ...]] = (*ELEMENTWISE, *OTHERS, *REDUCTIONS)


# Kernels. -----------------------------------------------------------------------------------------------------------


def _recurrence(a: HostArray, x: HostArray, axis: int, reverse: bool) -> HostArray:
    """Go step by step."""
    y = np.zeros(x.shape)
    made, factors, terms = (np.moveaxis(v, axis, 0) for v in (y, a, x))
    previous: Any = 0
    for k in reversed(range(len(terms))) if reverse else range(len(terms)):
        previous = made[k, ...] = terms[k] + factors[k] * previous
    return y


def _shift(x: HostArray, axis: int, backwards: bool, fill: float) -> HostArray:
    y = np.full(x.shape, fill)
    to, of = slice(1, None), slice(0, -1)
    if backwards:
        to, of = of, to
    np.moveaxis(y, axis, 0)[to] = np.moveaxis(x, axis, 0)[of]
    return y


def _quotient(x: HostArray, divisor: HostArray) -> HostArray:
    return np.round((x - np.fmod(x, divisor)) / divisor)


def _scans() -> list[Case]:
    shapes = {
        "vector": ((9,), 0),
        "rows": ((3, 5), 1),
        "columns": ((8, 2), 0),
        "middle": ((2, 4, 3), 1),
        "one": ((1,), 0),
    }
    shapes["empty"] = ((0, 3), 0)
    made: list[Case] = []
    for label, (shape, axis) in shapes.items():
        for way, name in ((False, label), (True, f"{label}-back")):
            made += [
                Case(
                    target=scan.linear_recurrence,
                    label=name,
                    inputs=(Input(shape, inside), Input(shape, small)),
                    oracle=_recurrence,
                    arguments={"axis": axis, "reverse": way},
                ),
                Case(
                    target=scan.shift_by_one,
                    label=name,
                    inputs=(Input(shape),),
                    oracle=_shift,
                    arguments={"axis": axis, "backwards": way, "fill": 1.5},
                ),
            ]
    return made


KERNELS: Final[tuple[Case, ...]] = (
    *(
        Case(target=target, label=label, inputs=(Input(shape, halves), Input(shape, positive)), oracle=oracle)
        for target, oracle in ((elementwise.fmod, np.fmod), (elementwise.fmod_quotient, _quotient))
        for label, shape in SHAPES.items()
    ),
    Case(
        target=elementwise.fmod,
        label="signs",
        inputs=(Input((6,), repeated(5.5, -5.5, 5.5, -5.5, 4.0, -4.0)), Input((6,), repeated(2, 2, -2, -2))),
        oracle=np.fmod,
    ),
    *(
        Case(
            target=elementwise.linear_interpolate,
            label=label,
            inputs=(Input(shape), Input(shape), Input(shape)),
            oracle=lambda p, x, y: y + p * (x - y),
        )
        for label, shape in SHAPES.items()
    ),
    *(
        Case(
            target=reduction.logsumexp,
            label=label,
            inputs=(Input(shape, draw),),
            oracle=lambda x, axis: scipy.special.logsumexp(x, axis=axis),
            arguments={"axis": axis},
        )
        for label, shape, axis, draw in (
            ("all", (3, 4), (0, 1), normal),
            ("axis", (3, 4), (1,), normal),
            ("middle", (2, 3, 4), (1,), normal),
            ("large", (4,), (0,), repeated(1000.0, 999.0, -1000.0)),
            ("minus-infinity", (3,), (0,), repeated(-np.inf)),
            ("infinity", (3,), (0,), repeated(np.inf, 1.0)),
        )
    ),
    *_scans(),
)
