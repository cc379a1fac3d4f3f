"""M-SVAG."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class MSVAGRule(UpdateRule):
    """m ← βm + (1 − β)g, v ← βv + (1 − β)g², γ = m̂² / (m̂² + ρ(v̂ − m̂²)/(1 − ρ)), p ← p − η(αγm̂ + λp)."""

    defaults = MappingProxyType({"lr": 0.1, "beta": 0.9, "eta": 1.0, "weight_decay_rate": 0})
    state_names = ("m", "v")

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.msvag

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        power = h.beta**self.t
        rho = (1 - h.beta) * (1 + power) / ((1 + h.beta) * (1 - power))
        noise_weight = rho / (1 - rho) if self.t > 1 else 0.0  # of one gradient, all is taken for signal
        return h.lr, h.beta, 1 / (1 - power), noise_weight, h.eta, h.weight_decay_rate


class MSVAG(GradientMethod):
    """Descend along the mean gradient m̂, where it is noisy by less.

    m ← βm + (1 − β)g, v ← βv + (1 − β)g², γ = m̂² / (m̂² + ρ(v̂ − m̂²)/(1 − ρ)), p ← p − η(αγm̂ + λp).

    Args:
        lr: The learning rate α.
        beta: How fast moments are forgotten, β: near 1 is slow.
        eta: A factor for schedules, η: it acts on the weight decay too.
        weight_decay_rate: The weight decay λ, decoupled from the gradient.

    Source: Balles, Hennig, 2018, arXiv:1705.07774; ρ is theirs, m̂ and v̂ are m and v over 1 − βᵗ.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = MSVAG(lr=0.25).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([0.5, 1. ])
    """

    lr = HyperparameterProxy("lr")
    beta = HyperparameterProxy("beta")
    eta = HyperparameterProxy("eta")
    weight_decay_rate = HyperparameterProxy("weight_decay_rate")

    def __init__(
        self,
        lr: float = MSVAGRule.defaults["lr"],
        beta: float = MSVAGRule.defaults["beta"],
        eta: float = MSVAGRule.defaults["eta"],
        weight_decay_rate: float = MSVAGRule.defaults["weight_decay_rate"],
    ) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.beta = beta
        self.hyperparam.eta = eta
        self.hyperparam.weight_decay_rate = weight_decay_rate

    def create_update_rule(self) -> UpdateRule:
        return MSVAGRule(self.hyperparam)
