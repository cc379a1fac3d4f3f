"""Finite differences: derivatives by evaluating a function nearby, for arrays of any backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from kusari import dtypes
from kusari.autograd.variable import Variable, constant
from kusari.backend import device_of_array

HostArray: TypeAlias = "np.ndarray[Any, Any]"
HostOutputs: TypeAlias = "list[HostArray | None]"


class NondifferentiableError(Exception):
    """A function seems to have a kink or a jump where its derivative was asked for."""


class _Point(NamedTuple):
    """An element's value, and the outputs there."""

    x: float
    outputs: HostOutputs


class Worst(NamedTuple):
    """Where two arrays differ most, measured by what is allowed."""

    place: tuple[int, ...]
    expected: float
    actual: float


def numerical_grad(
    f: Callable[[], Any],
    inputs: Sequence[Any],
    grad_outputs: Sequence[Any],
    eps: float = 1e-3,
    detect_nondifferentiable: bool = False,
    diff_atol: float = 0,
    diff_rtol: float = 1e-2,
    center_outputs: Sequence[Any] | None = None,
) -> tuple[Any, ...]:
    """Compute gradients by central differences, one element at a time.

    gxᵢ = Σ gy · (f(x + εeᵢ) − f(x − εeᵢ)) / 2ε.

    Args:
        f: Called without arguments; reads ``inputs`` and returns an array or Variable, or a tuple of such.
        inputs: Floating arrays of any backend. Changed in place for the calls of ``f``, then restored.
        grad_outputs: One array per output; None for an output that does not count.
        eps: Half the step.
        detect_nondifferentiable: Look for kinks: the outputs at −ε, −ε/2, 0, ε/2 and ε must lie on a parabola.
        diff_atol: How far off the parabola an output may lie.
        diff_rtol: The same, as a share of how far the outputs spread.
        center_outputs: What ``f`` returns for the unchanged inputs, if that is known.

    Returns:
        One array for each of ``inputs``, of its backend, shape and dtype.

    Raises:
        NondifferentiableError: A kink was found; the message says where.

    >>> x = np.asarray([1.0, 2.0])
    >>> numerical_grad(lambda: x * x, (x,), (np.ones(2),))[0].round(6)
    array([2., 4.])
    """
    weights = [None if gy is None else to_host(gy).astype(np.float64) for gy in grad_outputs]
    center: list[HostArray | None] = []
    if detect_nondifferentiable:
        center = host_outputs(f() if center_outputs is None else center_outputs)
    results = []
    for position, x in enumerate(inputs):
        original = to_host(x)
        made = np.zeros(original.shape, np.float64)
        for index in np.ndindex(original.shape):

            def at(step: float, x: Any = x, original: HostArray = original, index: Any = index) -> _Point:
                value = original.dtype.type(original[index] + step)  # the step that the dtype can make
                x[index] = float(value)
                try:
                    return _Point(float(value), host_outputs(f()))
                finally:
                    x[index] = float(original[index])

            high, low = at(eps), at(-eps)
            made[index] = (objective(high.outputs, weights) - objective(low.outputs, weights)) / (high.x - low.x)
            if detect_nondifferentiable:
                where = f"input {position} at {index}"
                points = [low.outputs, at(-eps / 2).outputs, center, at(eps / 2).outputs, high.outputs]
                refuse_kink(points, diff_atol, diff_rtol, where)
        results.append(send_like(made.astype(original.dtype), x))
    return tuple(results)


