"""What fused nodes share: the activations they can take, and derivatives through the plain chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from kusari.autograd import FunctionNode, Variable, grad
from kusari.configuration import using_state
from kusari.functions.math.identity import identity
from kusari.kernels.activation import Activation

F = TypeVar("F", bound=Callable[..., Any])
Gradient = Callable[..., Variable]
ActivationLike = Callable[..., Any] | Activation | None

_gradients: Final[dict[Any, Gradient]] = {}
"""By gradient kernel, so that one entry serves an activation with any parameters."""


def fusable(activation: Activation, gradient: Gradient) -> Callable[[F], F]:
    """Tag a public function as one that kernels can take as an epilogue.

    Args:
        activation: What the kernels take.
        gradient: gradient(y, gy, *parameters) as a function of Variables, for derivatives of derivatives.
    """
    _gradients[activation.gradient] = gradient

    def tag(function: F) -> F:
        function.activation = activation  # type: ignore[attr-defined]
        return function

    return tag


def activation_of(function: ActivationLike) -> Activation | None:
    """Return the epilogue that stands for ``function``, or None: then it cannot be fused."""
    return function if isinstance(function, Activation) else getattr(function, "activation", None)


def split_activation(
    activation: ActivationLike, name: str = "activation"
) -> tuple[Activation | None, Callable[[Variable], Variable]]:
    """Return the activation that a kernel takes, or None, and a function to call on its result.

    Raises:
        TypeError: It is none of what can be one; the message calls it ``name``.
    """
    fused = activation_of(activation)
    if activation is None or fused is not None:
        return fused, lambda y: y
    if not callable(activation):
        raise TypeError(f"{name}={activation!r}: expected a function of a Variable, or None")
    return None, activation


def activation_gradient(activation: Activation, y: Variable, gy: Variable) -> Variable:
    """Return gy times the derivative at output ``y``, differentiable again."""
    return _gradients[activation.gradient](y, gy, *activation.parameters)


class FusedNode(FunctionNode):
    """A node whose work can also be written as a chain of plain functions."""

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable, ...]:
        """Return the outputs as plain functions make them: for second derivatives, export and drawing."""
        raise NotImplementedError(f"{self.label} does not define decompose()")

    def backward_through_chain(
        self, indexes: tuple[int, ...], inputs: tuple[Variable, ...], grad_outputs: tuple[Variable | None, ...]
    ) -> tuple[Variable | None, ...]:
        """Return the gradients of ``inputs[indexes]`` through the plain chain, differentiable again."""
        with using_state(backend=self.backend):
            # Each input gets a node of its own: one that is given twice would get its whole gradient twice.
            inputs = tuple([identity(x) for x in inputs])
            outputs = self.decompose(inputs)
            pairs = [(y, gy) for y, gy in zip(outputs, grad_outputs, strict=True) if gy is not None]
            ys, gys = [y for y, _ in pairs], [gy for _, gy in pairs]
            return tuple(grad(ys, [inputs[i] for i in indexes], gys, enable_double_backprop=True))
