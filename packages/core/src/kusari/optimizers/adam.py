"""Adam, and its variants by flags: AMSGrad, AdaBound, AMSBound, decoupled weight decay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, Hyperparameter, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.backend import Kernel


def _corrected_step(numbers: Mapping[str, float], t: int) -> float:
    if t == 0:
        raise RuntimeError("Adam's learning rate depends on the number of updates, and there has been none yet")
    return numbers["alpha"] * math.sqrt(1 - numbers["beta2"] ** t) / (1 - numbers["beta1"] ** t)


class AdamRule(UpdateRule):
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − η(αₜ m / (√v + ε) + λp)."""

    defaults = MappingProxyType(
        {
            "alpha": 0.001,
            "beta1": 0.9,
            "beta2": 0.999,
            "eps": 1e-8,
            "eta": 1.0,
            "weight_decay_rate": 0,
            "amsgrad": False,
            "adabound": False,
            "final_lr": 0.1,
            "gamma": 0.001,
        }
    )

    def __init__(self, parent_hyperparam: Hyperparameter | None = None, **numbers: Any) -> None:
        super().__init__(parent_hyperparam, **numbers)
        self.initial_alpha: float = self.hyperparam.alpha
        """What ``final_lr`` was meant for: it follows every later change of ``alpha``."""

    @property
    def state_names(self) -> tuple[str, ...]:
        """``m`` and ``v``; with ``amsgrad`` the largest v so far, too."""
        return ("m", "v", "vhat") if self.hyperparam.amsgrad else ("m", "v")

    @property
    def alpha_t(self) -> float:
        """αₜ = α √(1 − β₂ᵗ) / (1 − β₁ᵗ)."""
        return _corrected_step(self.hyperparam.get_dict(), self.t)

    lr = alpha_t

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        h = self.hyperparam
        if h.adabound:
            return update.ams_bound if h.amsgrad else update.ada_bound
        return update.amsgrad if h.amsgrad else update.adam

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam.get_dict()  # all ten in a fifth of the time of ten look-ups
        scalars = _corrected_step(h, self.t), h["beta1"], h["beta2"], h["eps"], h["eta"], h["weight_decay_rate"]
        if not h["adabound"]:
            return scalars
        final = h["final_lr"] * h["alpha"] / self.initial_alpha
        lower = final * (1 - 1 / (h["gamma"] * self.t + 1))
        upper = final * (1 + 1 / (h["gamma"] * self.t))
        return *scalars, lower, upper


class Adam(GradientMethod):
    """Divide the mean gradient by the root mean square of gradients, both of them corrected for their start at 0.

    m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − η(αₜ m / (√v + ε) + λp),
    with αₜ = α √(1 − β₂ᵗ) / (1 − β₁ᵗ).

    Args:
        alpha: The step size α.
        beta1: How fast the mean is forgotten, β₁: near 1 is slow.
        beta2: How fast squares are forgotten, β₂.
        eps: Keeps the divisor from 0, ε.
        eta: A factor for schedules, η: it acts on the weight decay too.
        weight_decay_rate: The weight decay λ, decoupled from the gradient.
        amsgrad: Take the largest v so far.
        adabound: Keep αₜ / (√v + ε) between bounds that narrow to ``final_lr``: [1 − 1/(γt + 1), 1 + 1/(γt)] times it.
        final_lr: Where the bounds meet, while ``alpha`` is what it was first; scaled with it.
        gamma: How fast they narrow, γ.

    Source: Kingma, Ba, 2015, arXiv:1412.6980; weight decay: Loshchilov, Hutter, 2019, arXiv:1711.05101.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = Adam(alpha=0.5).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([0.5, 1.5])
    """

    alpha = HyperparameterProxy("alpha")
    beta1 = HyperparameterProxy("beta1")
    beta2 = HyperparameterProxy("beta2")
    eps = HyperparameterProxy("eps")
    eta = HyperparameterProxy("eta")
    weight_decay_rate = HyperparameterProxy("weight_decay_rate")
    amsgrad = HyperparameterProxy("amsgrad")
    adabound = HyperparameterProxy("adabound")
    final_lr = HyperparameterProxy("final_lr")
    gamma = HyperparameterProxy("gamma")

    def __init__(
        self,
        alpha: float = AdamRule.defaults["alpha"],
        beta1: float = AdamRule.defaults["beta1"],
        beta2: float = AdamRule.defaults["beta2"],
        eps: float = AdamRule.defaults["eps"],
        eta: float = AdamRule.defaults["eta"],
        weight_decay_rate: float = AdamRule.defaults["weight_decay_rate"],
        amsgrad: bool = AdamRule.defaults["amsgrad"],
        adabound: bool = AdamRule.defaults["adabound"],
        final_lr: float = AdamRule.defaults["final_lr"],
        gamma: float = AdamRule.defaults["gamma"],
    ) -> None:
        super().__init__()
        self.hyperparam.alpha = alpha
        self.hyperparam.beta1 = beta1
        self.hyperparam.beta2 = beta2
        self.hyperparam.eps = eps
        self.hyperparam.eta = eta
        self.hyperparam.weight_decay_rate = weight_decay_rate
        self.hyperparam.amsgrad = amsgrad
        self.hyperparam.adabound = adabound
        self.hyperparam.final_lr = final_lr
        self.hyperparam.gamma = gamma

    def create_update_rule(self) -> UpdateRule:
        return AdamRule(self.hyperparam)

    @property
    def alpha_t(self) -> float:
        """The step size in force, αₜ.

        Raises:
            RuntimeError: Before the first update.
        """
        return _corrected_step(self.hyperparam.get_dict(), self.t)

    @property
    def lr(self) -> float:
        """αₜ, by the name that other optimizers have for it."""
        return self.alpha_t
