"""How far the training is."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, TextIO

from kusari.training.console import screen, write_line
from kusari.training.extension import Extension

if TYPE_CHECKING:
    from kusari.training.trainer import Trainer


class ProgressBar(Extension):
    """Show how far the training is: bars on a terminal, a line now and then elsewhere.

    Args:
        training_length: ``(20, "epoch")``. Default: what the trainer's stop trigger says, if it does.
        update_interval: In how many iterations it is shown once.
        bar_length: In characters.
        out: Where to show it. Default: the standard output.
    """

    def __init__(
        self,
        training_length: tuple[float, str] | None = None,
        update_interval: int = 100,
        bar_length: int = 50,
        out: TextIO | None = None,
    ) -> None:
        self._training_length = training_length
        self._update_interval = update_interval
        self._bar_length = bar_length
        self._out = out
        self._bars: tuple[Any, Any] | None = None
        self._recent: deque[tuple[int, float]] = deque(maxlen=100)

    def __call__(self, trainer: Trainer) -> None:
        updater = trainer.updater
        if updater.iteration % self._update_interval:
            return
        if self._training_length is None and hasattr(trainer.stop_trigger, "get_training_length"):
            self._training_length = trainer.stop_trigger.get_training_length()
        self._recent.append((updater.iteration, time.perf_counter()))
        self._show(updater.iteration, updater.epoch, updater.epoch_detail)

    def _show(self, iteration: int, epoch: int, epoch_detail: float) -> None:
        done = self._part_done(iteration, epoch_detail)
        where = f"{iteration} iter, {epoch} epoch"
        if self._training_length is not None:
            where += " / {:g} {}s".format(*self._training_length)
        self.draw(done, epoch_detail - epoch, where, self._speed_and_time_left(iteration, done))

    def draw(self, total: float | None, this_epoch: float, where: str, speed: str) -> None:
        """Show how far the training is.

        Args:
            total: Which part of it is done, if that is known.
            this_epoch: Which part of the epoch is done.
            where: Iteration and epoch as text.
            speed: Speed and time left as text.
        """
        terminal = screen(self._out)
        if terminal is None:
            percent = "" if total is None else f"{total:.2%}"
            write_line("  ".join(part for part in (where, percent, speed) if part), self._out)
            return
        if self._bars is None:
            self._bars = (
                terminal.start_bar("total", self._bar_length),
                terminal.start_bar("this epoch", self._bar_length),
            )
        terminal.move_bar(self._bars[0], total or 0.0, where)
        terminal.move_bar(self._bars[1], this_epoch, speed)

    def _part_done(self, iteration: int, epoch_detail: float) -> float | None:
        if self._training_length is None:
            return None
        length, unit = self._training_length
        return min(1.0, (iteration if unit == "iteration" else epoch_detail) / length)

    def _speed_and_time_left(self, iteration: int, done: float | None) -> str:
        (first, began), (last, now) = self._recent[0], self._recent[-1]
        if last == first or now == began:
            return ""
        speed = (last - first) / (now - began)
        if not done:
            return f"{speed:.5g} iters/sec"
        minutes, seconds = divmod(int(iteration * (1 - done) / done / speed), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{speed:.5g} iters/sec  {hours}:{minutes:02}:{seconds:02} left"

    def finalize(self) -> None:
        terminal = screen(self._out)
        if self._bars is not None and terminal is not None:
            for bar in self._bars:
                terminal.end_bar(bar)
        self._bars = None
