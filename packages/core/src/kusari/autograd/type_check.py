"""Type checks of function arguments: plain comparisons while they pass, an explanation when they fail.

`FunctionNode.check_type_forward` gets a `TypeInfoTuple`. It is run with plain values first; only when an
`expect` fails is it run again, with values that remember how they were written, to build the message.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kusari.errors import InvalidType as InvalidType

if TYPE_CHECKING:
    from kusari.backend import Backend
    from kusari.types import Array


class TypeInfo:
    """The shape, rank and dtype of one argument."""

    __slots__ = ("dtype", "ndim", "shape")

    def __init__(self, shape: Any, dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self.ndim = len(shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size


class TypeInfoTuple(tuple[Any, ...]):
    """The arguments of a function, as a type check sees them."""

    __slots__ = ()

    def size(self) -> Any:
        """Return the number of arguments."""
        return len(self)


class _Failed(Exception):
    """An expectation that did not hold, with the values that say why."""


def type_infos(backend: Backend, arrays: tuple[Array, ...]) -> TypeInfoTuple:
    """Return what a type check sees of ``arrays``."""
    return TypeInfoTuple([TypeInfo(a.shape, backend.host_dtype(a.dtype)) for a in arrays])


def run(check: Callable[[Any], None], infos: TypeInfoTuple, what: str) -> None:
    """Run a type check.

    Raises:
        InvalidType: An expectation failed; the text names ``what``, what it expects and what it was given.
    """
    try:
        check(infos)
        return
    except InvalidType as error:
        raise InvalidType(
            error.expect, error.actual, f"\nInvalid operation is performed in: {what}\n\n{error}"
        ) from None
    except _Failed:
        pass
    try:
        check(_Explaining(infos))
    except InvalidType as error:
        raise InvalidType(
            error.expect, error.actual, f"\nInvalid operation is performed in: {what}\n\n{error}"
        ) from None
    raise InvalidType(
        "arguments that the check accepts", _describe(infos), f"{what}: {_describe(infos)} is not accepted"
    )


def _describe(infos: TypeInfoTuple) -> str:
    return ", ".join(f"{info.dtype}{list(info.shape)}" for info in infos)


def expect(*conditions: Any) -> None:
    """State what must hold, in `FunctionNode.check_type_forward`.

    >>> infos = TypeInfoTuple([TypeInfo((2, 3), np.dtype("f"))])
    >>> run(lambda types: expect(types[0].ndim == 3), infos, "Example (Forward)")
    Traceback (most recent call last):
        ...
    kusari.errors.InvalidType:
    Invalid operation is performed in: Example (Forward)
    <BLANKLINE>
    Expect: in_types[0].ndim == 3
    Actual: 2 != 3
    """
    for condition in conditions:
        if isinstance(condition, Expression):
            condition.require()
        elif not condition:
            raise _Failed


class Expression:
    """A value that remembers how it was written; arithmetic and comparisons of it are Expressions too."""

    def __init__(self, value: Any, text: str, sides: tuple[Any, str, Any] | None = None) -> None:
        self.value = value
        self.text = text
        self.sides = sides

    def eval(self) -> Any:
        """Return the value."""
        return self.value

    def require(self) -> None:
        """Raise unless the value is true.

        Raises:
            InvalidType: With the condition and the values of both its sides.
        """
        if not self.value:
            left, sign, right = self.sides or (self.value, "is", "false")
            opposite = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}.get(sign, sign)
            raise InvalidType(self.text, f"{left} {opposite} {right}")

    def __getattr__(self, name: str) -> Expression:
        return Expression(getattr(self.value, name), f"{self.text}.{name}")

    def __getitem__(self, key: Any) -> Expression:
        written = f"{key.start or ''}:{key.stop or ''}" if isinstance(key, slice) else _text(key)
        return Expression(self.value[_value(key)], f"{self.text}[{written}]")

    def __call__(self, *args: Any) -> Expression:
        return Expression(self.value(*map(_value, args)), f"{self.text}({', '.join(map(_text, args))})")

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Expression]:
        return (self[index] for index in range(len(self.value)))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __index__(self) -> int:
        return operator.index(self.value)

    def __hash__(self) -> int:
        return hash(self.value)

    if TYPE_CHECKING:

        def __add__(self, other: Any) -> Expression: ...
        def __sub__(self, other: Any) -> Expression: ...
        def __mul__(self, other: Any) -> Expression: ...
        def __floordiv__(self, other: Any) -> Expression: ...


def _value(item: Any) -> Any:
    return item.value if isinstance(item, Expression) else item


def _text(item: Any) -> str:
    return item.text if isinstance(item, Expression) else str(item)


def _define(name: str, sign: str, function: Callable[[Any, Any], Any]) -> None:
    def method(self: Expression, other: Any) -> Expression:
        left, right = self.value, _value(other)
        return Expression(function(left, right), f"{self.text} {sign} {_text(other)}", (left, sign, right))

    def reflected(self: Expression, other: Any) -> Expression:
        left, right = _value(other), self.value
        return Expression(function(left, right), f"{_text(other)} {sign} {self.text}", (left, sign, right))

    setattr(Expression, f"__{name}__", method)
    if sign in "+-*//%":
        setattr(Expression, f"__r{name}__", reflected)


for _name, _sign in {
    "add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%", "eq": "==", "ne": "!=", "lt": "<", "le": "<=",
    "gt": ">", "ge": ">=",
}.items():  # fmt: skip
    _define(_name, _sign, getattr(operator, _name))


class _Explaining(tuple[Any, ...]):
    """The arguments, as Expressions."""

    __slots__ = ()

    def __new__(cls, infos: TypeInfoTuple) -> _Explaining:
        return super().__new__(cls, [Expression(info, f"in_types[{i}]") for i, info in enumerate(infos)])

    def size(self) -> Expression:
        """Return the number of arguments."""
        return Expression(len(self), "in_types.size()")


def invalid(operation: str, expect: str, actual: str) -> InvalidType:
    """Return the error of an operation whose arguments do not fit, for checks outside `check_type_forward`.

    >>> print(invalid("Flip", "axis < 2", "axis = 2"))
    <BLANKLINE>
    Invalid operation is performed in: Flip (Forward)
    <BLANKLINE>
    Expect: axis < 2
    Actual: axis = 2
    """
    text = f"\nInvalid operation is performed in: {operation} (Forward)\n\nExpect: {expect}\nActual: {actual}"
    return InvalidType(expect, actual, text)


def expect_floating(in_types: Any, names: tuple[str, ...]) -> None:
    """State how many arguments there are, and that all are floating.

    Raises:
        InvalidType: Naming the argument.
    """
    from kusari.dtypes import is_floating

    if len(in_types) != len(names):
        raise InvalidType(f"{len(names)} argument(s): {', '.join(names)}", f"{len(in_types)}")
    for info, name in zip(in_types, names, strict=True):
        if not is_floating(_value(info).dtype):
            raise InvalidType(f"{name}.dtype is floating", f"{_value(info).dtype}")
