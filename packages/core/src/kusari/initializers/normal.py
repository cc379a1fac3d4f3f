"""Normal distributions, their width by the fans."""

from __future__ import annotations

import math
from typing import Any

from kusari.backend import host_generator
from kusari.dtypes import DTypeLike
from kusari.initializers.fans import get_fans
from kusari.initializers.initializer import HostArray, Initializer, refuse_unknown


class Normal(Initializer):
    """Draw from N(0, scale²).

    Args:
        scale: The standard deviation.
        dtype: What the array is to have; None: ``config.dtype``.
        **kwargs: ``rng``: where to draw from, an object with NumPy's ``normal``; None: the stream that `kusari.seed`
            seeds.

    >>> generator = np.random.default_rng(0)
    >>> kusari.initializers.generate_array(Normal(0.1, rng=generator), (3,), np).round(4)
    array([ 0.0126, -0.0132,  0.064 ], dtype=float32)
    """

    def __init__(self, scale: float = 0.05, dtype: DTypeLike = None, **kwargs: Any) -> None:
        super().__init__(dtype)
        self.scale = scale
        self.rng = kwargs.pop("rng", None)
        refuse_unknown(self, kwargs, "rng")

    def __call__(self, array: HostArray) -> None:
        self.check_dtype(array)
        rng = host_generator() if self.rng is None else self.rng
        array[...] = rng.normal(0.0, self.deviation(array.shape), array.shape)

    def deviation(self, shape: tuple[int, ...]) -> float:
        """Return the standard deviation for a weight of ``shape``."""
        return self.scale


class _ByFans(Normal):
    def __init__(self, scale: float = 1.0, dtype: DTypeLike = None, **kwargs: Any) -> None:
        super().__init__(scale, dtype, **kwargs)


class LeCunNormal(_ByFans):
    """Draw from N(0, σ²), σ = scale · √(1 / fan_in): the default of every layer.

    Args:
        scale: 1 keeps the variance of the layer's inputs in its outputs.
        dtype: What the array is to have; None: ``config.dtype``.
        **kwargs: ``rng``, as in `Normal`.

    Source: LeCun, Bottou, Orr, Müller, 1998, Efficient BackProp, §4.6.

    >>> LeCunNormal().deviation((16, 100))
    0.1
    """

    def deviation(self, shape: tuple[int, ...]) -> float:
        """Return scale · √(1 / fan_in)."""
        return root(self.scale, 1, get_fans(shape)[0])


class GlorotNormal(_ByFans):
    """Draw from N(0, σ²), σ = scale · √(2 / (fan_in + fan_out)).

    Args:
        scale: 1 is a compromise between keeping the variance of inputs and that of gradients.
        dtype: What the array is to have; None: ``config.dtype``.
        **kwargs: ``rng``, as in `Normal`.

    Source: Glorot, Bengio, 2010, Understanding the difficulty of training deep feedforward neural networks.

    >>> GlorotNormal().deviation((100, 100))
    0.1
    """

    def deviation(self, shape: tuple[int, ...]) -> float:
        """Return scale · √(2 / (fan_in + fan_out))."""
        return root(self.scale, 2, sum(get_fans(shape)))


class HeNormal(_ByFans):
    """Draw from N(0, σ²), σ = scale · √(2 / fan): for layers before a ReLU, which halves the variance.

    Args:
        scale: 1 keeps the variance from layer to layer.
        dtype: What the array is to have; None: ``config.dtype``.
        fan_option: ``fan_in`` keeps the variance of outputs, ``fan_out`` that of gradients.
        **kwargs: ``rng``, as in `Normal`.

    Raises:
        ValueError: Another ``fan_option``.

    Source: He, Zhang, Ren, Sun, 2015, arXiv:1502.01852.

    >>> HeNormal().deviation((16, 200)), HeNormal(fan_option="fan_out").deviation((50, 7))
    (0.1, 0.2)
    """

    def __init__(self, scale: float = 1.0, dtype: DTypeLike = None, fan_option: str = "fan_in", **kwargs: Any) -> None:
        super().__init__(scale, dtype, **kwargs)
        if fan_option not in ("fan_in", "fan_out"):
            raise ValueError(f"HeNormal(fan_option={fan_option!r}): expected 'fan_in' or 'fan_out'")
        self.fan_option = fan_option

    def deviation(self, shape: tuple[int, ...]) -> float:
        """Return scale · √(2 / fan)."""
        fan_in, fan_out = get_fans(shape)
        return root(self.scale, 2, fan_in if self.fan_option == "fan_in" else fan_out)


def root(scale: float, numerator: float, fan: int) -> float:
    """Return scale · √(numerator / fan); 0 for a fan of 0, where there is nothing to draw."""
    return scale * math.sqrt(numerator / fan) if fan else 0.0
