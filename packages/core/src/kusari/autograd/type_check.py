"""Type checks of function arguments: plain comparisons while they pass, an explanation when they fail.

`FunctionNode.check_type_forward` gets a `TypeInfoTuple`. It is run with plain values first; only when an
`expect` fails is it run again, with values that remember how they were written, to build the message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kusari.autograd.type_expression import Expression as Expression
from kusari.autograd.type_expression import Variable as Variable
from kusari.autograd.type_expression import explained_index, value_of
from kusari.backend import backend_of_array
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


class _Failed(AssertionError):
    """An expectation that did not hold, with the values that say why."""


def type_infos(backend: Backend, arrays: tuple[Array, ...]) -> TypeInfoTuple:
    """Return what a type check sees of ``arrays``."""
    return TypeInfoTuple([TypeInfo(a.shape, backend.host_dtype(a.dtype)) for a in arrays])


def run(check: Callable[[Any], None], infos: TypeInfoTuple, what: str) -> None:
    """Run a type check.

    Raises:
        InvalidType: An expectation failed, or the check looked for an argument or an axis that is not there; the text
            names ``what``, what it expects and what it was given.
    """
    try:
        check(infos)
        return
    except InvalidType as error:
        raise InvalidType(
            error.expect, error.actual, f"\nInvalid operation is performed in: {what}\n\n{error}"
        ) from None
    except (_Failed, IndexError):
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


class _Explaining(tuple[Any, ...]):  # noqa: SLOT001  # a tuple cannot have slots
    """The arguments, as values that remember how they were written."""

    name: str

    def __new__(cls, infos: Iterable[TypeInfo], name: str = "in_types") -> _Explaining:
        self = super().__new__(cls, [Variable(info, f"{name}[{i}]") for i, info in enumerate(infos)])
        self.name = name
        return self

    def __getitem__(self, key: Any) -> Any:
        with explained_index(f"{self.name}.size", self, key):
            return super().__getitem__(key)

    def size(self) -> Expression:
        """Return the number of arguments."""
        return Variable(len(self), f"{self.name}.size")


def get_types(data: Iterable[Any], name: str = "in_types", accept_none: bool = False) -> Any:
    """Return what a type check sees of arrays, to state expectations outside a function.

    Args:
        data: Arrays.
        name: What messages call them.
        accept_none: Let None stand for an array that is not there: it gets a shape and dtype of None.

    Raises:
        ValueError: None, where it is not accepted.

    >>> expect(get_types([np.ones(3)], "x")[0].ndim == 2)
    Traceback (most recent call last):
        ...
    kusari.errors.InvalidType: Expect: x[0].ndim == 2
    Actual: 1 != 2
    """
    arrays = list(data)
    if not accept_none and any(array is None for array in arrays):
        raise ValueError(f"get_types({name}): expected arrays, got None; accept_none=True lets it pass")
    return _Explaining([_info_of(array) for array in arrays], name)


def get_light_types(data: Iterable[Any]) -> TypeInfoTuple:
    """Return shapes and dtypes of arrays as plain values: what a function's check is run with first."""
    return TypeInfoTuple([_info_of(array) for array in data])


def _info_of(array: Any) -> Any:
    if array is None:
        return _NoArray()
    bare = getattr(array, "array", array)
    return TypeInfo(bare.shape, backend_of_array(bare).host_dtype(bare.dtype))


class _NoArray:
    """What stands for an argument that is not there."""

    shape = dtype = ndim = size = None


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
        if not is_floating(value_of(info).dtype):
            raise InvalidType(f"{name}.dtype is floating", f"{value_of(info).dtype}")
