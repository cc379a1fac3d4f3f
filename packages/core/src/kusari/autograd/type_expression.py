"""Values that remember how they were written: what type checks build their messages of."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from kusari.errors import InvalidType

OPPOSITES: Final = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}

# How tightly each operator binds, as in Python: what is written in an operand of a tighter one is put in parentheses.
_COMPARISON, _OR, _AND, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(8)


class Expression:
    """A value that remembers how it was written; arithmetic and comparisons of it are Expressions too.

    >>> n = Variable(5, "n")
    >>> str((n + 1) * 2 == 12), eval((n + 1) * 2 == 12)
    ('(n + 1) * 2 == 12', True)
    """

    def __init__(self, value: Any, text: str, binding: int = _ATOM, sides: tuple[Any, str, Any] | None = None) -> None:
        self.value = value
        self.text = text
        self.binding = binding
        self.sides = sides
        """Of a comparison: left value, sign, right value."""

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
            raise InvalidType(self.text, f"{left} {OPPOSITES.get(sign, sign)} {right}")

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{self.text}: {self.value!r}>"

    def __getattr__(self, name: str) -> Expression:
        if name.startswith("__"):  # copy and pickle look for these before there is a value
            raise AttributeError(name)
        return Expression(getattr(self.value, name), f"{_within(self, _ATOM)}.{name}")

    def __getitem__(self, key: Any) -> Expression:
        index = slice(*map(value_of, (key.start, key.stop, key.step))) if isinstance(key, slice) else value_of(key)
        with explained_index(f"len({self})", self.value, index):
            return Expression(self.value[index], f"{_within(self, _ATOM)}[{_subscript(key)}]")

    def __call__(self, *args: Any) -> Expression:
        return Expression(self.value(*map(value_of, args)), f"{self.text}({', '.join(map(str, args))})")

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

    def __neg__(self) -> Expression:
        return Expression(-self.value, f"-{_within(self, _UNARY)}", _UNARY)

    def __invert__(self) -> Expression:
        """Return not x, of a condition."""
        return Expression(not self.value, f"~{_within(self, _UNARY)}", _UNARY)

    if TYPE_CHECKING:

        def __add__(self, other: Any) -> Expression: ...
        def __radd__(self, other: Any) -> Expression: ...
        def __sub__(self, other: Any) -> Expression: ...
        def __rsub__(self, other: Any) -> Expression: ...
        def __mul__(self, other: Any) -> Expression: ...
        def __rmul__(self, other: Any) -> Expression: ...
        def __truediv__(self, other: Any) -> Expression: ...
        def __floordiv__(self, other: Any) -> Expression: ...
        def __mod__(self, other: Any) -> Expression: ...
        def __pow__(self, other: Any) -> Expression: ...
        def __and__(self, other: Any) -> Expression: ...
        def __or__(self, other: Any) -> Expression: ...


class Variable(Expression):
    """A named value.

    Args:
        value: Anything.
        name: What messages call it.
    """

    def __init__(self, value: Any, name: str) -> None:
        super().__init__(value, name)


@contextlib.contextmanager
def explained_index(length: str, items: Any, index: Any) -> Iterator[None]:
    """Turn an IndexError into the expectation that it stands for.

    Args:
        length: What messages call the number of items.
        items: What is indexed in the block.
        index: By what.

    Raises:
        InvalidType: Naming the length that would have been enough.
    """
    try:
        yield
    except IndexError:
        needed = index + 1 if index >= 0 else -index
        raise InvalidType(f"{length} >= {needed}", f"{len(items)} < {needed}") from None


def value_of(item: Any) -> Any:
    """Return an Expression's value, and anything else as it is."""
    return item.value if isinstance(item, Expression) else item


def eval(exp: Any) -> Any:
    """Return an Expression's value, and anything else as it is."""
    return value_of(exp)


def make_variable(value: Any, name: str) -> Expression:
    """Return a value under a name, for messages; an Expression stays as it is."""
    return value if isinstance(value, Expression) else Variable(value, name)


def prod(xs: Any) -> Any:
    """Return the product of numbers; of Expressions, or of one over a tuple, an Expression.

    >>> str(prod(Variable((2, 3), "x.shape")) == 7)
    'prod(x.shape) == 7'
    """
    numbers = [value_of(x) for x in value_of(xs)]
    if isinstance(xs, Expression):
        return Expression(math.prod(numbers), f"prod({xs})")
    if any(isinstance(x, Expression) for x in xs):
        return Expression(math.prod(numbers), f"prod([{', '.join(map(str, xs))}])")
    return math.prod(numbers)


def same_types(*arrays: Any) -> bool:
    """Tell whether all arguments are arrays of one library.

    >>> same_types(np.ones(2), np.ones(3)), same_types(np.ones(2), 1)
    (True, False)
    """
    return len({type(array) for array in arrays}) <= 1


def _within(item: Any, binding: int) -> str:
    """Return an operand's text, in parentheses where its own operator binds less."""
    return f"({item})" if isinstance(item, Expression) and item.binding < binding else str(item)


def _subscript(key: Any) -> str:
    if not isinstance(key, slice):
        return str(key)
    ends = ["" if end is None else str(end) for end in (key.start, key.stop)]
    return ":".join([*ends, *([] if key.step is None else [str(key.step)])])


def _define(name: str, sign: str, binding: int, function: Callable[[Any, Any], Any]) -> None:
    def make(left: Any, right: Any) -> Expression:
        # Operators of one strength group to the left: a - (b - c) needs its parentheses, but a ** b the left one's.
        text = f"{_within(left, binding + (sign == '**'))} {sign} {_within(right, binding + (sign != '**'))}"
        a, b = value_of(left), value_of(right)
        return Expression(function(a, b), text, binding, (a, sign, b) if binding == _COMPARISON else None)

    setattr(Expression, f"__{name}__", make)
    if binding != _COMPARISON:
        setattr(Expression, f"__r{name}__", lambda self, other: make(other, self))


for _binding, _operators in {
    _COMPARISON: {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="},
    _OR: {"or_": "|"},
    _AND: {"and_": "&"},
    _SUM: {"add": "+", "sub": "-"},
    _PRODUCT: {"mul": "*", "truediv": "/", "floordiv": "//", "mod": "%"},
    _POWER: {"pow": "**"},
}.items():
    for _name, _sign in _operators.items():
        _define(_name.rstrip("_"), _sign, _binding, getattr(operator, _name))
