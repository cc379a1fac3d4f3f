"""AdaGrad."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class AdaGradRule(UpdateRule):
    """h ← h + g², p ← p − ηg / (√h + ε)."""

    defaults = MappingProxyType({"lr": 0.001, "eps": 1e-08})
    state_names = ("h",)

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.ada_grad

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.lr, h.eps


class AdaGrad(GradientMethod):
    """Divide each step by the root of all squared gradients so far.

    h ← h + g², p ← p − ηg / (√h + ε).

    Args:
        lr: The learning rate η.
        eps: Keeps the divisor from 0, ε.

    Source: Duchi, Hazan, Singer, 2011, JMLR 12.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = AdaGrad(lr=0.5).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array
    array([0.5, 1.5])
    """

    lr = HyperparameterProxy("lr")
    eps = HyperparameterProxy("eps")

    def __init__(self, lr: float = AdaGradRule.defaults["lr"], eps: float = AdaGradRule.defaults["eps"]) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.eps = eps

    def create_update_rule(self) -> UpdateRule:
        return AdaGradRule(self.hyperparam)
