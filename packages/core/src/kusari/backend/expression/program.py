"""What a trace yields: an elementwise kernel as a straight-line program."""

from __future__ import annotations

from typing import NamedTuple


class NotElementwise(TypeError):
    """The kernel does something that one fused loop cannot: a branch on a value, a reduction, a shape, an index."""


class Instruction(NamedTuple):
    """One step of a program: ``op`` applied to the results of earlier steps.

    ``op`` is a name of the array API standard, or a leaf: ``"array"`` and ``"scalar"`` (``detail`` is the position
    among the expression's arrays or scalars) and ``"constant"`` (``detail`` is its ``repr``, so that ``1``, ``1.0``,
    ``True``, ``-0.0`` and NaN compare as what they are). ``"astype"`` carries a dtype's name, or, with ``detail``
    None, a second operand that lends its dtype and nothing else.
    """

    op: str
    operands: tuple[int, ...] = ()
    detail: int | str | None = None

    @property
    def value_operands(self) -> tuple[int, ...]:
        """The operands whose values are used, not only their dtype."""
        return self.operands[:1] if self.op == "astype" else self.operands

    @property
    def position(self) -> int:
        """Which array or scalar of the expression a leaf is."""
        assert isinstance(self.detail, int)
        return self.detail

    @property
    def constant(self) -> bool | int | float:
        """The Python scalar of a ``"constant"``."""
        text = str(self.detail)
        if text in ("True", "False"):
            return text == "True"
        return int(text) if text.lstrip("-").isdigit() else float(text)


class Expression(NamedTuple):
    """An elementwise kernel as data: hashable, comparable, free of dtypes, shapes and devices.

    Two kernels that compute the same are equal but for their names, so an expression (with dtypes) keys a cache of
    compiled loops. Scalars are run-time values and no part of it: a new learning rate compiles nothing.

    Attributes:
        name: Of the kernel.
        program: Instructions in order of execution; equal ones are shared, unused ones are left out.
        outputs: Positions in ``program`` of what the kernel returns.
        arrays: Names of the array parameters, in order of the signature.
        scalars: Names of the run-time scalar parameters, in order of the signature.
        donated: ``outputs[i]`` may take the memory of the array parameter ``donated[i]``.
        returns_tuple: The kernel returns a tuple, be it of one; otherwise ``outputs`` has one entry.
    """

    name: str
    program: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    donated: tuple[str, ...] = ()
    returns_tuple: bool = False
