"""What the nodes of LSTM-like cells share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from kusari.autograd import Variable
from kusari.autograd.variable import constant
from kusari.configuration import current_state
from kusari.functions.activation.sigmoid import sigmoid
from kusari.functions.activation.tanh import tanh
from kusari.functions.fused import FusedNode
from kusari.kernels.rnn import LSTMProblem


class CellStep(FusedNode):
    """c and y from previous cells and what is fed to the gates, one kernel forward and one backward."""

    family: ClassVar[Any]
    """The kernel: a family over `LSTMProblem`."""
    fed: ClassVar[int] = 1
    """How many inputs, the last ones, feed the gates; those before are previous cells."""

    @staticmethod
    def arrange(inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Return the node's inputs as the family takes them."""
        return tuple(inputs)

    @staticmethod
    def flatten(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the family's gradients in the order of the node's inputs: the inverse of `arrange`."""
        return gradients

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        c, x = inputs[0], inputs[-1]
        dtype, children = self.backend.host_dtype(x.dtype), len(inputs) - self.fed
        problem = LSTMProblem(c.shape, x.shape, dtype, children, self.recording)
        self.plan = self.family.plan(self.backend, problem)
        self.retain_inputs(tuple(range(len(inputs))))
        c_next, y, kept = self.plan.forward(*self.arrange(inputs))
        if self.recording:
            self.kept = kept
        return c_next, y

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]
    ) -> tuple[Variable | None, ...]:
        inputs = self.get_retained_inputs()
        if current_state().enable_backprop:
            return self.backward_through_chain(indexes, inputs, grad_outputs)
        gc, gy = (None if g is None else g.array for g in grad_outputs)
        made = self.flatten(self.plan.backward(self.kept, *self.arrange([v.array for v in inputs]), gc, gy))
        return tuple([constant(made[index], self.device) for index in indexes])


def interleaved(x: Variable) -> tuple[Variable, ...]:
    """Return a, i, f, o, each (n, U, …), of x (n, 4U, …), where the four numbers of a unit lie together."""
    n, length, *rest = x.shape
    gates = x.reshape(n, length // 4, 4, *rest)
    return tuple([gates[:, :, gate] for gate in range(4)])


def plain_gates(
    inputs: Sequence[tuple[Variable, Variable]],
    forgets: Sequence[Variable],
    output: Variable,
    cells: Sequence[Variable],
) -> tuple[Variable, Variable]:
    """Return c = Σ σ(iₖ) tanh(aₖ) + Σ σ(fₖ) cₖ and y = σ(o) tanh(c), as plain functions make them."""
    terms = [tanh(a) * sigmoid(i) for a, i in inputs]
    terms += [sigmoid(f) * cell for f, cell in zip(forgets, cells, strict=True)]
    c = terms[0]
    for term in terms[1:]:
        c = c + term
    return c, sigmoid(output) * tanh(c)
