"""Reporter: where values observed during training go, by name, and what they come to."""

from __future__ import annotations

import contextlib
import contextvars
import json
import math
import numbers
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self

from kusari.autograd import Variable
from kusari.autograd.variable import constant
from kusari.backend import Device, device_of_array
from kusari.configuration import config
from kusari.errors import SynchronizationError
from kusari.serializer import AbstractSerializer, Deserializer

_reporters: Final[contextvars.ContextVar[tuple[Reporter, ...]]] = contextvars.ContextVar("kusari_reporters", default=())

_WAITING: Final = 256
"""So many numbers wait one by one on a device; then they are put into one array: 4 bytes each instead of 512."""


class Reporter:
    """Collect observed values by name.

    Something that reports, an *observer*, is registered with a name; what it reports goes into `observation` under
    ``name/key``. A `with` block, or `scope`, makes the reporter the one that `report` talks to.

    >>> reporter, model = Reporter(), L.Linear(2)
    >>> reporter.add_observer("main", model)
    >>> observation = {}
    >>> with reporter.scope(observation):
    ...     reporter.report({"loss": 0.5}, model)
    >>> observation
    {'main/loss': 0.5}
    """

    def __init__(self) -> None:
        self.observation: dict[str, Any] = {}
        """Where values are put now."""
        self._observers: dict[int, tuple[str, Any]] = {}  # by id; the observer is kept, so that its id stays its own

    def __enter__(self) -> Self:
        _reporters.set((*_reporters.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        _reporters.set(_reporters.get()[:-1])

    @contextlib.contextmanager
    def scope(self, observation: dict[str, Any]) -> Iterator[None]:
        """Make this the current reporter and put values into ``observation``, within a ``with`` block."""
        before, self.observation = self.observation, observation
        try:
            with self:
                yield
        finally:
            self.observation = before

    def add_observer(self, name: str, observer: Any) -> None:
        """Register an observer: what it reports goes by ``name/key``."""
        self._observers[id(observer)] = name, observer

    def add_observers(self, prefix: str, observers: Iterable[tuple[str, Any]]) -> None:
        """Register several observers, each by ``prefix`` and its own name: the pairs that ``namedlinks()`` yields."""
        for name, observer in observers:
            self.add_observer(prefix + name, observer)

    def report(self, values: Mapping[str, Any], observer: Any = None) -> None:
        """Put values into `observation`.

        Variables are kept without their graph, unless ``config.keep_graph_on_report`` is on. Nothing is read: a value
        on a device stays there until somebody asks for its number.

        Args:
            values: By key: numbers, arrays, Variables.
            observer: Who reports; its name and a slash go before each key.

        Raises:
            KeyError: The observer is not registered.
        """
        prefix = "" if observer is None else self._name_of(observer) + "/"
        keep_graph = config.keep_graph_on_report
        for key, value in values.items():
            if not keep_graph and isinstance(value, Variable):
                value = constant(value.array, value.device)
            self.observation[prefix + key] = value

    def _name_of(self, observer: Any) -> str:
        found = self._observers.get(id(observer))
        if found is None:
            known = ", ".join(name for name, _ in self._observers.values()) or "none"
            raise KeyError(
                f"this {type(observer).__name__} is not registered with the reporter as an observer (registered: "
                f"{known}); report from a link of the optimizer's target, or call reporter.add_observer(name, observer)"
            )
        return found[0]


def get_current_reporter() -> Reporter:
    """Return the reporter that `report` talks to in this thread.

    Raises:
        IndexError: There is none.
    """
    reporters = _reporters.get()
    if not reporters:
        raise IndexError("no reporter is current in this thread; enter one: with Reporter() as reporter:")
    return reporters[-1]


def report(values: Mapping[str, Any], observer: Any = None) -> None:
    """Report values to the current reporter; do nothing where there is none.

    Args:
        values: By key: numbers, arrays, Variables.
        observer: Who reports, usually the link itself: ``report({"loss": loss}, self)``.

    Raises:
        KeyError: The observer is not registered with the reporter.

    >>> with Reporter() as reporter:
    ...     report({"loss": 0.5})
    >>> reporter.observation
    {'loss': 0.5}
    """
    reporters = _reporters.get()
    if reporters:
        reporters[-1].report(values, observer)


@contextlib.contextmanager
def report_scope(observation: dict[str, Any]) -> Iterator[None]:
    """Have the current reporter put values into ``observation`` within a ``with`` block.

    Raises:
        IndexError: There is no current reporter.
    """
    with get_current_reporter().scope(observation):
        yield


class Summary:
    """Mean and standard deviation of numbers that come one by one.

    Numbers on a device are collected there, and read when a result is asked for. Sums are float64, added in order:
    what comes out does not depend on when somebody looked.

    >>> summary = Summary()
    >>> for value in (1.0, 2.0, 6.0):
    ...     summary.add(value)
    >>> summary.compute_mean()
    3.0
    """

    def __init__(self) -> None:
        self._x = 0.0  # Σ w·x
        self._x2 = 0.0  # Σ w·x²
        self._n = 0.0  # Σ w
        self._waiting: list[Any] = []  # value, weight, value, weight, …
        self._batches: list[_Batch] = []

    def add(self, value: Any, weight: Any = 1) -> None:
        """Add a number.

        Args:
            value: A number, or an array or Variable of shape ``()``.
            weight: How much it counts; a number, or an array or Variable of shape ``()``.

        Raises:
            ValueError: An array of another shape.
        """
        self._add(_scalar(value), _scalar(weight))

    def _add(self, value: Any, weight: Any) -> None:
        if not self._waiting and not self._batches and type(value) is float and type(weight) is float:
            self._fold(value, weight)
            return
        self._waiting += value, weight
        if len(self._waiting) >= 2 * _WAITING:
            self._batches.append(_Batch(self._waiting))
            self._waiting = []

    def _fold(self, value: float, weight: float) -> None:
        self._x += weight * value
        self._x2 += weight * value * value
        self._n += weight

    def _read(self) -> None:
        """Take in what waits on devices."""
        if self._waiting:
            self._batches.append(_Batch(self._waiting))
            self._waiting = []
        while self._batches:
            numbers_read = iter(self._batches[0].read())
            del self._batches[0]
            for value in numbers_read:
                self._fold(value, next(numbers_read))

    @property
    def total(self) -> float:
        """The weighted sum."""
        self._read()
        return self._x

    def compute_mean(self) -> float:
        """Return the weighted mean, Σwx / Σw.

        Raises:
            ZeroDivisionError: Nothing was added.
        """
        self._read()
        return self._x / self._n

    def make_statistics(self) -> tuple[float, float]:
        """Return the weighted mean and standard deviation, √(Σwx²/Σw − mean²).

        Raises:
            ZeroDivisionError: Nothing was added.
        """
        mean = self.compute_mean()
        # Rounding can leave less than 0; max() keeps a NaN that comes first.
        return mean, math.sqrt(max(self._x2 / self._n - mean * mean, 0.0))

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the sums."""
        self._read()
        self._x = float(serializer("_x", self._x))
        self._x2 = float(serializer("_x2", self._x2))
        self._n = float(serializer("_n", self._n))


class DictSummary:
    """A `Summary` for each key of the dictionaries that are added.

    >>> summary = DictSummary()
    >>> summary.add({"loss": 1.0, "image": np.zeros((2, 2))})
    >>> summary.add({"loss": 2.0})
    >>> summary.compute_mean()
    {'loss': 1.5}
    """

    def __init__(self) -> None:
        self._summaries: dict[str, Summary] = {}

    def add(self, d: Mapping[str, Any]) -> None:
        """Add each value that is a number, or an array or Variable of shape ``()``; leave out the others.

        Args:
            d: Values by key; a pair is a value and its weight.
        """
        for key, value in d.items():
            weight: Any = 1
            if isinstance(value, tuple) and len(value) == 2:
                value, weight = value
            number, weight = _number_or_array(value), _number_or_array(weight)
            if number is not None and weight is not None:
                summary = self._summaries.get(key)
                if summary is None:
                    summary = self._summaries[key] = Summary()
                summary._add(number, weight)

    def compute_mean(self) -> dict[str, float]:
        """Return the mean for each key."""
        return {key: summary.compute_mean() for key, summary in self._summaries.items()}

    def make_statistics(self) -> dict[str, float]:
        """Return the mean for each key, and the standard deviation by ``key.std``."""
        statistics = {}
        for key, summary in self._summaries.items():
            statistics[key], statistics[f"{key}.std"] = summary.make_statistics()
        return statistics

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the sums of every key."""
        names = json.loads(serializer("_names", json.dumps(list(self._summaries))))
        loading = isinstance(serializer, Deserializer) and not serializer.rehearsing
        if loading:
            self._summaries = {name: Summary() for name in names}
        for index, name in enumerate(names):
            self._summaries[name].serialize(serializer["_summaries"][str(index)])


def read_number(value: Any) -> float:
    """Return a scalar as a float; from a device this waits for it.

    Raises:
        ValueError: No scalar.
        SynchronizationError: On a device, where ``config.forbid_synchronization`` is on.

    >>> read_number(np.asarray(2))
    2.0
    """
    return _Batch([_scalar(value)]).read()[0]


def _scalar(value: Any) -> Any:
    """Return what `_number_or_array` does, or raise."""
    number = _number_or_array(value)
    if number is None:
        got = f"shape {value.shape}" if hasattr(value, "shape") else type(value).__name__
        raise ValueError(f"expected a number, or an array of shape (), got {got}; take its mean or sum first")
    return number


def _number_or_array(value: Any) -> Any:
    """Return a scalar of the host as a float, one on a device as a copy that stays there, and None for anything else.

    A scalar is a number, or an array or Variable of shape ().
    """
    if isinstance(value, int | float):  # NumPy's float64 scalar, too
        return float(value)
    if isinstance(value, Variable):
        device, value = value.device, value.array
    else:
        device = None
    if getattr(value, "shape", None) != () or not hasattr(value, "dtype"):
        return float(value) if isinstance(value, numbers.Real) else None
    if device is None:
        try:
            device = device_of_array(value)
        except TypeError:  # a scalar of the host's that is no array
            return float(value)
    if device.backend.on_host:
        return float(value)
    with _entered(device):
        return device.xp.asarray(value, copy=True)  # an update in place must not reach it


def _entered(device: Device) -> contextlib.AbstractContextManager[None]:
    if device.always_current or device.backend.is_current(device.index):
        return contextlib.nullcontext()
    return device.create_context()


class _Batch:
    """Numbers in order, those on one device and of one dtype in one array there."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values
        self._groups: list[tuple[Device, list[int], Any]] = []
        places: dict[tuple[Device, Any], list[int]] = {}
        for index, value in enumerate(values):
            if type(value) is not float:
                device = device_of_array(value)
                places.setdefault((device, device.backend.host_dtype(value.dtype)), []).append(index)
        for (device, _), indexes in places.items():
            with _entered(device):
                stacked = device.xp.stack([values[index] for index in indexes])
            self._groups.append((device, indexes, stacked))
        for _, indexes, _ in self._groups:
            for index in indexes:
                values[index] = math.nan  # the 0-d array goes

    def read(self) -> list[float]:
        """Return the numbers, waiting once for each device and dtype."""
        if self._groups and config.forbid_synchronization:
            raise SynchronizationError("a reported value on a device is read on the host; read it after the step")
        for device, indexes, stacked in self._groups:
            for index, number in zip(indexes, device.backend.to_host(stacked).astype(float).tolist(), strict=True):
                self._values[index] = number
        return self._values
