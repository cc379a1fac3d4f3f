"""Clipping of gradients, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kusari.kernels import gradient
from kusari.optimizer_hooks.common import kernels_of, set_grad

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.optimizer import UpdateRule


class GradientHardClipping:
    """Keep each element of the gradient within bounds.

    g ← min(max(g, lower), upper).

    Args:
        lower_bound: The smallest value.
        upper_bound: The largest value.

    >>> x = kusari.Parameter(np.asarray([3.0, -4.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = kusari.optimizers.SGD(lr=0.5).setup(model)
    >>> optimizer.add_hook(GradientHardClipping(-0.25, 0.25))
    >>> x.grad = np.asarray([1.0, 1.0])
    >>> optimizer.update()
    >>> x.array
    array([ 2.875, -4.125])
    """

    name = "GradientHardClipping"
    call_for_each_param = True
    timing = "pre"

    def __init__(self, lower_bound: float, upper_bound: float) -> None:
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound

    def __call__(self, rule: UpdateRule, param: Parameter) -> None:
        if param.array is not None and param.grad is not None:
            set_grad(param, gradient.clamp(kernels_of(param), param.grad, self.lower_bound, self.upper_bound))
