"""Lion: steps of one size, in the direction that a mean of gradients has the sign of."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class LionRule(UpdateRule):
    """p ← p − η(α sign(β₁m + (1 − β₁)g) + λp), m ← β₂m + (1 − β₂)g."""

    defaults = MappingProxyType({"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "eta": 1.0, "weight_decay_rate": 0})
    state_names = ("m",)

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.lion

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.lr, h.beta1, h.beta2, h.eta, h.weight_decay_rate


class Lion(GradientMethod):
    """Move every element by the learning rate, up or down.

    p ← p − η(α sign(β₁m + (1 − β₁)g) + λp), m ← β₂m + (1 − β₂)g.

    Its steps are larger than Adam's: take a learning rate three to ten times smaller.

    Args:
        lr: The learning rate α.
        beta1: How much of the step the mean decides, β₁; the rest is the gradient's.
        beta2: How fast the mean is forgotten, β₂: near 1 is slow.
        eta: A factor for schedules, η: it acts on the weight decay too.
        weight_decay_rate: The weight decay λ, decoupled from the gradient. The paper's is λ/α.

    Source: Chen et al., 2023, arXiv:2302.06675.

    >>> x = kusari.Parameter(np.asarray([1.0, -2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = Lion(lr=0.25).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array
    array([ 0.75, -1.75])
    """

    lr = HyperparameterProxy("lr")
    beta1 = HyperparameterProxy("beta1")
    beta2 = HyperparameterProxy("beta2")
    eta = HyperparameterProxy("eta")
    weight_decay_rate = HyperparameterProxy("weight_decay_rate")

    def __init__(
        self,
        lr: float = LionRule.defaults["lr"],
        beta1: float = LionRule.defaults["beta1"],
        beta2: float = LionRule.defaults["beta2"],
        eta: float = LionRule.defaults["eta"],
        weight_decay_rate: float = LionRule.defaults["weight_decay_rate"],
    ) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.beta1 = beta1
        self.hyperparam.beta2 = beta2
        self.hyperparam.eta = eta
        self.hyperparam.weight_decay_rate = weight_decay_rate

    def create_update_rule(self) -> UpdateRule:
        return LionRule(self.hyperparam)
