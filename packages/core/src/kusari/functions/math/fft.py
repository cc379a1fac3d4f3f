"""Discrete Fourier transform of a pair of real arrays."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, type_check
from kusari.autograd.operands import keep_dtype
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.math.wide import widened
from kusari.kernels import fourier as kernels


class FFT(FunctionNode):
    """y = F x along the last axis, of n numbers, or F⁻¹ x; the gradient takes the adjoint: n F⁻¹, or F / n."""

    def __init__(self, inverse: bool, adjoint: bool = False) -> None:
        self.inverse = inverse
        self.adjoint = adjoint

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("real", "imag"))
        real, imag = in_types
        type_check.expect(real.ndim > 0, real.shape == imag.shape, real.dtype == imag.dtype)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any, Any]:
        real, imag = (widened(self.backend, x) for x in inputs)
        transform = kernels.fourier_adjoint if self.adjoint else kernels.fourier
        real, imag = transform(self.backend, real, imag, self.inverse)
        return keep_dtype(self, real, inputs[0]), keep_dtype(self, imag, inputs[0])

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, Variable | None]
    ) -> tuple[Variable, ...]:
        present = next(gy for gy in grad_outputs if gy is not None)
        real, imag = (
            constant(self.backend.xp.zeros_like(present.array), self.device) if gy is None else gy
            for gy in grad_outputs
        )
        made = FFT(self.inverse, not self.adjoint).apply((real, imag))
        return tuple([made[index] for index in indexes])


def fft(x: tuple[VariableLike, VariableLike]) -> tuple[Variable, Variable]:
    """Transform along the last axis.

    y[k] = Σ x[j] e^(−2πi jk / n).

    Args:
        x: The real and the imaginary part, of one shape and dtype, floating; 16-bit types are computed in float32.

    Returns:
        The real and the imaginary part of y.

    Raises:
        InvalidType: Not floating, 0-d, or shapes or dtypes that differ.
        ValueError: Not a pair.

    >>> real, imag = fft((np.asarray([1.0, 0.0, 0.0]), np.zeros(3)))
    >>> real.array, imag.array
    (array([1., 1., 1.]), array([0., 0., 0.]))
    """
    real, imag = x
    return FFT(inverse=False).apply((real, imag))  # type: ignore[return-value]


def ifft(x: tuple[VariableLike, VariableLike]) -> tuple[Variable, Variable]:
    """Transform back along the last axis.

    y[k] = Σ x[j] e^(2πi jk / n) / n.

    Arguments, result and errors are those of `fft`.

    >>> real, imag = ifft((np.ones(3), np.zeros(3)))
    >>> real.array.round(6)
    array([1., 0., 0.])
    """
    real, imag = x
    return FFT(inverse=True).apply((real, imag))  # type: ignore[return-value]
