"""Updaters: what a trainer calls for one iteration."""

from kusari.training.updaters.multiprocess_parallel_updater import (
    MultiprocessParallelUpdater as MultiprocessParallelUpdater,
)
from kusari.training.updaters.parallel_updater import ParallelUpdater as ParallelUpdater
from kusari.training.updaters.standard_updater import StandardUpdater as StandardUpdater
