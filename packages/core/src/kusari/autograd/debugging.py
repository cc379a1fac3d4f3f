"""What debug mode looks for in functions: NaN, and gradients of another shape than their inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.dtypes import is_floating

if TYPE_CHECKING:
    from kusari.autograd.function_node import FunctionNode
    from kusari.autograd.variable import Variable
    from kusari.backend import Backend


def check_outputs(function: FunctionNode, outputs: tuple[Any, ...]) -> None:
    """Raise where an output has a NaN."""
    for array in outputs:
        if array is not None:
            _refuse_nan(array, function.backend, f"NaN in the output of {function.label}")


def check_gradients(function: FunctionNode, wanted: tuple[int, ...], gradients: tuple[Variable | None, ...]) -> None:
    """Raise where a gradient has another shape than its input, or a NaN."""
    for index, gradient in zip(wanted, gradients, strict=True):
        if gradient is None:
            continue
        node = function.inputs[index]
        if gradient.shape != node.shape:
            raise RuntimeError(
                f"{function.label}.backward() gave input {index} a gradient of shape {gradient.shape}; "
                f"expected {node.shape}"
            )
        _refuse_nan(gradient.array, gradient.device.backend, f"NaN in the gradient that {function.label} computed")


def _refuse_nan(array: Any, backend: Backend, what: str) -> None:
    if is_floating(backend.host_dtype(array.dtype)) and bool(backend.xp.any(backend.xp.isnan(array))):
        raise RuntimeError(f"{what} (debug mode)")
