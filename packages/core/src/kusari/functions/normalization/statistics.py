"""What the normalizations by mean and variance share: nodes, the dtype of statistics, running statistics."""

from __future__ import annotations

from typing import Any

from kusari import dtypes
from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.holder import HeldVariable
from kusari.autograd.shaping import cast, reshape
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.backend.selection import meet
from kusari.configuration import current_state
from kusari.functions.activation.elementwise import OutputActivation
from kusari.functions.fused import FusedNode
from kusari.kernels.activation import Activation
from kusari.kernels.norm import Normalization, NormalizationProblem
from kusari.types import Array, Shape


class NormalizationStep(FusedNode):
    """y = activation(γ (x − mean) / √(var + ε) + β), over some axes of x."""

    parameter_axes: Shape | None = None
    """The axes that γ and β have; None: all that are not normalized over."""

    def __init__(self, eps: float, axes: Shape, activation: Activation | None = None) -> None:
        self.eps = eps
        self.axes = axes
        self.activation = activation

    def check_type_forward(self, in_types: Any) -> None:
        names = ("x", "gamma", "beta", "mean", "var")
        expect_floating(in_types, names[: max(3, len(in_types))])
        x, gamma = in_types[0], in_types[1]
        kept = tuple(axis for axis in range(len(x.shape)) if axis not in self.axes)
        axes = kept if self.parameter_axes is None else self.parameter_axes
        expect(x.ndim >= 1, gamma.ndim == len(axes))
        for place, axis in enumerate(axes):
            expect(gamma.shape[place] == x.shape[axis])
        for other in in_types[2:]:
            expect(other.shape == gamma.shape)

    def plan_for(self, x: Array, gamma: Array) -> Normalization:
        """Return the plan for inputs such as these."""
        backend = self.backend
        dtype, parameter_dtype = backend.host_dtype(x.dtype), backend.host_dtype(gamma.dtype)
        problem = NormalizationProblem(
            x.shape,
            dtype,
            parameter_dtype,
            self.axes,
            self.eps,
            backend.strides(x),
            self.parameter_axes,
            self.activation,
        )
        return Normalization.plan(backend, problem)

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, gamma, beta = inputs
        self.plan = self.plan_for(x, gamma)
        y, self.mean, self.var = self.plan.forward(x, gamma, beta)
        self.retain(inputs)
        return (y,)

    def retain(self, inputs: tuple[Any, ...]) -> None:
        """Keep what backward reads."""
        self.retain_inputs(tuple(range(len(inputs))))
        if self.activation is not None:
            self.retain_outputs((0,))

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        inputs = self.get_retained_inputs()
        if current_state().enable_backprop:
            return self.backward_through_chain(indexes, inputs, grad_outputs)
        x, gamma = inputs[0].array, inputs[1].array
        y = self.get_retained_outputs()[0].array if self.activation is not None else None
        made = self.gradients(x, gamma, y, grad_outputs[0].array)
        return tuple([constant(made[index], self.device) for index in indexes])

    def gradients(self, x: Array, gamma: Array, y: Array | None, gy: Array) -> tuple[Array, Array, Array]:
        """Return the gradients of x, γ and β, as arrays."""
        return self.plan.backward(x, gamma, self.mean, self.var, y, gy)

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return y by arithmetic of Variables."""
        x, gamma, beta = inputs
        wide, count = cast(x, gamma.dtype), self.plan.members
        mean = wide.sum(axis=self.axes, keepdims=True) / count
        centred = wide - mean
        var = (centred * centred).sum(axis=self.axes, keepdims=True) / count
        return (self.scale(x, centred, gamma, beta, var),)

    def scale(self, x: Variable, centred: Variable, gamma: Variable, beta: Variable, var: Variable) -> Variable:
        """Return activation(γ centred / √(var + ε) + β) in x's dtype; ``centred`` and ``var`` have all axes."""
        y = centred * (self.align(gamma, x) * (var + self.eps) ** -0.5) + self.align(beta, x)
        y = cast(y, x.dtype)
        return y if self.activation is None else OutputActivation(self.activation).apply((y,))[0]

    def align(self, a: Variable, x: Variable) -> Variable:
        """Return what has the shape of γ with an axis of length 1 for each other axis of x."""
        lengths = iter(a.shape)
        axes = self.parameter_axes
        kept = [axis not in self.axes if axes is None else axis in axes for axis in range(x.ndim)]
        return reshape(a, tuple(next(lengths) if keep else 1 for keep in kept))


def with_parameters(x: VariableLike, *parameters: VariableLike) -> tuple[Variable, ...]:
    """Return x, and parameters in the dtype of its statistics: x's own, float32 where that has 16 bits.

    Gradients come back in the parameters' own dtypes.
    """
    x = as_variable(x)
    dtype = x.dtype
    if not dtypes.is_floating(dtype):  # the node's type check will say so
        return (x, *map(as_variable, parameters))
    if dtype.itemsize < 4:
        dtype = dtypes.host_dtype("float32")
    made = [as_variable(parameter) for parameter in parameters]
    return (x, *[cast(p, dtype) if dtypes.is_floating(p.dtype) else p for p in made])


def update_running(node: FunctionNode, running: VariableLike | None, value: Array, decay: float) -> None:
    """Write ``decay`` · running + (1 − ``decay``) · value into a running statistic, in place.

    Raises:
        DeviceMismatch: It is on another device than the node's.
        ValueError: It has another shape than the statistic.
    """
    if running is None:
        return
    variable = as_variable(running)
    meet(node.device, variable.device, node.label)
    array, xp = variable.array, node.backend.xp
    if array.shape != value.shape:
        raise ValueError(f"{node.label}: a running statistic of shape {array.shape}; expected {value.shape}")
    kept = array if array.dtype == value.dtype else xp.astype(array, value.dtype)
    made = kept * decay + value * (1 - decay)
    array[...] = made if made.dtype == array.dtype else xp.astype(made, array.dtype)
    if isinstance(variable, HeldVariable):
        variable.touch()
