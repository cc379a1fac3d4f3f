"""Multiplying by what is shared along axes."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.functions.math.bias import stretch


def scale(x: VariableLike, y: VariableLike, axis: int = 1) -> Variable:
    """Multiply ``x`` by ``y``, repeated along the axes that it lacks.

    z[n, c, …] = x[n, c, …] y[c] for ``axis=1`` and a vector ``y``.

    Args:
        x: Any shape.
        y: The shape of some axes of ``x`` that follow each other.
        axis: The first of these.

    Raises:
        InvalidType: ``y`` does not fit there, or the dtypes differ.

    >>> scale(np.ones((1, 2, 2)), np.asarray([1.0, 2.0])).array
    array([[[1., 1.],
            [2., 2.]]])
    """
    x = as_variable(x)
    return x * stretch("scale", x, y, axis)
