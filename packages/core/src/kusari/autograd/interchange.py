"""Sharing arrays with other libraries: DLPack both ways, and the host's conversion protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kusari.backend import default_device, get_device
from kusari.backend.host import as_host_array
from kusari.backend.selection import DeviceLike

if TYPE_CHECKING:
    from kusari.autograd.variable import Variable
    from kusari.backend import Device

# The standard's numbers for kinds of memory.
_HOST: Final = frozenset({1, 3, 11})
"""Main memory, also pinned for a GPU."""
_GPU: Final = frozenset({2, 13})
"""CUDA's, also managed."""


class Interchange:
    """The part of Variable that hands its array to other libraries."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any
        device: Device
        requires_grad: bool

    def __dlpack__(self, **options: Any) -> Any:
        """Return the array as a DLPack capsule: its memory, not a copy, and without the graph.

        >>> x = kusari.Variable(np.ones(2))
        >>> np.from_dlpack(x)
        array([1., 1.])
        """
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return DLPack's numbers for the memory that the array is in."""
        kind, index = self.array.__dlpack_device__()
        return int(kind), int(index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the array for ``np.asarray(x)``, where nothing is lost: on the host, and no gradient wanted.

        Raises:
            TypeError: Otherwise: what drops a graph, or waits for a device, is to be written down.
        """
        if self.requires_grad:
            raise TypeError(
                "a Variable that gradients flow through does not become an array by itself: write x.array, or "
                "compute it within no_backprop_mode()"
            )
        if self.array is None:
            raise TypeError("a Variable without data does not become an array")
        try:
            return as_host_array(self.array, dtype, copy)
        except TypeError as error:
            message = f"a Variable on {self.device} does not become an array by itself: to_device('numpy')"
            raise TypeError(message) from error


def from_dlpack(x: Any, *, device: DeviceLike = None, copy: bool | None = None) -> Variable:
    """Return a Variable over another library's array, without gradient.

    Args:
        x: Anything with ``__dlpack__`` and ``__dlpack_device__``: a tensor of PyTorch, JAX, and so on.
        device: Where the result is to live; None: where ``x`` does.
        copy: True: never share memory; None: share it where ``x`` stays where it is; False: fail rather than copy.

    Raises:
        TypeError: ``x`` does not speak DLPack.
        BufferError: Its memory is of a kind that no backend has, or a copy was needed and forbidden.

    >>> array = np.zeros(2)
    >>> x = kusari.from_dlpack(array)
    >>> array[0] = 1
    >>> x.array
    array([1., 0.])
    """
    from kusari.autograd.variable import constant

    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise TypeError(f"from_dlpack({type(x).__name__}): expected an object with __dlpack__ and __dlpack_device__")
    home = _device_of(*x.__dlpack_device__())
    target = home if device is None else get_device(device)
    array = home.xp.from_dlpack(x)
    if target.memory != home.memory:
        if copy is False:
            raise BufferError(f"from_dlpack(copy=False): the array is on {home}, and was asked for on {target}")
        array = target.send(array)
    elif copy:
        array = target.xp.asarray(array, copy=True)
    return constant(array, target)


def _device_of(kind: int, index: int) -> Device:
    """Return our device for DLPack's."""
    if kind in _HOST:
        return default_device()
    if kind in _GPU:
        return get_device(index)
    raise BufferError(f"from_dlpack(): memory of DLPack's kind {int(kind)} is of no backend; move the array first")
