"""What layers with running statistics share."""

from __future__ import annotations

from typing import Any

from kusari.configuration import config
from kusari.dtypes import DTypeLike, get_dtype
from kusari.initializers import generate_array, get_initializer
from kusari.model import Link
from kusari.types import Array, Shape


class RunningStatistics(Link):
    """Keep statistics of all batches: persistent arrays that come nearer to each batch's, and the count ``N``.

    Args:
        decay: How much of them stays at each batch.
        eps: ε.
        dtype: Theirs; None: ``config.dtype``, and float32 for mixed precisions.
    """

    N: int
    """How many batches fine-tuning has seen."""

    def __init__(self, decay: float, eps: float, dtype: DTypeLike) -> None:
        super().__init__()
        self.decay = decay
        self.eps = eps
        self.dtype = get_dtype(dtype, map_mixed16="float32")
        self.add_persistent("N", 0)

    def start_finetuning(self) -> None:
        """Forget the count, so that calls with ``finetune=True`` make the statistics an average of all batches."""
        self.N = 0

    def _statistic(self, initializer: Any, default: float, shape: Shape) -> Array:
        """Return a new statistic, on the link's device."""
        filler = get_initializer(default if initializer is None else initializer)
        made: Array = generate_array(filler, shape, self.xp, self.dtype, self.device)
        return made

    def _next_decay(self, finetune: bool) -> float:
        """Return how much of the statistics stays at this batch; count it where fine-tuning."""
        if not finetune:
            return self.decay
        if not config.in_recomputing:
            self.N += 1
        return 1 - 1 / self.N

    def serialize(self, serializer: Any) -> None:
        """Save or load; statistics that were loaded before there were any are sent to the link's device."""
        super().serialize(serializer)
        for name in self._persistent - {"N"}:
            array = getattr(self, name)
            if array is not None:
                object.__setattr__(self, name, self.device.send(array))


def typed_initializer(initializer: Any, default: float, dtype: Any) -> Any:
    """Return what an argument means as an initializer, for a dtype; a callable keeps its own where it has one."""
    filler = get_initializer(default if initializer is None else initializer)
    if initializer is None or not callable(initializer):
        filler.dtype = dtype
    return filler
