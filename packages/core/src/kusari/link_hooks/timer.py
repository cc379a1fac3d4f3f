"""TimerHook: the time of every link."""

from __future__ import annotations

from typing import TextIO

from kusari.function_hooks.timing import Record, Stopwatch, print_report
from kusari.model.link_hook import ForwardPostprocessArguments, ForwardPreprocessArguments, LinkHook


class TimerHook(LinkHook):
    """Time every link's call, by the name of its class.

    Waits for the device after each call. A link that calls others contains their time.

    Args:
        observes_children: False leaves fused links fused: they are timed as one, and the links inside are not.

    >>> hook = TimerHook()
    >>> with hook:
    ...     y = L.Linear(3, 2)(np.ones((1, 3), "f"))
    >>> [name for name, seconds in hook.call_history]
    ['Linear']
    """

    name = "TimerHook"

    def __init__(self, *, observes_children: bool = True) -> None:
        self.observes_children = observes_children
        self._watch = Stopwatch()

    @property
    def call_history(self) -> list[tuple[str, float]]:
        """Names and seconds, in the order in which calls ended."""
        return self._watch.call_history

    def forward_preprocess(self, args: ForwardPreprocessArguments) -> None:
        self._watch.begin(type(args.link).__name__, args.link.device.backend)

    def forward_postprocess(self, args: ForwardPostprocessArguments) -> None:
        if args.exception is None:
            self._watch.end()
        else:
            self._watch.give_up()

    def total_time(self) -> float:
        """Return the seconds of the outermost calls."""
        return self._watch.total_time()

    def summary(self) -> dict[str, Record]:
        """Return the time and number of calls by class, in the order of the first call."""
        return self._watch.summary()

    def print_report(self, unit: str = "auto", file: TextIO | None = None) -> None:
        """Print a table of times; see `kusari.function_hooks.timing.print_report`."""
        print_report("LinkName", self.summary(), unit, file)
