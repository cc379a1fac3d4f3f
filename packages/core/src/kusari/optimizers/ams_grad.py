"""AMSGrad."""

from __future__ import annotations

from kusari.optimizers.adam import Adam, AdamRule


class AMSGrad(Adam):
    """Run `Adam` with the largest v so far.

    v̂ ← max(v̂, v), p ← p − η αₜ m / (√v̂ + ε).

    Args:
        alpha: The step size α.
        beta1: How fast the mean is forgotten, β₁: near 1 is slow.
        beta2: How fast squares are forgotten, β₂.
        eps: Keeps the divisor from 0, ε.
        eta: A factor for schedules, η.

    Source: Reddi, Kale, Kumar, 2018, On the Convergence of Adam and Beyond, ICLR.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = AMSGrad(alpha=0.5).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([0.5, 1.5])
    """

    def __init__(
        self,
        alpha: float = AdamRule.defaults["alpha"],
        beta1: float = AdamRule.defaults["beta1"],
        beta2: float = AdamRule.defaults["beta2"],
        eps: float = AdamRule.defaults["eps"],
        eta: float = AdamRule.defaults["eta"],
    ) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps, eta=eta, amsgrad=True)
