"""Fitting a compiled expression into an elementwise kernel's place in the table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kusari.backend.choice import Override
from kusari.backend.expression import Expression, parameter_kinds, trace

if TYPE_CHECKING:
    from kusari.backend.backend import Backend
    from kusari.backend.kernel import Kernel


def compiled(backend: Backend, compiler: Backend, kernel: Kernel[..., Any]) -> Override:
    """Return the override that ``compiler`` makes of a kernel's expression.

    The kernel is traced once per set of static arguments; arrays and scalars are operands, so a new learning rate
    compiles nothing.
    """
    assert compiler.compile_elementwise is not None
    compile_expression: Callable[[Expression], Callable[..., Any]] = compiler.compile_elementwise
    kinds = parameter_kinds(kernel.portable)
    static = [name for name, kind in kinds.items() if kind == "static"]
    if not static:
        run = compile_expression(trace(kernel.portable, kernel.__name__, (), kernel.donates))
        return Override(_in_order(kernel, kinds, run), "compiled")

    made: dict[Any, Callable[..., Any]] = {}

    def run_static(static_values: tuple[Any, ...], backend: Backend, *operands: Any) -> Any:
        key = tuple([(type(value), repr(value)) for value in static_values])  # True is not 1, 0.0 is not -0.0
        run = made.get(key)
        if run is None:
            expression = trace(kernel.portable, kernel.__name__, static_values, kernel.donates)
            run = made[key] = compile_expression(expression)
        return run(backend, *operands)

    return Override(_in_order(kernel, kinds, run_static), "compiled")


def compiled_update(backend: Backend, kernel: Kernel[..., Any]) -> Callable[..., Any] | None:
    """Return the loop of a kernel whose parameters are arrays and scalars, unless something overrides it."""
    static = "static" in parameter_kinds(kernel.portable).values()
    if static or not kernel.elementwise or backend.explain(kernel).chosen.override.source != "compiled":
        return None
    assert backend.compile_elementwise is not None
    compile_expression: Callable[[Expression], Callable[..., Any]] = backend.compile_elementwise
    return compile_expression(trace(kernel.portable, kernel.__name__, (), kernel.donates))


def _in_order(kernel: Kernel[..., Any], kinds: dict[str, str], run: Callable[..., Any]) -> Callable[..., Any]:
    """Generate the kernel's signature around ``run(backend, *arrays, *scalars)``, static arguments as a tuple first."""
    operands = [n for n in kinds if kinds[n] == "array"] + [n for n in kinds if kinds[n] == "scalar"]
    static = [n for n in kinds if kinds[n] == "static"]
    leading = f"({', '.join(static)},), " if static else ""
    parameters = ", ".join(inspect.signature(kernel.portable).parameters)
    first = next(iter(inspect.signature(kernel.portable).parameters))
    name = kernel.__name__
    source = f"def {name}({parameters}):\n    return run({leading}{first}, {', '.join(operands)})\n"
    space: dict[str, Any] = {"run": run}
    exec(compile(source, f"<compiled {name}>", "exec"), space)
    function: Callable[..., Any] = space[name]
    function.__defaults__ = kernel.portable.__defaults__
    function.__wrapped__ = kernel.portable  # type: ignore[attr-defined]
    return function
