"""Backpropagation: the order in which function nodes run backward, and how their gradients meet."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from kusari.autograd.caller import running_call, within_call
from kusari.autograd.debugging import check_gradients
from kusari.autograd.function_hook import FunctionHook, show_failure
from kusari.configuration import State, current_state

if TYPE_CHECKING:
    from kusari.autograd.function_node import FunctionNode
    from kusari.autograd.node import VariableNode
    from kusari.autograd.variable import Variable

Seeds: TypeAlias = "Iterable[tuple[VariableNode, Variable]]"
OnFinal: TypeAlias = "Callable[[VariableNode], None] | None"


def backpropagate(seeds: Seeds, retain_grad: bool = False, on_final: OnFinal = None, unchain: bool = False) -> None:
    """Send gradients from ``seeds`` to the leaves, adding them to what the leaves have.

    Args:
        seeds: Nodes that have creators, each with its gradient.
        retain_grad: Leave gradients on the nodes between, too.
        on_final: Called with each leaf when no more gradient can reach it, so that reductions over machines may
            start before backpropagation ends.
        unchain: Cut the graph behind: what a function kept is freed when its gradients are there.
    """
    heap = _Heap(unchain)
    for node, seed in seeds:
        heap.add(node, seed)
    awaited = None if on_final is None else leaves([node for node, _ in seeds])
    state = current_state()
    owned: set[VariableNode] = set()
    while heap.functions:
        function, grad_outputs = heap.pop()
        wanted, inputs = function.wanted, function.inputs
        gradients = run_backward(function, wanted, grad_outputs, state)
        for index, gradient in zip(wanted, gradients):  # noqa: B905 - run_backward has matched their lengths
            if gradient is None:
                continue
            node = inputs[index]
            if node.creator_node is not None:
                total = heap.add(node, gradient)
                if retain_grad:
                    node.grad_var = total
            elif node.grad_var is None:
                node.grad_var = gradient
            elif node in owned:  # the sum's own buffer, which nobody else has seen
                node.grad_var._array += gradient._array
            else:
                node.grad_var = node.grad_var + gradient
                if not state.enable_backprop:
                    owned.add(node)
        if awaited is not None and on_final is not None:
            _report_final(inputs, wanted, awaited, on_final)
        if unchain:
            heap.cut(function)
    if awaited is not None and on_final is not None:
        for node, remaining in awaited.items():
            if remaining:  # a function on the way to it gave None
                on_final(node)


def forget_seeds(seeds: Seeds) -> None:
    """Take from the nodes the gradients to start from: left there, the next backpropagation would start so, too."""
    for node, _ in seeds:
        node.grad_var = None


def collect(seeds: Seeds, targets: set[VariableNode], retain_grad: bool = False) -> dict[VariableNode, Variable]:
    """Return the gradients that reach ``targets``, leaving the nodes' own as they are.

    Only functions on a path to a target run.
    """
    useful = _leading_to(targets, [node for node, _ in seeds])
    found: dict[VariableNode, Variable] = {}
    heap = _Heap()

    def arrive(node: VariableNode, gradient: Variable) -> None:
        total = gradient
        if node in targets:
            old = found.get(node)
            total = found[node] = gradient if old is None else old + gradient
        if node.creator_node is not None:
            total = heap.add(node, gradient)
        if retain_grad:
            node.grad_var = total

    for node, gradient in seeds:
        if node in useful:
            arrive(node, gradient)
    state = current_state()
    while heap.functions:
        function, grad_outputs = heap.pop()
        wanted = tuple([i for i, node in enumerate(function.inputs) if node in useful])
        if not wanted:
            continue
        for index, made in zip(wanted, run_backward(function, wanted, grad_outputs, state), strict=True):
            if made is not None:
                arrive(function.inputs[index], made)
    return found


def _leading_to(targets: set[VariableNode], starts: list[VariableNode]) -> set[VariableNode]:
    """Return the nodes reachable from ``starts`` through which a gradient can reach a target."""
    useful, seen = set(targets), set()
    order: list[VariableNode] = []
    stack = list(starts)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        order.append(node)
        if node.creator_node is not None:
            stack.extend([x for x in node.creator_node.inputs if x.requires_grad or x in targets])
    for node in sorted(order, key=lambda node: node.rank):
        if node.creator_node is not None and any(x in useful for x in node.creator_node.inputs):
            useful.add(node)
    return useful


def run_backward(
    function: FunctionNode, wanted: tuple[int, ...], grad_outputs: tuple[Variable | None, ...], state: State
) -> tuple[Variable | None, ...]:
    """Call one function's backward, with hooks and an error that says whose it was."""
    if state.enable_backprop and function.caller is not running_call():
        # What it computes here is differentiated, too: errors of that name the same link.
        with within_call(function.caller):
            return run_backward(function, wanted, grad_outputs, state)
    if state.function_hooks or function._hooks or state.debug or not function.device.always_current:
        return _run_backward_observed(function, wanted, grad_outputs, state)
    try:
        gradients = function.backward(wanted, grad_outputs)
        if (
            gradients.__class__ is not tuple
            or len(gradients) != len(wanted)
            or gradients[0].__class__ is not function.gradient_type
        ):
            gradients = function.match_gradients(gradients, wanted)
    except Exception as error:
        error.add_note(function.describe_backward())
        raise
    return gradients


