"""Training: the loop, what updates, what runs besides, and when."""

from kusari.training import extensions as extensions
from kusari.training import sinks as sinks
from kusari.training import triggers as triggers
from kusari.training import updaters as updaters
from kusari.training.extension import PRIORITY_EDITOR as PRIORITY_EDITOR
from kusari.training.extension import PRIORITY_READER as PRIORITY_READER
from kusari.training.extension import PRIORITY_WRITER as PRIORITY_WRITER
from kusari.training.extension import Extension as Extension
from kusari.training.extension import make_extension as make_extension
from kusari.training.trainer import Trainer as Trainer
from kusari.training.triggers import IntervalTrigger as IntervalTrigger
from kusari.training.triggers import get_trigger as get_trigger
from kusari.training.updater import Updater as Updater
from kusari.training.updaters import ParallelUpdater as ParallelUpdater
from kusari.training.updaters import StandardUpdater as StandardUpdater
