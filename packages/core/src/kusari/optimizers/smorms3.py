"""SMORMS3."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kusari.kernels import update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule

if TYPE_CHECKING:
    from kusari.autograd import Variable
    from kusari.backend import Kernel


class SMORMS3Rule(UpdateRule):
    """p ← p − g min(η, x) / (√s + ε), with x = ḡ² / (s + ε) over a window of 1/r steps."""

    defaults = MappingProxyType({"lr": 0.001, "eps": 1e-16})
    state_names = ("mem", "g", "g2")

    def init_state(self, param: Variable) -> None:
        super().init_state(param)
        assert self.state is not None
        self.state["mem"] = param.xp.ones_like(param.array)

    def kernel(self) -> Kernel[..., tuple[Any, ...]]:
        return update.smorms3

    def scalars(self) -> tuple[float, ...]:
        h = self.hyperparam
        return h.lr, h.eps


class SMORMS3(GradientMethod):
    """Divide each step by the root mean square of gradients, over a window that signal and noise set.

    r = 1 / (m + 1), ḡ ← (1 − r)ḡ + rg, s ← (1 − r)s + rg², x = ḡ² / (s + ε), m ← 1 + m(1 − x),
    p ← p − g min(η, x) / (√s + ε); m starts at 1.

    Args:
        lr: The largest learning rate, η.
        eps: Keeps the divisors from 0, ε.

    Source: Funk, 2015, https://sifter.org/~simon/journal/20150420.html.

    >>> x = kusari.Parameter(np.asarray([1.0, 2.0]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.x = x
    >>> optimizer = SMORMS3(lr=0.5).setup(model)
    >>> optimizer.update(lambda: F.sum(x * x))
    >>> x.array.round(3)
    array([0.293, 1.293])
    """

    lr = HyperparameterProxy("lr")
    eps = HyperparameterProxy("eps")

    def __init__(self, lr: float = SMORMS3Rule.defaults["lr"], eps: float = SMORMS3Rule.defaults["eps"]) -> None:
        super().__init__()
        self.hyperparam.lr = lr
        self.hyperparam.eps = eps

    def create_update_rule(self) -> UpdateRule:
        return SMORMS3Rule(self.hyperparam)
