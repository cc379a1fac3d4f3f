"""What losses do with their values in the end: the argument ``reduce``."""

from __future__ import annotations

from kusari.autograd import Variable
from kusari.autograd.shaping import mean
from kusari.autograd.shaping import sum as sum_over


def check_reduce(function: str, reduce: str, allowed: tuple[str, ...]) -> None:
    """Raise unless ``reduce`` is one of the ways that a loss knows.

    Raises:
        ValueError: Naming the function and the ways.

    >>> check_reduce("hinge", "sum", ("mean", "no"))
    Traceback (most recent call last):
        ...
    ValueError: hinge(reduce='sum'): expected 'mean' or 'no'
    """
    if reduce not in allowed:
        raise ValueError(f"{function}(reduce={reduce!r}): expected {' or '.join(map(repr, allowed))}")


def reduced(loss: Variable, reduce: str) -> Variable:
    """Return the sum or the mean of a loss's values, or with ``no`` the values themselves."""
    if reduce == "no":
        return loss
    return mean(loss) if reduce == "mean" else sum_over(loss)
