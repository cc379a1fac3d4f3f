"""RMSprop."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class RMSpropRule(UpdateRule):
    """s ← αs + (1 − α)g², p ← p − ηg / (√s + ε)."""

    defaults = MappingProxyType({"lr": 0.01, "alpha": 0.99, "eps": 1e-08, "eps_inside_sqrt": False})
    state_names = ("ms",)

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.rmsprop_inside if self.hyperparam.eps_inside_sqrt else update.rmsprop

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.lr, h.alpha, h.eps


class RMSprop(GradientMethod):
    """Divide each step by the root mean square of recent gradients.

    s ← αs + (1 − α)g², p ← p − ηg / (√s + ε).

    Args:
        lr: The learning rate η.
        alpha: How fast squares are forgotten, α: near 1 is slow.
        eps: Keeps the divisor from 0, ε.
        eps_inside_sqrt: Divide by √(s + ε) instead of √s + ε.

    Source: Tieleman, Hinton, 2012, Neural Networks for Machine Learning, lecture 6.5.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = RMSprop(lr=0.5, alpha=0.75).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([0., 1.])
    """

    lr = HyperparameterProxy("lr")
    alpha = HyperparameterProxy("alpha")
    eps = HyperparameterProxy("eps")
    eps_inside_sqrt = HyperparameterProxy("eps_inside_sqrt")

    def __init__(
        self,
        lr: float = RMSpropRule.defaults["lr"],
        alpha: float = RMSpropRule.defaults["alpha"],
        eps: float = RMSpropRule.defaults["eps"],
        eps_inside_sqrt: bool = RMSpropRule.defaults["eps_inside_sqrt"],
    ) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.alpha = alpha
        self.hyperparam.eps = eps
        self.hyperparam.eps_inside_sqrt = eps_inside_sqrt

    def create_update_rule(self) -> UpdateRule:
        return RMSpropRule(self.hyperparam)
