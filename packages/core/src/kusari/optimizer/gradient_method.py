"""GradientMethod: an optimizer that follows gradients, with one update rule per parameter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from kusari.optimizer.hyperparameter import Hyperparameter
from kusari.optimizer.optimizer import Optimizer
from kusari.optimizer.rows import update_parameters
from kusari.serializer import AbstractSerializer

if TYPE_CHECKING:
    from kusari.model import Link
    from kusari.optimizer.update_rule import UpdateRule


class GradientMethod(Optimizer):
    """Train a link by gradients.

    A subclass makes the rule of each parameter in `create_update_rule`, usually with ``self.hyperparam`` as the parent
    of the rule's numbers.

    >>> model = L.Linear(3, 2)
    >>> optimizer = kusari.optimizers.SGD(lr=0.1).setup(model)
    >>> x = np.ones((1, 3), "f")
    >>> optimizer.update(lambda: F.sum(model(x) ** 2))
    >>> optimizer.t
    1
    """

    def __init__(self) -> None:
        super().__init__()
        self.hyperparam = Hyperparameter()
        """The numbers that every rule uses where it has none of its own."""
        self._use_fp32_update = False
        self._use_cleargrads = True

    def create_update_rule(self) -> UpdateRule:
        """Return a new rule for one parameter."""
        raise NotImplementedError(f"{type(self).__name__} does not define create_update_rule()")

    def setup(self, link: Link) -> Self:
        """Take a link to train, and give each of its parameters a new rule."""
        super().setup(link)
        for param in link.params():
            param.update_rule = self.create_update_rule()
            if self._use_fp32_update:
                param.update_rule.use_fp32_update()
        return self

    def update(self, lossfun: Callable[..., Any] | None = None, *args: Any, **kwds: Any) -> None:
        """Update each parameter once, by its rule.

        Args:
            lossfun: Returns the loss, from which gradients are computed anew; with None they are there already.
            *args: Passed on to ``lossfun``.
            **kwds: Passed on to ``lossfun``.
        """
        target = self.target
        if lossfun is not None:
            loss = lossfun(*args, **kwds)
            if self._use_cleargrads:
                target.cleargrads()
            else:
                target.zerograds()
            self.backpropagate(loss)
            del loss  # the graph goes before anything is allocated
        self.reallocate_cleared_grads()
        self.unscale_grads()
        self.check_nan_in_grads()
        self.call_hooks("pre")
        self.t += 1
        with self.only_if_safe():
            update_parameters(target.params())
        if self._hooks_at("post"):
            self.reallocate_cleared_grads()
            self.call_hooks("post")
        self.update_loss_scale()

    def call_hook(self, hook: Callable[..., Any]) -> None:
        """Call one hook, and give parameters whose gradient it cleared zeros."""
        super().call_hook(hook)
        self.reallocate_cleared_grads()

    def reallocate_cleared_grads(self) -> None:
        """Give each parameter without a gradient one of zeros: hooks and rules may count on it.

        An optimizer that does not need that may override this with nothing.
        """
        for param in self.target.params(include_uninit=False):
            if param.grad_var is None:
                param.grad = param.xp.zeros_like(param.array)

    def use_cleargrads(self, use: bool = True) -> None:
        """Choose whether ``update(lossfun)`` clears the gradients (the default) or fills them with zeros first."""
        self._use_cleargrads = use

    def use_fp32_update(self, flag: bool = True) -> None:
        """Keep a float32 copy of each 16-bit parameter, and update that one."""
        self._use_fp32_update = flag
        if self._target is not None:
            for param in self._target.params():
                if param.update_rule is not None:
                    param.update_rule.use_fp32_update(flag)

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load ``t``, ``epoch``, each parameter's rule and, where it is dynamic, the loss scale."""
        super().serialize(serializer)
        if self._dynamic is not None:
            with contextlib.suppress(KeyError):  # a file of an optimizer without one
                self._dynamic.serialize(serializer)
