"""Data that several parameters may share: its holder, and the Variable over it."""

from __future__ import annotations

import copy
import weakref
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from kusari.autograd.variable import Variable, constant
from kusari.backend import backend_of_array, device_of_array, get_device
from kusari.backend.derived import Storage
from kusari.backend.selection import DeviceLike
from kusari.configuration import current_state

if TYPE_CHECKING:
    from kusari.autograd.node import VariableNode
    from kusari.backend import Device
    from kusari.types import Shape

HOW_TO_INITIALIZE = "run its link once, or call initialize(shape)"


class Holder(Storage):
    """Hold an array, and know the Variables that share it.

    Copied and pickled with its array, so that those that share one still do afterwards.
    """

    __slots__ = ("_members", "remembered")

    def __init__(self, array: Any = None) -> None:
        self._members: list[weakref.ref[HeldVariable]] = []
        self.remembered: tuple[int, int] | None = None
        """The version and checksum at `remember`: debug mode's means to see writes in place."""
        super().__init__(array)

    def join(self, variable: HeldVariable) -> None:
        """Add a Variable to those that share the array."""
        self._members = [*[weakref.ref(member) for member in self.members()], weakref.ref(variable)]

    def members(self) -> Iterator[HeldVariable]:
        """Yield the living Variables that share the array."""
        for reference in self._members:
            variable = reference()
            if variable is not None and variable._storage is self:
                yield variable

    def remember(self) -> None:
        """Take the array's checksum, for `is_as_remembered`."""
        self.remembered = None if self._array is None else (self.version, self._checksum())

    def is_as_remembered(self) -> bool:
        """Tell whether the array is what it was; a new version, or a first look, is remembered and is as it should."""
        if self.remembered is None or self.remembered[0] != self.version:
            self.remember()
            return True
        return self.remembered[1] == self._checksum()

    def _checksum(self) -> int:
        return zlib.crc32(backend_of_array(self._array).to_host(self._array).tobytes())

    def __deepcopy__(self, memo: dict[int, Any]) -> Holder:
        array = self._array
        # Not copy.deepcopy(array), which is the library's affair: this keeps strides and dtype objects.
        return Holder(None if array is None else backend_of_array(array).xp.asarray(array, copy=True))

    def __reduce__(self) -> Any:
        if self._array is None:
            return Holder, ()
        device = device_of_array(self._array)
        return _restore_holder, (device.backend.to_host(self._array), device)


def _restore_holder(host: Any, device: Device) -> Holder:
    return Holder(device.send(host))


