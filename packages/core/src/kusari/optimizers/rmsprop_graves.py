"""Graves' RMSprop."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class RMSpropGravesRule(UpdateRule):
    """n ← αn + (1 − α)g², ḡ ← αḡ + (1 − α)g, Δ ← μΔ − ηg / √(n − ḡ² + ε), p ← p + Δ."""

    defaults = MappingProxyType({"lr": 0.0001, "alpha": 0.95, "momentum": 0.9, "eps": 0.0001})
    state_names = ("n", "g", "delta")

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.rmsprop_graves

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.lr, h.alpha, h.momentum, h.eps


class RMSpropGraves(GradientMethod):
    """Divide each step by the standard deviation of recent gradients, with momentum.

    n ← αn + (1 − α)g², ḡ ← αḡ + (1 − α)g, Δ ← μΔ − ηg / √(n − ḡ² + ε), p ← p + Δ.

    Args:
        lr: The learning rate η.
        alpha: How fast moments are forgotten, α: near 1 is slow.
        momentum: How much of the last step is kept, μ.
        eps: Keeps the divisor from 0, ε.

    Source: Graves, 2013, arXiv:1308.0850, section 4.2.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = RMSpropGraves(lr=0.5, alpha=0.5).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([0., 1.])
    """

    lr = HyperparameterProxy("lr")
    alpha = HyperparameterProxy("alpha")
    momentum = HyperparameterProxy("momentum")
    eps = HyperparameterProxy("eps")

    def __init__(
        self,
        lr: float = RMSpropGravesRule.defaults["lr"],
        alpha: float = RMSpropGravesRule.defaults["alpha"],
        momentum: float = RMSpropGravesRule.defaults["momentum"],
        eps: float = RMSpropGravesRule.defaults["eps"],
    ) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.alpha = alpha
        self.hyperparam.momentum = momentum
        self.hyperparam.eps = eps

    def create_update_rule(self) -> UpdateRule:
        return RMSpropGravesRule(self.hyperparam)
