"""Uniform distributions around zero, their width by the fans."""

from __future__ import annotations

from typing import Any

from kusari.backend import host_generator
from kusari.dtypes import DTypeLike
from kusari.initializers.fans import get_fans
from kusari.initializers.initializer import HostArray, Initializer, refuse_unknown
from kusari.initializers.normal import root


class Uniform(Initializer):
    """Draw evenly from [−scale, scale).

    Args:
        scale: The bound; the standard deviation is scale / √3.
        dtype: What the array is to have; None: ``config.dtype``.
        **kwargs: ``rng``: where to draw from, an object with NumPy's ``uniform``; None: the stream that `kusari.seed`
            seeds.

    >>> generator = np.random.default_rng(0)
    >>> kusari.initializers.generate_array(Uniform(0.1, rng=generator), (3,), np).round(4)
    array([ 0.0274, -0.046 , -0.0918], dtype=float32)
    """

    def __init__(self, scale: float = 0.05, dtype: DTypeLike = None, **kwargs: Any) -> None:
        super().__init__(dtype)
        self.scale = scale
        self.rng = kwargs.pop("rng", None)
        refuse_unknown(self, kwargs, "rng")

    def __call__(self, array: HostArray) -> None:
        self.check_dtype(array)
        rng = host_generator() if self.rng is None else self.rng
        bound = self.bound(array.shape)
        array[...] = rng.uniform(-bound, bound, array.shape)

    def bound(self, shape: tuple[int, ...]) -> float:
        """Return the largest magnitude for a weight of ``shape``."""
        return self.scale


class _ByFans(Uniform):
    def __init__(self, scale: float = 1.0, dtype: DTypeLike = None, **kwargs: Any) -> None:
        super().__init__(scale, dtype, **kwargs)


class LeCunUniform(_ByFans):
    """Draw evenly from [−s, s), s = scale · √(3 / fan_in): variance scale² / fan_in.

    Args:
        scale: 1 keeps the variance of the layer's inputs in its outputs.
        dtype: What the array is to have; None: ``config.dtype``.
        **kwargs: ``rng``, as in `Uniform`.

    Source: LeCun, Bottou, Orr, Müller, 1998, Efficient BackProp, §4.6.

    >>> LeCunUniform().bound((16, 300))
    0.1
    """

    def bound(self, shape: tuple[int, ...]) -> float:
        """Return scale · √(3 / fan_in)."""
        return root(self.scale, 3, get_fans(shape)[0])


class GlorotUniform(_ByFans):
    """Draw evenly from [−s, s), s = scale · √(6 / (fan_in + fan_out)): variance 2 scale² / (fan_in + fan_out).

    Args:
        scale: 1 is a compromise between keeping the variance of inputs and that of gradients.
        dtype: What the array is to have; None: ``config.dtype``.
        **kwargs: ``rng``, as in `Uniform`.

    Source: Glorot, Bengio, 2010, Understanding the difficulty of training deep feedforward neural networks.

    >>> GlorotUniform().bound((300, 300))
    0.1
    """

    def bound(self, shape: tuple[int, ...]) -> float:
        """Return scale · √(6 / (fan_in + fan_out))."""
        return root(self.scale, 6, sum(get_fans(shape)))


class HeUniform(_ByFans):
    """Draw evenly from [−s, s), s = scale · √(6 / fan_in): variance 2 scale² / fan_in, for layers before a ReLU.

    Args:
        scale: 1 keeps the variance from layer to layer.
        dtype: What the array is to have; None: ``config.dtype``.
        **kwargs: ``rng``, as in `Uniform`.

    Source: He, Zhang, Ren, Sun, 2015, arXiv:1502.01852.

    >>> HeUniform().bound((16, 600))
    0.1
    """

    def bound(self, shape: tuple[int, ...]) -> float:
        """Return scale · √(6 / fan_in)."""
        return root(self.scale, 6, get_fans(shape)[0])
