"""Parameter: a Variable that training changes, and the holder of data that copies of it share."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from kusari.autograd.holder import Holder
from kusari.autograd.variable import Variable, constant
from kusari.backend import copyto, device_of_array, get_device
from kusari.backend.selection import DeviceLike
from kusari.configuration import current_state
from kusari.dtypes import get_dtype, is_floating
from kusari.initializers import Constant, NaN
from kusari.initializers.constant import is_scalar
from kusari.initializers.generate import fill

if TYPE_CHECKING:
    import numpy as np

    from kusari.autograd.node import VariableNode
    from kusari.backend import Device
    from kusari.types import Shape

_new = object.__new__


class Rule(Protocol):
    """What a parameter asks of an update rule."""

    enabled: bool

    def update(self, param: Parameter) -> None:
        """Change the parameter by its gradient."""


class Parameter(Variable):
    """A Variable that training changes: it knows its initial values, and may learn its shape later.

    Until it has data its array is None. The gradient starts as NaN, so that an update before ``cleargrad()`` shows.

    Args:
        initializer: A callable that fills a host array in place; a number; None for NaN; or an array, which becomes
            the data itself, or with ``shape`` is repeated into new data.
        shape: Of the data; None: given later, to `initialize`.
        name: For messages and drawings; a link sets it.
        layout: Only None.

    Raises:
        TypeError: ``initializer`` is none of these.
        ValueError: An array that does not broadcast to ``shape``, or a layout.

    >>> weight = Parameter(kusari.initializers.One(), (2,), name="W")
    >>> weight
    variable W(array([1., 1.], dtype=float32))
    >>> weight.grad
    array([nan, nan], dtype=float32)
    """

    __slots__ = ("_storage",)

    _storage: Holder
    initializer: Any
    """What fills the array; None where the array was given."""
    update_rule: Any
    """The optimizer's rule for this parameter (`Rule`), or None."""
    _first_grad: str | None
    """What `initialize` makes the gradient: ``nan``, ``zero``, or None for none."""

    def __init__(
        self, initializer: Any = None, shape: Shape | int | None = None, name: str | None = None, *, layout: Any = None
    ) -> None:
        if layout is not None:
            raise ValueError(f"Parameter(layout={layout!r}): expected None; the memory format is the array's strides")
        given = hasattr(initializer, "shape") and hasattr(initializer, "dtype") and not is_scalar(initializer)
        data = initializer if given and shape is None else None
        self._storage = Holder()
        super().__init__(data, name=name)
        self._storage.join(self)
        self.update_rule = None
        self._first_grad = "nan"
        self.initializer = None if data is not None else _initializer(initializer)
        if shape is not None:
            self.initialize(shape)
        elif data is not None and current_state().debug:
            self._storage.remember()

    # The array. --------------------------------------------------------------------------------------------------

    @property
    def _array(self) -> Any:
        """The array, as functions ask for it."""
        storage = self._storage
        array = storage._array
        if array is None:
            # Not AttributeError: FunctionNode.apply takes that for an input that is no Variable.
            raise RuntimeError(f"parameter {self.name!r} is used before it has data: {_HOW_TO_INITIALIZE}")
        if storage.remembered is not None:
            self.check_version()
        return array

    @_array.setter
    def _array(self, array: Any) -> None:
        self._storage.array = array

    @property
    def array(self) -> Any:
        """The array, or None before initialization. Setting it raises `version`."""
        return self._storage._array

    @array.setter
    def array(self, array: Any) -> None:
        device = None if array is None else device_of_array(array)
        self._storage.array = array
        for parameter in self._storage.members():
            parameter._follow(array, device)
        if current_state().debug:
            self._storage.remember()

    data = array

    def _follow(self, array: Any, device: Device | None) -> None:
        """Bring the label, the graph's side and the gradient to where the array is now."""
        if device is None:
            self._node = None
            return
        if device.memory != self.device.memory:
            self.device = device
        node = self._node
        if node is None:
            return
        if node.data is not None:
            node.data = array
        node.shape, node.native_dtype, node.device = array.shape, array.dtype, self.device
        if node.grad_var is not None and not self.device.holds(node.grad_var.array):
            node.grad_var = constant(self.device.send(node.grad_var.array), self.device)

    @property
    def version(self) -> int:
        """How often the array has changed. What backends derive from it, packed filters say, is kept per version.

        Raised by `update`, `initialize`, loading, `copydata`, setting ``array``, and `touch`.
        """
        return self._storage.version

    def touch(self) -> None:
        """Raise `version`: to be called after writing into the array in place."""
        self._storage.touch()

    def check_version(self) -> None:
        """In debug mode, raise where the array was written in place and `touch` not called.

        Links check their parameters when they are called; a parameter that was made in debug mode is checked
        whenever a function uses it.

        Raises:
            RuntimeError: It was; the message names the parameter.
        """
        if current_state().debug and not self._storage.is_as_remembered():
            raise RuntimeError(
                f"parameter {self.name!r} was changed in place and touch() was not called: what backends derived from "
                "its array is stale; call parameter.touch() after writing, or assign parameter.array"
            )

    @property
    def is_initialized(self) -> bool:
        """Whether it has data."""
        return self._storage._array is not None

    def _need(self, what: str) -> Any:
        array = self._storage._array
        if array is None:
            raise AttributeError(f"parameter {self.name!r} has no {what} yet: {_HOW_TO_INITIALIZE}")
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
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype, or before initialization the one that it will have.

        Raises:
            RuntimeError: It is not initialized, and the initializer says nothing of a dtype.
        """
        array = self._storage._array
        if array is not None:
            return self.device.backend.host_dtype(array.dtype)
        if not hasattr(self.initializer, "dtype"):
            raise RuntimeError(
                f"parameter {self.name!r} has no dtype yet: its initializer has no attribute dtype; "
                f"{_HOW_TO_INITIALIZE}"
            )
        return get_dtype(self.initializer.dtype)

    def initialize(self, shape: Shape | Sequence[int] | int) -> None:
        """Make the data, on the device it remembers, and the gradient that goes with it.

        The gradient becomes NaN; None if `cleargrad` was called before there was data; zeros if `zerograd` was. It is
        None for dtypes without NaN.

        Args:
            shape: Of the data; a number is one axis.

        Raises:
            RuntimeError: The array was given, so that there is no initializer.
        """
        if self.initializer is None:
            raise RuntimeError(
                f"parameter {self.name!r} was made from an array and has no initializer: set parameter.initializer"
            )
        host = fill(self.initializer, (shape,) if isinstance(shape, int) else tuple(shape))
        self.array = self.device.backend.from_host(host, self.device.index, copy=False)
        if self._first_grad == "zero":
            self._fill_grad(0.0)
        elif self._first_grad == "nan" and is_floating(self.dtype):
            self._fill_grad(float("nan"))
        else:
            self.cleargrad()

    def update(self) -> None:
        """Let the update rule change the data; without a rule, do nothing."""
        if self.update_rule is not None:
            self.update_rule.update(self)
            self.touch()  # a rule of the user's may have written in place

    def to_device(self, device: DeviceLike) -> None:
        """Move the data, and with it that of every copy that shares it, and the gradient.

        Without data, only remember the device; a copy that shared the data to come does so no longer.
        """
        target = get_device(device)
        array = self._storage._array
        if array is None:
            if target is not self.device and len(self._storage.members()) > 1:
                self._storage = Holder()
                self._storage.join(self)
            self.device = target
            return
        self.device = target
        self.array = target.send(array)

    def copydata(self, var: Variable) -> None:
        """Copy another Variable's elements, across devices, into this one's dtype.

        Without data, it is made in the source's shape first. A source without data changes nothing; where
        ``config.legacy_behavior`` is True, it is initialized in this one's shape and then copied, as it used to be.

        Raises:
            ValueError: The shapes differ.
        """
        if isinstance(var, Parameter) and not var.is_initialized:
            if not self.is_initialized or not legacy_behavior():
                return
            var.initialize(self.shape)
        if not self.is_initialized:
            self.initialize(var.shape)
        if var.shape != self.shape:
            raise ValueError(f"copydata() into parameter {self.name!r}: expected shape {self.shape}, got {var.shape}")
        copyto(self.array, var.array)
        self.touch()
        if current_state().debug:
            self._storage.remember()

    # The gradient. -----------------------------------------------------------------------------------------------

    @property
    def node(self) -> VariableNode:
        """The graph's side of this parameter, made when first needed."""
        if self._storage._array is None:
            raise RuntimeError(f"parameter {self.name!r} is in no graph before it has data: {_HOW_TO_INITIALIZE}")
        return super().node

    @property
    def grad_var(self) -> Variable | None:
        """The gradient as a Variable, or None.

        Raises:
            RuntimeError: Read before there is data, unless `cleargrad` was called; or set before there is data.
        """
        if self._storage._array is None:
            if self._first_grad is None:
                return None
            raise RuntimeError(
                f"parameter {self.name!r} has no gradient yet: call cleargrad() first, or {_HOW_TO_INITIALIZE}"
            )
        return super().node.grad_var

    @grad_var.setter
    def grad_var(self, gradient: Variable | None) -> None:
        if gradient is None:
            self.cleargrad()
            return
        if self._storage._array is None:
            raise RuntimeError(f"parameter {self.name!r} has no data for a gradient: {_HOW_TO_INITIALIZE}")
        self._check_grad(gradient.array)
        super().node.grad_var = gradient

    def cleargrad(self) -> None:
        """Forget the gradient; without data, also the NaN that `initialize` would put there."""
        if self._storage._array is None:
            self._first_grad = None
        super().cleargrad()

    def zerograd(self) -> None:
        """Set the gradient to zeros; without data, let `initialize` do so.

        Deprecated: use `cleargrad`.
        """
        warnings.warn("zerograd() is deprecated; use cleargrad()", DeprecationWarning, stacklevel=2)
        self.fill_grad_with_zeros()

    def fill_grad_with_zeros(self) -> None:
        """Do what `zerograd` does, without its warning."""
        if self._storage._array is None:
            self._first_grad = "zero"
        else:
            self._fill_grad(0.0)

    def _fill_grad(self, value: float) -> None:
        self.grad = self.xp.full_like(self._storage._array, value)

    def addgrad(self, var: Variable) -> None:
        """Add another Variable's gradient to this one's, across devices; the sum can be differentiated.

        Without a gradient of its own, the source's becomes this one's: the same Variable. Without data, it is made in
        the source's shape first.
        """
        if isinstance(var, Parameter) and not var.is_initialized:
            return
        source = var.grad_var
        if source is None:
            return
        if not self.is_initialized:
            self.initialize(var.shape)
        own = self.grad_var
        moved = moved_to(source, self.device)
        self.grad_var = moved if own is None else own + moved

    # Copies. -----------------------------------------------------------------------------------------------------

    def _twin(self, storage: Holder) -> Parameter:
        """Return a parameter over ``storage`` with the same label, without attributes or gradient."""
        twin: Parameter = _new(type(self))
        twin._storage, twin._node = storage, None
        twin.device, twin.requires_grad = self.device, self.requires_grad
        storage.join(twin)
        return twin

    def __copy__(self) -> Parameter:
        """Share the data holder and the gradient's Variable: clearing one's gradient leaves the other's."""
        twin = self._twin(self._storage)
        twin.__dict__.update(self.__dict__)
        if self._node is not None:
            twin.node.grad_var = self._node.grad_var
        return twin

    def share(self) -> Parameter:
        """Return a new parameter over the same data holder, without gradient."""
        twin = self._twin(self._storage)
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        twin = self._twin(copy.deepcopy(self._storage, memo))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        if self._node is not None and self._node.grad_var is not None:
            twin.grad = self.xp.asarray(self._node.grad_var.array, copy=True)
        return twin

    def __reduce__(self) -> Any:
        gradient = None if self._node is None else self._node.grad_var
        host = None if gradient is None else self.device.backend.to_host(gradient.array)
        return _restore, (type(self), self._storage, self.device, self.requires_grad, host), self.__dict__

    def __repr__(self) -> str:
        name = f" {self.name}" if self.name else ""
        return f"variable{name}({self._storage._array!r})"

    __str__ = __repr__


_HOW_TO_INITIALIZE = "run its link once, or call initialize(shape)"


def _initializer(value: Any) -> Any:
    if value is None:
        return NaN()
    if callable(value):
        return value
    if is_scalar(value) or hasattr(value, "shape"):
        return Constant(value)
    raise TypeError(
        f"Parameter(initializer): expected None, a number, an array, or a callable that fills an array in place; "
        f"got {type(value).__name__}"
    )


def _restore(kind: type[Parameter], storage: Holder, device: Device, requires_grad: bool, grad: Any) -> Parameter:
    """Rebuild an unpickled parameter; its attributes follow as the pickle's state."""
    parameter: Parameter = _new(kind)
    parameter._storage, parameter._node = storage, None
    parameter.device, parameter.requires_grad = device, requires_grad
    storage.join(parameter)
    if grad is not None:
        parameter.node.grad_var = constant(device.send(grad), device)
    return parameter


def legacy_behavior() -> bool:
    """Tell whether ``config.legacy_behavior`` asks for what the original does by accident."""
    from kusari.configuration import config

    return bool(getattr(config, "legacy_behavior", False))
