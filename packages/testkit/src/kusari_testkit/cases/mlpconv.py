"""The stack of MLPConvolution: a k×k convolution and a chain of 1×1 convolutions, as one kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

import kusari.functions as F
from kusari.kernels.conv import MLPConvolution, MLPConvolutionProblem
from kusari.types import Shape
from kusari_testkit.cases.activation import backpropagate, tag
from kusari_testkit.cases.case import FamilyCase, FunctionCase, Input
from kusari_testkit.cases.conv import Geometry
from kusari_testkit.draw import HostArray, repeated, small


@dataclass(frozen=True)
class Stack:
    """A first convolution, and the widths of the 1×1 convolutions that follow."""

    first: Geometry
    widths: tuple[int, ...]
    output_activation: str | None = None

    @property
    def steps(self) -> list[Geometry]:
        """The convolutions, each with the activation that follows it."""
        made = [self.first]
        for width in self.widths:
            previous = made[-1]
            ones = tuple(1 for _ in previous.W[2:])
            made.append(Geometry("", previous.y, (width, previous.W[0], *ones), activation=self.first.activation))
        made[-1] = replace(made[-1], activation=self.output_activation)
        return made

    @property
    def weights(self) -> list[Shape]:
        """The shapes of W and b of each convolution, in turn."""
        return [shape for step in self.steps for shape in (step.W, step.W[:1])]

    def problem(self, dtype: Any, keep: bool = True) -> MLPConvolutionProblem:
        """Return the family's Problem in a dtype of the host."""
        filters = tuple(step.W for step in self.steps)
        return MLPConvolutionProblem(
            self.first.x,
            filters,
            self.first.window,
            dtype,
            activation=tag(self.first.activation),
            keep=keep,
            output_activation=tag(self.output_activation),
        )

    def outputs(self, x: HostArray, *weights: HostArray) -> list[HostArray]:
        """Return what every convolution gives, by the oracle of single ones."""
        made = [x]
        for index, step in enumerate(self.steps):
            made.append(step.forward(made[-1], weights[2 * index], weights[2 * index + 1]))
        return made[1:]

    def backward(self, x: HostArray, *rest: HostArray) -> tuple[HostArray, ...]:
        """Return the gradients of x and the weights, by the oracle of single convolutions."""
        *weights, gy = rest
        outputs = [x, *self.outputs(x, *weights)]
        made: list[HostArray] = []
        for index in reversed(range(len(self.steps))):
            step = self.steps[index]
            gy = backpropagate(step.activation, outputs[index + 1], gy)
            made = [step.grad_weight(outputs[index], gy), step.grad_bias(gy), *made]
            gy = step.grad_input(weights[2 * index], gy)
        return (gy, *made)


QUICK: Final = frozenset({"image", "stride-2", "empty", "tanh", "output-relu"})

STACKS: Final[tuple[Stack, ...]] = (
    Stack(Geometry("image", (2, 3, 6, 5), (4, 3, 3, 3), pad=1, activation="relu"), (5, 2)),
    Stack(Geometry("valid", (2, 3, 6, 5), (4, 3, 3, 2), activation="relu"), (3,)),
    Stack(Geometry("stride-2", (1, 3, 7, 8), (4, 3, 3, 3), stride=2, pad=1, activation="relu"), (5, 3)),
    Stack(Geometry("pointwise", (2, 4, 3, 5), (6, 4, 1, 1), activation="relu"), (5, 3)),
    Stack(Geometry("tanh", (2, 3, 5, 5), (4, 3, 3, 3), pad=1, activation="tanh"), (5, 2)),
    Stack(Geometry("no-activation", (2, 3, 5, 5), (4, 3, 3, 3), pad=1), (5, 2)),
    Stack(Geometry("alone", (2, 3, 5, 4), (4, 3, 3, 3), pad=1, activation="relu"), ()),
    Stack(Geometry("four", (1, 2, 4, 4), (3, 2, 3, 3), pad=1, activation="relu"), (4, 3, 2)),
    Stack(Geometry("empty", (0, 3, 5, 5), (4, 3, 3, 3), activation="relu"), (2,)),
    Stack(Geometry("one-pixel", (3, 3, 1, 1), (4, 3, 3, 3), pad=1, activation="relu"), (2,)),
    Stack(Geometry("output-relu", (2, 3, 5, 4), (4, 3, 3, 3), pad=1, activation="relu"), (5, 2), "relu"),
    Stack(Geometry("output-tanh", (2, 3, 5, 4), (4, 3, 3, 3), pad=1, activation="relu"), (5, 2), "tanh"),
    Stack(Geometry("alone-relu", (2, 3, 5, 4), (4, 3, 3, 3), pad=1), (), "relu"),
    Stack(Geometry("two-relu", (2, 3, 5, 4), (4, 3, 3, 3), stride=2, pad=1), (3,), "relu"),
    Stack(Geometry("wide", (2, 16, 8, 7), (32, 16, 5, 5), pad=2, activation="relu", large=True), (24, 33)),
)