class Check:
    """One check: a function, copies of its arguments, and the parameters, which are put back at the end."""

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        x_data: tuple[Any, ...],
        params: tuple[Variable, ...],
        no_grads: Sequence[bool] | None,
        dtype: Any,
    ) -> None:
        if not x_data and not params:
            raise ValueError(f"{name}(): no arguments and no params, so that there is nothing to check")
        self.name = name
        self.func = func
        self.params = params
        self.wanted = with_gradient(x_data, no_grads)
        self.dtype = None if dtype is None else dtypes.host_dtype(dtype)
        self.like = x_data
        self.hosts = [self._cast(to_host(x)) for x in x_data]
        self.param_hosts = [self._cast(to_host(p.array)) for p in params]

    def _cast(self, host: HostArray) -> HostArray:
        return host.astype(self.dtype) if self.dtype is not None and dtypes.is_floating(host.dtype) else host

    def cast(self) -> _Restored:
        """Return a context in which ``params`` hold the cast arrays, and after which they are as before."""
        return _Restored(self.params, self.param_hosts)

    def variables(self, hosts: Sequence[HostArray] | None = None) -> list[Variable]:
        """Return the arguments as fresh Variables."""
        return [
            Variable(send_like(host, x), requires_grad=index in self.wanted)
            for index, (host, x) in enumerate(zip(hosts or self.hosts, self.like, strict=True))
        ]

    def call(self, variables: Sequence[Variable]) -> tuple[Any, ...]:
        return as_tuple(self.func(*variables))

    def points(self) -> list[HostArray]:
        """Return the values that have gradients: those of arguments, then those of parameters."""
        return [*(self.hosts[index] for index in self.wanted), *self.param_hosts]

    def backward(self, y_grads: tuple[Any, ...] | None) -> tuple[list[HostArray], HostOutputs]:
        """Return the gradients that backward computes, and the outputs' own, all in float64 on the host."""
        variables = self.variables()
        ys = self.call(variables)
        if y_grads is None:
            y_grads = tuple([y.xp.ones_like(y.array) for y in ys])
        if len(y_grads) != len(ys):
            raise ValueError(f"{self.name}(): {len(ys)} outputs and {len(y_grads)} gradients; expected one for each")
        weights: HostOutputs = []
        loss: Variable | None = None
        for position, (y, gy) in enumerate(zip(ys, y_grads, strict=True)):
            host = None if gy is None else to_host(gy)
            weights.append(None if host is None else host.astype(np.float64))
            if host is None:
                continue
            if host.shape != y.shape:
                raise ValueError(f"{self.name}(): output {position} has shape {y.shape}, its gradient {host.shape}")
            if y.requires_grad:
                share = (y * constant(send_like(host.astype(y.dtype), y.array), y.device)).sum()
                loss = share if loss is None else loss + share
        if loss is not None:
            loss.backward(enable_double_backprop=False)
        sources = [*(variables[index] for index in self.wanted), *self.params]
        return [self._gradient(position, source) for position, source in enumerate(sources)], weights

    def _gradient(self, position: int, source: Variable) -> HostArray:
        if source.grad is None:  # nothing depends on it: then its numerical gradient is zero too
            return np.zeros(source.shape)
        gradient = source.grad
        self.require(
            gradient.shape == source.shape and gradient.dtype == source.array.dtype,
            f"{self.source(position)}: its gradient is {gradient.dtype}{list(gradient.shape)}",
        )
        return to_host(gradient).astype(np.float64)

    def direction(self) -> list[HostArray]:
        """Return a direction of length 1 through all the points, always the same one."""
        generator = np.random.default_rng(20)
        drawn = [np.asarray(generator.standard_normal(point.shape)) for point in self.points()]
        length = float(np.sqrt(sum(float(np.sum(d * d)) for d in drawn))) or 1.0
        return [d / length for d in drawn]

    def along(self, direction: list[HostArray], weights: HostOutputs, eps: float, detect: bool) -> float:
        """Return the derivative along ``direction`` by a central difference."""
        high, low = self._moved(direction, eps), self._moved(direction, -eps)
        if detect:
            halves = [self._moved(direction, step) for step in (-eps / 2, 0.0, eps / 2)]
            refuse_kink([low, *halves, high], 0.0, 1e-2, f"{name_of(self.func)}, along a random direction")
        return (objective(high, weights) - objective(low, weights)) / (2 * eps)

    def _moved(self, direction: list[HostArray], step: float) -> HostOutputs:
        moved = [(p + step * d).astype(p.dtype) for p, d in zip(self.points(), direction, strict=True)]
        count = len(self.wanted)
        hosts = list(self.hosts)
        for index, host in zip(self.wanted, moved[:count], strict=True):
            hosts[index] = host
        for parameter, host in zip(self.params, moved[count:], strict=True):
            parameter.array = send_like(host, parameter.array)
        outputs = host_outputs(self.call(self.variables(hosts)))
        for parameter, host in zip(self.params, self.param_hosts, strict=True):
            parameter.array = send_like(host, parameter.array)
        return outputs

    def worst_elements(
        self,
        analytic: list[HostArray],
        weights: HostOutputs,
        eps: float,
        atol: float,
        rtol: float,
        detect: bool,
    ) -> list[str]:
        """Return a line for each gradient that is off, naming its worst element."""
        lines = []
        variables = self.variables()
        sources = [*(variables[index] for index in self.wanted), *self.params]
        for position, (source, found) in enumerate(zip(sources, analytic, strict=True)):
            (made,) = numerical_grad(lambda: self._touched(variables), (source.array,), weights, eps, detect)
            worst = worst_of(to_host(made), found, atol, rtol)
            if worst is not None:
                lines.append(
                    f"{self.source(position)} at {worst.place}: "
                    f"numerical {worst.expected:.9g}, backward {worst.actual:.9g}"
                )
        return lines

    def _touched(self, variables: Sequence[Variable]) -> tuple[Any, ...]:
        """Call the function after a change in place: what backends derived from a parameter is stale."""
        for parameter in self.params:
            if hasattr(parameter, "touch"):
                parameter.touch()
        return self.call(variables)

    def source(self, position: int) -> str:
        """Return the name, dtype and shape of what a gradient is of."""
        name = (
            f"argument {self.wanted[position]}"
            if position < len(self.wanted)
            else f"params[{position - len(self.wanted)}]"
        )
        point = self.points()[position]
        return f"{name}, {point.dtype}{list(point.shape)}"

    def require(self, condition: bool, text: str) -> None:
        if not condition:
            self.fail(text)

    def fail(self, text: str) -> None:
        arguments = ", ".join(f"{host.dtype}{list(host.shape)}" for host in self.hosts)
        raise AssertionError(f"{self.name} of {name_of(self.func)}({arguments}): {text}")


