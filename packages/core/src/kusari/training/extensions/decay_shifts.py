"""Schedules that lower a hyperparameter step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.training.extensions.shift import Shift, check_at_least, limited


class ExponentialShift(Shift):
    """Multiply by a rate at each call: init · rateᵗ.

    Args:
        attr: The optimizer's attribute.
        rate: The factor.
        init: The first value. Default: what the optimizer has.
        target: Where it stops.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: A negative rate.

    >>> shift = ExponentialShift("lr", rate=0.5)
    >>> [shift.value_at(t, init=1.0) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(
        self,
        attr: str,
        rate: float,
        init: float | None = None,
        target: float | None = None,
        optimizer: Any = None,
    ) -> None:
        super().__init__(attr, init, optimizer)
        check_at_least("ExponentialShift does not support negative rate", rate)
        self._rate = rate
        self._target = target

    def value_at(self, t: int, init: float) -> float:
        return limited(init * self._rate**t, init, self._target)


class InverseShift(Shift):
    """Follow an inverse power: init · (1 + γt)^(−power).

    Args:
        attr: The optimizer's attribute.
        gamma: γ.
        power: The exponent.
        init: The first value. Default: what the optimizer has.
        target: Where it stops.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: A negative ``gamma``.

    >>> shift = InverseShift("lr", gamma=0.5, power=2)
    >>> [round(shift.value_at(t, init=1.0), 3) for t in range(4)]
    [1.0, 0.444, 0.25, 0.16]
    """

    def __init__(
        self,
        attr: str,
        gamma: float,
        power: float,
        init: float | None = None,
        target: float | None = None,
        optimizer: Any = None,
    ) -> None:
        super().__init__(attr, init, optimizer)
        check_at_least("InverseShift does not support negative gamma", gamma)
        self._gamma = gamma
        self._power = power
        self._target = target

    def value_at(self, t: int, init: float) -> float:
        return limited(init * (1 + self._gamma * t) ** -self._power, init, self._target)


class PolynomialShift(Shift):
    """Follow a power to zero: init · (1 − t/max_count)^rate, and 0 from ``max_count`` on.

    Args:
        attr: The optimizer's attribute.
        rate: The exponent.
        max_count: After how many calls it is 0.
        init: The first value. Default: what the optimizer has.
        target: Where it stops.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: A negative rate, or ``max_count`` below 1.

    >>> shift = PolynomialShift("lr", rate=2, max_count=4)
    >>> [shift.value_at(t, init=1.0) for t in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    def __init__(
        self,
        attr: str,
        rate: float,
        max_count: int,
        init: float | None = None,
        target: float | None = None,
        optimizer: Any = None,
    ) -> None:
        super().__init__(attr, init, optimizer)
        check_at_least("PolynomialShift does not support negative rate", rate)
        check_at_least("max_count", max_count, 1)
        self._rate = rate
        self._max_count = max_count
        self._target = target

    def value_at(self, t: int, init: float) -> float:
        return limited(init * max(0.0, 1 - t / self._max_count) ** self._rate, init, self._target)


class StepShift(Shift):
    """Multiply by a factor every so many calls: init · γ^⌊t/step⌋.

    Args:
        attr: The optimizer's attribute.
        gamma: γ.
        step: After how many calls.
        init: The first value. Default: what the optimizer has.
        target: Where it stops.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: A negative ``gamma``, or a step below 1.

    >>> shift = StepShift("lr", gamma=0.5, step=2)
    >>> [shift.value_at(t, init=1.0) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self,
        attr: str,
        gamma: float,
        step: int,
        init: float | None = None,
        target: float | None = None,
        optimizer: Any = None,
    ) -> None:
        super().__init__(attr, init, optimizer)
        check_at_least("StepShift does not support negative gamma", gamma)
        check_at_least("step", step, 1)
        self._gamma = gamma
        self._step = step
        self._target = target

    def value_at(self, t: int, init: float) -> float:
        return limited(init * self._gamma ** (t // self._step), init, self._target)


class MultistepShift(Shift):
    """Multiply by a factor at given calls: init · γ^(how many of ``step_value`` are ≤ t).

    Args:
        attr: The optimizer's attribute.
        gamma: γ.
        step_value: After how many calls, each time.
        init: The first value. Default: what the optimizer has.
        optimizer: Whose. Default: the main one.

    Raises:
        ValueError: A negative ``gamma``.

    >>> shift = MultistepShift("lr", gamma=0.5, step_value=[2, 3])
    >>> [shift.value_at(t, init=1.0) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    def __init__(
        self, attr: str, gamma: float, step_value: Sequence[int], init: float | None = None, optimizer: Any = None
    ) -> None:
        super().__init__(attr, init, optimizer)
        check_at_least("MultistepShift does not support negative gamma", gamma)
        self._gamma = gamma
        self._step_value = list(step_value)

    def value_at(self, t: int, init: float) -> float:
        return float(init * self._gamma ** sum(t >= step for step in self._step_value))
