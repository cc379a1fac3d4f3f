"""An old path of ``get_trigger``."""

from kusari.training.triggers.interval_trigger import get_trigger as get_trigger
