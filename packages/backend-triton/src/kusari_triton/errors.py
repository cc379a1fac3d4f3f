"""What goes wrong with a kernel, said with its name, its problem and how it was cut."""

from __future__ import annotations


class KernelError(RuntimeError):
    """A kernel could not be compiled, loaded or launched."""
