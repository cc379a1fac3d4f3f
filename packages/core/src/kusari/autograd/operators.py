"""Variable's operators and methods over function nodes, installed on the class here: the nodes need the class first."""

from __future__ import annotations

from typing import Any

from kusari.autograd import arithmetic, average, indexing, powers, shaping
from kusari.autograd.variable import Variable


def _shape_of(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``f(2, 3)``'s and ``f((2, 3))``'s argument alike."""
    if len(arguments) == 1 and (arguments[0] is None or isinstance(arguments[0], tuple | list)):
        return tuple(arguments[0] or ())
    return arguments


def _iterate(x: Variable) -> Any:
    """Return an iterator over the first axis."""
    if x.ndim == 0:
        raise TypeError("iteration over a 0-d Variable")
    return (x[index] for index in range(x.shape[0]))


_METHODS: dict[str, Any] = {
    "__add__": arithmetic.add,
    "__radd__": arithmetic.add,
    "__sub__": arithmetic.subtract,
    "__rsub__": arithmetic.subtract_from,
    "__mul__": arithmetic.multiply,
    "__rmul__": arithmetic.multiply,
    "__truediv__": arithmetic.divide,
    "__rtruediv__": arithmetic.divide_from,
    "__floordiv__": arithmetic.floor_divide,
    "__rfloordiv__": arithmetic.floor_divide_from,
    "__pow__": powers.power,
    "__rpow__": powers.power_from,
    "__matmul__": arithmetic.matmul,
    "__rmatmul__": arithmetic.matmul_from,
    "__neg__": arithmetic.negative,
    "__abs__": arithmetic.absolute,
    "__getitem__": indexing.get_item,
    "__iter__": _iterate,
    "reshape": lambda self, *shape: shaping.reshape(self, _shape_of(shape)),
    "transpose": lambda self, *axes: shaping.transpose(self, _shape_of(axes)),
    "sum": shaping.sum,
    "mean": average.mean,
    "T": property(lambda self: shaping.transpose(self), doc="The axes in reverse order."),  # noqa: PLW0108 - its own doc
}
for _name, _method in _METHODS.items():
    setattr(Variable, _name, _method)
