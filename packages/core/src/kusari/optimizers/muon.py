"""Muon: momentum made orthogonal, for matrices and filters; Adam for the rest."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from kusari.kernels import matrix_update
from kusari.optimizer import GradientMethod, HyperparameterProxy, UpdateRule
from kusari.optimizer_hooks.common import kernels_of
from kusari.optimizers.adam import AdamRule

if TYPE_CHECKING:
    from kusari.autograd.parameter import Parameter
    from kusari.autograd.variable import Variable
    from kusari.model import Link


class MuonRule(UpdateRule):
    """v ← μv + g, p ← p − η(α √max(1, M/N) orthogonalized(g + μv) + λp), for a parameter (M, …)."""

    defaults = MappingProxyType({"lr": 0.02, "momentum": 0.95, "steps": 5, "eta": 1.0, "weight_decay_rate": 0})
    state_names = ("v",)

    def update_core(self, param: Variable) -> None:
        """Update a matrix, or a filter as the matrix of its rows; an empty one stays as it is."""
        if param.array is None or param.grad is None or param.array.size == 0:
            return
        h = self.hyperparam
        p, g, v = self.columns(param)
        steps = int(h.steps)  # a snapshot has it as a float
        new = matrix_update.muon(kernels_of(param), p, g, v, h.lr, h.momentum, steps, h.eta, h.weight_decay_rate)
        self.store(param, new)


class Muon(GradientMethod):
    """Move matrices by the orthogonal matrix next to their mean gradient, and everything else by `Adam`.

    v ← μv + g, p ← p − η(α √max(1, M/N) UVᵀ + λp), where U Σ Vᵀ = g + μv, and UVᵀ comes from a few steps of a
    Newton–Schulz iteration. Filters (O, I, …) are taken for matrices of O rows.

    A parameter of fewer than two axes, and one that `is_matrix` says is none, has Adam's rule. Papers also give it the
    tables of embeddings and the last layer: override `is_matrix`.

    Args:
        lr: The learning rate α of matrices.
        momentum: How much of the last step is kept, μ.
        steps: Of the iteration.
        alpha: The step size of Adam's rule.
        beta1: β₁ of Adam's rule.
        beta2: β₂ of Adam's rule.
        eps: ε of Adam's rule.
        eta: A factor for schedules, η: it acts on both rules.
        weight_decay_rate: The weight decay λ of both, decoupled from the gradient.

    Source: Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks".

    >>> W = kusari.Parameter(np.asarray([[3.0, 0.0], [0.0, 0.5]]))
    >>> model = kusari.Link()
    >>> with model.init_scope():
    ...     model.W = W
    >>> optimizer = Muon(lr=0.1).setup(model)
    >>> optimizer.update(lambda: F.sum(W * W))
    >>> W.array.round(1)  # both by about 0.1, however different the gradients are
    array([[2.9, 0. ],
           [0. , 0.4]])
    """

    lr = HyperparameterProxy("lr")
    momentum = HyperparameterProxy("momentum")
    steps = HyperparameterProxy("steps")
    alpha = HyperparameterProxy("alpha")
    beta1 = HyperparameterProxy("beta1")
    beta2 = HyperparameterProxy("beta2")
    eps = HyperparameterProxy("eps")
    eta = HyperparameterProxy("eta")
    weight_decay_rate = HyperparameterProxy("weight_decay_rate")

    def __init__(
        self,
        lr: float = MuonRule.defaults["lr"],
        momentum: float = MuonRule.defaults["momentum"],
        steps: int = MuonRule.defaults["steps"],
        alpha: float = AdamRule.defaults["alpha"],
        beta1: float = AdamRule.defaults["beta1"],
        beta2: float = AdamRule.defaults["beta2"],
        eps: float = AdamRule.defaults["eps"],
        eta: float = MuonRule.defaults["eta"],
        weight_decay_rate: float = MuonRule.defaults["weight_decay_rate"],
    ) -> None:
        super().__init__()
        vars(self.hyperparam).update(AdamRule.defaults)
        self.hyperparam.lr = lr
        self.hyperparam.momentum = momentum
        self.hyperparam.steps = steps
        self.hyperparam.alpha = alpha
        self.hyperparam.beta1 = beta1
        self.hyperparam.beta2 = beta2
        self.hyperparam.eps = eps
        self.hyperparam.eta = eta
        self.hyperparam.weight_decay_rate = weight_decay_rate

    def is_matrix(self, path: str, param: Parameter) -> bool:
        """Tell whether a parameter is updated as a matrix. Default: it has two axes or more.

        Args:
            path: Its path in the link: ``/l1/W``.
            param: The parameter; its shape is known.
        """
        return param.ndim >= 2

    def setup(self, link: Link) -> Self:
        """Take a link to train, and give each of its parameters one of the two rules.

        Raises:
            ValueError: A parameter has no shape yet.
        """
        for path, param in link.namedparams():
            if param.array is None:
                raise ValueError(
                    f"Muon.setup(): the parameter {path} has no shape yet, which decides its rule; call the link once "
                    "on a batch first"
                )
        super().setup(link)
        for path, param in link.namedparams():
            if not self.is_matrix(path, param):
                rule = param.update_rule = AdamRule(self.hyperparam)
                rule.use_fp32_update(self._use_fp32_update)
        return self

    def create_update_rule(self) -> UpdateRule:
        return MuonRule(self.hyperparam)
