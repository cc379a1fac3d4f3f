"""SpectralNormalization: a weight divided by its largest singular value."""

from __future__ import annotations

from typing import Any, Final

from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import Variable, as_variable, constant
from kusari.backend import Backend
from kusari.configuration import config
from kusari.functions.util.forget import as_in_first_run
from kusari.initializers import Normal
from kusari.initializers.generate import fill
from kusari.link_hooks.replaced_weight import ReplacedWeight, rows
from kusari.model.link import Link

GAMMA: Final = "gamma"
STEPS_TO_START: Final = 300
"""Of the power iteration that γ starts from: σ is then right to 3e-4, however close the next singular value is."""


class SpectralNormalization(ReplacedWeight):
    """Let a link use its weight divided by the weight's largest singular value.

    W̄ = factor γ W / σ, σ = uᵀ W v, where u and v follow the leading singular vectors by power iteration:
    v ← Wᵀu / (‖Wᵀu‖ + ε), u ← Wv / (‖Wv‖ + ε). W counts as a matrix with one row for each output. Gradients flow
    back to W, through σ too.

    u is saved with the link as ``<weight_name>_u``, and γ is its parameter ``gamma``. Both are made when the hook is
    added, or where the weight has no data yet, in the first call: run the link once before ``optimizer.setup`` and
    before loading a file. u moves on in training only, and not while a function is computed again.

    Args:
        n_power_iteration: Steps of the power iteration in each call.
        eps: ε.
        use_gamma: Have γ, which starts as the weight's largest singular value; without it γ = 1.
        factor: A fixed multiplier; None: 1.
        weight_name: The parameter's name.
        name: The hook's.

    Raises:
        AssertionError: ``n_power_iteration`` is not positive.
        NotImplementedError: Entered by ``with``: it is for single links.
        ValueError: Added to a link without such a parameter.

    Source: Miyato, Kataoka, Koyama, Yoshida, 2018, arXiv:1802.05957.

    >>> layer = L.Linear(3, 2, nobias=True, initialW=np.diag([4.0, 2.0, 1.0])[:2])
    >>> y = layer.add_hook(SpectralNormalization(n_power_iteration=20))(np.ones((1, 3), "f"))
    >>> y.array.round(3)
    array([[1. , 0.5]], dtype=float32)
    """

    name = "SpectralNormalization"

    def __init__(
        self,
        n_power_iteration: int = 1,
        eps: float = 1e-6,
        use_gamma: bool = False,
        factor: float | None = None,
        weight_name: str = "W",
        name: str | None = None,
    ) -> None:
        if not n_power_iteration > 0:
            raise AssertionError(f"SpectralNormalization(n_power_iteration={n_power_iteration}): expected 1 or more")
        super().__init__(weight_name, name)
        self.n_power_iteration = n_power_iteration
        self.eps = eps
        self.use_gamma = use_gamma
        self.factor = factor
        self.vector_name = f"{weight_name}_u"

    def added(self, link: Link | None) -> None:
        super().added(link)
        assert link is not None
        weight = getattr(link, self.weight_name)
        if weight.array is not None:
            self._prepare(link, weight)

    def deleted(self, link: Link | None) -> None:
        """Take u, and γ if there is one, away from the link."""
        for name in (self.vector_name, *([GAMMA] if self.use_gamma else [])):
            if link is not None and name in vars(link):
                delattr(link, name)

    def _prepare(self, link: Link, weight: Parameter) -> None:
        """Give the link u and γ."""
        matrix, device = rows(link, as_variable(weight.array)).array, weight.device
        drawn = fill(Normal(1.0, dtype=weight.dtype), (matrix.shape[0],))
        vector = device.backend.from_host(drawn, device.index)
        link.add_persistent(self.vector_name, vector)
        if self.use_gamma:
            with link.init_scope():
                setattr(link, GAMMA, Parameter(self._largest_singular_value(device.backend, matrix, vector)))

    def replacement(self, link: Link, weight: Parameter) -> Variable:
        if not hasattr(link, self.vector_name):
            self._prepare(link, weight)
        matrix, device = rows(link, weight), weight.device
        (start,) = as_in_first_run((getattr(link, self.vector_name),))
        u, v = self._iterate(device.backend, matrix.array, start, self.n_power_iteration)
        if config.train and not config.in_recomputing:
            setattr(link, self.vector_name, u)
        normal: Variable = weight / (constant(u, device) @ matrix @ constant(v, device))
        if self.factor is not None:
            normal = normal * self.factor
        return normal * getattr(link, GAMMA) if self.use_gamma else normal

    def _largest_singular_value(self, backend: Backend, matrix: Any, u: Any) -> Any:
        u, v = self._iterate(backend, matrix, u, STEPS_TO_START)
        return backend.as_array(backend.xp.sum(u * backend.xp.matmul(matrix, v)), matrix)

    def _iterate(self, backend: Backend, matrix: Any, u: Any, steps: int) -> tuple[Any, Any]:
        """Return u and v some steps on; steps of 16-bit weights run in float32."""
        xp, dtype = backend.xp, u.dtype
        matrix, u = _wide(backend, matrix), _wide(backend, u)
        for _ in range(steps):
            v = self._unit(xp, xp.matmul(xp.matrix_transpose(matrix), u))
            u = self._unit(xp, xp.matmul(matrix, v))
        return xp.astype(u, dtype, copy=False), xp.astype(v, dtype, copy=False)

    def _unit(self, xp: Any, vector: Any) -> Any:
        return vector / (xp.sqrt(xp.sum(vector * vector)) + self.eps)


def _wide(backend: Backend, array: Any) -> Any:
    if backend.host_dtype(array.dtype).itemsize > 2:
        return array
    return backend.xp.astype(array, backend.native_dtype("float32"))
