"""Nesterov's accelerated gradient."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class NesterovAGRule(UpdateRule):
    """v ← μv − ηg, p ← p + μv − ηg."""

    defaults = MappingProxyType({"lr": 0.01, "momentum": 0.9})
    state_names = ("v",)

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.nesterov_ag

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.lr, h.momentum


class NesterovAG(GradientMethod):
    """Descend with momentum, looking ahead by one step of it.

    v ← μv − ηg, p ← p + μv − ηg.

    Args:
        lr: The learning rate η.
        momentum: How much of the last step is kept, μ.

    Source: Bengio, Boulanger-Lewandowski, Pascanu, 2012, arXiv:1212.0901, equation 7.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = NesterovAG(lr=0.125, momentum=0.5).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array
    array([0.625, 1.25 ])
    """

    lr = HyperparameterProxy("lr")
    momentum = HyperparameterProxy("momentum")

    def __init__(
        self, lr: float = NesterovAGRule.defaults["lr"], momentum: float = NesterovAGRule.defaults["momentum"]
    ) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.momentum = momentum

    def create_update_rule(self) -> UpdateRule:
        return NesterovAGRule(self.hyperparam)
