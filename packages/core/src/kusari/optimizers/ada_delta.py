"""AdaDelta."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


class AdaDeltaRule(UpdateRule):
    """s ← ρs + (1 − ρ)g², Δ = g √((d + ε) / (s + ε)), d ← ρd + (1 − ρ)Δ², p ← p − Δ."""

    defaults = MappingProxyType({"rho": 0.95, "eps": 1e-06})
    state_names = ("msg", "msdx")

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.ada_delta

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.rho, h.eps


class AdaDelta(GradientMethod):
    """Let the steps so far set the scale of the next one: there is no learning rate.

    s ← ρs + (1 − ρ)g², Δ = g √((d + ε) / (s + ε)), d ← ρd + (1 − ρ)Δ², p ← p − Δ.

    Args:
        rho: How fast squares are forgotten, ρ: near 1 is slow.
        eps: What the first step starts from, ε.

    Source: Zeiler, 2012, arXiv:1212.5701.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = AdaDelta(rho=0.75, eps=1.0).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([-0.414,  0.211])
    """

    rho = HyperparameterProxy("rho")
    eps = HyperparameterProxy("eps")

    def __init__(self, rho: float = AdaDeltaRule.defaults["rho"], eps: float = AdaDeltaRule.defaults["eps"]) -> None:
        super().__init__()
        self.hyperparam.rho = rho
        self.hyperparam.eps = eps

    def create_update_rule(self) -> UpdateRule:
        return AdaDeltaRule(self.hyperparam)
