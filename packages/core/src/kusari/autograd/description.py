"""Texts about a Variable: one line, or where it is and what its numbers are like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.configuration import config
from kusari.errors import SynchronizationError

if TYPE_CHECKING:
    from kusari.autograd.variable import Variable


def summarize(x: Variable) -> str:
    """Return one line: the name, or where the object is."""
    return f"<variable {x.name}>" if x.name else f"<variable at {id(x):#x}>"


def describe(x: Variable, title: str | None = None) -> str:
    """Return the device, shape and dtype of a Variable, and mean and standard deviation of it and its gradient.

    Args:
        x: A Variable, perhaps without data.
        title: The first line; None: `summarize`'s.

    Raises:
        SynchronizationError: Where ``config.forbid_synchronization`` is on: this waits for the device.
    """
    lines = [summarize(x) if title is None else title]
    array = x.array
    if array is None:
        lines += [f"- {what}: None" for what in ("device", "backend", "shape", "dtype", "statistics", "grad")]
        return "\n".join(lines)
    lines += [
        f"- device: {x.device}",
        f"- backend: {type(array)}",
        f"- shape: {x.shape}",
        f"- dtype: {x.dtype}",
        f"- statistics: {_statistics(x, array)}",
        f"- grad: {'None' if x.grad is None else _statistics(x, x.grad)}",
    ]
    return "\n".join(lines)


def _statistics(x: Variable, array: Any) -> str:
    if config.forbid_synchronization:
        raise SynchronizationError("mean and standard deviation are read on the host; look at them later")
    host = x.device.backend.to_host(array)
    if host.size == 0:
        return "mean=nan, std=nan"
    if host.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        host = host.astype("float64")  # a float16's sum may overflow
    return f"mean={host.mean():.8f}, std={host.std():.8f}"
