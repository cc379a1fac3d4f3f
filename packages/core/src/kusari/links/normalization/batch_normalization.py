"""Batch normalization layer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import config
from kusari.dtypes import DTypeLike
from kusari.functions.arguments import refuse_keywords
from kusari.functions.normalization.batch_normalization import GONE
from kusari.kernels.activation import Activation
from kusari.links.normalization.running import RunningStatistics, typed_initializer
from kusari.types import Array, Shape


class BatchNormalization(RunningStatistics):
    """Normalize by the batch's statistics in training, by running ones otherwise, then scale and shift.

    y = γ (x − mean) / √(var + ε) + β. In training, that is where ``config.train`` is on, the running statistics become
    decay · themselves + (1 − decay) · the batch's; when a part is computed again for `kusari.functions.forget`, they
    stay.

    Args:
        size: γ's shape; one number for channels. None: read off the first input.
        decay: How much of the running statistics stays.
        eps: ε.
        dtype: Of parameters and statistics; None: ``config.dtype``, and float32 for mixed precisions.
        use_gamma: Have γ; else it is 1.
        use_beta: Have β; else it is 0.
        initial_gamma: Initializer, array or number for γ; None: ones.
        initial_beta: The same for β; None: zeros.
        axis: What means are over; None: all axes but the second.
        initial_avg_mean: The same for the running mean; None: zeros.
        initial_avg_var: The same for the running variance; None: ones.

    Raises:
        TypeError: ``axis`` is neither None nor integers.

    Source: Ioffe, Szegedy, 2015, arXiv:1502.03167.

    >>> layer = BatchNormalization(2, decay=0.5)
    >>> layer(np.asarray([[1.0, 10.0], [3.0, 30.0]], "f")).array.round(2)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.avg_mean
    array([ 1., 10.], dtype=float32)
    """

    gamma: Parameter
    beta: Parameter
    avg_mean: Array | None
    avg_var: Array | None

    def __init__(
        self,
        size: int | Shape | None = None,
        decay: float = 0.9,
        eps: float = 2e-5,
        dtype: DTypeLike = None,
        use_gamma: bool = True,
        use_beta: bool = True,
        initial_gamma: Any = None,
        initial_beta: Any = None,
        axis: int | Shape | None = None,
        initial_avg_mean: Any = None,
        initial_avg_var: Any = None,
    ) -> None:
        super().__init__(decay, eps, dtype)
        self.axis = _read_axis(axis)
        self.use_gamma = use_gamma
        self.use_beta = use_beta
        self._initial_avg_mean = initial_avg_mean
        self._initial_avg_var = initial_avg_var
        self.add_persistent("avg_mean", None)
        self.add_persistent("avg_var", None)
        with self.init_scope():
            if use_gamma:
                self.gamma = Parameter(typed_initializer(initial_gamma, 1, self.dtype))
            if use_beta:
                self.beta = Parameter(typed_initializer(initial_beta, 0, self.dtype))
        if size is not None:
            self._initialize((size,) if isinstance(size, int) else tuple(size))

    def _initialize(self, shape: Shape) -> None:
        """Make what has no data yet; a file may have brought some of it."""
        if self.avg_mean is None:
            self.avg_mean = self._statistic(self._initial_avg_mean, 0, shape)
        if self.avg_var is None:
            self.avg_var = self._statistic(self._initial_avg_var, 1, shape)
        for parameter in self.params(include_uninit=True):
            if parameter.array is None:
                parameter.initialize(shape)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        shape = None if self.avg_mean is None else self.avg_mean.shape
        yield "size", shape[0] if shape is not None and len(shape) == 1 else shape
        for name in ("decay", "eps", "dtype", "use_gamma", "use_beta"):
            yield name, getattr(self, name)

    def forward(
        self,
        x: VariableLike,
        *,
        finetune: bool = False,
        activation: Callable[..., Any] | Activation | None = None,
        **gone: Any,
    ) -> Variable:
        """Return activation(y), as `kusari.functions.batch_normalization` does.

        Args:
            x: (N, C, …), floating.
            finetune: Make the running statistics an average of all batches since `start_finetuning`.
            activation: A function applied to the result, in the same kernel where the backend can.
            **gone: None are taken; ``test`` and ``train`` of old programs get advice.

        Raises:
            ValueError: ``test`` or ``train``.
        """
        refuse_keywords("BatchNormalization", gone, GONE)
        x, gamma, beta = self._prepare(x)
        if not config.train:
            return F.fixed_batch_normalization(
                x, gamma, beta, self.avg_mean, self.avg_var, self.eps, self.axis, activation=activation
            )
        running: dict[str, Any] = {"decay": self._next_decay(finetune)}
        if not config.in_recomputing:
            running |= {"running_mean": self.avg_mean, "running_var": self.avg_var}
        return F.batch_normalization(x, gamma, beta, eps=self.eps, axis=self.axis, activation=activation, **running)

    def _prepare(self, x: VariableLike) -> tuple[Variable, Variable, Variable]:
        """Return x, γ and β; make them first where the size was unknown."""
        x = as_variable(x)
        if self.avg_mean is None or any(parameter.array is None for parameter in self.params()):
            self._initialize(self._shape_for(x))
        assert self.avg_mean is not None
        gamma = self.gamma if self.use_gamma else constant(self.xp.ones_like(self.avg_mean), self.device)
        beta = self.beta if self.use_beta else constant(self.xp.zeros_like(self.avg_mean), self.device)
        return x, gamma, beta

    def _shape_for(self, x: Variable) -> Shape:
        if self.axis is None:
            return tuple(x.shape[1:2])
        reduced = {axis % max(x.ndim, 1) for axis in ((self.axis,) if isinstance(self.axis, int) else self.axis)}
        return tuple([length for axis, length in enumerate(x.shape) if axis not in reduced])


def _read_axis(axis: int | Shape | None) -> int | Shape | None:
    if axis is None:
        return None
    try:
        return tuple([operator.index(one) for one in axis]) if isinstance(axis, tuple | list) else operator.index(axis)
    except TypeError:
        raise TypeError(
            f"BatchNormalization(axis={axis!r}): expected None, an integer or a tuple of integers"
        ) from None
