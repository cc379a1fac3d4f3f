"""Handing means to sinks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kusari.training.extension import Extension
from kusari.training.extensions.interval_means import IntervalMeans

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.sinks import Sink
    from kusari.training.trainer import Trainer


class SinkReport(Extension):
    """Hand the means of what was observed to sinks: files, experiment loggers.

    Args:
        sinks: One, or several: ``JsonLines()``, ``TensorBoard()`` of ``kusari.training.sinks``, or your own.
        keys: Which values; None: all numbers.
        trigger: When an interval ends. A short one makes the training wait for its device that often.
    """

    def __init__(
        self, sinks: Sink | Sequence[Sink], keys: Iterable[str] | None = None, trigger: Any = (1, "epoch")
    ) -> None:
        self._sinks: list[Sink] = list(sinks) if isinstance(sinks, Sequence) else [sinks]
        self._means = IntervalMeans(keys, trigger)

    def initialize(self, trainer: Trainer) -> None:
        for sink in self._sinks:
            sink.open(trainer.out, trainer.updater.iteration)

    def __call__(self, trainer: Trainer) -> None:
        means = self._means.observe(trainer)
        if means is not None:
            for sink in self._sinks:
                sink.write(trainer.updater.iteration, {**means, "elapsed_time": trainer.elapsed_time})

    def finalize(self) -> None:
        for sink in self._sinks:
            sink.close()

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load what the interval has so far."""
        self._means.serialize(serializer)
