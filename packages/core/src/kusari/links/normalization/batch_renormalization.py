"""Batch renormalization layer."""

from __future__ import annotations

from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.configuration import config
from kusari.dtypes import DTypeLike
from kusari.functions.arguments import refuse_keywords
from kusari.functions.normalization.batch_normalization import GONE
from kusari.functions.util.forget import as_in_first_run
from kusari.links.normalization.batch_normalization import BatchNormalization
from kusari.types import Shape


class BatchRenormalization(BatchNormalization):
    """Normalize by the batch's statistics, corrected toward the running ones; outside of training by these.

    See `kusari.functions.batch_renormalization`.

    Args:
        size: γ's shape; one number for channels. None: read off the first input.
        rmax: The largest correction of the scale; 1: none.
        dmax: The largest correction of the shift; 0: none.
        decay: As for `BatchNormalization`, likewise all others.
        eps: ε.
        dtype: Of parameters and statistics.
        use_gamma: Have γ.
        use_beta: Have β.
        initial_gamma: For γ.
        initial_beta: For β.
        initial_avg_mean: For the running mean.
        initial_avg_var: For the running variance.

    Source: Ioffe, 2017, arXiv:1702.03275.

    >>> layer = BatchRenormalization(1, rmax=3, dmax=5)
    >>> layer(np.asarray([[1.0], [3.0]], "f")).array.round(2)
    array([[1.],
           [3.]], dtype=float32)
    """

    def __init__(
        self,
        size: int | Shape | None,
        rmax: float = 1,
        dmax: float = 0,
        decay: float = 0.9,
        eps: float = 2e-5,
        dtype: DTypeLike = None,
        use_gamma: bool = True,
        use_beta: bool = True,
        initial_gamma: Any = None,
        initial_beta: Any = None,
        initial_avg_mean: Any = None,
        initial_avg_var: Any = None,
    ) -> None:
        super().__init__(
            size,
            decay,
            eps,
            dtype,
            use_gamma,
            use_beta,
            initial_gamma,
            initial_beta,
            initial_avg_mean=initial_avg_mean,
            initial_avg_var=initial_avg_var,
        )
        self.rmax = rmax
        self.dmax = dmax

    def forward(self, x: VariableLike, finetune: bool = False, **gone: Any) -> Variable:
        """Return y, as `kusari.functions.batch_renormalization` does in training.

        Args:
            x: (N, C, …), floating.
            finetune: Make the running statistics an average of all batches since `start_finetuning`.
            **gone: None are taken; ``test`` and ``train`` of old programs get advice.
        """
        refuse_keywords("BatchRenormalization", gone, GONE)
        if not config.train:
            return super().forward(x)
        x, gamma, beta = self._prepare(x)
        assert self.avg_mean is not None
        # The output depends on the statistics from before the batch, which this call moves on.
        mean, var = as_in_first_run((self.avg_mean, self.avg_var))
        return F.batch_renormalization(
            x,
            gamma,
            beta,
            self.rmax,
            self.dmax,
            self.eps,
            mean,
            var,
            self._next_decay(finetune),
            update_statistics=not config.in_recomputing,
        )
