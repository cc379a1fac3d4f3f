"""Tracing: an elementwise kernel runs once on symbols, and what it did is kept as a program."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from kusari.backend.expression.program import Expression, Instruction, NotElementwise
from kusari.backend.expression.symbols import Symbol, SymbolicBackend, Tracer


def parameter_kinds(function: Callable[..., Any]) -> dict[str, str]:
    """Read off the annotations which parameters are arrays, run-time scalars and static.

    ``Array`` is an array, ``float`` a run-time scalar, anything else static: baked in, and Python may branch on it.
    The first parameter is the backend and is left out.

    >>> def scale(backend: Backend, x: Array, factor: float, inverse: bool) -> Array: ...
    >>> parameter_kinds(scale)
    {'x': 'array', 'factor': 'scalar', 'inverse': 'static'}
    """
    kinds: dict[str, str] = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise NotElementwise(f"{parameter}: an elementwise kernel takes plain parameters, no *, ** or /")
        kinds[parameter.name] = _kind(parameter)
    return kinds


def _kind(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        raise NotElementwise(
            f"parameter {parameter.name} has no annotation: write Array, float (a run-time scalar) or a static type"
        )
    text = annotation.__qualname__ if isinstance(annotation, type) else str(annotation).strip("'\"")
    if text.rpartition(".")[2] == "Array":
        return "array"
    if re.search(r"\bArray\b", text):
        raise NotElementwise(
            f"parameter {parameter.name}: {text}: an elementwise kernel takes each array always and by itself; "
            "write one kernel with this parameter and one without"
        )
    return "scalar" if text == "float" else "static"


def trace(
    function: Callable[..., Any],
    name: str,
    static_args: Sequence[Any] = (),
    donates: Sequence[str] = (),
) -> Expression:
    """Run ``function`` once on symbols and return what it did.

    Args:
        function: The kernel's definition: backend first, annotated parameters, array-API code.
        name: The kernel's name, for the rendered source and for messages.
        static_args: Values of the static parameters, in order of the signature.
        donates: Array parameters whose memory the first outputs may take, in order.

    Raises:
        NotElementwise: A fused loop cannot do what the kernel does; the message says what to write instead.

    >>> def leaky(backend: Backend, x: Array, slope: float) -> Array:
    ...     return backend.xp.where(x >= 0, x, slope * x)
    >>> for instruction in trace(leaky, "leaky").program:
    ...     print(*instruction)
    array () 0
    scalar () 0
    constant () 0
    greater_equal (0, 2) None
    multiply (1, 0) None
    where (3, 0, 4) None
    """
    kinds = parameter_kinds(function)
    static = [parameter for parameter, kind in kinds.items() if kind == "static"]
    if len(static) != len(static_args):
        raise TypeError(f"{name} has {len(static)} static parameters ({', '.join(static)}), got {len(static_args)}")
    tracer, values = Tracer(), iter(static_args)
    names: dict[str, list[str]] = {"array": [], "scalar": []}
    arguments: list[Any] = []
    for parameter, kind in kinds.items():
        if kind == "static":
            arguments.append(next(values))
        else:
            arguments.append(tracer.emit(Instruction(kind, (), len(names[kind])), weak=kind == "scalar"))
            names[kind].append(parameter)
    returned = function(SymbolicBackend(tracer), *arguments)
    outputs = _output_positions(name, returned)
    if len(donates) > len(outputs) or len(set(donates)) != len(donates) or not set(donates) <= set(names["array"]):
        raise ValueError(
            f"{name} donates {tuple(donates)}: expected different array parameters, at most one for each of its "
            f"{len(outputs)} outputs; its arrays are {tuple(names['array'])}"
        )
    program, outputs = _without_unused(tracer.program, outputs)
    return Expression(
        name=name,
        program=program,
        outputs=outputs,
        arrays=tuple(names["array"]),
        scalars=tuple(names["scalar"]),
        donated=tuple(donates),
        returns_tuple=isinstance(returned, tuple),
    )


def _output_positions(name: str, returned: Any) -> tuple[int, ...]:
    symbols = returned if isinstance(returned, tuple) and returned else (returned,)
    for symbol in symbols:
        if not isinstance(symbol, Symbol):
            raise NotElementwise(
                f"{name} returns {returned!r}: expected an array computed from its arguments, or a tuple of such"
            )
        if symbol.weak:
            raise NotElementwise(f"{name} returns a value that depends on no array: compute it before the call")
    return tuple(symbol.index for symbol in symbols)


def _without_unused(
    program: Sequence[Instruction], outputs: tuple[int, ...]
) -> tuple[tuple[Instruction, ...], tuple[int, ...]]:
    used = set(outputs)
    for index in reversed(range(len(program))):
        if index in used:
            used.update(program[index].operands)
    place = {old: new for new, old in enumerate(sorted(used))}
    kept = (program[old]._replace(operands=tuple(place[a] for a in program[old].operands)) for old in place)
    return tuple(kept), tuple(place[output] for output in outputs)
