"""Optimizer: the base of everything that trains a link."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from kusari.optimizer.hooks import TIMINGS, Hookable
from kusari.optimizer.loss_scaling import LossScaling
from kusari.serializer import AbstractSerializer, Deserializer

if TYPE_CHECKING:
    from kusari.model import Link


class Optimizer(LossScaling, Hookable):
    """Train a link: hold it, count the updates and epochs, and call hooks.

    A subclass says in `update` how the link's parameters change. `GradientMethod` does it by gradients and one
    `UpdateRule` per parameter.
    """

    t = 0
    """How many updates there have been."""
    epoch = 0
    """How many times `new_epoch` was called."""
    use_auto_new_epoch = False
    """The updater calls `new_epoch`, and nobody else may."""

    def __init__(self) -> None:
        super().__init__()
        self._target: Link | None = None

    @property
    def target(self) -> Link:
        """The link that is trained.

        Raises:
            RuntimeError: `setup` has not been called.
        """
        if self._target is None:
            raise RuntimeError(f"{type(self).__name__} has nothing to train yet; call optimizer.setup(link) first")
        return self._target

    @target.setter
    def target(self, link: Link) -> None:
        self._target = link

    def setup(self, link: Link) -> Self:
        """Take a link to train, and count and hook from the beginning.

        Raises:
            TypeError: Not a link.
        """
        if not callable(getattr(link, "namedparams", None)):
            raise TypeError(f"setup(): expected a Link, got {type(link).__name__}")
        self._target = link
        self.t = self.epoch = 0
        self._hooks = {}
        return self

    def update(self, lossfun: Callable[..., Any] | None = None, *args: Any, **kwds: Any) -> None:
        """Change the link's parameters once.

        Args:
            lossfun: Returns the loss to lower; with None the parameters' gradients are there already.
            *args: Passed on to ``lossfun``.
            **kwds: Passed on to ``lossfun``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define update()")

    def new_epoch(self, auto: bool = False) -> None:
        """Count an epoch.

        Args:
            auto: True when an updater calls this.

        Raises:
            RuntimeError: Called by hand while the updater does it, or the reverse.
        """
        if auto and not self.use_auto_new_epoch:
            raise RuntimeError("new_epoch(auto=True): the updater has to set optimizer.use_auto_new_epoch = True first")
        if not auto and self.use_auto_new_epoch:
            raise RuntimeError(
                "new_epoch(): the updater counts epochs already; remove this call, or give it auto_new_epoch=False"
            )
        self.epoch += 1

    # Hooks. --------------------------------------------------------------------------------------------------------

    def add_hook(self, hook: Callable[..., Any], name: str | None = None, timing: str = "auto") -> None:
        """Register a hook, called as ``hook(optimizer)`` before or after each update.

        One whose attribute ``call_for_each_param`` is true is called as ``hook(update_rule, parameter)`` for each
        parameter.

        Args:
            hook: Any callable.
            name: What `remove_hook` calls it. Default: the hook's attribute ``name``, else its ``__name__``.
            timing: ``pre`` or ``post``; ``auto`` takes the hook's attribute ``timing``, else ``pre``.

        Raises:
            RuntimeError: `setup` has not been called: it would remove the hook.
            TypeError: Not callable.
            ValueError: Another timing, or a hook without a name.
            KeyError: A hook of that name is registered.
        """
        if self._target is None:
            raise RuntimeError("add_hook() comes after optimizer.setup(link), which removes all hooks")
        super().add_hook(hook, name, timing)

    def call_hooks(self, timing: str = "pre") -> None:
        """Call the hooks that come before (``pre``) or after (``post``) an update.

        Raises:
            ValueError: Another timing.
        """
        if timing not in TIMINGS:
            raise ValueError(f"call_hooks({timing!r}): expected 'pre' or 'post'")
        for hook in self._hooks_at(timing):
            self.call_hook(hook)

    def call_hook(self, hook: Callable[..., Any]) -> None:
        """Call one hook: once, or for each parameter that has an update rule."""
        if not getattr(hook, "call_for_each_param", False):
            hook(self)
            return
        for param in self.target.params():
            if param.update_rule is not None:
                hook(param.update_rule, param)

    # Saving. -------------------------------------------------------------------------------------------------------

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load ``t``, ``epoch`` and each parameter's rule. Neither the link nor the hyperparameters."""
        t, epoch = serializer("t", self.t), serializer("epoch", self.epoch)
        if not (isinstance(serializer, Deserializer) and serializer.rehearsing):
            self.t, self.epoch = t, epoch
        for name, param in self.target.namedparams_in_files():
            if param.update_rule is not None:
                param.update_rule.serialize(serializer[name])
