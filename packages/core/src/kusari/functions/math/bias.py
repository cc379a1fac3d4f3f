"""Adding what is shared along axes."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.operands import operand
from kusari.autograd.shaping import broadcast_to, reshape
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType


def stretch(function: str, x: Variable, y: VariableLike, axis: int) -> Variable:
    """Return ``y`` in x's shape: its axes are those of ``x`` from ``axis`` on, and along the others it is repeated.

    Raises:
        InvalidType: It does not fit there.

    >>> stretch("bias", Variable(np.zeros((1, 2, 2))), np.asarray([1.0, 2.0]), 1).array
    array([[[1., 1.],
            [2., 2.]]])
    """
    y = operand(x, y)
    first = axis + x.ndim if axis < 0 else axis
    target = x.shape[first : first + y.ndim]
    if first < 0 or len(target) != y.ndim or any(n not in (1, m) for n, m in zip(y.shape, target, strict=True)):
        raise InvalidType(
            f"{function}(axis={axis}): y with axes like those of x {x.shape}, from axis {axis} on", f"{y.shape}"
        )
    behind = (1,) * (x.ndim - first - y.ndim)
    return broadcast_to(reshape(y, ((1,) * first + y.shape + behind)), x.shape)


def bias(x: VariableLike, y: VariableLike, axis: int = 1) -> Variable:
    """Add ``y`` to ``x``, repeated along the axes that it lacks.

    z[n, c, …] = x[n, c, …] + y[c] for ``axis=1`` and a vector ``y``.

    Args:
        x: Any shape.
        y: The shape of some axes of ``x`` that follow each other.
        axis: The first of these.

    Raises:
        InvalidType: ``y`` does not fit there, or the dtypes differ.

    >>> bias(np.zeros((1, 2, 2)), np.asarray([1.0, 2.0])).array
    array([[[1., 1.],
            [2., 2.]]])
    """
    x = as_variable(x)
    return x + stretch("bias", x, y, axis)
