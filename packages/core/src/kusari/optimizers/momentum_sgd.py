"""Gradient descent with momentum."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class MomentumSGDRule(UpdateRule):
    """v ← μv − ηg, p ← p + v."""

    defaults = MappingProxyType({"lr": 0.01, "momentum": 0.9})
    state_names = ("v",)

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.momentum_sgd

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.lr, h.momentum


class MomentumSGD(GradientMethod):
    """Descend with momentum.

    v ← μv − ηg, p ← p + v.

    Args:
        lr: The learning rate η.
        momentum: How much of the last step is kept, μ.

    Source: Polyak, 1964, USSR Computational Mathematics and Mathematical Physics 4(5).

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = MomentumSGD(lr=0.25).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array
    array([0.5, 1. ])
    """

    lr = HyperparameterProxy("lr")
    momentum = HyperparameterProxy("momentum")

    def __init__(
        self, lr: float = MomentumSGDRule.defaults["lr"], momentum: float = MomentumSGDRule.defaults["momentum"]
    ) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.momentum = momentum

    def create_update_rule(self) -> UpdateRule:
        return MomentumSGDRule(self.hyperparam)
