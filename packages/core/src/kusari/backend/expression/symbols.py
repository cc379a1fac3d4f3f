"""Symbols: what stands for arrays, scalars, array module and backend while a kernel is traced."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from kusari.backend.expression.operations import CREATION, DTYPES, OPERATIONS, REDUCTIONS, SHAPES
from kusari.backend.expression.program import Instruction, NotElementwise


class Tracer:
    """Collects instructions; equal ones are the same one."""

    def __init__(self) -> None:
        self.program: list[Instruction] = []
        self._seen: dict[Instruction, Symbol] = {}

    def emit(self, instruction: Instruction, weak: bool) -> Symbol:
        symbol = self._seen.get(instruction)
        if symbol is None:
            symbol = self._seen[instruction] = Symbol(self, len(self.program), weak)
            self.program.append(instruction)
        return symbol

    def apply(self, op: str, *operands: Any) -> Symbol:
        """An operator or function of symbols and Python scalars."""
        if op == "pow" and type(operands[1]) is int and operands[1] == 2 and not operands[0].weak:
            op, operands = "square", operands[:1]
        symbols = [self.symbol(operand) for operand in operands]
        return self.emit(Instruction(op, tuple(s.index for s in symbols)), weak=all(s.weak for s in symbols))

    def symbol(self, operand: Any) -> Symbol:
        """An operand as a symbol: itself, or a constant."""
        if isinstance(operand, Symbol):
            return operand
        if type(operand) not in (bool, int, float):  # exactly: np.float64 is a subclass of float
            raise NotElementwise(
                f"{type(operand).__module__}.{type(operand).__qualname__} {operand!r} as an operand: only Python "
                "scalars are weak, others would promote the result; write float(...) or int(...)"
            )
        if type(operand) is float and math.isfinite(operand) and repr(operand) == f"{int(operand)}.0":
            raise NotElementwise(
                f"literal {operand}: write {int(operand)}, which has no dtype of its own "
                f"({operand} turns an integer array into float64)"
            )
        return self.emit(Instruction("constant", (), repr(operand)), weak=True)


def _operator(op: str, reflected: bool = False) -> Any:
    if reflected:
        return lambda self, other: self._tracer.apply(op, other, self)
    return lambda self, *other: self._tracer.apply(op, self, *other)


def _refusal(reason: str) -> Any:
    def refuse(self: object, *_: object, **__: object) -> NoReturn:
        raise NotElementwise(reason)

    return refuse


_BRANCH = _refusal(
    "a branch on a value (if, and, or, not, min, max, a chained comparison): use xp.where, xp.maximum, &, |, ~, "
    "or annotate the parameter as static (bool, int, str)"
)
_CONVERSION = _refusal(
    "a value turned into a Python number (float(), int(), math.*): use the function of that name of xp"
)
_INDEXING = _refusal(
    "an index, a loop or len() over a value: an elementwise kernel sees one element at a time; use xp.where"
)
_IN_PLACE = _refusal("an in-place operator: write y = y + x, which changes no argument")
_OPERATOR = _refusal("an operator other than + - * / ** & | ~ and comparisons: for x // y write xp.floor(x / y)")


class Symbol:
    """Stands for an argument or an intermediate value while a kernel is traced."""

    __slots__ = ("_tracer", "index", "weak")

    def __init__(self, tracer: Tracer, index: int, weak: bool) -> None:
        self._tracer = tracer
        self.index = index
        self.weak = weak  # computed from Python scalars alone: has no dtype, takes that of the array it meets

    @property
    def dtype(self) -> SymbolicDtype:
        if self.weak:
            raise NotElementwise(".dtype of a Python scalar: ask an array for its dtype")
        return SymbolicDtype(source=self)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Python and NumPy probe for protocols
            raise AttributeError(name)
        if name in ("shape", "ndim", "size"):
            raise NotElementwise(f".{name}: an elementwise kernel does not know shapes; pass the number as an argument")
        raise NotElementwise(f".{name} of a value: an elementwise kernel may ask for .dtype only; functions are in xp")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **_: Any) -> Symbol:
        for operand in inputs:
            self._tracer.symbol(operand)  # np.float64(2) * x arrives here: the scalar is what is wrong
        raise NotElementwise(f"np.{ufunc.__name__} in an elementwise kernel: use xp.{ufunc.__name__}")

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        raise NotElementwise(f"np.{function.__name__} in an elementwise kernel: use xp, if it has it")

    __array__ = _refusal("a value turned into a NumPy array: an elementwise kernel uses xp only")
    __hash__ = None  # type: ignore[assignment]

    __add__, __radd__ = _operator("add"), _operator("add", reflected=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", reflected=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", reflected=True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", reflected=True)
    __pow__, __rpow__ = _operator("pow"), _operator("pow", reflected=True)
    __and__, __rand__ = _operator("logical_and"), _operator("logical_and", reflected=True)
    __or__, __ror__ = _operator("logical_or"), _operator("logical_or", reflected=True)
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")
    __neg__, __abs__ = _operator("negative"), _operator("abs")

    def __pos__(self) -> Symbol:
        return self

    def __invert__(self) -> Symbol:
        if self.weak:
            raise NotElementwise("~ of a Python scalar: annotate the parameter as bool (static) and write not")
        return self._tracer.apply("logical_not", self)

    __bool__ = _BRANCH
    __float__ = __int__ = __index__ = __complex__ = __round__ = __floor__ = __ceil__ = __trunc__ = _CONVERSION
    __getitem__ = __setitem__ = __iter__ = __len__ = __contains__ = _INDEXING
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = __iand__ = __ior__ = _IN_PLACE
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = _OPERATOR
    __matmul__ = __rmatmul__ = __xor__ = __rxor__ = __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _OPERATOR


class SymbolicDtype:
    """``x.dtype`` or ``xp.float32``: something to hand to ``xp.astype``, which Python may not look into."""

    def __init__(self, name: str | None = None, source: Symbol | None = None) -> None:
        self.name = name
        self.source = source

    __eq__ = __ne__ = __bool__ = _refusal("a branch on a dtype: a trace serves all dtypes; pass a static parameter")
    __hash__ = None  # type: ignore[assignment]


class SymbolicNamespace:
    """The array module a kernel sees while it is traced."""

    pi, e, inf, nan = math.pi, math.e, math.inf, math.nan

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        if name in DTYPES:
            return SymbolicDtype(name)
        if name not in OPERATIONS:
            raise NotElementwise(f"xp.{name} {_why_not(name)}")

        def call(*operands: Any, **keywords: Any) -> Symbol:
            if keywords or len(operands) != OPERATIONS[name]:
                raise NotElementwise(f"xp.{name} takes {OPERATIONS[name]} positional operands in an elementwise kernel")
            self._check_arrays(name, operands)
            return self._tracer.apply(name, *operands)

        return call

    def astype(self, x: Symbol, dtype: Any, /, *, copy: bool = True, device: None = None) -> Symbol:
        self._check_arrays("astype", (x,))
        if not isinstance(dtype, SymbolicDtype):
            name = np.dtype(dtype).name if isinstance(dtype, (np.dtype, type)) else None
            if name not in DTYPES:
                raise NotElementwise(f"xp.astype to {dtype!r}: expected x.dtype, xp.float32 … or a real np.dtype")
            dtype = SymbolicDtype(name)
        operands = (x.index,) if dtype.source is None else (x.index, dtype.source.index)
        return self._tracer.emit(Instruction("astype", operands, dtype.name), weak=False)

    def clip(self, x: Any, /, min: Any = None, max: Any = None) -> Any:
        if min is not None:
            x = self.maximum(x, min)
        return x if max is None else self.minimum(x, max)

    def _check_arrays(self, name: str, operands: Sequence[Any]) -> None:
        arrays = [isinstance(operand, Symbol) and not operand.weak for operand in operands]
        if name == "where" and not arrays[0]:
            raise NotElementwise("xp.where on a condition that depends on no array: make it a static bool, and use if")
        if not any(arrays[1:] if name == "where" else arrays):
            raise NotElementwise(f"xp.{name} of Python scalars alone: compute it before the call (math.*)")


def _why_not(name: str) -> str:
    if name in REDUCTIONS:
        return "is a reduction, not elementwise: write a kernel without elementwise=True"
    if name in SHAPES:
        return "changes shapes, so it is not elementwise: do it outside of this kernel"
    if name in CREATION:
        return "makes an array: write the Python number itself, it broadcasts"
    return f"is not elementwise, or not known; there are: astype, clip, {', '.join(sorted(OPERATIONS))}"


class SymbolicBackend:
    """The backend a kernel sees while it is traced: an array module, and a table in which kernels are inlined."""

    def __init__(self, tracer: Tracer) -> None:
        self.xp = SymbolicNamespace(tracer)
        self.table = SymbolicTable()

    def __getattr__(self, name: str) -> NoReturn:
        raise NotElementwise(f"backend.{name}: an elementwise kernel may use backend.xp and elementwise kernels only")


class SymbolicTable:
    """Gives every elementwise kernel's definition, so that a kernel may call another one."""

    def __getitem__(self, kernel: Any) -> Callable[..., Any]:
        if not getattr(kernel, "elementwise", False):
            raise NotElementwise(f"a call of {kernel.__name__}, which is not an elementwise kernel")
        portable: Callable[..., Any] = kernel.portable
        return portable
