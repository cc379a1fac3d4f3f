"""The documented path of ``get_trigger`` and ``IntervalTrigger``."""

from kusari.training.triggers.interval_trigger import IntervalTrigger as IntervalTrigger
from kusari.training.triggers.interval_trigger import get_trigger as get_trigger