def _run_backward_observed(
    function: FunctionNode, wanted: tuple[int, ...], grad_outputs: tuple[Variable | None, ...], state: State
) -> tuple[Variable | None, ...]:
    """Run one function's backward with hooks around it, on the current device, and check what it returned."""
    hooks = function.hooks_in_force(state)
    shown: list[FunctionHook] = []
    arrays = function.retained_arrays()
    grad_arrays = tuple([None if g is None else g.array for g in grad_outputs])
    device = function.device
    try:
        for hook in hooks:
            hook.backward_preprocess(function, arrays, grad_arrays)
            shown.append(hook)
        context = contextlib.nullcontext() if device.backend.is_current(device.index) else device.create_context()
        with context:
            gradients = function.match_gradients(function.backward(wanted, grad_outputs), wanted)
        if state.debug:
            check_gradients(function, wanted, gradients)
    except BaseException as error:
        error.add_note(function.describe_backward())
        show_failure(shown, function, error)
        raise
    for hook in hooks:
        hook.backward_postprocess(function, arrays, grad_arrays)
    return gradients


class _Heap:
    """Functions that wait for their turn, latest rank first, with the gradients that have reached their outputs."""

    def __init__(self, remember: bool = False) -> None:
        self.functions: list[tuple[int, int, FunctionNode]] = []
        self._pending: dict[FunctionNode, list[Variable | None]] = {}
        self._serial = 0
        self._reached: dict[FunctionNode, list[VariableNode]] | None = {} if remember else None
        """Of each function, the outputs that gradients have come to."""

    def add(self, node: VariableNode, gradient: Variable) -> Variable:
        """Add a gradient to a node's and return the sum."""
        creator = node.creator_node
        assert creator is not None
        slots = self._pending.get(creator)
        if slots is None:
            slots = self._pending[creator] = [None] * creator.output_count
            self._serial += 1
            heapq.heappush(self.functions, (-creator.rank, self._serial, creator))
        if self._reached is not None:
            self._reached.setdefault(creator, []).append(node)
        old = slots[node.output_index]
        total = slots[node.output_index] = gradient if old is None else old + gradient
        return total

    def pop(self) -> tuple[FunctionNode, tuple[Variable | None, ...]]:
        """Take the next function, with its outputs' gradients."""
        function = heapq.heappop(self.functions)[2]
        return function, tuple(self._pending.pop(function))

    def cut(self, function: FunctionNode) -> None:
        """Cut the edges from a function, which has had its turn, to its inputs, and from the outputs to it."""
        assert self._reached is not None
        for node in (*self._reached.pop(function), *function.living_outputs()):
            node.unchain()
        function.inputs = ()


def leaves(starts: Iterable[VariableNode]) -> dict[VariableNode, int]:
    """Return, for each leaf that backpropagation from ``starts`` can reach, how many functions it is an input of."""
    uses: dict[VariableNode, int] = {}
    seen: set[FunctionNode] = set()
    stack = [node.creator_node for node in starts]
    while stack:
        function = stack.pop()
        if function is None or function in seen:
            continue
        seen.add(function)
        for node in function.inputs:
            if node.creator_node is not None:
                stack.append(node.creator_node)
            elif node.requires_grad:
                uses[node] = uses.get(node, 0) + 1
    return uses


def note_grad_scale(nodes: Iterable[VariableNode], loss_scale: float) -> None:
    """Note on the leaves of a backpropagation what their gradients are multiplied by."""
    for leaf in nodes:
        variable = leaf.get_variable_or_none()
        if variable is not None:
            variable.grad_scale = loss_scale


def _report_final(
    inputs: tuple[VariableNode, ...],
    wanted: tuple[int, ...],
    awaited: dict[VariableNode, int],
    on_final: Callable[[VariableNode], None],
) -> None:
    for index in wanted:
        node = inputs[index]
        if node in awaited:
            awaited[node] -= 1
            if awaited[node] == 0:
                on_final(node)
