"""Dropout."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike, as_array, constant
from kusari.configuration import config
from kusari.functions.arguments import refuse_keywords
from kusari.functions.noise.drawing import draw_uniform, given_noise
from kusari.kernels import noise as kernels


class Dropout(FunctionNode):
    """y = x · mask, with a mask of zeros and 1 / (1 − ratio)."""

    def __init__(self, dropout_ratio: float, mask: Any = None) -> None:
        if not 0 <= dropout_ratio < 1:
            raise ValueError(f"dropout(ratio={dropout_ratio}): the ratio must be in the range [0, 1)")
        self.dropout_ratio = dropout_ratio
        self.mask = mask

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,) = inputs
        if self.mask is None:
            y, self.mask = kernels.dropout(self.backend, x, draw_uniform(self, x.shape), self.dropout_ratio)
        else:
            self.mask = given_noise(self, self.mask, x, "mask")
            y = x * self.mask
        return (y,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (grad_outputs[0] * constant(self.mask, self.device),)


def dropout(
    x: VariableLike, ratio: float = 0.5, *, mask: VariableLike = None, return_mask: bool = False, **keywords: Any
) -> Any:
    """Set random elements to zero in training, and scale the others so that the mean stays.

    y = x · mask; a mask's elements are 0 with probability ``ratio``, else 1 / (1 − ratio). Where ``config.train`` is
    off, y is x.

    Args:
        x: Any shape, floating.
        ratio: How much to drop, from 0 to below 1.
        mask: What to multiply by in training instead of a drawn mask, scaled already: ``x``'s shape, or one that
            broadcasts to it.
        return_mask: Also return the mask, an array; None where ``config.train`` is off.
        **keywords: None; the old ``train`` is refused with advice.

    Returns:
        Same shape and dtype as ``x``; or that and the mask.

    Raises:
        InvalidType: ``x`` is not floating, or ``mask`` does not fit.
        ValueError: ``ratio`` out of range (in training), or the old keyword ``train``.

    Source: Hinton, Srivastava, Krizhevsky, Sutskever, Salakhutdinov, 2012, arXiv:1207.0580.

    >>> y, mask = dropout(np.ones(1000), 0.2, return_mask=True)
    >>> np.unique(mask), bool(np.all(y.array == mask))
    (array([0.  , 1.25]), True)
    >>> with kusari.using_config("train", False):
    ...     dropout(np.ones(2)).array
    array([1., 1.])
    """
    refuse_keywords("dropout", keywords, {"train": "use using_config('train', ...)"})
    if not config.train:
        x = as_variable(x)
        return (x, None) if return_mask else x
    node = Dropout(ratio, as_array(mask))
    (y,) = node.apply((x,))
    return (y, node.mask) if return_mask else y
