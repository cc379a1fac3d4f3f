"""Parameter: a Variable that training changes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kusari.autograd.copy import copy
from kusari.autograd.holder import HOW_TO_INITIALIZE, HeldVariable
from kusari.autograd.variable import Variable
from kusari.backend import copyto
from kusari.configuration import config
from kusari.dtypes import get_dtype, is_floating
from kusari.initializers import NaN, get_initializer
from kusari.initializers.constant import is_array
from kusari.initializers.generate import fill

if TYPE_CHECKING:
    import numpy as np


class Parameter(HeldVariable):
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

    __slots__ = ()

    initializer: Any
    """What fills the array; None where the array was given."""
    update_rule: Any
    """The optimizer's rule for this parameter, or None: an object with ``update(param)`` and ``enabled``."""
    _first_grad: str | None
    """What `initialize` makes the gradient: ``nan``, ``zero``, or None for none."""

    def __init__(
        self,
        initializer: Any = None,
        shape: Sequence[int] | int | None = None,
        name: str | None = None,
        *,
        layout: Any = None,
    ) -> None:
        if layout is not None:
            raise ValueError(f"Parameter(layout={layout!r}): expected None; the memory format is the array's strides")
        data = initializer if shape is None and is_array(initializer) else None
        super().__init__(data, name=name)
        self.initializer = get_initializer(initializer, NaN) if data is None else None
        self.update_rule = None
        self._first_grad = "nan"
        if shape is not None:
            self.initialize(shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype, or before initialization the one that it will have.

        Raises:
            RuntimeError: It is not initialized, and the initializer says nothing of a dtype.
        """
        array = self.array
        if array is not None:
            return self.device.backend.host_dtype(array.dtype)
        if not hasattr(self.initializer, "dtype"):
            raise RuntimeError(
                f"parameter {self.name!r} has no dtype yet, its initializer no attribute dtype: {HOW_TO_INITIALIZE}"
            )
        return get_dtype(self.initializer.dtype)

    def initialize(self, shape: Sequence[int] | int) -> None:
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
        host = fill(self.initializer, shape)
        self.array = self.device.backend.from_host(host, self.device.index, copy=False)
        self._start_grad()

    def initialize_from(self, array: Any) -> None:
        """Make the data a copy of an array, on the device and in the dtype that `initialize` would give it.

        The initializer is not called; the gradient becomes what `initialize` makes it.
        """
        native = self.device.backend.native_dtype(self.dtype_to_come)
        self.array = self.xp.astype(self.device.send(array), native)
        self._start_grad()

    @property
    def dtype_to_come(self) -> np.dtype[Any]:
        """The dtype that `initialize` makes the array in: the initializer's, or else the configured one."""
        return get_dtype(getattr(self.initializer, "dtype", None))

    def initialize_again(self) -> None:
        """Draw new values, and start with a gradient as `initialize` does.

        Without data, do nothing; data that was given as an array stays.
        """
        if self.is_initialized and self.initializer is not None:
            self.initialize(self.shape)
        elif self.is_initialized:
            self._start_grad()

    def _start_grad(self) -> None:
        if self._first_grad == "zero":
            self.set_zero_grad()
        elif self._first_grad == "nan" and is_floating(self.dtype):
            self.grad = self.xp.full_like(self.array, float("nan"))
        else:
            self.cleargrad()

    def update(self) -> None:
        """Let the update rule change the data; without a rule, do nothing."""
        if self.update_rule is not None:
            before = self.version
            self.update_rule.update(self)
            if self.version == before:
                self.touch()  # a rule of the user's may have written in place

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

    # The gradient. -------------------------------------------------------------------------------------------------

    @property
    def grad_var(self) -> Variable | None:
        """The gradient as a Variable, or None.

        Raises:
            RuntimeError: Read before there is data, unless `cleargrad` or `zerograd` was called; or set before it.
        """
        node = self._node
        if node is not None:  # it has data
            return node.grad_var
        if self._first_grad != "nan" or self.is_initialized:
            return None
        raise RuntimeError(
            f"parameter {self.name!r} has no gradient yet: call cleargrad() first, or {HOW_TO_INITIALIZE}"
        )

    @grad_var.setter
    def grad_var(self, gradient: Variable | None) -> None:
        if gradient is None:
            self.cleargrad()
            return
        if not self.is_initialized:
            raise RuntimeError(f"parameter {self.name!r} has no data for a gradient: {HOW_TO_INITIALIZE}")
        self._check_grad(gradient.array)
        self.node.grad_var = gradient

    def cleargrad(self) -> None:
        """Forget the gradient; without data, also the NaN that `initialize` would put there."""
        if not self.is_initialized:
            self._first_grad = None
        super().cleargrad()

    def zerograd(self) -> None:
        """Set the gradient to zeros; without data, let `initialize` do so.

        Deprecated: use `cleargrad`.
        """
        warnings.warn("zerograd() is deprecated; use cleargrad()", DeprecationWarning, stacklevel=2)
        self.set_zero_grad()

    def set_zero_grad(self) -> None:
        """Do what `zerograd` does, without its warning."""
        self.grad_scale = None
        if self.is_initialized:
            self.grad = self.xp.zeros_like(self.array)
        else:
            self._first_grad = "zero"

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
        if own is None:
            self.grad_scale = var.grad_scale
        moved = source if source.device.memory == self.device.memory else copy(source, self.device)
        self.grad_var = moved if own is None else own + moved


def legacy_behavior() -> bool:
    """Tell whether ``config.legacy_behavior`` asks for what the original does by accident."""
    return bool(config.legacy_behavior)
