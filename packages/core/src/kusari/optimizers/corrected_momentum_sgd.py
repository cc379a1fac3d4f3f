"""Gradient descent with momentum that does not depend on the learning rate."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class CorrectedMomentumSGDRule(UpdateRule):
    """v ← μv − g, p ← p + ηv."""

    defaults = MappingProxyType({"lr": 0.01, "momentum": 0.9})
    state_names = ("v",)

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.corrected_momentum_sgd

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.lr, h.momentum


class CorrectedMomentumSGD(GradientMethod):
    """Descend with momentum; a new learning rate acts at once, on the momentum too.

    v ← μv − g, p ← p + ηv.

    Args:
        lr: The learning rate η.
        momentum: How much of the last direction is kept, μ.

    Source: Goyal et al., 2017, arXiv:1706.02677, section 3.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = CorrectedMomentumSGD(lr=0.25).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array
    array([0.5, 1. ])
    """

    lr = HyperparameterProxy("lr")
    momentum = HyperparameterProxy("momentum")

    def __init__(
        self,
        lr: float = CorrectedMomentumSGDRule.defaults["lr"],
        momentum: float = CorrectedMomentumSGDRule.defaults["momentum"],
    ) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.momentum = momentum

    def create_update_rule(self) -> UpdateRule:
        return CorrectedMomentumSGDRule(self.hyperparam)
