"""Reading and checking arguments that many functions share."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kusari import dtypes
from kusari.autograd import Variable, as_variable
from kusari.autograd.shaping import cast
from kusari.autograd.variable import VariableLike
from kusari.types import Shape


def per_axis(name: str, value: int | Sequence[int], count: int, at_least: int) -> Shape:
    """Return ``count`` numbers: one repeated, or the given ones.

    Raises:
        ValueError: Another count, or a number below ``at_least``; the text names the argument.
        TypeError: Not integers.

    >>> per_axis("stride", 2, 3, at_least=1)
    (2, 2, 2)
    """
    if isinstance(value, Sequence):
        numbers = tuple(operator.index(number) for number in value)
    else:
        numbers = (operator.index(value),) * count
    if len(numbers) != count:
        raise ValueError(f"{name}={value!r}: expected one number, or {count}, one per spatial axis")
    if any(number < at_least for number in numbers):
        raise ValueError(f"{name}={value!r}: expected numbers of at least {at_least}")
    return numbers


def require_spatial_axes(function: str, x: Variable, count: int) -> None:
    """Raise unless images have ``count`` spatial axes.

    Raises:
        ValueError: They have another number.
    """
    if x.ndim != count + 2:
        raise ValueError(f"{function}(): x of shape {x.shape}; expected {count + 2} axes, {count} of them spatial")


def like(x: Variable, parameter: VariableLike) -> Variable:
    """Return a parameter in ``x``'s dtype: float32 parameters serve 16-bit inputs, and their gradients come back."""
    parameter, dtype = as_variable(parameter), x.dtype
    return parameter if not dtypes.is_floating(dtype) or parameter.dtype == dtype else cast(parameter, dtype)


OLD_LIBRARIES: Final = {"use_cudnn": "which kernels run is the backend's choice: use_backend(...)"}
"""The keyword that named a library in old programs, for `refuse_keywords`."""


def refuse_keywords(function: str, keywords: Mapping[str, Any], gone: Mapping[str, str]) -> None:
    """Raise on keywords that a function does not take: with advice for those that old programs pass.

    Args:
        function: Its name, for the message.
        keywords: What was passed beyond the signature.
        gone: Keyword of old -> what to do instead.

    Raises:
        ValueError: A keyword that is gone.
        TypeError: One that never was.

    >>> refuse_keywords("dropout", {"train": False}, {"train": "use using_config('train', False)"})
    Traceback (most recent call last):
        ...
    ValueError: dropout(train=False): this argument is gone; use using_config('train', False)
    """
    for name, value in keywords.items():
        if name in gone:
            raise ValueError(f"{function}({name}={value!r}): this argument is gone; {gone[name]}")
    if keywords:
        raise TypeError(f"{function}() got unexpected keyword argument(s) {', '.join(map(repr, keywords))}")
