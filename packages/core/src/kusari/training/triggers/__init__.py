"""Triggers: when an extension runs, and when training stops.

A trigger is asked in every iteration, and any function of the trainer that returns a bool is one. Asked twice in one
iteration, those here give the same answer twice: a resumed run asks the stop trigger where the saved one had asked.
"""

from kusari.training.triggers.early_stopping_trigger import EarlyStoppingTrigger as EarlyStoppingTrigger
from kusari.training.triggers.interval_trigger import IntervalTrigger as IntervalTrigger
from kusari.training.triggers.interval_trigger import Trigger as Trigger
from kusari.training.triggers.interval_trigger import get_trigger as get_trigger
from kusari.training.triggers.manual_schedule_trigger import ManualScheduleTrigger as ManualScheduleTrigger
from kusari.training.triggers.minmax_value_trigger import BestValueTrigger as BestValueTrigger
from kusari.training.triggers.minmax_value_trigger import MaxValueTrigger as MaxValueTrigger
from kusari.training.triggers.minmax_value_trigger import MinValueTrigger as MinValueTrigger
from kusari.training.triggers.once_trigger import OnceTrigger as OnceTrigger
from kusari.training.triggers.time_trigger import TimeTrigger as TimeTrigger
