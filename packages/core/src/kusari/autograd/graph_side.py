"""What a Variable knows of the graph: its node, its creator, its name."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, cast

from kusari.autograd.description import describe, summarize
from kusari.autograd.node import VariableNode
from kusari.backend import Device

if TYPE_CHECKING:
    from kusari.autograd.function_node import FunctionNode
    from kusari.autograd.variable import Variable


class GraphSide:
    """The part of Variable that leads into the graph, its texts, and its slots."""

    __slots__ = ("__dict__", "__weakref__", "_array", "_node", "device", "requires_grad")

    device: Device
    """Where the array lives, labelled with the kernels that made it."""
    requires_grad: bool
    _array: Any
    _node: VariableNode | None

    @property
    def node(self) -> VariableNode:
        """The graph's side of this Variable, made when first needed."""
        node = self._node
        if node is None:
            node = self._node = VariableNode(self._array, self.device)
            node.requires_grad = self.requires_grad
            node._variable = weakref.ref(cast("Variable", self))
            node.name = self.name
        return node

    @property
    def name(self) -> str | None:
        """A name for messages and drawings."""
        name: str | None = self.__dict__.get("_name")
        return name

    @name.setter
    def name(self, name: str | None) -> None:
        self.__dict__["_name"] = name
        if self._node is not None:
            self._node.name = name

    @property
    def creator_node(self) -> FunctionNode | None:
        """The function node that made it; None for a leaf."""
        return None if self._node is None else self._node.creator_node

    @property
    def creator(self) -> Any:
        """The function that made it: an old-style ``Function`` where it was one."""
        return None if self._node is None else self._node.creator

    @property
    def rank(self) -> int:
        """The length of the longest path from a leaf."""
        return 0 if self._node is None else self._node.rank

    @property
    def label(self) -> str:
        """A short text for drawings: shape and dtype."""
        return self.node.label

    def summary(self) -> str:
        """Return one line: the name, or where the object is."""
        return summarize(cast("Variable", self))

    def debug_print(self) -> str:
        """Return device, shape and dtype, and mean and standard deviation of the array and the gradient.

        >>> print(kusari.Variable(np.asarray([1.0, 3.0], "f"), name="x").debug_print())
        <variable x>
        - device: numpy
        - backend: <class 'numpy.ndarray'>
        - shape: (2,)
        - dtype: float32
        - statistics: mean=2.00000000, std=1.00000000
        - grad: None
        """
        return describe(cast("Variable", self))

    @property
    def grad_scale(self) -> float | None:
        """What the gradient is multiplied by until it is used: the ``loss_scale`` of its backward; None: nothing."""
        scale: float | None = self.__dict__.get("_grad_scale")
        return scale

    @grad_scale.setter
    def grad_scale(self, scale: float | None) -> None:
        if scale is not None:
            self.__dict__["_grad_scale"] = scale
        elif "_grad_scale" in self.__dict__:
            del self.__dict__["_grad_scale"]

    def set_creator(self, gen_func: Any) -> None:
        """Make a function, of either kind, the one that made this Variable."""
        self.node.set_creator(gen_func)

    def set_creator_node(self, function: FunctionNode) -> None:
        """Make ``function`` the one that made this Variable."""
        self.node.set_creator_node(function)

    def unchain(self) -> None:
        """Cut the edge to the function that made it."""
        if self._node is not None:
            self._node.unchain()

    def unchain_backward(self) -> None:
        """Cut every edge that backpropagation from here would follow."""
        stack = [self._node]
        while stack:
            node = stack.pop()
            creator = None if node is None else node.creator_node
            if node is not None and creator is not None:
                stack.extend(creator.inputs)
                node.unchain()

    def retain_data(self) -> None:
        """Let the graph keep the array."""
        self.node.data = self._array
