"""FunctionNode: one differentiable step, forward on arrays and backward on Variables."""

from __future__ import annotations

import gc
import traceback
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from kusari.autograd import debugging, type_check
from kusari.autograd.caller import LinkCall, path_of, running_call
from kusari.autograd.function_hook import FunctionHook, show_failure
from kusari.autograd.legacy import LegacyFunctionNode
from kusari.autograd.node import VariableNode
from kusari.autograd.variable import Variable, VariableLike, as_variable, constant, variable_of_node
from kusari.backend import Backend, Device
from kusari.backend.selection import meet, relabel
from kusari.configuration import State, current_state

if TYPE_CHECKING:
    from kusari.types import Array

_new = object.__new__


class FunctionNode(LegacyFunctionNode):
    """One differentiable step of a computation.

    Subclass it, write `forward` over arrays and `backward` over Variables, and call ``apply`` with the inputs.

    >>> class Square(FunctionNode):
    ...     def forward(self, inputs):
    ...         self.retain_inputs((0,))
    ...         return (inputs[0] * inputs[0],)
    ...
    ...     def backward(self, indexes, grad_outputs):
    ...         (x,) = self.get_retained_inputs()
    ...         return (2 * x * grad_outputs[0],)
    >>> x = Variable(np.asarray(3.0))
    >>> y = Square().apply((x,))[0]
    >>> y.backward()
    >>> x.grad
    array(6.)
    """

    backend: Backend
    """Whose kernels are in force: resolved once per `apply`."""
    device: Device
    inputs: tuple[VariableNode, ...] = ()
    wanted: tuple[int, ...] = ()
    """The inputs that a gradient flows to."""
    output_count: int = 1
    rank: int = 0
    recording: bool = False
    """True within `forward` when a backward may follow: a gradient is wanted and graphs are recorded."""
    _kept_inputs: tuple[int, ...] = ()
    _kept_outputs: tuple[int, ...] = ()
    _kept_output_arrays: tuple[Any, ...] = ()
    _output_nodes: tuple[weakref.ref[VariableNode], ...] = ()
    stack: list[traceback.FrameSummary] | None = None
    """In debug mode, where `apply` was called."""
    caller: LinkCall | None = None
    """In a graph, the call of a link that `apply` was in."""
    _hooks: dict[str, FunctionHook] | None = None
    _has_type_check: ClassVar[bool] = False
    gradient_type: ClassVar[type] = Variable
    """What `backward` returns, in the common case: anything else is looked at more closely."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._has_type_check = cls.check_type_forward is not FunctionNode.check_type_forward

    # What a subclass writes. ---------------------------------------------------------------------------------------

    def check_type_forward(self, in_types: Any) -> None:
        """Check the arguments' number, ranks, shapes and dtypes with `type_check.expect`."""

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the outputs from the inputs' arrays. Default: `forward_cpu` on the host, else `forward_gpu`."""
        return self.forward_cpu(inputs) if self.backend.on_host else self.forward_gpu(inputs)

    def forward_cpu(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the outputs from host arrays."""
        raise NotImplementedError(f"{type(self).__name__} defines neither forward() nor forward_cpu()")

    def forward_gpu(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Compute the outputs from a device's arrays."""
        raise NotImplementedError(f"{type(self).__name__} defines neither forward() nor forward_gpu()")

    def backward(
        self, target_input_indexes: tuple[int, ...], grad_outputs: tuple[Any, ...]
    ) -> tuple[Variable | None, ...]:
        """Compute the gradients of the inputs that are asked for, in terms of Variables.

        Args:
            target_input_indexes: Which inputs want one.
            grad_outputs: One gradient per output, None where none arrived.

        Returns:
            One gradient per index (or per input); None for zero. Default: None for each.
        """
        return (None,) * len(target_input_indexes)

    def retain_inputs(self, indexes: tuple[int, ...]) -> None:
        """Keep inputs for `backward`; call it in `forward`."""
        self._kept_inputs = tuple(indexes)

    def retain_outputs(self, indexes: tuple[int, ...]) -> None:
        """Keep outputs for `backward`; call it in `forward`."""
        self._kept_outputs = tuple(indexes)

    @property
    def label(self) -> str:
        """The name shown in messages, hooks and drawings."""
        return type(self).__name__

    # Calling. ------------------------------------------------------------------------------------------------------

    def apply(self, inputs: tuple[VariableLike, ...]) -> tuple[Variable, ...]:
        """Run forward, and record the step where a gradient is wanted.

        Args:
            inputs: Variables, or arrays, which count as Variables without gradient.

        Raises:
            InvalidType: The type check failed.
            DeviceMismatch: The inputs' memories do not meet.
        """
        state = current_state()
        requires_grad, seen = False, []
        try:
            device = inputs[0].device if state.backend is None else relabel(inputs[0].device, state.backend)
            for x in inputs:
                seen.append(x._array)
                if x.device is not device:
                    other = x.device if state.backend is None else relabel(x.device, state.backend)
                    device = meet(device, other, self.label)
                if x.requires_grad:
                    requires_grad = True
            backend = device.backend
        except AttributeError:  # an array among them; some libraries' have a device, too, but no backend in it
            if all(isinstance(x, Variable) for x in inputs):
                raise
            return self.apply(tuple([as_variable(x) for x in inputs]))
        arrays = tuple(seen)
        self.device = device
        self.backend = backend
        if requires_grad and state.enable_backprop:
            self.recording = True
        if self._has_type_check and state.type_check:
            type_check.run(self.check_type_forward, type_check.type_infos(backend, arrays), f"{self.label} (Forward)")
        if self._hooks is None and not state.function_hooks and device.always_current:
            try:
                outputs = self.forward(arrays)
            except Exception as error:
                error.add_note(f"in {self.describe(arrays)}")
                raise
        else:
            outputs = self._forward_observed(arrays, state)
        if outputs.__class__ is not tuple:
            raise TypeError(f"{self.label}.forward() returned {type(outputs).__name__}; expected a tuple of arrays")
        if state.debug:
            self.stack = traceback.extract_stack()[:-1]
            debugging.check_outputs(self, outputs)
        if self.recording:
            return self._record(inputs, outputs, device)
        if len(outputs) == 1:
            # Written out, as in _record: constant() would cost 0.06 µs of 1.1.
            variable: Variable = _new(Variable)
            array = outputs[0]
            if array.__class__ not in backend.array_types:
                array = backend.as_array(array, None)
            variable._array = array
            variable.device = device
            variable.requires_grad = False
            variable._node = None
            return (variable,)
        return tuple([constant(self._as_array(array), device) for array in outputs])

    def _record(self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], device: Device) -> tuple[Variable, ...]:
        """Make the outputs' Variables and the edges from them to the inputs."""
        rank, nodes, wanted = 0, [], []
        for index, x in enumerate(inputs):
            node = x._node
            if node is None:
                node = x.node
            nodes.append(node)
            if node.rank > rank:
                rank = node.rank
            if node.requires_grad:
                wanted.append(index)
        self.inputs = tuple(nodes)
        self.wanted = tuple(wanted)
        if rank:
            self.rank = rank
        caller = running_call()
        if caller is not None:
            self.caller = caller
        for index in self._kept_inputs:
            nodes[index].data = inputs[index]._array
        if len(outputs) == 1 and not self._kept_outputs:
            return (self._output(outputs[0], device, rank + 1, 0),)
        self.output_count = len(outputs)
        made = tuple([self._output(array, device, rank + 1, index) for index, array in enumerate(outputs)])
        self._output_nodes = tuple([weakref.ref(v.node) for v in made])
        if self._kept_outputs:
            self._kept_output_arrays = tuple([made[i]._array for i in self._kept_outputs])
        return made

    def _output(self, array: Any, device: Device, rank: int, index: int) -> Variable:
        """Make one output of the graph."""
        if array.__class__ not in self.backend.array_types:
            array = self.backend.as_array(array, None)
        variable: Variable = _new(Variable)
        variable._array = array
        variable.device = device
        variable.requires_grad = True
        variable._node = VariableNode(array, device, self, rank, index)
        return variable

    def _as_array(self, array: Any) -> Any:
        return array if array.__class__ in self.backend.array_types else self.backend.as_array(array, None)

    def _forward_observed(self, arrays: tuple[Any, ...], state: State) -> tuple[Any, ...]:
        """Run forward with hooks around it, on the current device."""
        hooks, device = self.hooks_in_force(state), self.device
        shown: list[FunctionHook] = []
        try:
            for hook in hooks:
                hook.forward_preprocess(self, arrays)
                shown.append(hook)
            if device.always_current or device.backend.is_current(device.index):
                outputs = self.forward(arrays)
            else:
                with device.create_context():
                    outputs = self.forward(arrays)
        except BaseException as error:
            error.add_note(f"in {self.describe(arrays)}")
            show_failure(shown, self, error)
            raise
        for hook in hooks:
            hook.forward_postprocess(self, arrays)
        return outputs

    # Backward. -----------------------------------------------------------------------------------------------------

    def get_retained_inputs(self) -> tuple[Variable, ...]:
        """Return the retained inputs as Variables of the graph."""
        return tuple([variable_of_node(self.inputs[index]) for index in self._kept_inputs])

    def get_retained_outputs(self) -> tuple[Variable, ...]:
        """Return the retained outputs as Variables of the graph."""
        found = []
        for index, array in zip(self._kept_outputs, self._kept_output_arrays, strict=True):
            node = self._output_nodes[index]()
            if node is None:  # nobody holds that output any more: stand in for it
                node = VariableNode(array, self.device, self, self.rank + 1, index)
            variable = variable_of_node(node)
            variable._array = array
            found.append(variable)
        return tuple(found)

    def backward_accumulate(
        self,
        target_input_indexes: tuple[int, ...],
        grad_outputs: tuple[Variable | None, ...],
        grad_inputs: tuple[Variable | None, ...],
    ) -> tuple[Variable | None, ...]:
        """Compute gradients and add them to ``grad_inputs``; override it to add in a cheaper way."""
        made = self.match_gradients(self.backward(target_input_indexes, grad_outputs), target_input_indexes)
        return tuple(
            [
                old if new is None else new if old is None else old + new
                for old, new in zip(grad_inputs, made, strict=True)
            ]
        )

    def match_gradients(self, made: Any, wanted: tuple[int, ...]) -> tuple[Variable | None, ...]:
        """Bring what `backward` returned to one gradient per wanted index.

        Raises:
            TypeError: Another number of gradients.
        """
        if made.__class__ is not tuple:
            made = tuple(made) if isinstance(made, list) else (made,)
        if len(made) != len(wanted):
            if len(made) != len(self.inputs):
                raise TypeError(
                    f"{self.label}.backward() returned {len(made)} gradients; expected {len(wanted)}, one for each of "
                    f"target_input_indexes {wanted}, or {len(self.inputs)}, one for each input"
                )
            made = tuple([made[index] for index in wanted])
        for gradient in made:
            if gradient is not None and gradient.__class__ is not Variable and not isinstance(gradient, Variable):
                raise TypeError(
                    f"{self.label}.backward() returned a {type(gradient).__name__}; expected Variables or None: "
                    "compute gradients with functions of Variables, or wrap an array in Variable(...)"
                )
        gradients: tuple[Variable | None, ...] = made
        return gradients

    def gradients_beside(self, node: VariableNode) -> list[tuple[VariableNode, Variable]]:
        """Return the gradients that were set on outputs other than ``node``, each with its node."""
        return [(o, o.grad_var) for o in self.living_outputs() if o is not node and o.grad_var is not None]

    def living_outputs(self) -> list[VariableNode]:
        """Return the nodes of several outputs, those that are left; of a single output nothing is kept."""
        return [node for reference in self._output_nodes if (node := reference()) is not None]

    @property
    def outputs(self) -> tuple[weakref.ref[VariableNode], ...]:
        """The outputs' nodes; weak, because they hold this node."""
        if self._output_nodes:
            return self._output_nodes
        # Of a single output nothing is kept, which would take 5 % of a step; it is looked for when it is asked for.
        holders = [holder for holder in gc.get_referrers(self) if isinstance(holder, VariableNode)]
        return tuple([weakref.ref(node) for node in holders if node.creator_node is self])

    def unchain(self) -> None:
        """Cut the edges from the outputs to this step, and from it to the inputs."""
        for reference in self.outputs:
            node = reference()
            if node is not None:
                node.unchain()
        self.inputs = ()

    # Hooks and messages. -------------------------------------------------------------------------------------------

    def add_hook(self, hook: FunctionHook, name: str | None = None) -> None:
        """Register a hook for this step alone.

        Raises:
            TypeError: Not a hook.
            KeyError: A hook of that name is registered.
        """
        if not isinstance(hook, FunctionHook):
            raise TypeError(f"add_hook(): expected a FunctionHook, got {type(hook).__name__}")
        if self._hooks is None:
            self._hooks = {}
        name = hook.name if name is None else name
        if name in self._hooks:
            raise KeyError(f"hook {name!r} is registered already")
        self._hooks[name] = hook
        hook.added(self)

    def delete_hook(self, name: str) -> None:
        """Unregister a hook.

        Raises:
            KeyError: No hook of that name.
        """
        if not self._hooks or name not in self._hooks:
            raise KeyError(f"no hook {name!r} is registered")
        self._hooks.pop(name).deleted(self)

    @property
    def local_function_hooks(self) -> dict[str, FunctionHook]:
        """The hooks of this step alone, by name."""
        if self._hooks is None:
            self._hooks = {}
        return self._hooks

    def hooks_in_force(self, state: State) -> tuple[FunctionHook, ...]:
        """Return the hooks to call: those entered by ``with``, then this step's; a local one replaces its namesake."""
        if not self._hooks:
            return tuple([hook for _, hook in state.function_hooks])
        return tuple({**dict(state.function_hooks), **self._hooks}.values())

    @property
    def output_data(self) -> tuple[Any, ...]:
        """The outputs' arrays where they are retained, None elsewhere."""
        kept = dict(zip(self._kept_outputs, self._kept_output_arrays, strict=False))
        return tuple([kept.get(index) for index in range(self.output_count)])

    def retained_arrays(self) -> tuple[Any, ...]:
        """Return the inputs' arrays where they are retained, None elsewhere: what hooks see in backward."""
        return tuple([node.data for node in self.inputs])

    def describe(self, arrays: tuple[Array, ...] | None = None) -> str:
        """Return the step's name with the shapes and dtypes of its inputs."""
        if arrays is None:
            shown = [f"{node.native_dtype}{list(node.shape)}" for node in self.inputs]
        else:
            shown = [f"{a.dtype}{list(a.shape)}" if hasattr(a, "shape") else type(a).__name__ for a in arrays]
        return f"{self.label}({', '.join(shown)}) on {self.device.name}"

    def describe_backward(self) -> str:
        """Return what an error in `backward` says of the step: `describe`, and the link that it was applied in."""
        where = "" if self.caller is None else f", applied at link {path_of(self.caller)}"
        return f"in backward of {self.describe()}{where}"

    def __repr__(self) -> str:
        return f"<{self.label} at {id(self):#x}>"
