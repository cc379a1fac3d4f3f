"""Triton's interpreter on NumPy arrays: a pointer to hand over, and two repairs that it needs."""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np

from kusari.types import Array

INTERPRET: Final = "TRITON_INTERPRET"


def requested() -> bool:
    """Tell whether the environment asks Triton to interpret kernels.

    Triton reads the variable where a kernel is decorated: set it before the process starts.
    """
    return os.environ.get(INTERPRET, "0").lower() in ("1", "true", "on", "yes", "y")


class HostPointer:
    """Stand for a NumPy array where a kernel takes a pointer.

    The interpreter copies its arguments "to the host" and back, in PyTorch's storage protocol. The memory is on the
    host already, so that every step of the copy is the object itself.
    """

    __slots__ = ("__weakref__", "array", "dtype")

    def __init__(self, array: Any) -> None:
        self.array = array
        self.dtype = array.dtype.name  # Triton reads the element type off the name; bfloat16 is ml_dtypes'

    def data_ptr(self) -> int:
        """Return the address of the first element, whatever the strides."""
        return int(self.array.ctypes.data)

    def untyped_storage(self) -> HostPointer:
        return self

    def cpu(self) -> HostPointer:
        return self

    def new_empty(self, *_: Any, **__: Any) -> HostPointer:
        return self

    def set_(self, *_: Any) -> HostPointer:
        return self

    def copy_(self, _: HostPointer) -> HostPointer:
        return self

    def storage_offset(self) -> int:
        return 0

    def size(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    def stride(self) -> tuple[int, ...]:
        return tuple(stride // self.array.itemsize for stride in self.array.strides)


def repair() -> None:
    """Make the interpreter right where it is wrong; doing it again changes nothing.

    1. Triton 3.6 converts a loop bound by ``int(one-element array)``, which NumPy ≥ 2.4 refuses
       (TypeError in ``range(0, K, BLOCK)`` with K known at run time; mended in Triton 3.7, triton#9171).
    2. ``tl.dot`` of bfloat16 multiplies the bit patterns, which it holds as uint16: errors of 1e10 without a word
       (3.6 to 3.9, triton#11584).
    """
    from triton.runtime import interpreter

    if getattr(interpreter, "_kusari_repaired", False):
        return
    patch_tensor = interpreter._patch_lang_tensor
    dot = interpreter.InterpreterBuilder.create_dot

    def patch_tensor_and_index(tensor: Any, scope: Any) -> None:
        patch_tensor(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(np.asarray(self.handle.data).reshape(-1)[0]))

    def dot_in_float32(builder: Any, a: Any, b: Any, *rest: Any) -> Any:
        return dot(builder, _widened(a, interpreter), _widened(b, interpreter), *rest)

    interpreter._patch_lang_tensor = patch_tensor_and_index
    interpreter.InterpreterBuilder.create_dot = dot_in_float32
    interpreter._kusari_repaired = True


def _widened(handle: Any, interpreter: Any) -> Any:
    """bfloat16 bits → the same numbers in float32; anything else as it is."""
    import triton.language as tl

    if handle.dtype.scalar != tl.bfloat16:
        return handle
    return interpreter.TensorHandle((handle.data.astype(np.uint32) << 16).view(np.float32), tl.float32)


def pointer(array: Array) -> HostPointer:
    """Wrap an array for the interpreter."""
    return HostPointer(array)
