"""Decorrelated batch normalization layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.configuration import config
from kusari.dtypes import DTypeLike
from kusari.functions.arguments import refuse_keywords
from kusari.initializers import Identity
from kusari.links.normalization.running import RunningStatistics
from kusari.types import Array


class DecorrelatedBatchNormalization(RunningStatistics):
    """Whiten groups of channels by the batch's statistics in training, by running ones otherwise.

    See `kusari.functions.decorrelated_batch_normalization`. There are no parameters.

    Args:
        size: C: how many channels.
        groups: G, a divisor of C.
        decay: How much of the running statistics stays.
        eps: ε.
        dtype: Of the running statistics.

    Raises:
        ValueError: ``groups`` does not divide ``size``.

    Source: Huang, Yang, Lang, Deng, 2018, arXiv:1804.08450.

    >>> layer = DecorrelatedBatchNormalization(4, groups=2)
    >>> layer(np.random.default_rng(0).normal(size=(8, 4)).astype("f")).shape
    (8, 4)
    """

    avg_mean: Array
    avg_projection: Array

    def __init__(
        self, size: int, groups: int = 16, decay: float = 0.9, eps: float = 2e-5, dtype: DTypeLike = "float32"
    ) -> None:
        super().__init__(decay, eps, dtype)
        if groups < 1 or size % groups:
            raise ValueError(f"DecorrelatedBatchNormalization(size={size}, groups={groups}): not divisible")
        self.groups = groups
        each = size // groups
        self.add_persistent("avg_mean", self._statistic(None, 0, (groups, each)))
        identities = self.xp.stack([self._statistic(Identity(), 1, (each, each))] * groups)
        self.add_persistent("avg_projection", identities)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield "size", self.avg_mean.shape[0] * self.avg_mean.shape[1]
        for name in ("groups", "decay", "eps", "dtype"):
            yield name, getattr(self, name)

    def forward(self, x: VariableLike, *, finetune: bool = False, **unknown: Any) -> Variable:
        """Return the whitened x (N, C, …).

        Args:
            x: Floating.
            finetune: Make the running statistics an average of all batches since `start_finetuning`.
            **unknown: None; named in the error.
        """
        refuse_keywords("DecorrelatedBatchNormalization", unknown, {})
        if not config.train:
            return F.fixed_decorrelated_batch_normalization(x, self.avg_mean, self.avg_projection, self.groups)
        running: dict[str, Any] = {"decay": self._next_decay(finetune)}
        if not config.in_recomputing:
            running |= {"running_mean": self.avg_mean, "running_projection": self.avg_projection}
        return F.decorrelated_batch_normalization(x, groups=self.groups, eps=self.eps, **running)
