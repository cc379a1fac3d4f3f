"""Adam with decoupled weight decay."""

from __future__ import annotations

from kusari.optimizers.adam import Adam, AdamRule


class AdamW(Adam):
    """Run `Adam` with weight decay that bypasses its moments.

    p ← p − η(αₜ m / (√v + ε) + λp).

    Args:
        alpha: The step size α.
        beta1: How fast the mean is forgotten, β₁: near 1 is slow.
        beta2: How fast squares are forgotten, β₂.
        eps: Keeps the divisor from 0, ε.
        eta: A factor for schedules, η: it acts on the weight decay too.
        weight_decay_rate: The weight decay λ.

    Source: Loshchilov, Hutter, 2019, arXiv:1711.05101.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = AdamW(alpha=0.5, weight_decay_rate=0.25).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([0.25, 1.  ])
    """

    def __init__(
        self,
        alpha: float = AdamRule.defaults["alpha"],
        beta1: float = AdamRule.defaults["beta1"],
        beta2: float = AdamRule.defaults["beta2"],
        eps: float = AdamRule.defaults["eps"],
        eta: float = AdamRule.defaults["eta"],
        weight_decay_rate: float = AdamRule.defaults["weight_decay_rate"],
    ) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps, eta=eta, weight_decay_rate=weight_decay_rate)
