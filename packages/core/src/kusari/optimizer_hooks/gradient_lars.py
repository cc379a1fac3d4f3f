"""Layer-wise adaptive rate scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kusari.kernels import gradient
from kusari.optimizer_hooks.common import kernels_of, set_grad

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.optimizer import UpdateRule


class GradientLARS:
    """Scale each parameter's gradient to the norm of the parameter.

    g ← r(g + λp), with r = ‖p‖ / (ε + ‖g‖ + λ‖p‖) where ‖p‖ > threshold, else 1.

    Args:
        threshold: Parameters of a smaller norm keep their scale.
        weight_decay: The weight decay λ.
        eps: Keeps the divisor from 0, ε.

    Source: You, Gitman, Ginsburg, 2017, arXiv:1708.03888.

    >>> x = kusari.Parameter(np.asarray([3.0, -4.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = kusari.optimizers.SGD(lr=0.5).setup(model)
    >>> optimizer.add_hook(GradientLARS(threshold=6.0))
    >>> x.grad = np.asarray([1.0, 1.0])
    >>> optimizer.update()
    >>> x.array
    array([ 2.5, -4.5])
    """

    name = "GradientLARS"
    call_for_each_param = True
    timing = "pre"

    def __init__(self, threshold: float = 0.01, weight_decay: float = 0.0, eps: float = 1e-9) -> None:
        self.threshold = threshold
        self.weight_decay = weight_decay
        self.eps = eps

    def __call__(self, rule: UpdateRule, param: Parameter) -> None:
        if param.array is not None and param.grad is not None:
            backend = kernels_of(param)
            p_square = gradient.sum_of_squares(backend, param.array)
            g_square = gradient.sum_of_squares(backend, param.grad)
            rate = gradient.lars_rate(backend, p_square, g_square, self.threshold, self.weight_decay, self.eps)
            set_grad(param, gradient.scale_decayed(backend, param.grad, param.array, rate, self.weight_decay))
