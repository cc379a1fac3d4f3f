"""Variable: an array that remembers how it was made."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from kusari.autograd.backprop import backpropagate, forget_seeds, leaves, note_grad_scale
from kusari.autograd.graph_side import GraphSide
from kusari.autograd.interchange import Interchange
from kusari.autograd.legacy import LegacyVariable
from kusari.autograd.node import VariableNode
from kusari.backend import Device, device_of_array, get_device
from kusari.backend.selection import DeviceLike
from kusari.configuration import call_in_state, config, current_state
from kusari.errors import SynchronizationError

if TYPE_CHECKING:
    import numpy as np

    from kusari.types import Shape

VariableLike: TypeAlias = Any
"""A Variable, or an array, which counts as a Variable without gradient."""

_new = object.__new__


class Variable(GraphSide, Interchange, LegacyVariable):
    """An array that remembers how it was made, so that gradients can flow back through it.

    Args:
        data: An array of any backend, or None.
        name: For messages and drawings.
        grad: The gradient's array.
        requires_grad: Whether gradients flow to it.

    Raises:
        TypeError: ``data`` is not an array (a list, a number), or an unknown keyword.
        ValueError: The old keyword ``volatile``, or a gradient of another shape.

    >>> x = Variable(np.asarray([1.0, 2.0], "f"))
    >>> y = (x * x + 1).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4.], dtype=float32)
    """

    __slots__ = ()
    __array_priority__ = 200
    __array_ufunc__ = None
    """NumPy leaves ``array * variable`` to Variable."""

    def __init__(
        self, data: Any = None, *, name: str | None = None, grad: Any = None, requires_grad: bool = True, **unknown: Any
    ) -> None:
        _refuse_unknown(unknown)
        self._array = data
        self.device = _device_for(data)
        self.requires_grad = requires_grad
        self._node = None
        if name is not None:
            self.name = name
        if grad is not None:
            self.grad = grad

    # The array. --------------------------------------------------------------------------------------------------

    @property
    def array(self) -> Any:
        """The array, or None."""
        return self._array

    @array.setter
    def array(self, array: Any) -> None:
        self._array = array
        if array is not None:
            device = device_of_array(array)
            if device.memory != self.device.memory:
                self.device = device
        node = self._node
        if node is not None and array is not None:
            if node.data is not None:
                node.data = array
            node.shape, node.native_dtype, node.device = array.shape, array.dtype, self.device

    data = array

    @property
    def xp(self) -> Any:
        """The array module of its device."""
        return self.device.xp

    @property
    def shape(self) -> Shape:
        """The array's shape."""
        shape: Shape = self._array.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._array.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size: int = self._array.size
        return size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, as the host's object on every backend."""
        return self.device.backend.host_dtype(self._array.dtype)

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises:
            SynchronizationError: Where ``config.forbid_synchronization`` is on: this waits for the device.
        """
        if config.forbid_synchronization:
            raise SynchronizationError("item() reads a value on the host; keep the Variable and read it later")
        return self.device.backend.to_host(self._array).item()

    def to_device(self, device: DeviceLike) -> None:
        """Move the array and its gradient. Not differentiable."""
        target = get_device(device)
        array = target.send(self._array)
        grad = None if self._node is None or self._node.grad_var is None else self._node.grad_var.array
        self.device = target
        self._array = array
        if self._node is not None:
            self._node.device = target
            if self._node.data is not None:
                self._node.data = array
            if grad is not None:
                self._node.grad_var = constant(target.send(grad), target)

    # The gradient. -----------------------------------------------------------------------------------------------

    @property
    def grad_var(self) -> Variable | None:
        """The gradient as a Variable, or None."""
        return self.node.grad_var

    @grad_var.setter
    def grad_var(self, gradient: Variable | None) -> None:
        if gradient is not None:
            self._check_grad(gradient.array)
        self.node.grad_var = gradient

    @property
    def grad(self) -> Any:
        """The gradient's array, or None."""
        gradient = self.grad_var
        return None if gradient is None else gradient.array

    @grad.setter
    def grad(self, gradient: Any) -> None:
        if gradient is not None:
            self._check_grad(gradient)
            gradient = constant(gradient, self.device)
        self.grad_var = gradient

    def _check_grad(self, gradient: Any) -> None:
        array = self._array
        is_array: bool = isinstance(gradient, self.device.backend.array_types)
        if not is_array:
            raise TypeError(
                f"gradient of type {type(gradient).__name__}: expected {type(array).__name__}, as the Variable's array"
            )
        if array is None:
            return
        if gradient.dtype != array.dtype:
            raise TypeError(f"gradient of dtype {gradient.dtype}: expected {array.dtype}, the Variable's")
        if gradient.shape != array.shape:
            raise ValueError(f"gradient of shape {gradient.shape}: expected {array.shape}, the Variable's")

    def cleargrad(self) -> None:
        """Forget the gradient."""
        self.grad_scale = None
        if self._node is not None:
            self._node.grad_var = None

    def zerograd(self) -> None:
        """Set the gradient to zeros.

        Deprecated: use `cleargrad`.
        """
        warnings.warn("zerograd() is deprecated; use cleargrad()", DeprecationWarning, stacklevel=2)
        self.grad_scale = None
        self.grad = self.xp.zeros_like(self._array)

    def addgrad(self, var: Variable) -> None:
        """Add another Variable's gradient to this one's; the sum can be differentiated."""
        source = var.grad_var
        if source is None:
            return
        own = self.grad_var
        if own is None:
            self.grad_scale = var.grad_scale
        self.grad_var = source if own is None else own + source

    def copydata(self, var: Variable) -> None:
        """Copy another Variable's elements into this one's array, across devices."""
        from kusari.backend import copyto

        copyto(self._array, var.array)

    def backward(
        self,
        retain_grad: bool = False,
        enable_double_backprop: bool = False,
        loss_scale: float | None = None,
        on_final: Callable[[VariableNode], None] | None = None,
        unchain: bool = False,
    ) -> None:
        """Backpropagate from here, adding to the gradients of the leaves.

        Where the function that made this Variable has other outputs, gradients that were set on them take part.

        Args:
            retain_grad: Leave gradients on the Variables between, too, and here; else this one's is None afterwards.
            enable_double_backprop: Record the gradients' own graph, so that they can be differentiated again.
            loss_scale: What the gradient starts with, instead of 1. It is noted on the leaves (``grad_scale``), whose
                gradients an optimizer's ``update()`` divides by it.
            on_final: Called with the node of each leaf when its gradient is final.
            unchain: Cut the graph on the way, as `unchain_backward` does afterwards: what forward kept is freed as soon
                as it has been used, so that fewer arrays are in memory at a time; nobody can backpropagate here again.

        Raises:
            RuntimeError: More than one element, and no gradient to start with.
            ValueError: ``unchain`` with ``enable_double_backprop``: second derivatives go through this graph.
        """
        if unchain and enable_double_backprop:
            raise ValueError("backward(unchain=True, enable_double_backprop=True): second derivatives need this graph")
        if not self.requires_grad:
            return
        seed, node = self._seed(loss_scale), self.node
        if node.creator_node is None:
            return
        state = current_state().for_backward(enable_double_backprop)
        # Gradients that were set on the same function's other outputs take part, as they always did.
        seeds = [(node, seed), *node.creator_node.gradients_beside(node)]
        if not retain_grad:
            forget_seeds(seeds)
        reached = () if loss_scale is None else leaves([node])
        call_in_state(state, backpropagate, seeds, retain_grad, on_final, unchain)
        if loss_scale is not None:
            note_grad_scale(reached, loss_scale)

    def _seed(self, loss_scale: float | None) -> Variable:
        """Return the gradient to start from: what is there, else ones (or the loss scale) for one element."""
        gradient = self.grad_var
        if gradient is not None:
            return gradient
        if self.size != 1:
            raise RuntimeError(
                f"backward() from a Variable of shape {self.shape} without a gradient: set y.grad first, "
                "or reduce it to one number, for example with F.sum(y)"
            )
        if self.ndim > 0:
            warnings.warn(
                f"backward() from shape {self.shape}: reduce it to a 0-d loss, for example with F.sum(y)",
                DeprecationWarning,
                stacklevel=3,
            )
        ones = self.xp.ones_like(self._array)
        self.grad = ones if loss_scale is None else self.xp.full_like(self._array, loss_scale)
        return self.node.grad_var  # type: ignore[return-value]

    # What Python asks. ---------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        name = f" {self.name}" if self.name else ""
        return f"variable{name}({self.array!r})"

    __str__ = __repr__

    def __bool__(self) -> bool:
        raise TypeError("a Variable has no truth value: compare its array, or test `is not None`")

    __hash__ = None  # type: ignore[assignment]  # as every class whose == does not tell equality

    def _refuse_comparison(self, other: object) -> Any:
        raise TypeError("Variables are not compared: compare their arrays (x.array < y.array), or identity with `is`")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse_comparison

    def __reduce__(self) -> Any:
        return _restore, (self._array, self.device, self.name, self.grad, self.requires_grad)

    def __copy__(self) -> Variable:
        twin = constant(self._array, self.device)
        twin.requires_grad, twin._node = self.requires_grad, self._node
        twin.__dict__.update(self.__dict__)
        return twin

    if TYPE_CHECKING:  # defined over function nodes in autograd/arithmetic.py, which installs them here
        T: Variable

        def __add__(self, other: Any) -> Variable: ...
        def __radd__(self, other: Any) -> Variable: ...
        def __sub__(self, other: Any) -> Variable: ...
        def __rsub__(self, other: Any) -> Variable: ...
        def __mul__(self, other: Any) -> Variable: ...
        def __rmul__(self, other: Any) -> Variable: ...
        def __truediv__(self, other: Any) -> Variable: ...
        def __rtruediv__(self, other: Any) -> Variable: ...
        def __floordiv__(self, other: Any) -> Variable: ...
        def __rfloordiv__(self, other: Any) -> Variable: ...
        def __pow__(self, other: Any) -> Variable: ...
        def __rpow__(self, other: Any) -> Variable: ...
        def __matmul__(self, other: Any) -> Variable: ...
        def __rmatmul__(self, other: Any) -> Variable: ...
        def __neg__(self) -> Variable: ...
        def __abs__(self) -> Variable: ...
        def __getitem__(self, key: Any) -> Variable: ...
        def reshape(self, *shape: Any) -> Variable: ...
        def transpose(self, *axes: Any) -> Variable: ...
        def sum(self, axis: Any = None, keepdims: bool = False) -> Variable: ...
        def mean(self, axis: Any = None, *, weights: Any = None, keepdims: bool = False) -> Variable: ...