def use_forward(plan: MLPConvolution, x: Any, *weights: Any) -> Any:
    """Run forward; what it keeps is its own business."""
    return plan.forward(x, weights)[0]


def use_backward(plan: MLPConvolution, x: Any, *rest: Any) -> tuple[Any, ...]:
    """Run forward and backward for everything."""
    *weights, gy = rest
    _, kept = plan.forward(x, tuple(weights))
    return plan.backward(kept, x, tuple(weights), gy, (True,) * (1 + len(weights)))


def _family_cases(stack: Stack) -> list[FamilyCase]:
    label, quick = stack.first.label, stack.first.label in QUICK
    x = Input(stack.first.x)
    weights = [Input(shape, small) for shape in stack.weights]
    if stack.output_activation is not None:  # away from a kink, where rounding would decide the gradient
        weights[-1] = Input(stack.weights[-1], repeated(2.0, -2.0))
    parameters = tuple(range(1, 1 + len(weights)))
    forward: dict[str, Any] = {
        "inputs": (x, *weights),
        "oracle": lambda *arrays: stack.outputs(*arrays)[-1],
        "use": use_forward,
    }
    common: dict[str, Any] = {"target": MLPConvolution, "quick": quick, "parameters": parameters}
    return [
        FamilyCase(**common, **forward, label=label, step="forward", problem=stack.problem),
        FamilyCase(
            **common, **forward, label=label, step="inference", problem=lambda dtype: stack.problem(dtype, keep=False)
        ),
        FamilyCase(
            **common,
            label=label,
            step="backward",
            problem=stack.problem,
            inputs=(x, *weights, Input(stack.steps[-1].y)),
            oracle=stack.backward,
            use=use_backward,
        ),
    ]


def mlp_convolution_2d(x: Any, *weights: Any, **arguments: Any) -> Any:
    """Call `F.mlp_convolution_2d` with W and b in turn."""
    return F.mlp_convolution_2d(x, weights[::2], weights[1::2], **arguments)


def _function_case(stack: Stack) -> FunctionCase:
    first = stack.first
    return FunctionCase(
        target=mlp_convolution_2d,
        label=first.label,
        quick=first.label in QUICK,
        inputs=(Input(first.x), *(Input(shape, small) for shape in stack.weights)),
        oracle=lambda *arrays, **_: np.asarray(stack.outputs(*arrays)[-1]),
        arguments={
            "stride": first.stride,
            "pad": first.pad,
            "activation": None if first.activation is None else getattr(F, first.activation),
            "output_activation": None if stack.output_activation is None else getattr(F, stack.output_activation),
        },
    )


KERNELS: Final[tuple[FamilyCase, ...]] = tuple(case for stack in STACKS for case in _family_cases(stack))
FUNCTIONS: Final[tuple[FunctionCase, ...]] = tuple(_function_case(stack) for stack in STACKS if not stack.first.large)
