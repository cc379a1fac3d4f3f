"""Losses that are written once, as plain functions, and appear as one node."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable, force_backprop_mode, grad
from kusari.autograd.variable import constant
from kusari.configuration import current_state, using_state
from kusari.dtypes import is_floating
from kusari.functions.fused import FusedNode
from kusari.functions.math.identity import identity


class ComposedLoss(FusedNode):
    """A loss whose forward and derivatives, of any order, are those of the plain functions in `decompose`.

    To hooks and drawings it is one step. The first backward takes the graph that forward made; another one, or one
    whose gradients are to be differentiated, runs the functions once more.
    """

    _graph: tuple[tuple[Variable, ...], tuple[Variable, ...]] | None = None

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        self.retain_inputs(tuple(range(len(inputs))))
        leaves = tuple([constant(x, self.device) for x in inputs])
        for leaf in leaves if self.recording else ():
            leaf.requires_grad = is_floating(leaf.dtype)
        with using_state(backend=self.backend, function_hooks=()):
            outputs = self.decompose(leaves)
        if self.recording:
            self._graph = (leaves, outputs)
        return tuple([y.array for y in outputs])

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]
    ) -> tuple[Variable | None, ...]:
        again = current_state().enable_backprop
        with force_backprop_mode(), using_state(backend=self.backend, function_hooks=()):
            graph, self._graph = self._graph, None
            if again or graph is None:
                inputs = tuple([self._own(x, again) for x in self.get_retained_inputs()])
                graph = inputs, self.decompose(inputs)
            inputs, outputs = graph
            return tuple(grad(outputs, [inputs[i] for i in indexes], grad_outputs, enable_double_backprop=again))

    def _own(self, x: Variable, again: bool) -> Variable:
        """Return ``x`` as a Variable of this node's alone: the same one may have come in twice. Labels are constant."""
        if not is_floating(x.dtype):
            return constant(x.array, self.device)
        if again:
            twin: Variable = identity(x)
            return twin
        leaf = constant(x.array, self.device)
        leaf.requires_grad = x.requires_grad
        return leaf