class _Restored:
    """Let Variables hold other arrays and no gradient for a while."""

    def __init__(self, variables: Sequence[Variable], hosts: Sequence[HostArray]) -> None:
        self._variables = variables
        self._hosts = hosts
        self._before: list[tuple[Any, Variable | None]] = []

    def __enter__(self) -> None:
        for variable, host in zip(self._variables, self._hosts, strict=True):
            self._before.append((variable.array, variable.grad_var))
            variable.cleargrad()
            variable.array = send_like(host, variable.array)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for variable, (array, gradient) in zip(self._variables, self._before, strict=True):
            variable.cleargrad()
            variable.array = array
            variable.grad_var = gradient


def name_of(function: Callable[..., Any]) -> str:
    """Return what a function is called in messages."""
    return getattr(function, "__qualname__", None) or type(function).__name__


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Return one array or Variable, or several, as a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def with_gradient(x_data: tuple[Any, ...], no_grads: Sequence[bool] | None) -> tuple[int, ...]:
    """Return which arguments have a gradient: the floating ones, or those that ``no_grads`` leaves.

    Raises:
        ValueError: ``no_grads`` has another length.
    """
    if no_grads is None:
        no_grads = [not dtypes.is_floating(device_of_array(x).backend.host_dtype(x.dtype)) for x in x_data]
    if len(no_grads) != len(x_data):
        raise ValueError(f"no_grads has {len(no_grads)} entries; expected {len(x_data)}, one for each argument")
    return tuple([index for index, skipped in enumerate(no_grads) if not skipped])


def to_host(array: Any) -> HostArray:
    """Return a copy on the host of an array, or of a Variable's."""
    if isinstance(array, Variable):
        array = array.array
    if isinstance(array, np.generic | float | int):
        return np.asarray(array)
    host: HostArray = device_of_array(array).backend.to_host(array)
    return host


def send_like(host: HostArray, like: Any) -> Any:
    """Return a copy of a host array where ``like`` lives."""
    device = device_of_array(like)
    return device.backend.from_host(host, device.index)


def host_outputs(outputs: Any) -> HostOutputs:
    """Return a function's outputs on the host."""
    return [None if y is None else to_host(y) for y in as_tuple(outputs)]


def objective(outputs: HostOutputs, weights: HostOutputs) -> float:
    """Return Σ y·gy in float64."""
    if len(outputs) != len(weights):
        raise ValueError(f"{len(outputs)} outputs and {len(weights)} gradients; expected one for each")
    pairs = zip(outputs, weights, strict=True)
    return sum(float(np.sum(y.astype(np.float64) * gy)) for y, gy in pairs if y is not None and gy is not None)


def worst_of(expected: HostArray, actual: HostArray, atol: float, rtol: float) -> Worst | None:
    """Return where |actual − expected| exceeds atol + rtol |expected| most; None where it does nowhere."""
    expected, actual = expected.astype(np.float64), actual.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        excess = np.abs(actual - expected) - atol - rtol * np.abs(expected)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    excess = np.where(same, -np.inf, np.where(np.isnan(excess), np.inf, excess))
    if not np.any(excess > 0):
        return None
    index = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return Worst(tuple(int(i) for i in index), float(expected[index]), float(actual[index]))


def refuse_kink(points: Sequence[HostOutputs], atol: float, rtol: float, where: str) -> None:
    """Raise unless the outputs at −ε, −ε/2, 0, ε/2, ε lie on parabolas.

    A smooth function leaves its parabola by about ε³; one with a kink between the outer points, by about ε at one of
    the two points between: the interpolation misses a ramp that begins at pε by 3/8(1 − p) − max(0, ½ − p) on its own
    side, which is 0 at p = ⅕ only, and by ⅛(1 − p) on the other.
    """
    for low, half_low, center, half_high, high in zip(*points, strict=True):
        if low is None or half_low is None or center is None or half_high is None or high is None:
            continue
        five = np.stack([low, half_low, center, half_high, high]).astype(np.float64)
        if not np.all(np.isfinite(five)):
            raise NondifferentiableError(f"{where}: an output is not finite near the given point")
        spread = np.ptp(five, axis=0)
        noise = 16 * float(np.finfo(np.float64).eps) * np.max(np.abs(five), axis=0)
        left = 0.375 * five[0] + 0.75 * five[2] - 0.125 * five[4] - five[1]
        right = 0.375 * five[4] + 0.75 * five[2] - 0.125 * five[0] - five[3]
        off = np.maximum(np.abs(left), np.abs(right)) - atol - rtol * spread - noise
        if np.any(off > 0):
            raise NondifferentiableError(f"{where}: the outputs have a kink or a jump near the given point")
