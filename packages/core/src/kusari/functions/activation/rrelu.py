"""Randomized leaky rectified linear unit."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, as_array, constant
from kusari.backend import random_source
from kusari.configuration import config
from kusari.functions.activation.leaky_relu import leaky_relu
from kusari.functions.arguments import refuse_keywords
from kusari.kernels import activation as kernels


class RReLU(FunctionNode):
    """y = x where x ≥ 0, else r x, with an r of its own, from [l, u), for each element."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, r: Any = None) -> None:
        if not lower < upper:
            raise ValueError(f"rrelu(l={lower}, u={upper}): expected l below u")
        self.lower = lower
        self.upper = upper
        self.r = r

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        if self.r is not None:
            expect(in_types[0].shape == self.r.shape, in_types[0].dtype == self.backend.host_dtype(self.r.dtype))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        if self.r is None:
            source = random_source(self.backend)
            self.r = source.uniform(
                x.shape, self.backend.host_dtype(x.dtype), self.lower, self.upper, self.device.index
            )
        y, slope = kernels.rrelu(self.backend, x, self.r)
        if self.recording:
            self.slope = slope
        return (y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (grad_outputs[0] * constant(self.slope, self.device),)


def rrelu(
    x: VariableLike,
    l: float = 1.0 / 8,  # noqa: E741 - the documented name
    u: float = 1.0 / 3,
    *,
    r: VariableLike = None,
    return_r: bool = False,
    **keywords: Any,
) -> Any:
    """Scale negative values by random slopes in training, and by their mean in testing.

    y = x where x ≥ 0, else r x; r is drawn evenly from [l, u) for each element where ``config.train`` is on, and is
    (l + u) / 2 where it is off.

    Args:
        x: Any shape, floating.
        l: The lower bound of r.
        u: The upper bound of r.
        r: The slopes to use in training instead of drawn ones; ``x``'s shape and dtype.
        return_r: Also return the slopes, as an array.
        **keywords: None; the old ``train`` is refused with advice.

    Returns:
        Same shape and dtype as ``x``; or that and r.

    Raises:
        InvalidType: ``x`` is not floating, or ``r`` does not fit.
        ValueError: ``l`` is not below ``u``, or the old keyword ``train``.

    Source: Xu, Wang, Chen, Li, 2015, arXiv:1505.00853.

    >>> rrelu(np.asarray([-4.0, 2.0]), r=np.asarray([0.25, 0.125])).array
    array([-1.,  2.])
    """
    refuse_keywords("rrelu", keywords, {"train": "use using_config('train', ...)"})
    if config.train:
        node = RReLU(l, u, as_array(r))
        (y,) = node.apply((x,))
        return (y, node.r) if return_r else y
    x, slope = as_variable(x), (l + u) / 2
    y = leaky_relu(x, slope)
    return (y, x.xp.full_like(x.array, slope)) if return_r else y
