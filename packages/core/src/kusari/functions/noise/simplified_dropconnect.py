"""Dropconnect: a linear map with random weights left out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.shaping import transpose
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, as_array, constant
from kusari.errors import InvalidType
from kusari.functions.connection.linear import linear
from kusari.functions.noise.drawing import draw_uniform
from kusari.kernels import noise as kernels


class SimplifiedDropconnect(FunctionNode):
    """y = x (W ∘ mask)ᵀ + b, with one mask for all rows of x or one for each."""

    def __init__(self, ratio: float, mask: Any = None, use_batchwise_mask: bool = True) -> None:
        if not 0 <= ratio < 1:
            raise ValueError(f"simplified_dropconnect(ratio={ratio}): the ratio must be in the range [0, 1)")
        self.ratio = ratio
        self.mask = mask
        self.use_batchwise_mask = use_batchwise_mask

    def check_type_forward(self, in_types: Any) -> None:
        names = ("x", "W", "b")[: len(in_types)] if len(in_types) in (2, 3) else ("x", "W")
        expect_floating(in_types, names)
        x, W = in_types[0], in_types[1]
        expect(x.ndim == 2, W.ndim == 2)
        expect(x.shape[1] == W.shape[1], W.dtype == x.dtype)
        if len(in_types) == 3:
            expect(in_types[2].ndim == 1, in_types[2].shape[0] == W.shape[0], in_types[2].dtype == x.dtype)

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, W = inputs[:2]
        xp = self.backend.xp
        self.retain_inputs((0, 1))
        self.scaled = self._scaled_mask(x.shape[0], W)
        dropped = W * self.scaled
        if dropped.ndim == 3:
            y = xp.matmul(dropped, x[:, :, None])[:, :, 0]
        else:
            y = xp.matmul(x, xp.matrix_transpose(dropped))
        return (y + inputs[2] if len(inputs) == 3 else y,)

    def _scaled_mask(self, batch: int, W: Any) -> Any:
        """Return the mask over 1 − ratio, in W's dtype, and leave the mask itself as an attribute."""
        shapes = ((batch, *W.shape), W.shape)
        if self.mask is None:
            drawn = draw_uniform(self, shapes[0] if self.use_batchwise_mask else shapes[1])
            ones = self.backend.xp.ones_like(W)
            scaled, _ = kernels.dropout(self.backend, ones, drawn, self.ratio)
            self.mask = drawn >= self.ratio
            return scaled
        if self.mask.shape not in shapes:
            raise InvalidType(f"mask of shape {shapes[0]} or {shapes[1]}", f"{self.mask.shape}")
        return self.backend.xp.astype(self.mask, W.dtype, copy=False) * (1 / (1 - self.ratio))

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (x, W), (gy,) = self.get_retained_inputs(), grad_outputs
        mask = constant(self.scaled, self.device)
        each_row = mask.ndim == 3

        def grad_input() -> Variable:
            return (gy[:, None] @ (W * mask))[:, 0] if each_row else gy @ (W * mask)

        def grad_weight() -> Variable:
            return (gy[:, :, None] * x[:, None] * mask).sum(axis=0) if each_row else transpose(gy) @ x * mask

        made: dict[int, Callable[[], Variable]] = {0: grad_input, 1: grad_weight, 2: lambda: gy.sum(axis=0)}
        return tuple([made[index]() for index in indexes])


def simplified_dropconnect(
    x: VariableLike,
    W: VariableLike,
    b: VariableLike = None,
    ratio: float = 0.5,
    train: bool = True,
    mask: VariableLike = None,
    use_batchwise_mask: bool = True,
) -> Variable:
    """Apply an affine map with random weights left out.

    y = x (W ∘ m / (1 − ratio))ᵀ + b; an element of the mask m is 0 with probability ``ratio``, else 1.

    Args:
        x: (N, …): axes after the first are flattened, to I numbers.
        W: (O, I).
        b: (O,), or None.
        ratio: How much to drop, from 0 to below 1.
        train: False: the plain affine map. ``config.train`` is not asked.
        mask: m, instead of a drawn one: (N, O, I) or (O, I), of numbers or bool.
        use_batchwise_mask: Draw a mask for each row of ``x``, which takes N times the memory; else one for all.

    Returns:
        (N, O), in ``x``'s dtype.

    Raises:
        InvalidType: Sizes that do not fit, two dtypes, or something that is not floating.
        ValueError: ``ratio`` out of range.

    Source: Wan, Zeiler, Zhang, LeCun, Fergus, Regularization of Neural Networks using DropConnect, ICML 2013.

    >>> x, W = np.ones((1, 4)), np.ones((2, 4))
    >>> simplified_dropconnect(x, W, mask=np.asarray([[1, 1, 0, 0], [1, 1, 1, 0]])).array
    array([[4., 6.]])
    """
    if not train:
        return linear(x, W, b)
    x = as_variable(x)
    if x.ndim > 2:
        x = x.reshape(x.shape[0], math.prod(x.shape[1:]))
    parameters = (W,) if b is None else (W, b)
    return SimplifiedDropconnect(ratio, as_array(mask), use_batchwise_mask).apply((x, *parameters))[0]
