"""Gradient checking: what backward computes against finite differences, for arrays of any backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from kusari.autograd import Variable, grad
from kusari.autograd.finite_differences import Check, as_tuple, host_outputs, name_of, to_host, with_gradient, worst_of
from kusari.autograd.finite_differences import NondifferentiableError as NondifferentiableError
from kusari.autograd.finite_differences import numerical_grad as numerical_grad
from kusari.autograd.variable import constant

Arrays: TypeAlias = Any
"""An array of any backend, or a list or tuple of such; None in it stands for "none here"."""


def check_forward(
    func: Callable[..., Any],
    x_data: Arrays,
    y_expected: Arrays,
    params: Sequence[Variable] | Variable = (),
    atol: float = 1e-5,
    rtol: float = 1e-4,
    dtype: Any = None,
) -> None:
    """Check that ``func`` returns the expected values: |y − expected| ≤ atol + rtol |expected|; NaN equals NaN.

    Args:
        func: Takes Variables, returns a Variable or a tuple of them.
        x_data: Its arguments' arrays.
        y_expected: The outputs' values: arrays of any backend, or numbers.
        params: Variables that ``func`` uses; with ``dtype``, they are cast too.
        atol: Absolute tolerance.
        rtol: Relative tolerance.
        dtype: Cast floating arguments to this type first; None: keep theirs.

    Raises:
        AssertionError: A value is off, or a shape; the text says where and by how much.

    >>> check_forward(lambda x: x * x, np.asarray([3.0]), np.asarray([9.0]))
    """
    check = Check("check_forward", func, as_tuple(x_data), as_tuple(params), None, dtype)
    expected = [None if y is None else to_host(y) for y in as_tuple(y_expected)]
    with check.cast():
        actual = host_outputs(check.call(check.variables()))
    check.require(len(actual) == len(expected), f"{len(actual)} outputs, expected {len(expected)}")
    for position, (y, wanted) in enumerate(zip(actual, expected, strict=True)):
        if y is None or wanted is None:
            check.require(y is wanted, f"output {position}: one of actual and expected is None")
            continue
        check.require(y.shape == wanted.shape, f"output {position} has shape {y.shape}, expected {wanted.shape}")
        worst = worst_of(wanted, y, atol, rtol)
        if worst is not None:
            check.fail(
                f"output {position} at {worst.place} is {worst.actual:.9g}, expected {worst.expected:.9g} "
                f"(atol={atol}, rtol={rtol})"
            )


def check_backward(
    func: Callable[..., Any],
    x_data: Arrays,
    y_grad: Arrays,
    params: Sequence[Variable] | Variable = (),
    eps: float = 1e-3,
    atol: float = 1e-5,
    rtol: float = 1e-4,
    no_grads: Sequence[bool] | None = None,
    dtype: Any = None,
    detect_nondifferentiable: bool = False,
    *,
    elementwise: bool = False,
) -> None:
    """Check ``func``'s gradients against finite differences along a random direction.

    |Σ gx·d − (L(x + εd) − L(x − εd)) / 2ε| ≤ atol + rtol |numerical|, where L = Σ y·gy and ‖d‖ = 1: one direction
    through all arguments and parameters at once, the same one in every call.

    Args:
        func: Takes Variables, returns a Variable or a tuple of them.
        x_data: Its arguments' arrays, of any backend. Not changed.
        y_grad: The outputs' gradients; None for one that gets none. None alone: ones.
        params: Variables that ``func`` uses and whose gradients are checked too; restored afterwards.
        eps: ε.
        atol: Absolute tolerance.
        rtol: Relative tolerance.
        no_grads: For each argument, True if it has no gradient. Default: True for those that are not floating.
        dtype: Cast floating arguments and ``params`` to this type first: float64 checks 16-bit functions exactly.
        detect_nondifferentiable: Raise where the outputs along the direction have a kink.
        elementwise: Compare every element of every gradient instead of one direction.

    Raises:
        AssertionError: A gradient is wrong; the text names the elements that differ most.
        NondifferentiableError: A kink was found.
        ValueError: Arguments whose numbers do not agree.

    >>> x = np.asarray([1.0, -2.0])
    >>> check_backward(lambda x: x * x, x, np.ones(2))
    """
    check = Check("check_backward", func, as_tuple(x_data), as_tuple(params), no_grads, dtype)
    with check.cast():
        analytic, weights = check.backward(None if y_grad is None else as_tuple(y_grad))
        if not elementwise:
            direction = check.direction()
            numerical = check.along(direction, weights, eps, detect_nondifferentiable)
            found = sum(float((g * d).sum()) for g, d in zip(analytic, direction, strict=True))
            if abs(found - numerical) <= atol + rtol * abs(numerical):
                return
            head = (
                f"along a random direction: numerical {numerical:.9g}, backward {found:.9g} (atol={atol}, rtol={rtol})"
            )
        else:
            head = f"element by element (atol={atol}, rtol={rtol})"
        worst = check.worst_elements(analytic, weights, eps, atol, rtol, detect_nondifferentiable and elementwise)
        if not elementwise or worst:
            check.fail("\n".join([head, *worst]))


def check_double_backward(
    func: Callable[..., Any],
    x_data: Arrays,
    y_grad: Arrays,
    x_grad_grad: Arrays,
    params: Sequence[Variable] | Variable = (),
    params_grad_grad: Arrays = (),
    eps: float = 1e-3,
    atol: float = 1e-4,
    rtol: float = 1e-3,
    no_grads: Sequence[bool] | None = None,
    dtype: Any = None,
    detect_nondifferentiable: bool = False,
    *,
    elementwise: bool = False,
) -> None:
    """Check the gradients of ``func``'s gradients against finite differences along a random direction.

    `check_backward` of the function (x, gy) ↦ (gx, gparams).

    Args:
        func: Takes Variables, returns a Variable or a tuple of them.
        x_data: Its arguments' arrays, of any backend. Not changed.
        y_grad: The outputs' gradients: one array per output.
        x_grad_grad: One array for each argument that has a gradient, of its shape.
        params: Variables that ``func`` uses.
        params_grad_grad: One array for each of them.
        eps: Half the step.
        atol: Absolute tolerance.
        rtol: Relative tolerance.
        no_grads: For each argument, True if it has no gradient. Default: True for those that are not floating.
        dtype: Cast floating arguments, gradients and ``params`` to this type first.
        detect_nondifferentiable: Raise where the gradients along the direction have a kink.
        elementwise: Compare every element instead of one direction.

    Raises:
        AssertionError: A second gradient is wrong; the text names the elements that differ most.
        NondifferentiableError: A kink was found.
        ValueError: Arguments whose numbers do not agree.

    >>> x = np.asarray([1.0, -2.0])
    >>> check_double_backward(lambda x: x * x * x, x, np.ones(2), np.ones(2))
    """
    xs, gys, parameters = as_tuple(x_data), as_tuple(y_grad), as_tuple(params)
    ggs = (*as_tuple(x_grad_grad), *as_tuple(params_grad_grad))
    wanted = with_gradient(xs, no_grads)
    expected = len(wanted) + len(parameters)
    if len(ggs) != expected:
        raise ValueError(
            f"check_double_backward(): {len(ggs)} gradients of gradients; expected {expected}: one for each argument "
            "that has a gradient, and one for each of params"
        )
    skipped = [index not in wanted for index in range(len(xs))] + [False] * len(gys)
    gradients = _first_gradients(func, len(xs), wanted, parameters)
    settings = (eps, atol, rtol, skipped, dtype, detect_nondifferentiable)
    check_backward(gradients, (*xs, *gys), ggs, parameters, *settings, elementwise=elementwise)


def _first_gradients(
    func: Callable[..., Any], count: int, wanted: Sequence[int], parameters: Sequence[Variable]
) -> Callable[..., tuple[Variable, ...]]:
    """Return the function (x, gy) ↦ (gx, gparams) of ``func``, which takes ``count`` arguments."""

    def gradients(*values: Variable) -> tuple[Variable, ...]:
        ys = as_tuple(func(*values[:count]))
        sources = [*(values[index] for index in wanted), *parameters]
        found = grad(ys, sources, values[count:], enable_double_backprop=True)
        pairs = zip(sources, found, strict=True)
        return tuple([constant(x.xp.zeros_like(x.array), x.device) if g is None else g for x, g in pairs])

    gradients.__qualname__ = f"gradients of {name_of(func)}"
    return gradients
