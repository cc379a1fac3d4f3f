"""Einstein's sums."""

from __future__ import annotations

import collections
import functools
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.operands import keep_dtype
from kusari.autograd.shaping import broadcast_to, reshape
from kusari.autograd.variable import VariableLike
from kusari.dtypes import is_floating
from kusari.errors import InvalidType
from kusari.functions.math.elementwise import masked
from kusari.functions.math.matmul import same_dtype
from kusari.kernels import einsum as kernels
from kusari.types import Shape

ELLIPSIS = "…"


class EinSum(FunctionNode):
    """y[output] = Σ Π xs[labels]; each gradient is such a sum of gy and the other xs."""

    def __init__(self, labels: tuple[str, ...], output: str) -> None:
        self.labels = labels
        self.output = output

    def check_type_forward(self, in_types: Any) -> None:
        lengths: dict[str, int] = {}
        for place, info in enumerate(in_types):
            if not is_floating(info.dtype):
                raise InvalidType(f"in_types[{place}].dtype is floating", f"{info.dtype}")
            for label, length in zip(self.labels[place], info.shape, strict=True):
                if lengths.setdefault(label, length) != length:
                    raise InvalidType(f"one length for all axes of a label: {lengths[label]}", f"{length}")

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        self.retain_inputs(tuple(range(len(inputs))))
        path = contraction_path(self.labels, self.output, tuple([x.shape for x in inputs]))
        return (keep_dtype(self, kernels.einsum(self.backend, inputs, self.labels, self.output, path), inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        xs = self.get_retained_inputs()
        made = []
        for index in indexes:
            own = self.labels[index]
            others = [place for place in range(len(xs)) if place != index]
            labels = (self.output, *(self.labels[place] for place in others))
            present = "".join(label for label in dict.fromkeys(own) if any(label in other for other in labels))
            (g,) = EinSum(labels, present).apply((grad_outputs[0], *(xs[place] for place in others)))
            made.append(_spread(g, present, own, xs[index].shape))
        return tuple(made)


def _spread(g: Variable, present: str, own: str, shape: Shape) -> Variable:
    """Return g over all axes of an operand: repeated where a label is absent, on the diagonal where one is repeated.

    The labels present are in the operand's order.
    """
    first = {label: own.index(label) for label in own}
    g = reshape(g, tuple(n if first[own[a]] == a and own[a] in present else 1 for a, n in enumerate(shape)))
    g = broadcast_to(g, shape)
    for axis, label in enumerate(own):
        if first[label] != axis:
            g = masked(g, _equal_places(g, first[label], axis))
    return g


def _equal_places(g: Variable, first: int, second: int) -> Any:
    """Return where the places along two axes are the same, in g's shape."""
    xp, places = g.xp, []
    for axis in (first, second):
        along = xp.arange(g.shape[axis], device=g.array.device)
        places.append(xp.reshape(along, tuple(-1 if one == axis else 1 for one in range(g.ndim))))
    return xp.broadcast_to(places[0] == places[1], g.shape)


@functools.lru_cache(1024)
def contraction_path(labels: tuple[str, ...], output: str, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Return which operands to combine next, by opt_einsum where it is installed; else from left to right."""
    count = len(labels)
    if count <= 2:
        return (tuple(range(count)),)
    try:
        import opt_einsum
    except ImportError:
        return ((0, 1), *((0, left) for left in range(count - 2, 0, -1)))
    path, _ = opt_einsum.contract_path(f"{','.join(labels)}->{output}", *shapes, shapes=True)
    return tuple(tuple(places) for places in path)


def einsum(*operands: Any) -> Variable:
    """Sum products of elements whose indices agree, in Einstein's notation.

    ``einsum("ij,jk->ik", a, b)`` is Σⱼ a[i, j] b[j, k]. Without ``->`` the output has the labels that occur once, in
    alphabetical order; an ellipsis stands for the axes that are not named, the same in all operands.

    Args:
        operands: The subscripts, then the arrays; or each array followed by a list of integers or Ellipsis, and maybe
            the output's list at the end. Arrays are floating; of several dtypes the widest is the result's. From three
            arrays on, the package opt_einsum chooses the order where it is installed; else it is from left to right.

    Raises:
        ValueError: Subscripts that do not fit the arrays or each other.
        InvalidType: Not floating, or axes of one label that differ in length.

    >>> a, b = np.asarray([[1.0, 2.0]]), np.asarray([[3.0], [4.0]])
    >>> einsum("ij,jk->ik", a, b).array, einsum(a, [0, 1], b, [1, 2]).array
    (array([[11.]]), array([[11.]]))
    """
    if not operands:
        raise ValueError("einsum(): expected subscripts and arrays")
    given, output, arrays = _read_text(operands) if isinstance(operands[0], str) else _read_lists(operands)
    if len(given) != len(arrays):
        raise ValueError(f"einsum(): {len(given)} subscripts for {len(arrays)} arrays")
    xs = same_dtype(*arrays)
    labels, hidden = _without_ellipsis(given, [x.ndim for x in xs])
    return EinSum(labels, _output_labels(output, given, labels, hidden)).apply(xs)[0]


def _read_text(operands: Sequence[Any]) -> tuple[list[str], str | None, Sequence[VariableLike]]:
    """Return the subscripts of the arrays, of the output, and the arrays, of ``einsum("ij,jk->ik", a, b)``."""
    text = operands[0].replace(" ", "")
    left, arrow, right = text.replace("...", ELLIPSIS).partition("->")
    for label in left.replace(",", "") + right:
        if not (label.isalpha() or label == ELLIPSIS):
            raise ValueError(f"einsum({operands[0]!r}): {label!r} is no label; expected letters, ',', '->' and '...'")
    return left.split(","), right if arrow else None, operands[1:]


def _read_lists(operands: Sequence[Any]) -> tuple[list[str], str | None, Sequence[VariableLike]]:
    """Return the same of ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""

    def text(numbers: Sequence[int | EllipsisType]) -> str:
        for number in numbers:
            if number is not Ellipsis and not (isinstance(number, int) and 0 <= number < 52):
                raise ValueError(f"einsum(): {number!r} in a list of subscripts; expected Ellipsis, or 0 to 51")
        return "".join(ELLIPSIS if n is Ellipsis else chr(ord("A") + n + (6 if n > 25 else 0)) for n in numbers)

    output = text(operands[-1]) if len(operands) % 2 else None
    pairs = operands[: len(operands) // 2 * 2]
    return [text(numbers) for numbers in pairs[1::2]], output, pairs[::2]


def _without_ellipsis(given: list[str], ranks: list[int]) -> tuple[tuple[str, ...], str]:
    """Return the labels of every axis, and those that an ellipsis stands for."""
    used, labels, rooms = {*"".join(given)}, [], set()
    pool = [chr(code) for code in range(ord("α"), ord("ω") + 1) if chr(code) not in used]
    for text, rank in zip(given, ranks, strict=True):
        room = rank - len(text.replace(ELLIPSIS, ""))
        count = text.count(ELLIPSIS)
        if count > 1 or room < 0 or (room > 0 and not count) or room > len(pool):
            shown = text.replace(ELLIPSIS, "...")
            raise ValueError(f"einsum(): subscripts {shown!r} for an array of {rank} axes")
        if count:
            rooms.add(room)
        labels.append(text.replace(ELLIPSIS, "".join(pool[:room])))
    if len(rooms) > 1:
        raise InvalidType("einsum: an ellipsis for as many axes in every array", f"{sorted(rooms)}")
    return tuple(labels), "".join(pool[: max(rooms, default=0)])


def _output_labels(output: str | None, given: list[str], labels: tuple[str, ...], hidden: str) -> str:
    """Return the labels of the result's axes."""
    if output is None:
        counts = collections.Counter("".join(given).replace(ELLIPSIS, ""))
        return hidden + "".join(sorted(label for label, count in counts.items() if count == 1))
    if hidden and ELLIPSIS not in output:
        raise ValueError(f"einsum(): the output {output!r} lacks the ellipsis that the arrays have")
    found = output.replace(ELLIPSIS, hidden)
    for label in found:
        if found.count(label) > 1:
            raise ValueError(f"einsum(): the output {output!r} has {label!r} more than once")
        if not any(label in own for own in labels):
            raise ValueError(f"einsum(): the output's {label!r} is in no array's subscripts")
    return found
