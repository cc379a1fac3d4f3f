"""TimerHook: the time of every function."""

from __future__ import annotations

from typing import Any, TextIO

from kusari.autograd import FunctionHook, FunctionNode
from kusari.function_hooks.timing import Record, Stopwatch, print_report


class TimerHook(FunctionHook):
    """Time the forward and backward of every function, by the name of its class.

    Waits for the device after each call. A backward that runs functions contains their time.

    >>> hook = TimerHook()
    >>> with hook:
    ...     y = F.relu(np.ones(3, "f"))
    >>> [name for name, seconds in hook.call_history]
    ['ReLU']
    """

    name = "TimerHook"

    def __init__(self) -> None:
        self._watch = Stopwatch()

    @property
    def call_history(self) -> list[tuple[str, float]]:
        """Names and seconds, in the order in which calls ended."""
        return self._watch.call_history

    def forward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._watch.begin(class_name(function), function.backend)

    def forward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...]) -> None:
        self._watch.end()

    def backward_preprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._watch.begin(class_name(function), function.backend)

    def backward_postprocess(self, function: FunctionNode, in_data: tuple[Any, ...], out_grad: tuple[Any, ...]) -> None:
        self._watch.end()

    def failed(self, function: FunctionNode, error: BaseException) -> None:
        self._watch.give_up()

    def total_time(self) -> float:
        """Return the seconds of the outermost calls."""
        return self._watch.total_time()

    def summary(self) -> dict[str, Record]:
        """Return the time and number of calls by function."""
        return self._watch.summary()

    def print_report(self, unit: str = "auto", file: TextIO | None = None) -> None:
        """Print a table of times; see `kusari.function_hooks.timing.print_report`."""
        print_report("FunctionName", self.summary(), unit, file)


def class_name(function: FunctionNode) -> str:
    """Return the name of a function's class; an old-style one's own, not its adapter's."""
    return type(getattr(function, "function", function)).__name__
