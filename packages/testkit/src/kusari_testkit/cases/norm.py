"""The kernels of normalization: by mean and variance, and across neighbouring channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from kusari.kernels import norm
from kusari.kernels.activation import RELU, TANH, Activation
from kusari.kernels.norm import Normalization, NormalizationProblem
from kusari.types import Shape
from kusari_testkit.cases.case import Case, FamilyCase, Input
from kusari_testkit.draw import Draw, HostArray, normal, positive, repeated

WIDE: Final = ("float32", "float64")
NARROW: Final = ("float16", "bfloat16")
LOOSE: Final = {"float64": 1e-9, "float32": 5e-4, "float16": 3e-2, "bfloat16": 2e-1}
"""Where a matrix is inverted, or where rounding to 16 bits happens more than once."""


@dataclass(frozen=True)
class Norm:
    """A normalization without its numbers."""

    label: str
    x: Shape
    axes: Shape
    parameter_axes: Shape | None = None
    activation: Activation | None = None
    eps: float = 2e-5

    @property
    def kept(self) -> Shape:
        """The axes that means have."""
        return tuple(axis for axis in range(len(self.x)) if axis not in self.axes)

    @property
    def gamma(self) -> Shape:
        """The parameters' shape."""
        return tuple(self.x[axis] for axis in (self.kept if self.parameter_axes is None else self.parameter_axes))

    @property
    def mean(self) -> Shape:
        """The shape of means."""
        return tuple(self.x[axis] for axis in self.kept)

    def problem(self, dtype: Any) -> NormalizationProblem:
        """Return the Problem in a dtype of the host; 16-bit ones have float32 statistics."""
        wide = np.dtype("float32") if dtype.itemsize < 4 else dtype
        return NormalizationProblem(
            self.x, dtype, wide, self.axes, self.eps, None, self.parameter_axes, self.activation
        )

    # The oracle: one mean at a time. --------------------------------------------------------------------------------

    def sets(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Yield each mean's index and the index of the numbers that it is over."""
        for place in np.ndindex(*self.mean):
            numbers = iter(place)
            yield place, tuple(next(numbers) if axis in self.kept else slice(None) for axis in range(len(self.x)))

    def spread(self, a: HostArray) -> HostArray:
        """Return a parameter in the shape of x."""
        axes = self.kept if self.parameter_axes is None else self.parameter_axes
        shape = [length if axis in axes else 1 for axis, length in enumerate(self.x)]
        return np.broadcast_to(a.reshape(shape), self.x)

    def collect(self, a: HostArray) -> HostArray:
        """Return the sum of what `spread` would repeat."""
        axes = self.kept if self.parameter_axes is None else self.parameter_axes
        return np.sum(a, axis=tuple(axis for axis in range(len(self.x)) if axis not in axes))

    def activate(self, z: HostArray) -> HostArray:
        """Return the activation of z."""
        return z if self.activation is None else np.maximum(z, 0) if self.activation is RELU else np.tanh(z)

    def slope(self, z: HostArray) -> Any:
        """Return its derivative."""
        return 1.0 if self.activation is None else z > 0 if self.activation is RELU else 1 - np.tanh(z) ** 2

    def statistics(self, x: HostArray) -> tuple[HostArray, HostArray]:
        """Return the mean and the variance."""
        mean, var = np.zeros(self.mean), np.zeros(self.mean)
        for place, seen in self.sets():
            if x[seen].size:
                mean[place], var[place] = np.mean(x[seen]), np.var(x[seen])
        return mean, var

    def normal(self, x: HostArray, mean: HostArray, var: HostArray) -> HostArray:
        """Return x with mean 0 and variance 1."""
        made = np.zeros(self.x)
        for place, seen in self.sets():
            made[seen] = (x[seen] - mean[place]) / np.sqrt(var[place] + self.eps)
        return made

    def fixed(
        self, x: HostArray, gamma: HostArray, beta: HostArray, mean: HostArray, var: HostArray, **_: Any
    ) -> HostArray:
        """Return y under given statistics."""
        return self.activate(self.spread(gamma) * self.normal(x, mean, var) + self.spread(beta))

    def forward(self, x: HostArray, gamma: HostArray, beta: HostArray, **_: Any) -> HostArray:
        """Return y."""
        return self.fixed(x, gamma, beta, *self.statistics(x))

    def everything(self, x: HostArray, gamma: HostArray, beta: HostArray) -> tuple[HostArray, HostArray, HostArray]:
        """Return y, the mean and the variance."""
        return self.forward(x, gamma, beta), *self.statistics(x)

    def backward(
        self, x: HostArray, gamma: HostArray, beta: HostArray, gy: HostArray
    ) -> tuple[HostArray, HostArray, HostArray]:
        """Return the gradients: gx by each set's Jacobian (I − 1 1ᵀ / m − x̂ x̂ᵀ / m) / σ."""
        mean, var = self.statistics(x)
        normal = self.normal(x, mean, var)
        gy = gy * self.slope(self.spread(gamma) * normal + self.spread(beta))
        gx, inner = np.zeros(self.x), gy * self.spread(gamma)
        for place, seen in self.sets():
            v = normal[seen].ravel()
            if v.size:
                jacobian = (np.eye(v.size) - (1 + np.outer(v, v)) / v.size) / np.sqrt(var[place] + self.eps)
                gx[seen] = (jacobian @ inner[seen].ravel()).reshape(gx[seen].shape)
        return gx, self.collect(gy * normal), self.collect(gy)


QUICK: Final = frozenset({"batch", "images-relu", "empty", "layer", "groups"})

NORMS: Final[tuple[Norm, ...]] = (
    Norm("batch", (6, 3), (0,)),
    Norm("images", (3, 4, 3, 2), (0, 2, 3)),
    Norm("images-relu", (3, 4, 3, 2), (0, 2, 3), activation=RELU),
    Norm("images-tanh", (2, 3, 2, 3), (0, 2, 3), activation=TANH),
    Norm("sequences", (3, 2, 5), (0, 2)),
    Norm("volumes", (2, 3, 2, 3, 2), (0, 2, 3, 4)),
    Norm("channels-17", (2, 17, 3, 3), (0, 2, 3)),
    Norm("pixels", (5, 2, 3, 2), (0,)),
    Norm("channels-last", (2, 3, 2, 4), (0, 1, 2)),
    Norm("rows-and-columns", (4, 2, 3, 2), (0, 3)),
    Norm("vector", (7,), (0,)),
    Norm("large-eps", (4, 3), (0,), eps=1.0),
    Norm("empty", (0, 3, 2, 2), (0, 2, 3)),
    Norm("one-number", (1, 3), (0,)),
    Norm("layer", (4, 6), (1,), parameter_axes=(1,)),
    Norm("groups", (2, 3, 2, 2, 3), (2, 3, 4), parameter_axes=(1, 2)),
    Norm("groups-relu", (2, 2, 3, 2), (2, 3), parameter_axes=(1, 2), activation=RELU),
)


def use_backward(plan: Normalization, x: Any, gamma: Any, beta: Any, gy: Any) -> Any:
    """Run forward and the gradients."""
    y, mean, var = plan.forward(x, gamma, beta)
    return plan.backward(x, gamma, mean, var, y, gy)


def _as_it_is(oracle: Any) -> Any:
    return oracle


def _narrow(oracle: Any) -> Any:
    """Return an oracle whose results but the first are float32."""

    def in_float32(*arrays: HostArray, **arguments: Any) -> Any:
        first, *rest = oracle(*arrays, **arguments)
        return first, *[a.astype(np.float32) for a in rest]

    return in_float32


def _family_cases(one: Norm, draw: Draw = normal, label: str = "") -> list[FamilyCase]:
    cases = []
    for dtypes, parameter in ((WIDE, None), (NARROW, "float32")):
        common: dict[str, Any] = {
            "target": Normalization,
            "label": f"{label or one.label}{'-16' if parameter else ''}",
            "problem": one.problem,
            "quick": one.label in QUICK,
            "dtypes": dtypes,
            "tolerance": LOOSE if parameter else {"float64": 1e-9, "float32": 1e-4},
        }
        own = _as_it_is if parameter is None else _narrow
        x, gy = Input(one.x, draw), Input(one.x)
        gamma, beta = Input(one.gamma, positive, parameter), Input(one.gamma, normal, parameter)
        mean, var = Input(one.mean, normal, parameter), Input(one.mean, positive, parameter)
        cases += [
            FamilyCase(
                **common,
                step="forward",
                inputs=(x, gamma, beta),
                oracle=own(one.everything),
                use=lambda plan, *arrays: plan.forward(*arrays),
            ),
            FamilyCase(
                **common,
                step="backward",
                inputs=(x, gamma, beta, gy),
                oracle=own(one.backward),
                use=use_backward,
            ),
            FamilyCase(
                **common,
                step="fixed",
                inputs=(x, gamma, beta, mean, var),
                oracle=one.fixed,
                use=lambda plan, *arrays: plan.fixed(*arrays),
            ),
        ]
        if parameter is None:
            cases.append(
                FamilyCase(
                    **common,
                    step="statistics",
                    inputs=(x,),
                    oracle=one.statistics,
                    use=lambda plan, x: plan.statistics(x),
                )
            )
    return cases


def far_from_0(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw numbers whose mean is 1000 deviations away from 0: E[x²] − E[x]² would lose all digits."""
    return normal(generator, shape) + 1000.0


# Across channels. ---------------------------------------------------------------------------------------------------


def sum_of_neighbours(x: HostArray, reach: int) -> HostArray:
    """Return the sum over the channels around each."""
    return np.stack([np.sum(x[:, max(0, c - reach) : c + reach + 1], axis=1) for c in range(x.shape[1])], axis=1)


def _local_response_grad(
    x: HostArray, total: HostArray, gy: HostArray, reach: int, k: float, alpha: float, beta: float
) -> HostArray:
    """Sum over all pairs of channels: ∂y[c] / ∂x[d] = δ u[c]^−β − 2αβ x[c] x[d] u[c]^(−β − 1)."""
    gx = np.zeros(x.shape)
    u = k + alpha * total
    for c in range(x.shape[1]):
        gx[:, c] += gy[:, c] * u[:, c] ** -beta
        for d in range(max(0, c - reach), min(x.shape[1], c + reach + 1)):
            gx[:, d] -= gy[:, c] * 2 * alpha * beta * x[:, c] * x[:, d] * u[:, c] ** (-beta - 1)
    return gx


CHANNELS: Final[dict[str, tuple[Shape, int]]] = {
    "image": ((2, 7, 2, 3), 2),
    "matrix": ((3, 6), 1),
    "all": ((1, 3, 2), 9),
    "none": ((2, 3), 0),
    "one-channel": ((2, 1, 3), 2),
    "empty": ((0, 4), 1),
}
RESPONSE: Final = {"k": 2.0, "alpha": 0.3, "beta": 0.75}


def _channel_cases() -> list[Case]:
    made: list[Case] = []
    for label, (shape, reach) in CHANNELS.items():
        made += [
            Case(
                target=norm.sum_neighbours,
                label=label,
                inputs=(Input(shape),),
                oracle=sum_of_neighbours,
                arguments={"reach": reach},
            ),
            Case(
                target=norm.local_response,
                label=label,
                inputs=(Input(shape), Input(shape, positive)),
                oracle=lambda x, total, k, alpha, beta: x / (k + alpha * total) ** beta,
                arguments=RESPONSE,
                dtypes=WIDE,
            ),
            Case(
                target=norm.local_response_grad,
                label=label,
                inputs=(Input(shape), Input(shape, positive), Input(shape)),
                oracle=_local_response_grad,
                arguments={"reach": reach, **RESPONSE},
                dtypes=WIDE,
            ),
        ]
    return made


KERNELS: Final[tuple[Case, ...]] = (
    *(case for one in NORMS for case in _family_cases(one)),
    *_family_cases(NORMS[1], repeated(3.0), "constant")[:1],
    *_family_cases(Norm("far-from-0", (8, 2), (0,)), far_from_0)[:1],
    *_channel_cases(),
)
