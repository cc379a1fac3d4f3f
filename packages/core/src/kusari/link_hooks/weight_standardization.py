"""WeightStandardization: every filter of a weight with mean 0 and variance 1."""

from __future__ import annotations

from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import Variable
from kusari.link_hooks.replaced_weight import ReplacedWeight
from kusari.model.link import Link


class WeightStandardization(ReplacedWeight):
    """Let a link use its weight standardized over each filter.

    Ŵᵢ = (Wᵢ − mean(Wᵢ)) / √(var(Wᵢ) + ε), with Wᵢ along axis 0; gradients flow back to W.

    Args:
        eps: ε.
        weight_name: The parameter's name.
        name: The hook's.

    Raises:
        NotImplementedError: Entered by ``with``: it is for single links.
        ValueError: Added to a link without such a parameter.

    Source: Qiao, Wang, Liu, Shen, Yuille, 2019, arXiv:1903.10520.

    >>> layer = L.Convolution2D(3, 5, 3).add_hook(WeightStandardization())
    >>> np.allclose(layer(np.ones((1, 3, 4, 4), "f")).array, 0, atol=1e-5)
    True
    """

    name = "WeightStandardization"

    def __init__(self, *, eps: float = 1e-5, weight_name: str = "W", name: str | None = None) -> None:
        super().__init__(weight_name, name)
        self.eps = eps

    def replacement(self, link: Link, weight: Parameter) -> Variable:
        axes = tuple(range(1, weight.ndim))
        if not axes:
            raise ValueError(f"{self.name}: {self.weight_name!r} has shape {weight.shape}; expected two axes or more")
        centred = weight - weight.mean(axes, keepdims=True)
        variance = (centred * centred).mean(axes, keepdims=True)
        made: Variable = centred / (variance + self.eps) ** 0.5
        return made
