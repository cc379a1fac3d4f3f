"""Sampling from a categorical distribution, differentiably."""

from __future__ import annotations

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike, constant
from kusari.backend import random_source
from kusari.dtypes import host_dtype, is_floating
from kusari.errors import InvalidType
from kusari.functions.activation.softmax import softmax
from kusari.kernels import noise as kernels


def gumbel_softmax(log_pi: VariableLike, tau: float = 0.1, axis: int = 1) -> Variable:
    """Sample from categorical distributions, softened so that gradients flow to the probabilities.

    y = softmax((log π + g) / τ), with g from the standard Gumbel distribution; for small τ, nearly one-hot.

    Args:
        log_pi: Logarithms of probabilities, or scores up to a constant; any shape with ``axis``, floating. A 0-d one
            is a distribution of one outcome: the result is 1.
        tau: The temperature τ; not 0.
        axis: Along which the distributions lie.

    Returns:
        Same shape and dtype as ``log_pi``; sums to 1 along ``axis``.

    Raises:
        InvalidType: ``log_pi`` is not floating, or has no such axis.
        ValueError: ``tau`` is 0.

    Source: Jang, Gu, Poole, 2017, arXiv:1611.01144; Maddison, Mnih, Teh, 2017, arXiv:1611.00712.

    >>> y = gumbel_softmax(np.log(np.asarray([[0.2, 0.3, 0.5]])))
    >>> y.array.sum(axis=1).round(6)
    array([1.])
    """
    if tau == 0:
        raise ValueError("gumbel_softmax(tau=0): expected a number other than 0; the scores are divided by it")
    log_pi = as_variable(log_pi)
    if not is_floating(log_pi.dtype):
        raise InvalidType("log_pi.dtype is floating", f"{log_pi.dtype}")
    device, xp = log_pi.device, log_pi.xp
    if log_pi.ndim == 0:
        return constant(xp.ones_like(log_pi.array), device)
    # 16-bit steps next to 1 are too coarse for the logarithm of a logarithm.
    drawn_in = log_pi.dtype if log_pi.dtype.itemsize > 4 else host_dtype("float32")
    drawn = random_source(device.backend).uniform(log_pi.shape, drawn_in, index=device.index)
    g = xp.astype(kernels.gumbel(device.backend, drawn), log_pi.array.dtype)
    return softmax((log_pi + constant(g, device)) / tau, axis=axis)
