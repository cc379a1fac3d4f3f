"""Zoneout."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.configuration import config
from kusari.functions.arguments import refuse_keywords
from kusari.functions.math.elementwise import masked
from kusari.functions.noise.drawing import draw_uniform
from kusari.kernels import noise as kernels


class Zoneout(FunctionNode):
    """y = h at random places, x at the others."""

    def __init__(self, zoneout_ratio: float) -> None:
        if not 0 <= zoneout_ratio <= 1:
            raise ValueError(f"zoneout(ratio={zoneout_ratio}): the ratio must be in the range [0, 1]")
        self.zoneout_ratio = zoneout_ratio

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("h", "x"))
        h, x = in_types
        expect(h.shape == x.shape, h.dtype == x.dtype)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        h, x = inputs
        drawn = draw_uniform(self, x.shape)
        if self.recording:
            self.kept = drawn < self.zoneout_ratio
        return (kernels.zoneout(self.backend, h, x, drawn, self.zoneout_ratio),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        return tuple([masked(grad_outputs[0], ~self.kept if index else self.kept) for index in indexes])


def zoneout(h: VariableLike, x: VariableLike, ratio: float = 0.5, **keywords: Any) -> Variable:
    """Keep random hidden units as they were, in training.

    y = h with probability ``ratio``, else x, elementwise. Where ``config.train`` is off, y is x.

    Args:
        h: The previous hidden units; any shape, floating.
        x: The new ones; same shape and dtype.
        ratio: How many to keep, from 0 to 1.
        **keywords: None; the old ``train`` is refused with advice.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        InvalidType: Two shapes or dtypes, or something that is not floating.
        ValueError: ``ratio`` out of range (in training), or the old keyword ``train``.

    Source: Krueger et al., 2017, arXiv:1606.01305.

    >>> y = zoneout(np.zeros(1000), np.ones(1000), 0.2)
    >>> bool(0.7 < y.array.mean() < 0.9)
    True
    """
    refuse_keywords("zoneout", keywords, {"train": "use using_config('train', ...)"})
    if not config.train:
        return as_variable(x)
    return Zoneout(ratio).apply((h, x))[0]
