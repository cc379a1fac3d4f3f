"""A log of means, kept in memory and in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kusari.training.extension import Extension
from kusari.training.extensions.interval_means import IntervalMeans
from kusari.training.files import write_text

if TYPE_CHECKING:
    from kusari.serializer import AbstractSerializer
    from kusari.training.trainer import Trainer


class LogReport(Extension):
    """Keep a log: for each interval the means of what was observed, the epoch, the iteration and the elapsed time.

    The log is written to a file as a JSON list, anew each time. For many thousand entries use `SinkReport` with
    `JsonLines`, which appends.

    Args:
        keys: Which values; None: all numbers.
        trigger: When an interval ends.
        postprocess: Called with each new entry, which it may change.
        filename: In the output folder, formatted with the newest entry: ``log_{iteration}``. None: no file.
        **kwargs: ``log_name``, the old name of ``filename``.
    """

    def __init__(
        self,
        keys: Iterable[str] | None = None,
        trigger: Any = (1, "epoch"),
        postprocess: Callable[[dict[str, Any]], Any] | None = None,
        filename: str | None = "log",
        **kwargs: Any,
    ) -> None:
        self._filename = kwargs.pop("log_name", filename)
        if kwargs:
            raise TypeError(f"LogReport() got unexpected keyword(s) {', '.join(kwargs)}")
        self._means = IntervalMeans(keys, trigger)
        self._postprocess = postprocess
        self._log: list[dict[str, Any]] = []

    @property
    def log(self) -> list[dict[str, Any]]:
        """The entries so far."""
        return self._log

    def __call__(self, trainer: Trainer) -> None:
        means = self._means.observe(trainer)
        if means is None:
            return
        updater = trainer.updater
        entry: dict[str, Any] = {
            **means,
            "epoch": updater.epoch,
            "iteration": updater.iteration,
            "elapsed_time": trainer.elapsed_time,
        }
        if self._postprocess is not None:
            self._postprocess(entry)
        self._log.append(entry)
        if self._filename is not None:
            path = os.path.join(trainer.out, self._filename.format(**entry))
            write_text(path, json.JSONEncoder(indent=4).iterencode(self._log))

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load the log, and what the interval has so far."""
        self._means.serialize(serializer)
        self._log = json.loads(serializer("_log", json.dumps(self._log)))
