"""Cutting along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import as_variable
from kusari.autograd.axes import integer, normal_axis
from kusari.autograd.type_check import invalid
from kusari.autograd.variable import VariableLike
from kusari.functions.array.joining import SplitAxis as SplitAxis
from kusari.types import Shape


def split_axis(x: VariableLike, indices_or_sections: int | Sequence[int], axis: int, force_tuple: bool = True) -> Any:
    """Cut an array along an axis.

    Args:
        x: One axis or more.
        indices_or_sections: How many equal pieces; or a sequence (a list, a tuple, an array of the host) of the places
            to cut at, in rising order. Negative places count from the end.
        axis: Which.
        force_tuple: Return a tuple where there is only one piece, too.

    Returns:
        A tuple of Variables; with ``force_tuple=False``, a single piece as a Variable.

    Raises:
        InvalidType: No such axis, a length that the number of pieces does not divide, or a place behind the end.
        ValueError: Fewer than one piece, or places that fall.
        TypeError: Neither an integer nor a sequence of integers.

    >>> [piece.shape for piece in split_axis(np.zeros((2, 6)), [1, 4], axis=1)]
    [(2, 1), (2, 3), (2, 2)]
    """
    x = as_variable(x)
    axis = normal_axis("split_axis", axis, x.ndim)
    pieces = SplitAxis(_cuts(indices_or_sections, x.shape[axis]), axis).apply((x,))
    return pieces if force_tuple or len(pieces) > 1 else pieces[0]


def _cuts(wanted: Any, length: int) -> Shape:
    """Return the places to cut an axis of ``length`` at, counted from 0."""
    places = wanted.tolist() if hasattr(wanted, "tolist") else wanted
    if not isinstance(places, Sequence) or isinstance(places, str):
        sections = integer("split_axis(): indices_or_sections", places)
        if sections < 1:
            raise ValueError(f"split_axis(indices_or_sections={sections}): expected 1 or more pieces")
        if length % sections:
            raise invalid("SplitAxis", f"an axis that {sections} pieces divide", f"its length is {length}")
        step = length // sections
        return tuple(step * piece for piece in range(1, sections))
    cuts = [integer("split_axis(): indices_or_sections", place) for place in places]
    cuts = [max(place + length, 0) if place < 0 else place for place in cuts]
    if sorted(cuts) != cuts:
        raise ValueError(f"split_axis(indices_or_sections={wanted}): expected places in rising order")
    if cuts and cuts[-1] > length:
        raise invalid("SplitAxis", f"places up to the axis's length, {length}", f"{cuts[-1]}")
    return tuple(cuts)
