"""Cross entropy of independent sigmoids."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.shaping import broadcast_to
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.functions.activation.sigmoid import sigmoid
from kusari.functions.array.where import where
from kusari.functions.loss.labels import refuse_out_of_range
from kusari.functions.loss.reduction import check_reduce
from kusari.kernels import loss as kernels
from kusari.kernels.reduction import total


class SigmoidCrossEntropy(FunctionNode):
    """−t log σ(x) − (1 − t) log(1 − σ(x)), where t is not −1; the derivative is σ(x) − t."""

    def __init__(self, normalize: bool, reduce: str) -> None:
        self.normalize = normalize
        self.reduce = reduce

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 2)
        x, t = in_types
        expect_floating((x,), names=("x",))
        expect(t.dtype.kind == "i")
        expect(x.shape == t.shape)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        (x, t), xp = inputs, self.backend.xp
        if current_state().debug:
            refuse_out_of_range("sigmoid_cross_entropy(): labels", self.backend, t, 2, ignore=-1)
        self.retain_inputs((0,))
        self.t = xp.astype(t, x.dtype)
        self.scale = self._scale(x, t != -1)
        loss = kernels.sigmoid_cross_entropy(self.backend, x, self.t)
        return (loss if self.reduce == "no" else total(self.backend, loss * self.scale),)

    def _scale(self, x: Any, counted: Any) -> Any:
        """Return what each value is multiplied by: 0 where t is −1."""
        xp = self.backend.xp
        if self.reduce == "no":
            return xp.astype(counted, x.dtype)
        # Counted in 32 bits at least: float16 ends at 65504, and bfloat16 counts to 256.
        wide = xp.astype(counted, xp.float32 if self.backend.host_dtype(x.dtype).itemsize < 4 else x.dtype)
        count = xp.maximum(xp.sum(wide), 1) if self.normalize else max(x.shape[0] if x.ndim else 1, 1)
        return xp.astype(wide / count, x.dtype)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        if 0 not in indexes:
            return (None,) * len(indexes)
        (x,) = self.get_retained_inputs()
        xp = self.backend.xp
        # 0 times the NaN of a value that does not count would be NaN.
        x = where(constant(self.t != -1, self.device), x, constant(xp.zeros_like(x.array), self.device))
        error = sigmoid(x) - constant(self.t, self.device)
        gx = error * constant(self.scale, self.device) * broadcast_to(grad_outputs[0], x.shape)
        return tuple([None if index else gx for index in indexes])


def sigmoid_cross_entropy(x: VariableLike, t: VariableLike, normalize: bool = True, reduce: str = "mean") -> Variable:
    """Compute the cross entropy between labels and the sigmoids of scores.

    −t log σ(x) − (1 − t) log(1 − σ(x)), where t is 0 or 1.

    Args:
        x: Any shape, floating: scores.
        t: The same shape, integers: 0, 1, or −1 for what does not count.
        normalize: The mean is over the labels that count; else the sum is divided by N, the first axis' length.
        reduce: ``mean``, or ``no`` for one loss per label.

    Returns:
        0-d, or ``x``'s shape for ``reduce="no"``; ``x``'s dtype.

    Raises:
        ValueError: Another ``reduce``; in debug mode, another label.
        InvalidType: Dtypes or shapes that do not fit.

    >>> sigmoid_cross_entropy(np.asarray([0.0, 2.0, 5.0]), np.asarray([1, 0, -1]), reduce="no").array.round(4)
    array([0.6931, 2.1269, 0.    ])
    """
    check_reduce("sigmoid_cross_entropy", reduce, ("mean", "no"))
    return SigmoidCrossEntropy(normalize, reduce).apply((x, t))[0]