class HeldVariable(Variable):
    """A Variable whose array is in a `Holder`: shared with copies, counted in versions, perhaps not there yet.

    >>> first = HeldVariable(np.ones(2))
    >>> second = first.share()
    >>> first.array = np.zeros(2)
    >>> second.array, second.version
    (array([0., 0.]), 2)
    """

    __slots__ = ("_storage",)

    _storage: Holder

    def __init__(self, data: Any = None, *, name: str | None = None) -> None:
        self._storage = Holder()
        super().__init__(data, name=name)
        self._storage.join(self)
        if data is not None and current_state().debug:
            self._storage.remember()

    @property
    def _array(self) -> Any:
        """The array, as functions ask for it."""
        storage = self._storage
        array = storage._array
        if array is None:
            # Not AttributeError: FunctionNode.apply takes that for an input that is no Variable.
            raise RuntimeError(f"parameter {self.name!r} is used before it has data: {HOW_TO_INITIALIZE}")
        if storage.remembered is not None:
            self.check_version()
        return array

    @_array.setter
    def _array(self, array: Any) -> None:
        if array is not None:
            self._storage.array = array

    @property
    def array(self) -> Any:
        """The array, or None before there is one. Setting it raises `version`."""
        return self._storage._array

    @array.setter
    def array(self, array: Any) -> None:
        # Asking the own device first takes a tenth of finding the array's; an optimizer's step sets every array.
        device = None if array is None else self.device if self.device.holds(array) else device_of_array(array)
        storage = self._storage
        storage.array = array
        for variable in storage.members():
            variable._follow(array, device)
        if current_state().debug:
            storage.remember()

    data = array

    def _follow(self, array: Any, device: Device | None) -> None:
        """Bring the graph's side, the label and the gradient to where the array is now."""
        if device is None:
            self._node = None
            return
        node = self._node
        if node is not None:
            if node.data is not None:
                node.data = array
            node.shape, node.native_dtype = array.shape, array.dtype
        if device.memory != self.device.memory:
            self._relabel(device)

    def _relabel(self, device: Device) -> None:
        """Take over a device's label, and move the gradient there."""
        self.device = device
        node = self._node
        if node is not None:
            node.device = device
            if node.grad_var is not None:
                node.grad_var = constant(device.send(node.grad_var.array), device)

    def to_device(self, device: DeviceLike) -> None:
        """Move the data, and with it that of every copy that shares it, and the gradient.

        Without data, only remember the device; a copy that shared the data to come does so no longer.
        """
        target = get_device(device)
        array = self._storage._array
        if array is None:
            if target is not self.device and any(member is not self for member in self._storage.members()):
                self._storage = Holder()
                self._storage.join(self)
            self.device = target
            return
        moved = target.send(array)
        if moved is not array:
            self.array = moved
        if self.device is not target:
            self._relabel(target)

    @property
    def version(self) -> int:
        """How often the array has changed; what backends derive from it, packed filters say, is kept per version.

        Raised by updating, initializing, loading, ``copydata``, setting ``array``, and `touch`.
        """
        return self._storage.version

    def touch(self) -> None:
        """Raise `version`: to be called after writing into the array in place."""
        self._storage.touch()
        if current_state().debug:
            self._storage.remember()

    def check_version(self) -> None:
        """In debug mode, raise where the array was written in place and `touch` not called.

        Links check their parameters when they are called; one that was made in debug mode is checked whenever a
        function uses it.

        Raises:
            RuntimeError: It was; the message names the parameter.
        """
        if current_state().debug and not self._storage.is_as_remembered():
            raise RuntimeError(
                f"parameter {self.name!r} was changed in place and touch() was not called: what backends derived from "
                "its array is stale; call parameter.touch() after writing, or assign parameter.array"
            )

    # Before there is data. -----------------------------------------------------------------------------------------

    @property
    def is_initialized(self) -> bool:
        """Whether it has data."""
        return self._storage._array is not None

    def _need(self, what: str) -> Any:
        array = self._storage._array
        if array is None:
            raise AttributeError(f"parameter {self.name!r} has no {what} yet: {HOW_TO_INITIALIZE}")
        return array

    @property
    def shape(self) -> Shape:
        """The array's shape.

        Raises:
            AttributeError: It is not initialized.
        """
        shape: Shape = self._need("shape").shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._need("ndim").shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size: int = self._need("size").size
        return size

    @property
    def node(self) -> VariableNode:
        """The graph's side, made when first needed."""
        if self._storage._array is None:
            raise RuntimeError(f"parameter {self.name!r} is in no graph before it has data: {HOW_TO_INITIALIZE}")
        return super().node

    # Copies. -------------------------------------------------------------------------------------------------------

    def _over(self, storage: Holder) -> Self:
        """Return a new Variable over ``storage``, with the same label, without attributes or gradient."""
        twin: Self = object.__new__(type(self))
        twin._storage, twin._node = storage, None
        twin.device, twin.requires_grad = self.device, self.requires_grad
        storage.join(twin)
        return twin

    def share(self) -> Self:
        """Return a new Variable over the same data, without gradient."""
        twin = self._over(self._storage)
        twin.__dict__.update(self.__dict__)
        return twin

    def __copy__(self) -> Self:
        """Share the data, and start with the same gradient: clearing one's leaves the other's."""
        twin = self.share()
        if self._node is not None:
            twin.node.grad_var = self._node.grad_var
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self._over(copy.deepcopy(self._storage, memo))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        if self._node is not None and self._node.grad_var is not None:
            twin.node.grad_var = constant(self.xp.asarray(self._node.grad_var.array, copy=True), self.device)
        return twin

    def __reduce__(self) -> Any:
        gradient = None if self._node is None else self._node.grad_var
        host = None if gradient is None else self.device.backend.to_host(gradient.array)
        return _restore, (type(self), self._storage, self.device, self.requires_grad, host), self.__dict__


def _restore(kind: type[HeldVariable], storage: Holder, device: Device, requires_grad: bool, grad: Any) -> HeldVariable:
    """Rebuild an unpickled one; its attributes follow as the pickle's state."""
    variable: HeldVariable = object.__new__(kind)
    variable._storage, variable._node = storage, None
    variable.device, variable.requires_grad = device, requires_grad
    storage.join(variable)
    if grad is not None:
        variable.node.grad_var = constant(device.send(grad), device)
    return variable
