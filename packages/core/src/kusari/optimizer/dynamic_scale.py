"""A loss scale that adapts itself, kept on the device: no update waits to learn whether a gradient overflowed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kusari.serializer import AbstractSerializer, Deserializer

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.autograd.variable import Variable
    from kusari.backend import Device


class DynamicScale:
    """Hold a loss scale, whether the last gradients were finite, and whether they always were.

    Args:
        growth: What a finite update multiplies the scale by, once there has been one that was not. Before that, 2.
    """

    def __init__(self, growth: float) -> None:
        self.growth = growth
        self.device: Device | None = None
        self.scale: Any = None
        """0-d float32, on ``device``."""
        self.safe: Any = None
        self.always_safe: Any = None
        self._loaded = (1.0, True)
        self._applied = False

    def _enter(self, device: Device) -> None:
        """Make the values on the device of the first loss."""
        if self.device is None:
            backend, scale, always = device.backend, *self._loaded
            self.device = device
            self.scale = backend.xp.asarray(scale, dtype=backend.native_dtype("float32"), device=device.native)
            self.always_safe = backend.xp.asarray(always, dtype=backend.native_dtype("bool"), device=device.native)
            self.safe = self.always_safe | True

    def start(self, loss: Variable) -> Any:
        """Return the gradient with which backpropagation of ``loss`` starts: the scale."""
        self._enter(loss.device)
        self._applied = True
        backend = loss.device.backend
        scale = backend.xp.astype(loss.device.send(self.scale), loss.array.dtype)
        return backend.as_array(backend.xp.ones_like(loss.array) * scale, loss.array)

    def inverse(self, device: Device) -> Any:
        """Return what gradients on ``device`` are multiplied by: 1 where the loss was not scaled."""
        return device.send(self._array(1 / self.scale)) if self._applied else 1.0

    def check(self, params: Iterable[Parameter]) -> None:
        """Look, on the device, whether all gradients are finite."""
        safe: Any = None
        for param in params:
            self._enter(param.device)
            assert self.device is not None
            xp = param.device.xp
            finite = param.device.backend.as_array(xp.all(xp.isfinite(param.grad)), param.grad)
            finite = self.device.send(finite)
            safe = finite if safe is None else safe & finite
        if safe is not None:
            self.safe = self._array(safe)

    def safe_on(self, device: Device) -> Any:
        """Return whether the last gradients were finite, as a 0-d array on ``device``."""
        return device.send(self.safe)

    def adapt(self) -> None:
        """Double the scale, or multiply it by ``growth``; halve it when the last gradients were not finite."""
        if self.device is None or not self._applied:
            return
        xp = self.device.xp
        self.always_safe = self._array(self.always_safe & self.safe)
        grown = self.scale * xp.where(self.always_safe, xp.full_like(self.scale, 2), self.growth)
        halved = xp.maximum(self.scale * 0.5, xp.ones_like(self.scale))
        self.scale = self._array(xp.where(self.safe, grown, halved))
        self._applied = False

    def serialize(self, serializer: AbstractSerializer) -> None:
        """Save or load ``loss_scale`` and ``always_safe``."""
        now = self._loaded
        if self.device is not None:
            to_host = self.device.backend.to_host
            now = to_host(self.scale).item(), to_host(self.always_safe).item()
        loaded = serializer("loss_scale", now[0]), serializer("always_safe", now[1])
        if isinstance(serializer, Deserializer) and not serializer.rehearsing:
            self._loaded, self.device = loaded, None

    def _array(self, value: Any) -> Any:
        """Return a value as a 0-d array: some libraries give scalars."""
        assert self.device is not None
        return self.device.backend.as_array(value, self.scale)
