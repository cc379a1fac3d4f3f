"""Statistics of parameters and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from kusari.backend import device_of_array
from kusari.reporter import read_number
from kusari.training.extension import PRIORITY_WRITER, Extension
from kusari.training.extensions.statistics import mean, percentiles, std, zeros

if TYPE_CHECKING:
    from kusari.training.trainer import Trainer


def _smallest(x: Any) -> Any:
    return device_of_array(x).xp.min(x)


def _greatest(x: Any) -> Any:
    return device_of_array(x).xp.max(x)


class ParameterStatistics(Extension):
    """Report statistics of each parameter and its gradient: ``link/l1/W/data/mean``, ``link/l1/W/grad/std``.

    A key has the prefix, the link's name (``None`` for one that has none), the parameter's path, ``data`` or ``grad``,
    and the statistic; of several numbers, their index, too. Numbers stay on their device.

    Args:
        links: A link, or several.
        statistics: Functions of an array that return a number, an array of numbers, or a list, by name. Default:
            ``mean``, ``std``, ``min``, ``max``, ``zeros`` (how many are 0) and ``percentile`` (at −3σ … 3σ).
        report_params: Those of the parameters.
        report_grads: Those of the gradients; None has none.
        prefix: What every key starts with.
        trigger: When.
        skip_nan_params: Report NaN alone for an array that has one. This waits for the device.
    """

    priority = PRIORITY_WRITER
    default_name = "parameter_statistics"
    default_statistics: ClassVar[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
        {"mean": mean, "std": std, "min": _smallest, "max": _greatest, "zeros": zeros, "percentile": percentiles}
    )

    def __init__(
        self,
        links: Any,
        statistics: Mapping[str, Callable[[Any], Any]] | str = "default",
        report_params: bool = True,
        report_grads: bool = True,
        prefix: str | None = None,
        trigger: Any = (1, "epoch"),
        skip_nan_params: bool = False,
    ) -> None:
        self._links: list[Any] = list(links) if isinstance(links, Sequence) else [links]
        if isinstance(statistics, str):
            if statistics != "default":
                raise ValueError(f"statistics={statistics!r}: expected 'default', or functions by name")
            statistics = self.default_statistics
        self._statistics = dict(statistics)
        self._attributes = [name for name, wanted in (("data", report_params), ("grad", report_grads)) if wanted]
        self._prefix = "" if prefix is None else f"{prefix}/"
        self.trigger = trigger
        self._skip_nan_params = skip_nan_params

    def register_statistics(self, name: str, function: Callable[[Any], Any]) -> None:
        """Add a statistic, or replace the one of that name."""
        self._statistics[name] = function

    def __call__(self, trainer: Trainer) -> None:
        for link in self._links:
            for path, param in link.namedparams(include_uninit=False):
                for attribute in self._attributes:
                    array = param.array if attribute == "data" else param.grad
                    if array is not None:
                        key = f"{self._prefix}{link.name}{path}/{attribute}"
                        trainer.reporter.report(dict(self._statistics_of(key, array)))

    def _statistics_of(self, key: str, array: Any) -> Iterator[tuple[str, Any]]:
        device = device_of_array(array)
        broken = self._skip_nan_params and bool(
            read_number(device.backend.as_array(device.xp.any(device.xp.isnan(array)), array))
        )
        for name, function in self._statistics.items():
            value = float("nan") if broken else function(array)
            if isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0:
                for index, element in enumerate(value):
                    yield f"{key}/{name}/{index}", element
            else:
                yield f"{key}/{name}", value
