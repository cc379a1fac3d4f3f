"""VariableNode: the graph's side of a Variable."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from kusari.backend import Device

if TYPE_CHECKING:
    import numpy as np

    from kusari.autograd.function_node import FunctionNode
    from kusari.autograd.variable import Variable
    from kusari.types import Shape


class VariableNode:
    """Stand behind a Variable in the graph: it outlives it, and keeps its array only when a function retained it.

    The gradient lives here. Fields that most nodes never set are class attributes: a node made per output costs
    four stores.
    """

    creator_node: FunctionNode | None = None
    """The function node that made it; None for a leaf."""
    output_index: int = 0
    """Which of the creator's outputs it is."""
    rank: int = 0
    """The length of the longest path from a leaf."""
    requires_grad: bool = True
    data: Any = None
    """The array, where a function retained it."""
    grad_var: Variable | None = None
    name: str | None = None
    _variable: weakref.ref[Variable] | None = None
    old_style_grad: Any = None

    def __init__(self, array: Any, device: Device) -> None:
        self.shape: Shape = array.shape
        self.native_dtype = array.dtype
        self.device = device

    @property
    def dtype(self) -> np.dtype[Any]:
        """The host's dtype object."""
        return self.device.backend.host_dtype(self.native_dtype)

    @property
    def creator(self) -> Any:
        """The function that made it: an old-style ``Function`` where it was one."""
        node = self.creator_node
        return getattr(node, "function", node)

    @property
    def grad(self) -> Any:
        """The gradient's array, or None."""
        return None if self.grad_var is None else self.grad_var.array

    @property
    def label(self) -> str:
        """A short text for drawings: shape and dtype."""
        shape = ", ".join(map(str, self.shape))
        return f"({shape}), {self.dtype}" if shape else f"{self.dtype}"

    def get_variable(self) -> Variable:
        """Return the Variable that this node stands behind, or a new one over the same node."""
        found = self.get_variable_or_none()
        if found is not None:
            return found
        from kusari.autograd.variable import variable_of_node

        return variable_of_node(self)

    def get_variable_or_none(self) -> Variable | None:
        """Return the Variable that this node was made for, while it lives."""
        return None if self._variable is None else self._variable()

    def set_creator_node(self, creator_node: FunctionNode) -> None:
        """Make ``creator_node`` the function that made it."""
        self.creator_node = creator_node
        self.rank = creator_node.rank + 1

    def unchain(self) -> None:
        """Cut the edge to the function that made it."""
        self.creator_node = None

    def retain_data(self) -> None:
        """Keep the Variable's array.

        Raises:
            RuntimeError: The Variable is gone.
        """
        variable = self.get_variable_or_none()
        if variable is None:
            raise RuntimeError("cannot retain data: the Variable of this node has been released")
        self.data = variable.array
