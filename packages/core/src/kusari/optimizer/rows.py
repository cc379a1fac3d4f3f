"""Rows: parameters whose rules share code and numbers, updated by one call of a kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kusari.autograd.parameter import Parameter
from kusari.optimizer_hooks.common import working_device

if TYPE_CHECKING:
    from kusari.backend import Device, Kernel
    from kusari.optimizer.update_rule import UpdateRule

_NOTHING: Final = contextlib.nullcontext()
Row: TypeAlias = "tuple[UpdateRule, Any]"
"""A rule and what it updates: a parameter, or the float32 copy of one."""


def update_parameters(params: Iterable[Parameter]) -> None:
    """Update each parameter by its rule; those that may share a call do.

    A group is one kernel on one device and dtype. Learning rates may differ: numbers are per row. A rule that was
    overridden runs by itself.
    """
    groups = _Groups()
    for param in params:
        rule = param.update_rule
        groups.run_if_waiting(param)
        if rule is None or type(param).update is not Parameter.update:
            param.update()
        elif rule.enabled:
            kernel = rule.shared_kernel()
            if kernel is None:
                rule.update(param)
            else:
                groups.add(kernel, rule, param)
    groups.run()


class _Groups:
    """Rows that wait for their call."""

    def __init__(self) -> None:
        self._rows: dict[Any, list[tuple[Parameter, UpdateRule, Any]]] = {}
        self._waiting: set[int] = set()

    def run_if_waiting(self, param: Parameter) -> None:
        """Run what waits when it has this parameter's array: one shared by two links is updated twice, in order."""
        if id(param.array) in self._waiting:
            self.run()

    def add(self, kernel: Kernel[..., tuple[Any, ...]], rule: UpdateRule, param: Parameter) -> None:
        """Begin an update and let it wait."""
        device = working_device(param)
        with entered(device):
            target = rule.begin(param)
            if target.array is None or target.grad is None:
                rule.end(param, target)
                return
        self._waiting.add(id(param.array))
        self._rows.setdefault((kernel, device, target.array.dtype), []).append((param, rule, target))

    def run(self) -> None:
        """Run every group, and end its updates."""
        waiting, self._rows = self._rows, {}
        self._waiting.clear()
        for (kernel, device, _), members in waiting.items():
            with entered(device):
                run_rows(kernel, device, [(rule, target) for _, rule, target in members])
                for param, rule, target in members:
                    rule.end(param, target)


def run_rows(kernel: Kernel[..., tuple[Any, ...]], device: Device, rows: Sequence[Row]) -> None:
    """Run one kernel over rows, and let each rule take over its results."""
    backend = device.backend
    arrays = [rule.columns(target) for rule, target in rows]
    scalars = [tuple([float(number) for number in rule.scalars()]) for rule, _ in rows]
    results = backend.foreach(kernel, list(zip(*arrays, strict=True)), scalars)
    for (rule, target), old, new in zip(rows, arrays, results, strict=True):
        kept = (old[0], *old[2:])
        rule.store(target, tuple([b if b is a else _like(backend, b, a) for a, b in zip(kept, new, strict=True)]))


def _like(backend: Any, new: Any, old: Any) -> Any:
    """Return a result as an array of the dtype that it replaces: 0-d scalars, bfloat16 widened by a Python number."""
    if type(new) not in backend.array_types:
        new = backend.as_array(new, old)
    return new if new.dtype == old.dtype else backend.xp.astype(new, old.dtype)


def entered(device: Device) -> contextlib.AbstractContextManager[None]:
    """Return a context in which the device is the library's current one; nothing to do where it is already."""
    if device.always_current or device.backend.is_current(device.index):
        return _NOTHING
    return device.create_context()
