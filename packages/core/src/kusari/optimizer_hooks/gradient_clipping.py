"""Clipping of gradients by their norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.kernels import gradient
from kusari.optimizer_hooks.common import kernels_of, set_grad

if TYPE_CHECKING:
    from kusari.optimizer import Optimizer


class GradientClipping:
    """Scale all gradients down together where their norm exceeds a threshold.

    g ← g min(1, threshold / ‖g‖), with the norm over all parameters. It is not read on the host.

    Args:
        threshold: The largest norm, positive.

    Raises:
        ValueError: ``threshold`` is not positive.

    Source: Pascanu, Mikolov, Bengio, 2013, arXiv:1211.5063.

    >>> x = kusari.Parameter(np.asarray([1.0, 1.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = kusari.optimizers.SGD(lr=0.5).setup(model)
    >>> optimizer.add_hook(GradientClipping(1.0))
    >>> x.grad = np.asarray([6.0, -8.0])
    >>> optimizer.update()
    >>> x.array
    array([0.7, 1.4])
    """

    name = "GradientClipping"
    timing = "pre"

    def __init__(self, threshold: float) -> None:
        if not threshold > 0:
            raise ValueError(f"GradientClipping({threshold}): expected a positive threshold")
        self.threshold = threshold

    def __call__(self, opt: Optimizer) -> None:
        params = [p for p in opt.target.params(include_uninit=False) if p.grad is not None]
        if not params:
            return
        home = params[0].device
        total: Any = None
        for param in params:
            square = gradient.sum_of_squares(kernels_of(param), param.grad)
            square = home.send(param.device.backend.as_array(square, param.grad))
            total = square if total is None else total + square
        rate = gradient.clipping_rate(kernels_of(params[0]), total, self.threshold)
        rate = home.backend.as_array(rate, params[0].grad)
        for param in params:
            set_grad(param, gradient.scale(kernels_of(param), param.grad, param.device.send(rate)))
