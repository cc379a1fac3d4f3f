"""The question "which implementation runs here, and why not another?", by name."""

from __future__ import annotations

from typing import Any

from kusari.backend.choice import Explanation
from kusari.backend.family import Family
from kusari.backend.kernel import find_kernel, is_kernel
from kusari.backend.selection import DeviceLike, default_device, get_device
from kusari.configuration import current_state


def explain(kernel: Any, problem: Any = None, device: DeviceLike = None) -> Explanation:
    """Say which implementation of a kernel runs on a device, for a Problem, and why not the others.

    Args:
        kernel: A kernel or family imported from ``kusari.kernels``, or its name.
        problem: A family's Problem. None: what every candidate says before it sees one.
        device: A device or its name. None: the backend of `use_backend`, else the default device's.

    Raises:
        UnknownKernel: Nothing goes by that name.
        TypeError: Not a kernel, or a Problem for a kernel that is not a family.

    >>> from kusari.kernels.softmax import log_softmax
    >>> explain(log_softmax, device="numpy").chosen.override.source
    'portable'
    """
    target = find_kernel(kernel) if isinstance(kernel, str) else kernel
    if isinstance(target, type) and issubclass(target, Family) and target is not Family:
        target = target.definition
    elif not is_kernel(target):
        raise TypeError(f"explain({kernel!r}): expected a kernel or a family from kusari.kernels, or its name")
    elif problem is not None:
        raise TypeError(f"explain({target.key}): a kernel has no Problem, only a family has; leave it out")
    if device is not None:
        backend = get_device(device).backend
    else:
        backend = current_state().backend or default_device().backend
    return backend.explain(target, problem)
