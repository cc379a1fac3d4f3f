"""Special functions: kernels, and the functions over them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import scipy.integrate

import kusari.functions as F
from kusari.kernels import error_function, special
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FunctionCase, Input
from kusari_testkit.draw import Draw, HostArray, integers, normal, positive, repeated

DTYPES: Final = ("float32", "float64", "float16")
WIDE: Final = ("float32", "float64")


def inside(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw evenly from [−0.9, 0.9)."""
    return np.asarray(generator.uniform(-0.9, 0.9, shape))


def probability(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw evenly from [0.05, 0.95)."""
    return np.asarray(generator.uniform(0.05, 0.95, shape))


def one_by_one(function: Callable[[float], float]) -> Callable[[HostArray], HostArray]:
    """Return a function of arrays that calls one of numbers."""
    return lambda x: np.asarray([function(float(v)) for v in x.ravel()]).reshape(x.shape)


def _digamma(x: float) -> float:
    """Return −γ + Σ (1/(k + 1) − 1/(k + x)), summed by Gauss's integral."""
    value, _ = scipy.integrate.quad(lambda t: (1 - t ** (x - 1)) / (1 - t), 0, 1, epsabs=1e-13, epsrel=1e-13)
    return float(value) - np.euler_gamma


def _root(function: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Return where an increasing function has a value, by bisection."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < target else (low, middle)
    return (low + high) / 2


def _hurwitz(x: float, q: float) -> float:
    """Return Σ (k + q)⁻ˣ, the tail by Euler and Maclaurin."""
    n = 40
    head = sum((k + q) ** -x for k in range(n))
    end = n + q
    tail = end ** (1 - x) / (x - 1) + 0.5 * end**-x + x * end ** (-x - 1) / 12
    return head + tail - x * (x + 1) * (x + 2) * end ** (-x - 3) / 720


SINGLE: Final[dict[str, tuple[Callable[[float], float], Draw]]] = {
    "erf": (math.erf, normal),
    "erfc": (math.erfc, normal),
    "erfcx": (lambda x: math.exp(x * x) * math.erfc(x), normal),
    "erfinv": (lambda x: _root(math.erf, x, -4, 4), inside),
    "erfcinv": (lambda x: _root(lambda y: -math.erfc(y), -x, -4, 4), probability),
    "lgamma": (math.lgamma, positive),
    "digamma": (_digamma, positive),
    "ndtr": (lambda x: 0.5 * math.erfc(-x / math.sqrt(2)), normal),
    "ndtri": (lambda x: _root(lambda y: 0.5 * math.erfc(-y / math.sqrt(2)), x, -6, 6), probability),
    "log_ndtr": (lambda x: math.log(0.5 * math.erfc(-x / math.sqrt(2))), normal),
}
"""Name: the function of one number, without SciPy's of that name, and where to draw from."""


def _kernel(name: str) -> dict[str, Any]:
    """Return a kernel, and the dtypes that it takes."""
    if hasattr(error_function, name):
        return {"target": getattr(error_function, name), "dtypes": WIDE}
    return {"target": getattr(special, name), "dtypes": DTYPES}


EXTREMES: Final[dict[str, Any]] = {
    "erf": (0.0, -0.0, 30.0, -30.0, np.inf, np.nan),
    "erfc": (0.0, 5.0, -30.0, np.inf, np.nan, 0.46875, 0.47, 4.0, 4.01, -0.4),
    "erfcx": (0.0, 0.46875, 0.47, 4.0, 4.01, -0.4, -0.5, -2.0),
    "log_ndtr": (0.0, -5.0, 5.0, -0.6, 0.7, np.inf),
    "ndtr": (0.0, 5.0, -5.0, np.inf, -np.inf),
    "lgamma": (0.5, 1.0, 2.0, 10.0, -0.5),
}


def _pair_of(function: Callable[[float, float], float]) -> Callable[[HostArray, HostArray], HostArray]:
    def oracle(first: HostArray, second: HostArray) -> HostArray:
        a, b = np.broadcast_arrays(first, second)
        return np.asarray([function(float(v), float(w)) for v, w in zip(a.flat, b.flat, strict=True)]).reshape(a.shape)

    return oracle


def _polygamma(n: float, x: float) -> float:
    return _digamma(x) if n == 0 else (-1) ** (int(n) + 1) * math.factorial(int(n)) * _hurwitz(n + 1, x)


def zeta_of(q: Any, x: float) -> Any:
    """Call `F.zeta` with a number for x."""
    return F.zeta(x, q)


KERNELS: Final[tuple[Case, ...]] = (
    *(
        Case(
            **_kernel(name),
            label=label,
            inputs=(Input(shape, draw),),
            oracle=one_by_one(oracle),
            tolerance={"float64": 1e-10, "float32": 2e-5, "float16": 1e-2},
        )
        for name, (oracle, draw) in SINGLE.items()
        for label, shape in {"matrix": (3, 4), "scalar": (), "empty": (0, 2)}.items()
    ),
    *(
        Case(
            **_kernel(name),
            label="extreme",
            inputs=(Input((len(values),), repeated(*values)),),
            oracle=one_by_one(SINGLE[name][0]),
        )
        for name, values in EXTREMES.items()
    ),
    Case(
        target=special.polygamma,
        label="matrix",
        inputs=(Input((3, 4), integers(0, 4), "int32"), Input((3, 4), positive)),
        oracle=_pair_of(_polygamma),
        dtypes=DTYPES,
        tolerance={"float64": 1e-9, "float32": 2e-5, "float16": 1e-2},
    ),
    Case(
        target=special.zeta,
        label="broadcast",
        inputs=(Input((3, 1), lambda g, s: np.asarray(g.uniform(1.5, 4, s))), Input((4,), positive)),
        oracle=_pair_of(_hurwitz),
        dtypes=DTYPES,
        tolerance={"float64": 1e-9, "float32": 2e-5, "float16": 2e-2},
    ),
)

FUNCTIONS: Final[tuple[FunctionCase, ...]] = (
    *(
        FunctionCase(
            target=getattr(F, name),
            label=label,
            inputs=(Input(shape, draw),),
            oracle=one_by_one(oracle),
            tolerance={"float64": 1e-10, "float32": 2e-5, "float16": 1e-2, "bfloat16": 8e-2},
        )
        for name, (oracle, draw) in SINGLE.items()
        for label, shape in {"matrix": (3, 4), "scalar": ()}.items()
    ),
    FunctionCase(
        target=F.polygamma,
        label="orders",
        inputs=(Input((4,), integers(0, 4), "int32"), Input((3, 4), positive)),
        oracle=_pair_of(_polygamma),
        tolerance={"float64": 1e-9, "float32": 2e-5, "float16": 1e-2, "bfloat16": 8e-2},
    ),
    FunctionCase(
        target=zeta_of,
        label="number",
        inputs=(Input((3, 4), positive),),
        oracle=lambda q, x: one_by_one(lambda v: _hurwitz(x, v))(q),
        arguments={"x": 2.5},
        tolerance={"float64": 1e-9, "float32": 2e-5, "float16": 1e-2, "bfloat16": 8e-2},
    ),
)
