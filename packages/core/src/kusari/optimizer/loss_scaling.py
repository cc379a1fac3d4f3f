"""Loss scaling: the loss is multiplied before backpropagation, so that small 16-bit gradients do not become 0."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kusari.configuration import config
from kusari.errors import SynchronizationError
from kusari.optimizer.dynamic_scale import DynamicScale

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.autograd.variable import Variable
    from kusari.model import Link


class LossScaling:
    """Scale the loss, and the gradients back: by a fixed number, or by one that follows what overflows.

    The dynamic scale and whether the last gradients overflowed stay on the device: nothing here waits for them. Hence
    a skipped update still counts in each rule's ``t``.
    """

    target: Link
    """The link that is trained: an `Optimizer` has it."""

    def __init__(self) -> None:
        super().__init__()
        self._loss_scale: float | None = None
        self._dynamic: DynamicScale | None = None

    def set_loss_scale(self, loss_scale: float | None) -> None:
        """Multiply losses by a fixed number from now on; None: no more.

        ``update(lossfun)`` does so itself. Who calls ``backward`` writes ``loss.backward(loss_scale=...)``: gradients
        are divided by the scale of the backward that made them.

        Raises:
            ValueError: Not positive.
        """
        if loss_scale is not None and not loss_scale > 0:
            raise ValueError(f"set_loss_scale({loss_scale}): expected a positive number")
        self._loss_scale = loss_scale
        self._dynamic = None

    def loss_scaling(self, interval: int = 1000, scale: float | None = None) -> None:
        """Multiply losses by a fixed number, or by one that adapts.

        An adapting scale starts at 1 and doubles with each update. Gradients that are not finite halve it (to no less
        than 1), and are not used; after the first such time it doubles in ``interval`` updates. It is applied by
        ``update(lossfun)`` only.

        Args:
            interval: In how many updates an adapting scale doubles.
            scale: A fixed scale; None: an adapting one.

        Raises:
            ValueError: An interval below 1, or a scale that is not positive.
        """
        if interval < 1:
            raise ValueError(f"loss_scaling(interval={interval}): expected at least 1")
        self.set_loss_scale(scale)
        if scale is None:
            self._dynamic = DynamicScale(2 ** (1 / interval))

    def is_safe_to_update(self) -> bool:
        """Tell whether the last gradients were finite, as far as a dynamic scale looked. This waits for the device.

        Raises:
            SynchronizationError: Where ``config.forbid_synchronization`` is on.
        """
        if self._dynamic is None or self._dynamic.device is None:
            return True
        if config.forbid_synchronization:
            raise SynchronizationError("is_safe_to_update() reads a value on the host; update() needs no such test")
        return bool(self._dynamic.device.backend.to_host(self._dynamic.safe).item())

    def check_nan_in_grads(self) -> None:
        """Find out, on the device, whether any gradient is NaN or infinite; if so, make all of them 0.

        Only a dynamic scale asks.
        """
        if self._dynamic is None:
            return
        params = list(self.target.params(include_uninit=False))
        self._dynamic.check(params)
        for param in params:
            backend, safe = param.device.backend, self._dynamic.safe_on(param.device)
            param.grad = backend.as_array(
                backend.xp.where(safe, param.grad, backend.xp.zeros_like(param.grad)), param.grad
            )

    def update_loss_scale(self) -> None:
        """Adapt a dynamic scale to what the last gradients were."""
        if self._dynamic is not None:
            self._dynamic.adapt()

    def backpropagate(self, loss: Variable) -> None:
        """Run ``loss.backward()``, scaled."""
        if self._dynamic is None:
            loss.backward(loss_scale=self._loss_scale)
        else:
            loss.grad = self._dynamic.start(loss)
            loss.backward()

    def unscale_grads(self) -> None:
        """Divide the gradients by the loss scale that they were made with.

        That of a 16-bit parameter which is updated in float32 is divided by its rule, after the cast: here it would
        lose what scaling saved.
        """
        dynamic = self._dynamic
        for param in self.target.params(include_uninit=False):
            scale = param.grad_scale
            if scale is not None:
                param.grad_scale = None
                inverse: Any = 1 / scale
            elif dynamic is not None:
                inverse = dynamic.inverse(param.device)
            else:
                continue
            rule = param.update_rule
            if rule is not None and rule.updates_in_float32(param):
                rule.gradient_factor = inverse
            else:
                param.grad = scaled(param, param.grad, inverse)

    @contextlib.contextmanager
    def only_if_safe(self) -> Iterator[None]:
        """Undo, on the device, what happens in the ``with`` block when the gradients were not finite."""
        if self._dynamic is None:
            yield
            return
        before = [
            (param, param.update_rule.copies(param))
            for param in self.target.params(include_uninit=False)
            if param.update_rule is not None and param.update_rule.enabled
        ]
        yield
        for param, copies in before:
            param.update_rule.keep_if(self._dynamic.safe_on(param.device), param, copies)


def scaled(param: Parameter, gradient: Any, factor: Any) -> Any:
    """Return the gradient times a number or a 0-d array, in its own dtype."""
    backend = param.device.backend
    if not isinstance(factor, float) and factor.dtype != gradient.dtype:
        factor = backend.xp.astype(factor, gradient.dtype)
    return backend.as_array(gradient * factor, gradient)
