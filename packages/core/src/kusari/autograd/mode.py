"""Modes: with and without a graph, and gradients as values."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from kusari.autograd.backprop import backpropagate, collect, forget_seeds
from kusari.autograd.node import VariableNode
from kusari.autograd.variable import Variable, constant
from kusari.configuration import call_in_state, current_state, using_config


def no_backprop_mode() -> contextlib.AbstractContextManager[None]:
    """Return a context in which no graph is recorded.

    >>> with no_backprop_mode():
    ...     (Variable(np.ones(2)) * 2).creator_node is None
    True
    """
    return using_config("enable_backprop", False)


def force_backprop_mode() -> contextlib.AbstractContextManager[None]:
    """Return a context in which graphs are recorded, within a `no_backprop_mode` too."""
    return using_config("enable_backprop", True)


def grad(
    outputs: Sequence[Variable],
    inputs: Sequence[Variable],
    grad_outputs: Sequence[Variable | None] | None = None,
    grad_inputs: Sequence[Variable | None] | None = None,
    set_grad: bool = False,
    retain_grad: bool = False,
    enable_double_backprop: bool = False,
    loss_scale: float | None = None,
) -> list[Variable | None]:
    """Return the gradients of outputs with respect to inputs, without touching any Variable's own gradient.

    Σᵢ gyᵢ ∂yᵢ/∂xⱼ for each input xⱼ.

    Args:
        outputs: The ys.
        inputs: The xs: leaves, or Variables in between.
        grad_outputs: The gys; None, or None for one: ones of the output's shape.
        grad_inputs: Values to add to the results.
        set_grad: Also leave each result on its input.
        retain_grad: Also leave gradients on the Variables between.
        enable_double_backprop: Make the results differentiable.
        loss_scale: Multiply the results' start by this number.

    Returns:
        One gradient per input; None for one that no output depends on.

    Raises:
        TypeError: Something that is not a sequence of Variables.

    >>> x = Variable(np.asarray(3.0))
    >>> (g,) = grad([x * x * x], [x], enable_double_backprop=True)
    >>> (gg,) = grad([g], [x])
    >>> g.array, gg.array
    (array(27.), array(18.))
    """
    for name, given in (("outputs", outputs), ("inputs", inputs)):
        if not isinstance(given, list | tuple):
            raise TypeError(f"grad({name}): expected a list or tuple of Variables, got {type(given).__name__}")
    seeds = _seeds(outputs, grad_outputs, loss_scale)
    with using_config("_gradients_asked_for_only", True):
        state = current_state().for_backward(enable_double_backprop)
    reached = call_in_state(state, collect, seeds, {x.node for x in inputs}, retain_grad)
    found = [reached.get(x.node) for x in inputs]
    for index, extra in enumerate(grad_inputs or ()):
        old = found[index]
        if extra is not None:
            found[index] = extra if old is None else call_in_state(state, Variable.__add__, old, extra)
    if set_grad:
        for x, gradient in zip(inputs, found, strict=True):
            x.grad_var = gradient
    return found


def _seeds(
    outputs: Sequence[Variable], grad_outputs: Sequence[Variable | None] | None, loss_scale: float | None
) -> list[tuple[VariableNode, Variable]]:
    if grad_outputs is not None and len(grad_outputs) != len(outputs):
        raise ValueError(f"grad(): {len(outputs)} outputs and {len(grad_outputs)} grad_outputs; expected one for each")
    seeds = []
    for index, y in enumerate(outputs):
        gradient = None if grad_outputs is None else grad_outputs[index]
        if gradient is None:
            gradient = constant(y.xp.ones_like(y.array), y.device)
        if loss_scale is not None:
            gradient = gradient * loss_scale
        seeds.append((y.node, gradient))
    return seeds


def backward(
    outputs: Sequence[Variable],
    grad_outputs: Sequence[Variable | None] | None = None,
    retain_grad: bool = False,
    enable_double_backprop: bool = False,
) -> None:
    """Backpropagate from several Variables at once.

    Args:
        outputs: Where to start.
        grad_outputs: Their gradients; None, or None for one of them: what it has, else 1 for one element.
        retain_grad: Leave gradients on the Variables between, too, and on ``outputs``; else theirs are None afterwards.
        enable_double_backprop: Record the gradients' own graph.

    Raises:
        ValueError: Another number of gradients than of outputs.

    >>> x = Variable(np.asarray(3.0))
    >>> backward([x * 2, x * x])
    >>> x.grad
    array(8.)
    """
    if grad_outputs is not None and len(grad_outputs) != len(outputs):
        raise ValueError(f"{len(outputs)} outputs and {len(grad_outputs)} gradients: expected one for each")
    seeds = []
    for index, output in enumerate(outputs):
        given = None if grad_outputs is None else grad_outputs[index]
        if given is not None:
            output.grad_var = given
        if output.creator_node is not None:
            seeds.append((output.node, output._seed(None)))
    if not retain_grad:
        forget_seeds(seeds)
    call_in_state(current_state().for_backward(enable_double_backprop), backpropagate, seeds, retain_grad)
