"""Plain gradient descent."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class SGDRule(UpdateRule):
    """p ← p − ηg."""

    defaults = MappingProxyType({"lr": 0.01})

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.sgd

    def scalars(self) -> tuple[float, ...]:
        return (self.hyperparam.lr,)


class SGD(GradientMethod):
    """Descend along the gradient.

    p ← p − ηg.

    Args:
        lr: The learning rate η.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = SGD(lr=0.25).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array
    array([0.5, 1. ])
    """

    lr = HyperparameterProxy("lr")

    def __init__(self, lr: float = SGDRule.defaults["lr"]) -> None:
        super().__init__()
        self.hyperparam.lr = lr

    def create_update_rule(self) -> UpdateRule:
        return SGDRule(self.hyperparam)
