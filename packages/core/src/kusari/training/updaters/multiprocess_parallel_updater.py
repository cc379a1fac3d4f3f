"""The documented updater with one process per GPU, which is not here: it says what to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kusari.dataset.convert import concat_examples
from kusari.training.updaters.standard_updater import StandardUpdater


class MultiprocessParallelUpdater(StandardUpdater):
    """Not available: it needs one process per GPU and NCCL.

    Use `ParallelUpdater`, which does the same within one process on any devices.

    >>> MultiprocessParallelUpdater.available()
    False
    """

    def __init__(
        self,
        iterators: Any,
        optimizer: Any,
        converter: Callable[..., Any] = concat_examples,
        devices: Any = None,
        auto_new_epoch: bool = True,
    ) -> None:
        raise RuntimeError(
            "MultiprocessParallelUpdater needs one process per GPU and NCCL, which Kusari does not drive; use "
            "ParallelUpdater(iterator, optimizer, devices={'main': 'cupy:0', 'second': 'cupy:1'}) in one process"
        )

    @staticmethod
    def available() -> bool:
        """Return whether it can be used: False."""
        return False
