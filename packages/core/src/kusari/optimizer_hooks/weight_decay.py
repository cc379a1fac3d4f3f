"""Weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kusari.kernels import gradient
from kusari.optimizer_hooks.common import kernels_of, set_grad

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.optimizer import UpdateRule


class WeightDecay:
    """Pull parameters towards 0 in proportion: the gradient of λ‖p‖²/2 is added.

    g ← g + λp.

    Args:
        rate: The weight decay λ.

    >>> x = kusari.Parameter(np.asarray([3.0, -4.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = kusari.optimizers.SGD(lr=0.5).setup(model)
    >>> optimizer.add_hook(WeightDecay(0.5))
    >>> x.grad = np.asarray([1.0, 1.0])
    >>> optimizer.update()
    >>> x.array
    array([ 1.75, -3.5 ])
    """

    name = "WeightDecay"
    call_for_each_param = True
    timing = "pre"

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, rule: UpdateRule, param: Parameter) -> None:
        if param.array is not None and param.grad is not None:
            set_grad(param, gradient.add_scaled(kernels_of(param), param.grad, param.array, self.rate))
