"""AdaBound."""

from __future__ import annotations

from kusari.optimizers.adam import Adam, AdamRule


class AdaBound(Adam):
    """Run `Adam` with a step size between bounds that narrow to one learning rate.

    p ← p − η clip(αₜ / (√v + ε), f(1 − 1/(γt + 1)), f(1 + 1/(γt))) m, with f = ``final_lr`` · α / (the first α).

    Args:
        alpha: The step size α.
        beta1: How fast the mean is forgotten, β₁: near 1 is slow.
        beta2: How fast squares are forgotten, β₂.
        final_lr: Where the bounds meet, while ``alpha`` is what it was first; scaled with it.
        gamma: How fast the bounds narrow, γ.
        eps: Keeps the divisor from 0, ε.
        eta: A factor for schedules, η.

    Source: Luo, Xiong, Liu, Sun, 2019, arXiv:1902.09843.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = AdaBound(alpha=8.0, gamma=1.0).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([0.96, 1.92])
    """

    def __init__(
        self,
        alpha: float = AdamRule.defaults["alpha"],
        beta1: float = AdamRule.defaults["beta1"],
        beta2: float = AdamRule.defaults["beta2"],
        final_lr: float = AdamRule.defaults["final_lr"],
        gamma: float = AdamRule.defaults["gamma"],
        eps: float = AdamRule.defaults["eps"],
        eta: float = AdamRule.defaults["eta"],
    ) -> None:
        super().__init__(
            alpha=alpha, beta1=beta1, beta2=beta2, final_lr=final_lr, gamma=gamma, eps=eps, eta=eta, adabound=True
        )