def _refuse_unknown(unknown: dict[str, Any]) -> None:
    if "volatile" in unknown:
        raise ValueError("Variable(volatile=...) is gone: use no_backprop_mode() instead")
    if unknown:
        raise TypeError(
            f"Variable() got unexpected keyword(s) {', '.join(unknown)}; expected name, grad, requires_grad"
        )


def _device_for(data: Any) -> Device:
    if data is None:
        from kusari.backend import default_device

        return default_device()
    try:
        return device_of_array(data)
    except TypeError as error:
        raise TypeError(f"Variable(data): expected an array, got {type(data).__name__}; {error}") from None


def constant(array: Any, device: Device) -> Variable:
    """Return a Variable without gradient, of a known device: what functions make where no graph is needed."""
    variable: Variable = _new(Variable)
    variable._array = array
    variable.device = device
    variable.requires_grad = False
    variable._node = None
    return variable


def variable_of_node(node: VariableNode) -> Variable:
    """Return a new Variable over a node, with the array that the node retained."""
    variable: Variable = _new(Variable)
    variable._array = node.data
    variable.device = node.device
    variable.requires_grad = node.requires_grad
    variable._node = node
    return variable


def _restore(array: Any, device: Device, name: str | None, grad: Any, requires_grad: bool) -> Variable:
    variable = constant(array, device)
    variable.requires_grad = requires_grad
    if name is not None:
        variable.name = name
    if grad is not None:
        variable.grad = grad
    return variable


def as_variable(obj: VariableLike) -> Variable:
    """Return a Variable as it is, and an array as a Variable without gradient.

    >>> as_variable(np.ones(2)).requires_grad
    False
    """
    if isinstance(obj, Variable):
        return obj
    return constant(obj, _device_for(obj))


def as_array(obj: Any) -> Any:
    """Return a Variable's array, and anything else as it is.

    >>> as_array(Variable(np.ones(2)))
    array([1., 1.])
    """
    return obj.array if isinstance(obj, Variable) else obj
