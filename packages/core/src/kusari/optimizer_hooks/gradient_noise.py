"""Noise added to gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kusari.backend import random_source
from kusari.optimizer_hooks.common import set_grad

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.backend import Device
    from kusari.optimizer import UpdateRule
    from kusari.types import Shape


def exponential_decay_noise(xp: Any, shape: Shape, dtype: Any, hook: GradientNoise, opt: UpdateRule) -> Any:
    """Return noise from N(0, η / (1 + t)^0.55), which fades as the rule's count ``t`` grows.

    Args:
        xp: The array module of the gradient.
        shape: The gradient's.
        dtype: The gradient's.
        hook: Whose ``eta`` is η.
        opt: The update rule.

    Source: Neelakantan et al., 2015, arXiv:1511.06807, equation 1.
    """
    std = (hook.eta / (1 + opt.t) ** 0.55) ** 0.5
    assert hook.device is not None
    backend = hook.device.backend
    return random_source(backend).normal(shape, backend.host_dtype(dtype), 0.0, std, hook.device.index)


class GradientNoise:
    """Add noise to gradients, which helps deep networks to train.

    g ← g + noise.

    Args:
        eta: The variance of the first step's noise, η.
        noise_func: ``noise_func(xp, shape, dtype, hook, update_rule)`` returns an array; ``hook.device`` is where the
            gradient is.

    Source: Neelakantan et al., 2015, arXiv:1511.06807.

    >>> x = kusari.Parameter(np.asarray([3.0, -4.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = kusari.optimizers.SGD(lr=0.5).setup(model)
    >>> optimizer.add_hook(GradientNoise(0.1, lambda xp, shape, dtype, hook, rule: xp.ones(shape, dtype=dtype)))
    >>> x.grad = np.asarray([1.0, 1.0])
    >>> optimizer.update()
    >>> x.array
    array([ 2., -5.])
    """

    name = "GradientNoise"
    call_for_each_param = True
    timing = "pre"

    def __init__(self, eta: float, noise_func: Callable[..., Any] = exponential_decay_noise) -> None:
        self.eta = eta
        self.noise_func = noise_func
        self.device: Device | None = None
        """Where the gradient is, while ``noise_func`` runs."""

    def __call__(self, rule: UpdateRule, param: Parameter) -> None:
        if param.array is None or param.grad is None:
            return
        self.device = param.device
        noise = self.noise_func(param.xp, param.grad.shape, param.grad.dtype, self, rule)
        self.device = None
        set_grad(param, param.grad + param.device.send(noise))
