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

    The gradient lives here.
    """

    # Slots, every one set in __init__: 0.4 µs, where class attributes as defaults and a dict took 0.6.
    __slots__ = (
        "__weakref__",
        "_variable",
        "creator_node",
        "data",
        "device",
        "grad_var",
        "name",
        "native_dtype",
        "output_index",
        "rank",
        "requires_grad",
        "shape",
    )

    def __init__(
        self,
        array: Any,
        device: Device,
        creator_node: FunctionNode | None = None,
        rank: int = 0,
        output_index: int = 0,
    ) -> None:
        self.shape: Shape = array.shape
        self.native_dtype = array.dtype
        self.device = device
        self.creator_node = creator_node
        """The function node that made it; None for a leaf."""
        self.rank = rank
        """The length of the longest path from a leaf."""
        self.output_index = output_index
        """Which of the creator's outputs it is."""
        self.requires_grad = True
        self.data: Any = None
        """The array, where a function retained it."""
        self.grad_var: Variable | None = None
        self.name: str | None = None
        self._variable: weakref.ref[Variable] | None = None

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

    def set_creator(self, creator: Any) -> None:
        """Make ``creator``, a function node or an old-style ``Function``, the function that made it."""
        self.set_creator_node(getattr(creator, "node", creator))

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
