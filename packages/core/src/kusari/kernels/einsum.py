"""Einstein's sums, made of transposes, matrix products and sums."""

from __future__ import annotations

import math

from kusari.backend import Backend, kernel
from kusari.kernels.reduction import total
from kusari.types import Array, Shape

Term = tuple[Array, str]
"""An array, and one label per axis."""


@kernel
def einsum(
    backend: Backend, operands: tuple[Array, ...], labels: tuple[str, ...], output: str, path: tuple[Shape, ...]
) -> Array:
    """y[output] = Σ Π operands[labels], over every label that the output lacks.

    Args:
        backend: The calling backend.
        operands: One or more.
        labels: One character per axis, for each operand; the output's occur among them, once each there.
        output: The labels of the result.
        path: Which operands to combine next, until one is left: numbers of the list of those not combined yet, to
            whose end each result goes.
    """
    terms = list(zip(operands, labels, strict=True))
    for places in path:
        chosen = [terms.pop(place) for place in sorted(places, reverse=True)]
        while len(chosen) > 1:
            wanted = {*output}.union(*(own for _, own in (*terms, *chosen[:-2])))
            chosen.append(_combine(backend, chosen.pop(), chosen.pop(), wanted))
        terms += chosen
    (term,) = terms
    x, own = _sum_out(backend, term, {*output})
    y = backend.xp.permute_dims(x, tuple(own.index(label) for label in output))
    return backend.xp.asarray(y, copy=True) if len(operands) == 1 else y  # one operand: y may be a view of it


def _sum_out(backend: Backend, term: Term, wanted: set[str]) -> Term:
    """Return the term with each label once, and without those that nobody wants."""
    x, own = term
    for label in sorted(set(own)):
        while own.count(label) > 1:
            x, own = _diagonal(backend, x, own, label)
    unwanted = tuple(axis for axis, label in enumerate(own) if label not in wanted)
    if not unwanted:
        return x, own
    return total(backend, x, unwanted), "".join(label for label in own if label in wanted)


def _diagonal(backend: Backend, x: Array, own: str, label: str) -> Term:
    """Return the elements where two axes of one label agree: each (n + 1)-th, with both axes as one."""
    xp = backend.xp
    first = own.index(label)
    second = own.index(label, first + 1)
    others = tuple(axis for axis in range(x.ndim) if axis not in (first, second))
    length = x.shape[first]
    x = xp.permute_dims(x, (*others, first, second))
    flat = xp.reshape(x, (*x.shape[:-2], length * length))
    return flat[..., :: length + 1], "".join(own[axis] for axis in others) + label


def _combine(backend: Backend, a: Term, b: Term, wanted: set[str]) -> Term:
    """Return the product of two terms, summed over what they share and nobody else wants."""
    xp = backend.xp
    x, a_own = _sum_out(backend, a, wanted | {*b[1]})
    y, b_own = _sum_out(backend, b, wanted | {*a_own})
    shared = [label for label in a_own if label in b_own]
    batch = [label for label in shared if label in wanted]
    summed = [label for label in shared if label not in wanted]
    a_free = [label for label in a_own if label not in shared]
    b_free = [label for label in b_own if label not in shared]
    size = dict(zip(a_own + b_own, x.shape + y.shape, strict=True))
    x = xp.permute_dims(x, tuple(a_own.index(label) for label in (*batch, *a_free, *summed)))
    y = xp.permute_dims(y, tuple(b_own.index(label) for label in (*batch, *summed, *b_free)))

    def count(labels: list[str]) -> int:
        return math.prod(size[label] for label in labels)

    x = xp.reshape(x, (count(batch), count(a_free), count(summed)))
    y = xp.reshape(y, (count(batch), count(summed), count(b_free)))
    # A matrix product over one number is a multiplication, which the library does at the speed of memory.
    product = xp.matmul(x, y) if summed else x * y
    result = [*batch, *a_free, *b_free]
    return xp.reshape(product, tuple(size[label] for label in result)), "".join(result)
