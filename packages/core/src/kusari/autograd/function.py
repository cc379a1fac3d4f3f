"""Function: the older way to write a differentiable step, on arrays in both directions."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from kusari.autograd.function_node import FunctionNode
from kusari.autograd.variable import Variable, as_variable, constant
from kusari.configuration import current_state

if TYPE_CHECKING:
    from kusari.autograd.function_hook import FunctionHook
    from kusari.autograd.node import VariableNode


class Function:
    """A differentiable step whose backward works on arrays, so that its gradients cannot be differentiated again.

    New code subclasses `FunctionNode`. Call an instance with Variables or arrays.

    >>> class Square(Function):
    ...     def forward(self, inputs):
    ...         return (inputs[0] ** 2,)
    ...
    ...     def backward(self, inputs, grad_outputs):
    ...         return (2 * inputs[0] * grad_outputs[0],)
    >>> x = Variable(np.asarray(3.0))
    >>> Square()(x).backward()
    >>> x.grad
    array(6.)
    """

    _node: weakref.ref[FunctionAdapter] | None = None
    _hooks: dict[str, FunctionHook] | None = None
    _kept_inputs: tuple[int, ...] | None = None
    _kept_outputs: tuple[int, ...] = ()

    def __call__(self, *inputs: Any) -> Any:
        """Run forward; return the output, or a tuple of several."""
        node = FunctionAdapter(self)
        self._node = weakref.ref(node)  # weak: the node holds this function
        outputs = node.apply(tuple([as_variable(x) for x in inputs]))
        return outputs[0] if len(outputs) == 1 else outputs

    # What a subclass writes. ---------------------------------------------------------------------------------------

    def check_type_forward(self, in_types: Any) -> None:
        """Check the arguments' number, ranks, shapes and dtypes with `type_check.expect`."""

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the outputs' arrays. Default: `forward_cpu` on the host, else `forward_gpu`."""
        return self.forward_cpu(inputs) if self.node.backend.on_host else self.forward_gpu(inputs)

    def forward_cpu(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the outputs from host arrays."""
        raise NotImplementedError(f"{type(self).__name__} defines neither forward() nor forward_cpu()")

    def forward_gpu(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the outputs from a device's arrays."""
        raise NotImplementedError(f"{type(self).__name__} defines neither forward() nor forward_gpu()")

    def backward(self, inputs: tuple[Any, ...], grad_outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the inputs' gradients, None for zero. Default: `backward_cpu` on the host, else `backward_gpu`."""
        if self.node.backend.on_host:
            return self.backward_cpu(inputs, grad_outputs)
        return self.backward_gpu(inputs, grad_outputs)

    def backward_cpu(self, inputs: tuple[Any, ...], grad_outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the gradients from host arrays. Default: None for each."""
        return (None,) * len(inputs)

    def backward_gpu(self, inputs: tuple[Any, ...], grad_outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the gradients from a device's arrays. Default: None for each."""
        return (None,) * len(inputs)

    def retain_inputs(self, indexes: tuple[int, ...]) -> None:
        """Keep only these inputs for `backward`; call it in `forward`. Without it all are kept."""
        self._kept_inputs = tuple(indexes)

    def retain_outputs(self, indexes: tuple[int, ...], retain_after_backward: bool = False) -> None:
        """Keep outputs for `backward`, in ``output_data``; call it in `forward`."""
        self._kept_outputs = tuple(indexes)

    # The graph. ----------------------------------------------------------------------------------------------------

    @property
    def node(self) -> FunctionAdapter:
        """The function node behind this function: the last call's while its graph lives, else a new one."""
        node = None if self._node is None else self._node()
        return FunctionAdapter(self) if node is None else node

    @property
    def inputs(self) -> tuple[VariableNode, ...]:
        """The nodes of the inputs."""
        return self.node.inputs

    @property
    def outputs(self) -> Any:
        """Weak references to the nodes of the outputs."""
        return self.node.outputs

    @property
    def output_data(self) -> tuple[Any, ...]:
        """The outputs' arrays where they are retained, None elsewhere."""
        return self.node.output_data

    @property
    def rank(self) -> int:
        """The length of the longest path from a leaf."""
        return self.node.rank

    @property
    def stack(self) -> Any:
        """In debug mode, where this function was called."""
        return self.node.stack

    @property
    def label(self) -> str:
        """The name shown in messages, hooks and drawings."""
        return type(self).__name__

    @property
    def local_function_hooks(self) -> dict[str, FunctionHook]:
        """The hooks of this function alone, by name."""
        if self._hooks is None:
            self._hooks = {}
        return self._hooks

    def add_hook(self, hook: FunctionHook, name: str | None = None) -> None:
        """Register a hook for this function alone."""
        node = self.node
        node._hooks = self.local_function_hooks
        node.add_hook(hook, name)

    def delete_hook(self, name: str) -> None:
        """Unregister a hook."""
        node = self.node
        node._hooks = self.local_function_hooks
        node.delete_hook(name)

    def unchain(self) -> None:
        """Cut the edges from the outputs to this function, and from it to the inputs."""
        self.node.unchain()


class FunctionAdapter(FunctionNode):
    """The function node behind an old-style `Function`."""

    _has_type_check = True

    def __init__(self, function: Function) -> None:
        self.function = function
        if function._hooks:
            self._hooks = function._hooks

    @property
    def label(self) -> str:
        """The function's label."""
        return self.function.label

    def check_type_forward(self, in_types: Any) -> None:
        self.function.check_type_forward(in_types)

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        function = self.function
        function._kept_inputs, function._kept_outputs = None, ()
        outputs = function.forward(inputs)
        kept = function._kept_inputs
        self.retain_inputs(tuple(range(len(inputs))) if kept is None else kept)
        self.retain_outputs(function._kept_outputs)
        return outputs

    def backward(
        self, target_input_indexes: tuple[int, ...], grad_outputs: tuple[Any, ...]
    ) -> tuple[Variable | None, ...]:
        if current_state().enable_backprop:
            raise RuntimeError(
                f"{self.label} is an old-style Function: its gradient cannot be differentiated again; "
                "write it as a FunctionNode"
            )
        arrays = self.retained_arrays()
        made = self.function.backward(arrays, tuple([None if g is None else g.array for g in grad_outputs]))
        if len(made) != len(self.inputs):
            raise TypeError(
                f"{self.label}.backward() returned {len(made)} gradients; expected {len(self.inputs)}, one per input"
            )
        return tuple(
            [None if made[i] is None else constant(self._as_array(made[i]), self.device) for i in target_input_indexes]
        )
