"""Cutting the graphs of what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kusari.autograd import Variable
from kusari.configuration import config
from kusari.training.extension import Extension

if TYPE_CHECKING:
    from kusari.training.trainer import Trainer


class unchain_variables(Extension):  # noqa: N801  # the documented name
    """Cut the graphs of observed Variables, after every other extension, so that their memory is free again.

    For runs with ``config.keep_graph_on_report``, in which extensions look at graphs; it does nothing without.
    """

    priority = 0

    def trigger(self, _: Trainer) -> bool:
        """Tell whether graphs are kept."""
        return bool(config.keep_graph_on_report)

    def __call__(self, trainer: Trainer) -> None:
        for value in trainer.observation.values():
            if isinstance(value, Variable):
                value.unchain_backward()
